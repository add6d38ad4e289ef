package policy_test

import (
	"net/netip"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"siprecd/policy"
)

func TestNormalize(t *testing.T) {
	for _, c := range []struct{ aor, want string }{
		{"2001", "2001"},
		{"sip:2001@pbx.example", "2001"},
		{"SIPS:Alice@a.example;transport=tls", "alice"},
		{"sip: 777 @host", "777"},
		{"sip:2001", "2001"},
		{"sip:pbx.example", ""},
		{"sip:pbx.example:5060;lr", ""},
		{"sip:192.0.2.1", ""},
		{"192.0.2.1", ""},
		{"sip:[2001:db8::1]", ""},
		{"sip:@sbc.example", ""},
		{"", ""},
		{"sip:", ""},
		{"tel:", ""},
		{"tel:+82-31-8036-2001", "03180362001"},
		{"tel:+82(0)31 8036 2001", "03180362001"},
		{"tel:031-8036-2000;ext=2001", "2001"},
		{"sip:+82318036200;ext=2-0-01@gw.example;user=phone", "2001"},
		{"tel:2001;phone-context=+8231", "2001"},
		{"tel:2001;phone-context=pbx.example", "2001"},
		{"sip:+14155550101@gw.example;user=phone", "+14155550101"},
		{"+82", "+82"},
		{`"Kim, 2002" <sip:2001@pbx.example>;tag=a`, "2001"},
		{"sip:%32001@pbx.example", "2001"},
		{"sip:john.doe@a.example", "john.doe"},
		{"john.doe", "john.doe"},
		{"sip:2001:secret@pbx.example", "2001"},
		{"sip:*97@pbx.example", "*97"},
		{"sip:Anonymous@anonymous.invalid", "anonymous"},
		{"sip:김철수@pbx.example", "김철수"},
		{"２００１", "2001"},
		{"sip:001016666000001@ims.example;user=phone;sescase=term", "001016666000001"},
	} {
		if got := policy.Normalize(c.aor, "82"); got != c.want {
			t.Errorf("Normalize(%q) = %q, want %q", c.aor, got, c.want)
		}
	}
	if got := policy.Normalize("+82318036200", ""); got != "+82318036200" {
		t.Errorf("without a country code: %q", got)
	}
}

// A number in any dress is the same number, and normalising twice changes nothing.
func TestNormalizeIgnoresDress(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		number := rapid.StringMatching(`0[1-9][0-9]{2,11}`).Draw(t, "number")
		dressed := ""
		for i, c := range number {
			if i > 0 {
				dressed += rapid.SampledFrom([]string{"", "", "-", " ", ".", "("}).Draw(t, "separator")
			}
			dressed += string(c)
		}
		if _, err := netip.ParseAddr(dressed); err == nil {
			t.Skip("a machine's address, whatever else it looks like")
		}
		for _, aor := range []string{
			dressed, "tel:" + dressed, "sip:" + dressed + "@h.example;user=phone",
			"tel:+82" + number[1:], "<sips:+82" + number[1:] + ";npdi@h>;x=1", "tel:+82-0" + number[1:],
		} {
			if got := policy.Normalize(aor, "82"); got != number {
				t.Fatalf("Normalize(%q) = %q, want %q", aor, got, number)
			}
		}
	})
}

func FuzzNormalize(f *testing.F) {
	f.Add("sip:+82-31@x;ext=1", "82")
	f.Add("<<<sip:;;@@%zz", "")
	f.Fuzz(func(t *testing.T, aor, countryCode string) {
		number := policy.Normalize(aor, countryCode)
		if number != strings.TrimSpace(strings.ToLower(number)) {
			t.Errorf("%q is compared as %q", aor, number)
		}
		if number == "" || !utf8.ValidString(aor) || !utf8.ValidString(countryCode) {
			return // nobody, or nothing that a line can say
		}
		// A line names what it is written as, and what a call was listed under.
		for _, line := range []string{aor, number} {
			if strings.ContainsAny(line, "-*＊－") || policy.CheckPattern(line, countryCode) != nil {
				continue
			}
			rules, _, err := policy.New(policy.Site{CountryCode: countryCode}, []policy.Rule{{Pattern: line, Mode: policy.Full}})
			if err != nil {
				t.Fatalf("%q passes the check and not New: %v", line, err)
			}
			if rules.Match(aor).Mode != policy.Full {
				t.Errorf("the line %q does not name %q, compared as %q", line, aor, number)
			}
		}
	})
}

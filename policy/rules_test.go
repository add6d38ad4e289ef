package policy_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"siprecd/policy"
)

func rule(line int, pattern string, mode policy.Mode) policy.Rule {
	return policy.Rule{Pattern: pattern, Mode: mode, Origin: policy.Origin{File: "extensions.toml", Line: line}}
}

func showConflicts(conflicts []policy.Conflict) (s []string) {
	for _, c := range conflicts {
		over := ">"
		switch {
		case c.Tie:
			over = "="
		case c.Partial:
			over = "~"
		}
		s = append(s, c.Winner.Pattern+over+c.Loser.Pattern)
	}
	return s
}

func TestConflicts(t *testing.T) {
	for _, c := range []struct {
		patterns string
		want     []string
		tie      bool
	}{
		{"2001 2002 3000-3099 031*", nil, false},
		{"3050 3000-3099", []string{"3050>3000-3099"}, false},
		{"3000-3099 3050", []string{"3050>3000-3099"}, false},
		{"3000-3099 3050-3200", []string{"3000-3099~3050-3200"}, false},
		{"3000-3099 3050-3149", []string{"3000-3099=3050-3149"}, true},
		{"3000-3099 3099-3198", []string{"3000-3099=3099-3198"}, true},
		{"3000-3099 3100-3199 03000-03099", nil, false},
		{"3000-3099 3000-3099", []string{"3000-3099=3000-3099"}, true},
		{"3000-3099 3010-3020 3050-3150", []string{"3000-3099~3050-3150", "3010-3020>3000-3099"}, false},
		{"3000-3099 30*", []string{"3000-3099>30*"}, false},
		{"3000-3099 305*", []string{"3000-3099~305*"}, false},
		{"3000-3099 31* 29* 30501*", nil, false},
		{"3000-3099 3000*", []string{"3000-3099~3000*"}, false},
		{"031* 0318036* 0318036200", []string{"0318036*>031*", "0318036200>031*", "0318036200>0318036*"}, false},
		{"2001 tel:2001", []string{"2001=tel:2001"}, true},
		{"+82-31-8036 0318036", []string{"+82-31-8036=0318036"}, true},
		{"031* +8231*", []string{"031*=+8231*"}, true},
		{"alice ALICE", []string{"alice=ALICE"}, true},
		{"alice al*", []string{"alice>al*"}, false},
	} {
		var rules []policy.Rule
		for i, p := range strings.Fields(c.patterns) {
			rules = append(rules, rule(i+1, strings.TrimPrefix(p, "tel:"), policy.Full))
		}
		r, conflicts, err := policy.New(policy.Site{CountryCode: "82"}, rules)
		got := strings.Join(showConflicts(conflicts), " ")
		if want := strings.ReplaceAll(strings.Join(c.want, " "), "tel:", ""); got != want {
			t.Errorf("%s: got %s, want %s", c.patterns, got, want)
		}
		if errors.Is(err, policy.ErrTie) != c.tie || (r == nil) != c.tie {
			t.Errorf("%s: error %v, want a tie: %v", c.patterns, err, c.tie)
		}
	}
}

func TestBadPatterns(t *testing.T) {
	for pattern, want := range map[string]policy.PatternFault{
		"":                                  policy.PatternEmpty,
		"*":                                 policy.PatternEmpty,
		"-":                                 policy.PatternEmpty,
		"20 01":                             policy.PatternCharacter,
		"“2001”":                            policy.PatternCharacter,
		"sip:2001@pbx":                      policy.PatternCharacter,
		"sip:2001":                          policy.PatternCharacter,
		"[2001]":                            policy.PatternCharacter,
		"03*6":                              policy.PatternStar,
		"03**":                              policy.PatternStar,
		"300-3099":                          policy.PatternUnequalLength,
		"3099-3000":                         policy.PatternReversed,
		"00000000-99999999":                 policy.PatternTooLarge,
		"1000000000000000-1000000000000001": policy.PatternTooLarge,
	} {
		var fault *policy.PatternError
		if err := policy.CheckPattern(pattern, "82"); !errors.As(err, &fault) || fault.Fault != want {
			t.Errorf("%q: %v, want fault %d", pattern, err, want)
		}
	}
	_, _, err := policy.New(policy.Site{Numbers: []string{"1-22"}}, []policy.Rule{rule(1, "2-1", policy.Off), rule(2, "**", policy.Off)})
	if err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("want all three faults, got %v", err)
	}
}

// naive is the table in DESIGN: exact, the smaller range, the longer prefix.
func naive(rules []policy.Rule, number string) (best *policy.Rule) {
	rank := func(p string) int {
		switch lo, hi, isRange := strings.Cut(p, "-"); {
		case isRange:
			if len(number) != len(lo) || number < lo || number > hi {
				return -1
			}
			var a, b int
			fmt.Sscanf(lo+" "+hi, "%d %d", &a, &b)
			return 1_000_000 - (b - a)
		case strings.HasSuffix(p, "*"):
			if !strings.HasPrefix(number, p[:len(p)-1]) {
				return -1
			}
			return len(p)
		case p == number:
			return 2_000_000
		}
		return -1
	}
	for i := range rules {
		if r := rank(rules[i].Pattern); r >= 0 && (best == nil || r > rank(best.Pattern)) {
			best = &rules[i]
		}
	}
	return best
}

var patterns = rapid.OneOf(
	rapid.StringMatching(`[1-3][0-9]{2}`),
	rapid.StringMatching(`[1-3][0-9]{0,2}\*`),
	rapid.Custom(func(t *rapid.T) string {
		lo := rapid.IntRange(100, 399).Draw(t, "lo")
		return fmt.Sprintf("%d-%d", lo, rapid.IntRange(lo, 400).Draw(t, "hi"))
	}),
)

// Precedence is total, and independent of the order of the lines; overlaps are
// exactly the pairs that match one number.
func TestPrecedence(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var rules []policy.Rule
		for i, p := range rapid.SliceOfNDistinct(patterns, 0, 12, rapid.ID).Draw(t, "patterns") {
			rules = append(rules, rule(i+1, p, policy.Mode(i%3)))
		}
		compiled, conflicts, err := policy.New(policy.Site{}, rules)
		shuffled, _, errShuffled := policy.New(policy.Site{}, rapid.Permutation(rules).Draw(t, "order"))
		if (err == nil) != (errShuffled == nil) {
			t.Fatalf("the order of the lines decides about a tie: %v, %v", err, errShuffled)
		}
		if err != nil {
			return
		}
		seen := map[[2]int]bool{}
		for n := 100; n <= 400; n++ {
			number := fmt.Sprint(n)
			want := naive(rules, number)
			if got := compiled.Match(number); (want == nil) != (got.Origin.Line == 0) || want != nil && got != *want {
				t.Fatalf("%s: got %v, want %v", number, got, want)
			}
			if all := compiled.All(number); want != nil && all[0] != *want || want == nil && all != nil {
				t.Fatalf("%s: all are %v, want %v first", number, all, want)
			}
			if compiled.Match(number) != shuffled.Match(number) {
				t.Fatalf("%s depends on the order of the lines", number)
			}
			for i := range rules {
				if want != nil && rules[i] != *want && naive(rules[i:i+1], number) != nil {
					seen[[2]int{want.Origin.Line, rules[i].Origin.Line}] = true
				}
			}
		}
		for pair := range seen {
			if !slices.ContainsFunc(conflicts, func(c policy.Conflict) bool {
				return !c.Tie && c.Winner.Origin.Line == pair[0] && c.Loser.Origin.Line == pair[1]
			}) {
				t.Fatalf("%q over %q is not reported", rules[pair[0]-1].Pattern, rules[pair[1]-1].Pattern)
			}
		}
	})
}

var callers = rapid.Custom(func(t *rapid.T) policy.Party {
	p := policy.Party{AOR: "sip:" + rapid.SampledFrom([]string{"2001", "2002", "2003", "2004", "0105550101", "0105550102", "anonymous", ""}).Draw(t, "user") + "@x.example"}
	switch rapid.IntRange(0, 2).Draw(t, "side") {
	case 0:
		p.Caller = true
	case 1:
		p.Callee = true
	}
	return p
})

// Whatever the order of the parties: the same mode and the same parties of
// ours, unless label order had to decide, and then a note says so.
func TestDecideUnderPermutation(t *testing.T) {
	rules := []policy.Rule{rule(1, "2001", policy.Full), rule(2, "2002", policy.Selective), rule(3, "2003", policy.Off)}
	rapid.Check(t, func(t *rapid.T) {
		site := policy.Site{Default: policy.Rule{Mode: policy.Mode(rapid.IntRange(0, 2).Draw(t, "default"))}}
		if rapid.Bool().Draw(t, "numbers") {
			site.Numbers = []string{"2000-2999"}
		}
		r, _, err := policy.New(site, rules)
		if err != nil {
			t.Fatal(err)
		}
		parties := rapid.SliceOfN(callers, 0, 4).Draw(t, "parties")
		previous := rapid.SampledFrom([]string{"", "2001", "2004", "0105550101"}).Draw(t, "previous")
		a := r.Decide(policy.Facts{Parties: parties, Previous: previous})
		b := r.Decide(policy.Facts{Parties: rapid.Permutation(parties).Draw(t, "order"), Previous: previous})
		if a.Mode != b.Mode || a.Known != b.Known || len(a.Ours) != len(b.Ours) {
			t.Fatalf("%+v\n%+v", a, b)
		}
		strictest := policy.Off
		for _, i := range a.Ours {
			strictest = max(strictest, r.Match(parties[i].AOR).Mode)
		}
		if len(a.Ours) > 0 && r.Ours(a.Extension) && a.Mode != strictest {
			t.Fatalf("%v is not the strictest, %v: %+v", a.Mode, strictest, a)
		}
		if a.Why == "" || a.Start != "*1" || a.Stop != "*2" {
			t.Fatalf("not whole: %+v", a)
		}
		if len(a.Ours) == 0 && len(parties) > 0 && a.Mode != policy.Off {
			t.Fatalf("recorded though nobody is ours: %+v", a)
		}
	})
}

func TestParseMode(t *testing.T) {
	for _, m := range []policy.Mode{policy.Off, policy.Selective, policy.Full} {
		if got, ok := policy.ParseMode(m.String()); !ok || got != m {
			t.Errorf("%v: %v %v", m, got, ok)
		}
	}
	if _, ok := policy.ParseMode("Full"); ok {
		t.Error("a capital passes")
	}
	if got := policy.Mode(9).String(); got != "Mode(9)" {
		t.Error(got)
	}
}

func TestOriginString(t *testing.T) {
	for want, o := range map[string]policy.Origin{
		"built-in default":  {},
		"extensions.toml:3": {File: "extensions.toml", Line: 3},
		"transfer":          {File: "transfer"},
	} {
		if got := o.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func BenchmarkNew(b *testing.B) {
	var rules []policy.Rule
	for i := range 100_000 {
		rules = append(rules, rule(i, fmt.Sprintf("0318%06d", i), policy.Full))
	}
	for b.Loop() {
		if _, _, err := policy.New(policy.Site{}, rules); err != nil {
			b.Fatal(err)
		}
	}
}

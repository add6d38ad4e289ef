package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"siprecd/policy"
)

// write makes files in a folder of their own and enters it.
func write(t testing.TB, files map[string]string) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
}

func TestZeroConfig(t *testing.T) {
	write(t, nil)
	for _, path := range []string{"", "siprecd.toml"} {
		c, problems := Load(path)
		if len(problems) > 0 || c == nil {
			t.Fatalf("%q: %v", path, problems)
		}
		if c.File != "" || c.Extensions != "" || !c.SIP.ByDefault || fmt.Sprint(c.SIP.Listen) != "[udp:0.0.0.0:5060 tcp:0.0.0.0:5060]" {
			t.Errorf("%q: %+v", path, c)
		}
		d := c.Rules.Decide(policy.Facts{Parties: []policy.Party{{AOR: "sip:alice@a.example"}, {AOR: "sip:bob@b.example"}}})
		if d.Mode != policy.Full || !d.Known || d.By.String() != "built-in default" || d.Extension != "alice" {
			t.Errorf("%+v", d)
		}
	}
}

func TestWholeConfig(t *testing.T) {
	write(t, map[string]string{
		"siprecd.toml": `
[sip]
listen = ["udp:[::1]:5080"]
[site]
numbers = ["2000-2999"]
country_code = "1"
time_zone = "UTC"
[media]
ports = "20000-20099"
address = "192.0.2.1"
codecs = ["pcma", "G729"]
codecs_without_ffmpeg = "keep"
[data]
dir = "here"
[[src]]
name = "sbc1"
addresses = ["192.0.2.10", "198.51.100.7/24", "::ffff:192.0.2.9"]
user = "u"
password_file = "secret"
nat = true
media = "srtp"
profile = "participant-header"
participant_header = "X-Who"
[keys]
start = "*3"
inband = false
[limits]
max_calls = 7
grace = "90s"
[log]
level = "warn"
format = "json"
`,
		"secret": "p w\n",
		"extensions.toml": `[default]
policy = "off"
[extensions]
2001 = { policy = "selective", stop = "*9" }
`})
	c, problems := Load("siprecd.toml")
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	here, _ := filepath.Abs("here")
	source := c.Sources[0]
	got := fmt.Sprintln(c.SIP.Listen, c.SIP.ByDefault, c.Site, c.Media, c.Data.Dir == here, source.Addresses, source.Password, source.NAT, source.Media, source.Profile, source.PartyHeader,
		source.TimeZone, c.Keys, c.Limits, c.Log)
	want := `[udp:[::1]:5080] false {[2000-2999] 1 UTC} {20000 20099 192.0.2.1 [PCMA G729] keep} true [192.0.2.10/32 198.51.100.0/24 192.0.2.9/32] p w true srtp participant-header X-Who` +
		` Asia/Seoul {*3 *2 false} {7 1m30s} {WARN json}` + "\n"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	d := c.Rules.Decide(policy.Facts{Parties: []policy.Party{{AOR: "2001"}, {AOR: "5551234"}}})
	if d.Mode != policy.Selective || d.Start != "*3" || d.Stop != "*9" || d.By.String() != "extensions.toml:4" {
		t.Errorf("%+v", d)
	}
}

func TestSamples(t *testing.T) {
	write(t, map[string]string{"siprecd.toml": SampleSite, "extensions.toml": SampleExtensions})
	c, problems := Load("siprecd.toml")
	if len(problems) > 0 {
		t.Fatal(printed(problems, English))
	}
	if got := Diff(c, c); got != nil {
		t.Errorf("differs from itself: %q", got)
	}
	builtIn, _ := Load("")
	for _, line := range Diff(builtIn, c) {
		if line != "7 new" {
			t.Errorf("the sample is not the default: %s", line)
		}
	}
	// Every key is in the sample, also the ones that are commented out.
	for _, table := range namesIn("") {
		for _, key := range namesIn(table) {
			if !regexp.MustCompile(`(?m)^(# )?` + key + ` = |or: ` + key + ` = `).MatchString(SampleSite) {
				t.Errorf("the sample does not show %s.%s", table, key)
			}
		}
	}
}

func TestPermissions(t *testing.T) {
	write(t, map[string]string{
		"siprecd.toml":    "[[src]]\nname = \"a\"\nuser = \"u\"\npassword = \"p\"\n",
		"extensions.toml": "[extensions]\n",
	})
	if err := errors.Join(os.Chmod("siprecd.toml", 0o644), os.Chmod("extensions.toml", 0o666)); err != nil {
		t.Fatal(err)
	}
	_, problems := Load("siprecd.toml")
	var codes []Code
	for _, p := range problems {
		codes = append(codes, p.Code)
	}
	if !slices.Equal(codes, []Code{codeSecret, codeWritable}) {
		t.Errorf("%s", printed(problems, English))
	}
}

func TestUnreadable(t *testing.T) {
	write(t, nil)
	if err := os.Mkdir("extensions.toml", 0o700); err != nil {
		t.Fatal(err)
	}
	c, problems := Load("siprecd.toml")
	if c != nil || printed(problems, English) != "extensions.toml: cannot be read: is a directory\n" {
		t.Errorf("%v %s", c, printed(problems, English))
	}
}

func TestFind(t *testing.T) {
	write(t, nil)
	if _, err := os.Stat("/etc/siprecd"); err == nil {
		t.Skip("this machine has a /etc/siprecd")
	}
	if got, err := Find(""); got != "" || err != nil {
		t.Errorf("nothing there: %q %v", got, err)
	}
	if _, err := Find("mine.toml"); !errors.Is(err, ErrNotFound) {
		t.Errorf("--config of a missing file: %v", err)
	}
	if err := os.WriteFile("extensions.toml", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := Find(""); got != "siprecd.toml" || err != nil {
		t.Errorf("extensions.toml alone: %q %v", got, err)
	}
	if got, err := Find("."); got != "siprecd.toml" || err != nil {
		t.Errorf("a folder: %q %v", got, err)
	}
}

func TestDiff(t *testing.T) {
	load := func(site, extensions string) *Config {
		write(t, map[string]string{"siprecd.toml": site, "extensions.toml": extensions})
		c, problems := Load("siprecd.toml")
		if hasErrors(problems) {
			t.Fatal(printed(problems, English))
		}
		return c
	}
	a := load("[[src]]\nname=\"x\"\ncert=\"a\"\n[[src]]\nname=\"y\"\ncert=\"y\"\n",
		"[extensions]\n2001=\"full\"\n2002=\"selective\"\n2003=\"off\"\n")
	b := load("[media]\nports=\"20000-20099\"\n[keys]\nstart=\"*3\"\n[[src]]\nname=\"x\"\ncert=\"b\"\n[[src]]\nname=\"z\"\ncert=\"z\"\n",
		"[default]\npolicy=\"off\"\n[extensions]\n# moved\n2002=\"full\"\n2001=\"full\"\n3001=\"full\"\n3002=\"off\"\n3003={policy=\"selective\",start=\"*5\"}\n")
	want := []string{
		"2002 selective → full", "3 new", "1 removed", "[default] full → off",
		"src x changed", "src z new", "src y removed",
		"media.ports 40000-49999 → 20000-20099 (needs a restart)", "keys.start *1 → *3",
	}
	if got := Diff(a, b); !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
	if names := NeedRestart(a, b); !slices.Equal(names, []string{"media.ports"}) {
		t.Errorf("%q need a restart, want the ports alone", names)
	}
}

// Every key of the document is compared by Diff.
func TestDiffKnowsEveryKey(t *testing.T) {
	for _, table := range namesIn("") {
		for _, key := range namesIn(table) {
			name := table + "." + key
			if table != "src" && !slices.ContainsFunc(settings, func(s setting) bool { return s.name == name }) {
				t.Errorf("Diff does not see %s", name)
			}
		}
	}
}

func TestLanguageOf(t *testing.T) {
	for _, c := range []struct {
		env  map[string]string
		want Language
	}{
		{nil, English},
		{map[string]string{"LANG": "ko_KR.UTF-8"}, Korean},
		{map[string]string{"LANG": "ko_KR.UTF-8", "LC_ALL": "C"}, English},
		{map[string]string{"LANG": "en_US.UTF-8", "LC_ALL": "ko"}, Korean},
	} {
		if got := LanguageOf(func(name string) string { return c.env[name] }); got != c.want {
			t.Errorf("%v: %v", c.env, got)
		}
	}
}

// Every message is there in both languages and asks for the same arguments.
func TestMessages(t *testing.T) {
	verbs := regexp.MustCompile(`%[0-9]*\[[0-9]\][a-zA-Z]|%04\[1\]X`)
	of := func(s string) []string {
		v := verbs.FindAllString(s, -1)
		slices.Sort(v)
		return slices.Compact(v)
	}
	for code, m := range messages {
		if !regexp.MustCompile(`^SR-[0-9]{3}$`).MatchString(string(code)) {
			t.Errorf("%q is no code", code)
		}
		if m.text == "" || m.textKo == "" || (m.hint == "") != (m.hintKo == "") {
			t.Errorf("%s lacks a language", code)
		}
		if !slices.Equal(of(m.text), of(m.textKo)) || !slices.Equal(of(m.hint), of(m.hintKo)) {
			t.Errorf("%s: the languages differ in arguments", code)
		}
	}
	for _, f := range []string{"extensions.go", "line.go", "lines.go", "site.go", "check.go", "config.go", "problem.go"} {
		source, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, used := range regexp.MustCompile(`\bcode = code[A-Z]\w+|\(code[A-Z]\w+`).FindAllString(string(source), -1) {
			name := used[strings.LastIndex(used, "code"):]
			table, err := os.ReadFile("messages.go")
			if err != nil || !strings.Contains(string(table), "\t"+name+":") {
				t.Errorf("%s uses %s, which has no message", f, name)
			}
		}
	}
}

func TestNearest(t *testing.T) {
	for written, want := range map[string]string{
		"selectve": "selective", "FULL": "full", "fulll": "full", "of": "off", "oof": "off", "yes": "", "recorded": "", "": "",
		"slective": "selective", "esled": "", strings.Repeat("full", 100): "",
	} {
		if got := nearest(written, policies); got != want {
			t.Errorf("nearest(%q) = %q, want %q", written, got, want)
		}
	}
}

// A city has thousands of extensions; a much larger file is read
// while somebody waits.
func TestManyLines(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: many lines")
	}
	var good, bad strings.Builder
	good.WriteString("[extensions]\n0318000000-0318099999 = \"full\"\n")
	bad.WriteString("[extensions]\n")
	for i := range 200_000 {
		fmt.Fprintf(&good, "031%07d = \"full\"\n", i)
		bad.WriteString("2001 = ful\n")
	}
	for name, text := range map[string]string{"good": good.String(), "bad": bad.String()} {
		write(t, map[string]string{"extensions.toml": text})
		start := time.Now()
		c, problems := Load("siprecd.toml")
		if (c != nil) != (name == "good") || len(problems) > mostProblems+1 {
			t.Errorf("%s: %d problems", name, len(problems))
		}
		t.Logf("%s: %v", name, time.Since(start).Round(time.Millisecond))
	}
}

package config

import (
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"
)

// FuzzConfig: any bytes give problems or a Config, never a panic; every caret
// can be drawn; and an extensions.toml without problems is TOML that says the
// same.
func FuzzConfig(f *testing.F) {
	f.Add([]byte(SampleSite), []byte(SampleExtensions))
	f.Add([]byte("[sip\nlisten = [\"udp:\n[[src]]\nx=1"), []byte("\ufeff[extensions]\r\n２００１ = “full”\r\n"))
	f.Add([]byte("a.b.c = 1\n[a.b]\nc = {d = 1}\n"), []byte("[default]\npolicy=\"off\"\n[extensions]\n\"a b\"={policy='full'}#\xb1\xe8"))
	f.Fuzz(func(t *testing.T, siteText, extensionsText []byte) {
		s := &site{report: report{file: "siprecd.toml"}, dir: "/nonexistent"}
		c := &Config{}
		s.decode(siteText, c)
		e := readExtensions("extensions.toml", "extensions.toml", extensionsText, "82")
		c.Default, c.Lines = e.byDefault, e.rules
		c.compile(e)
		for _, p := range append(s.all(), e.all()...) {
			if p.Text == "" || strings.Contains(p.Text+p.Hint, "%!") && !strings.Contains(string(siteText)+string(extensionsText), "%!") {
				t.Errorf("%+v", p)
			}
			_ = p.String()
			_ = p.In(Korean).String()
		}
		if len(e.problems) == 0 {
			sameAsTOML(t, e, strings.Join(e.lines, "\n"))
		}
	})
}

// sameAsTOML holds our reading of extensions.toml against the library's.
func sameAsTOML(t *testing.T, e *extensions, text string) {
	var doc struct {
		Default    struct{ Policy string } `toml:"default"`
		Extensions map[string]any          `toml:"extensions"`
	}
	if err := toml.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatalf("we take what is no TOML: %v\n%s", err, text)
	}
	if e.hasDefault && doc.Default.Policy != e.byDefault.Mode.String() {
		t.Errorf("[default] is %q, we read %v", doc.Default.Policy, e.byDefault.Mode)
	}
	if len(doc.Extensions) != len(e.rules) {
		t.Errorf("%d lines, we read %d", len(doc.Extensions), len(e.rules))
	}
	for _, r := range e.rules {
		got := doc.Extensions[r.Pattern]
		if entry, ok := got.(map[string]any); ok {
			if start, _ := entry["start"].(string); start != r.Start {
				t.Errorf("%s: start %q, we read %q", r.Pattern, start, r.Start)
			}
			got = entry["policy"]
		}
		if got != r.Mode.String() {
			t.Errorf("%s is %v, we read %v", r.Pattern, got, r.Mode)
		}
	}
}

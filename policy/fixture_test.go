package policy_test

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"siprecd/policy"
)

var update = flag.Bool("update", false, "rewrite the decisions in testdata/policy")

// TestFixtures reads testdata/policy: each archive has the lines ("site",
// "rules") and then any number of pairs of "facts" and "decision".
func TestFixtures(t *testing.T) {
	files, err := filepath.Glob("../testdata/policy/*.txtar")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d fixtures found, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			runFixture(t, archive)
			if *update {
				if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func runFixture(t *testing.T, archive *txtar.Archive) {
	site := policy.Site{CountryCode: "82"}
	var lines []policy.Rule
	var rules *policy.Rules
	var facts policy.Facts
	for i := range archive.Files {
		f := &archive.Files[i]
		switch f.Name {
		case "site":
			site.Numbers = strings.Fields(string(f.Data))
		case "rules":
			lines = parseRules(t, f.Data, &site.Default)
		case "facts":
			var err error
			if rules, _, err = policy.New(site, lines); err != nil {
				t.Fatal(err)
			}
			facts = parseFacts(t, f.Data)
		case "decision":
			got := []byte(show(rules.Decide(facts)))
			if *update {
				f.Data = got
			} else if !bytes.Equal(got, f.Data) {
				t.Errorf("facts:\n%s\ngot:\n%s\nwant:\n%s", archive.Files[i-1].Data, got, f.Data)
			}
		default:
			t.Fatalf("what is %q?", f.Name)
		}
	}
}

// parseRules reads "2001 = full", "3000-3099 = selective *7 *8" and "[default] = off".
func parseRules(t *testing.T, text []byte, byDefault *policy.Rule) (rules []policy.Rule) {
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		pattern, rest, _ := strings.Cut(line, " = ")
		words := strings.Fields(rest)
		mode, ok := policy.ParseMode(words[0])
		if !ok {
			t.Fatalf("line %q", line)
		}
		rule := policy.Rule{Pattern: pattern, Mode: mode, Origin: policy.Origin{File: "extensions.toml", Line: number}}
		if len(words) == 3 {
			rule.Start, rule.Stop = words[1], words[2]
		}
		if pattern == "[default]" {
			rule.Pattern = ""
			*byDefault = rule
			continue
		}
		rules = append(rules, rule)
	}
	return rules
}

// parseFacts reads "caller AOR", "callee AOR", "party AOR" and "previous NUMBER".
func parseFacts(t *testing.T, text []byte) (f policy.Facts) {
	scanner := bufio.NewScanner(bytes.NewReader(text))
	for scanner.Scan() {
		word, aor, _ := strings.Cut(scanner.Text(), " ")
		switch word {
		case "caller", "callee", "party":
			f.Parties = append(f.Parties, policy.Party{AOR: aor, Caller: word == "caller", Callee: word == "callee"})
		case "previous":
			f.Previous = aor
		default:
			t.Fatalf("fact %q", scanner.Text())
		}
	}
	return f
}

func show(d policy.Decision) string {
	var b strings.Builder
	known := ""
	if !d.Known {
		known = " (not known yet)"
	}
	fmt.Fprintf(&b, "%s%s\n", d.Mode, known)
	fmt.Fprintf(&b, "extension %q other %q ours %v direction %s\n", d.Extension, d.Other, d.Ours, d.Direction)
	if d.Mode == policy.Selective {
		fmt.Fprintf(&b, "start %s stop %s\n", d.Start, d.Stop)
	}
	fmt.Fprintf(&b, "by %s: %s\n", d.By, d.Why)
	for _, n := range d.Notes {
		fmt.Fprintf(&b, "note: %s\n", n)
	}
	return b.String()
}

func TestFixturesCoverEveryMode(t *testing.T) {
	files, _ := filepath.Glob("../testdata/policy/*.txtar")
	seen := map[string]bool{}
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range archive.Files {
			if f.Name == "decision" {
				mode, _, _ := strings.Cut(string(f.Data), "\n")
				seen[mode] = true
			}
		}
	}
	for _, want := range []string{"full", "selective", "off", "full (not known yet)", "off (not known yet)"} {
		if !seen[want] {
			t.Errorf("no fixture decides %q, only %v", want, slices.Sorted(maps.Keys(seen)))
		}
	}
}

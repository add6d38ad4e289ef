package config

import (
	"flag"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "rewrite what is wanted in testdata/config")

// TestFixtures loads the files of each testdata/config archive and compares
// what is printed: "want" in English, "want.ko" in Korean. A file named
// *.quoted is a Go string without its quotes, for bytes nobody can read.
func TestFixtures(t *testing.T) {
	fixtures, err := filepath.Glob("../../../testdata/config/*.txtar")
	if err != nil || len(fixtures) < 8 {
		t.Fatalf("%d fixtures, %v", len(fixtures), err)
	}
	for _, fixture := range fixtures {
		t.Run(strings.TrimSuffix(filepath.Base(fixture), ".txtar"), func(t *testing.T) {
			fixture, err := filepath.Abs(fixture)
			if err != nil {
				t.Fatal(err)
			}
			archive, err := txtar.ParseFile(fixture)
			if err != nil {
				t.Fatal(err)
			}
			t.Chdir(t.TempDir())
			unpack(t, archive)
			c, problems := Load("siprecd.toml")
			if wantNil := hasErrors(problems); (c == nil) != wantNil {
				t.Errorf("config %v, errors %v", c, wantNil)
			}
			for i := range archive.Files {
				f := &archive.Files[i]
				language := English
				switch f.Name {
				case "want":
				case "want.ko":
					language = Korean
				default:
					continue
				}
				got := printed(problems, language)
				if *update {
					f.Data = []byte(got)
				} else if got != string(f.Data) {
					t.Errorf("%s: got\n%s\nwant\n%s", f.Name, got, f.Data)
				}
			}
			bad := strings.HasSuffix(fixture, ".bad.txtar")
			if bad != hasErrors(problems) {
				t.Errorf("errors: %v in %s", !bad, fixture)
			}
			if *update {
				if err := os.WriteFile(fixture, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func unpack(t *testing.T, archive *txtar.Archive) {
	for _, f := range archive.Files {
		name, data := f.Name, f.Data
		if strings.HasPrefix(name, "want") {
			continue
		}
		if plain, quoted := strings.CutSuffix(name, ".quoted"); quoted {
			var text strings.Builder
			for line := range strings.Lines(string(data)) {
				s, err := strconv.Unquote("`" + strings.TrimSuffix(line, "\n") + "`")
				if err != nil {
					t.Fatal(err)
				}
				if s, err = unescape(s); err != nil {
					t.Fatal(err)
				}
				text.WriteString(s)
			}
			name, data = plain, []byte(text.String())
		}
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// unescape reads \xb3, \r and \n.
func unescape(s string) (string, error) {
	return strconv.Unquote(`"` + strings.ReplaceAll(s, `"`, `\"`) + `"`)
}

func printed(problems []Problem, l Language) string {
	var b strings.Builder
	for _, p := range problems {
		b.WriteString(p.In(l).String())
		b.WriteByte('\n')
	}
	return b.String()
}

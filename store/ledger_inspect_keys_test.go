package store

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestVerifyDirLooksAtAll has keys and catalogue changed while no daemon runs: the
// command that writes nothing finds it like the daemon would.
func TestVerifyDirLooksAtAll(t *testing.T) {
	for name, test := range map[string]struct {
		change func(t *testing.T, dir string, row *Row)
		want   string // what is found, and where; "": nothing
	}{
		"nothing": {func(*testing.T, string, *Row) {}, ""},
		"a custodian more": {func(t *testing.T, dir string, _ *Row) {
			first, err := os.ReadFile(filepath.Join(dir, keysDir, custodiansDir, "first"+pubExt))
			check(t, err)
			other := strings.TrimSpace(string(first))
			check(t, os.WriteFile(filepath.Join(dir, keysDir, custodiansDir, "evil"+pubExt), []byte(other[:len(other)-6]+"\n"), 0o600))
		}, "keys/custodians/evil.pub"},
		"a header gone": {func(t *testing.T, dir string, row *Row) {
			check(t, os.Remove(filepath.Join(dir, keysDir, headersDir, string(row.Dies), row.ID)))
		}, "missing"},
		"all keys gone": {func(t *testing.T, dir string, _ *Row) {
			check(t, os.RemoveAll(filepath.Join(dir, keysDir)))
		}, "missing"},
		"the catalogue says otherwise": {func(t *testing.T, dir string, row *Row) {
			b, err := openBolt(filepath.Join(dir, "catalogue.db"), true)
			check(t, err)
			changed := *row
			changed.Extension = "2009"
			check(t, b.Put(t.Context(), &changed))
			check(t, b.Close())
		}, "the catalogue"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := openStore(t, dir, unsyncedSystem())
			row := sealedOn(t, s, "2027-02-22")
			check(t, s.Close())
			test.change(t, dir, row)
			v, err := VerifyDir(t.Context(), dir, VerifyOptions{})
			check(t, err)
			found := ""
			for _, f := range v.Findings {
				found += f.What + " " + f.Where + " " + f.Detail + "\n"
			}
			if test.want == "" && found != "" || !strings.Contains(found, test.want) {
				t.Errorf("found %q, want %q", found, test.want)
			}
		})
	}
}

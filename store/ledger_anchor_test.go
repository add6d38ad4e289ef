package store

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// ledgerAndLog opens the store of dir, appends to its ledger and signs.
func ledgerAndLog(t *testing.T, dir string, n int) *Store {
	t.Helper()
	s := openStore(t, dir, unsyncedSystem())
	fillLog(t, s.Ledger, n)
	_, err := s.Ledger.Checkpoint()
	check(t, err)
	return s
}

// TestLedgerIsHeldAgainstWhatLiesBeside lets a log of nine leaves be replaced
// by what agrees with itself.
func TestLedgerIsHeldAgainstWhatLiesBeside(t *testing.T) {
	anchor := func(dir string) string { return filepath.Join(dir, checkpointFile) }
	for name, tc := range map[string]struct {
		do     func(t *testing.T, dir, old string)
		aside  string // what status shows; "": nothing is wrong
		leaves int64
	}{
		"nothing": {func(*testing.T, string, string) {}, "", 9},
		"rolled back": {func(t *testing.T, dir, old string) {
			check(t, os.RemoveAll(filepath.Join(dir, ledgerDir)))
			check(t, os.CopyFS(filepath.Join(dir, ledgerDir), os.DirFS(old)))
		}, "ledger.damaged-", 1},
		"gone": {func(t *testing.T, dir, _ string) {
			check(t, os.RemoveAll(filepath.Join(dir, ledgerDir)))
		}, "ledger.damaged-", 1},
		"cut off, with its checkpoints": {func(t *testing.T, dir, old string) {
			for _, name := range []string{leavesFile, indexFile, hashesFile, checkpointFile, checkpointsFile} {
				b, err := os.ReadFile(filepath.Join(old, name))
				check(t, err)
				check(t, os.WriteFile(filepath.Join(dir, ledgerDir, name), b, 0o600))
			}
		}, "ledger.damaged-", 1},
		"cut off": {func(t *testing.T, dir, _ string) {
			check(t, os.Truncate(filepath.Join(dir, ledgerDir, leavesFile), 100))
		}, "ledger.damaged-", 1},
		"a damaged one beside it": {func(t *testing.T, dir, _ string) {
			b, err := os.ReadFile(anchor(dir))
			check(t, err)
			b[len(b)/2] ^= 1
			check(t, os.WriteFile(anchor(dir), b, 0o600))
		}, "checkpoint.damaged-", 9},
		"an empty one beside it": {func(t *testing.T, dir, _ string) { check(t, os.Truncate(anchor(dir), 0)) }, "checkpoint.damaged-", 9},
	} {
		t.Run(name, func(t *testing.T) {
			dir, old := t.TempDir(), filepath.Join(t.TempDir(), "old")
			check(t, ledgerAndLog(t, dir, 4).Close())
			check(t, os.CopyFS(old, os.DirFS(filepath.Join(dir, ledgerDir))))
			check(t, ledgerAndLog(t, dir, 4).Close())
			tc.do(t, dir, old)
			if tc.aside != "" {
				// What was done is found by who only reads, too.
				if r, err := VerifyLog(filepath.Join(dir, ledgerDir), nil); err == nil && len(r.Findings) == 0 {
					t.Error("verify finds nothing")
				}
			}
			s := openStore(t, dir, unsyncedSystem())
			if n := s.Ledger.Size(); n != tc.leaves {
				t.Errorf("%d leaves, want %d", n, tc.leaves)
			}
			newest, err := s.Ledger.Newest()
			check(t, err)
			if begun := newest.Kind == EventBroken; begun != (tc.leaves == 1) {
				t.Errorf("its newest leaf: %+v", newest)
			} else if begun && !strings.HasPrefix(newest.Public["checkpoint"], "9 ") {
				t.Errorf("the first leaf does not say what was stated last: %+v", newest)
			}
			sealedOn(t, s, "2027-02-22") // recording goes on
			added, unknown := int64(1), 0
			if newest.Kind == EventBroken {
				added, unknown = 2, 1 // to somebody made for it: the new log knows no custodian
			}
			check(t, s.Close())

			for range 2 { // and is gone on with
				s = openStore(t, dir, unsyncedSystem())
				if n := s.Ledger.Size(); n != tc.leaves+added {
					t.Errorf("gone on with: %d leaves", n)
				}
				aside, err := s.SetAside()
				check(t, err)
				if tc.aside == "" && len(aside) != 0 || tc.aside != "" && (len(aside) != 1 || !strings.HasPrefix(aside[0].Name, tc.aside) || aside[0].At.IsZero()) {
					t.Errorf("set aside: %+v", aside)
				}
				v, err := s.Verify(t.Context(), VerifyOptions{})
				check(t, err)
				if len(v.Findings) != len(aside)+unknown {
					t.Errorf("verify: %+v", v.Findings)
				}
				check(t, s.Close())
			}
			inside, err := os.ReadFile(filepath.Join(dir, ledgerDir, checkpointFile))
			check(t, err)
			if b, err := os.ReadFile(anchor(dir)); err != nil || !bytes.Equal(b, inside) {
				t.Errorf("the checkpoint beside the log is not its own: %q %v", b, err)
			}
		})
	}
}

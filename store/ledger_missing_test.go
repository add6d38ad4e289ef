package store

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// cutTail takes all leaves but the first n from a closed log, and their rows, as
// somebody does who has no key.
func cutTail(t *testing.T, ledger string, n int) {
	t.Helper()
	end := int64(0)
	left := n
	for text, err := range leavesOf(ledger, sizeOf(filepath.Join(ledger, leavesFile))) {
		check(t, err)
		if left == 0 {
			break
		}
		left--
		end += leafFrame + int64(len(text))
	}
	check(t, os.Truncate(filepath.Join(ledger, leavesFile), end))
	months, err := filepath.Glob(filepath.Join(ledger, rowsDir, "*"))
	check(t, err)
	for _, name := range months {
		rows, err := linesOf(name)
		check(t, err)
		check(t, os.WriteFile(name, append(bytes.Join(rows[:n], []byte("\n")), '\n'), fileMode))
	}
}

// TestMissingStatementsAreTold takes away what states how many leaves there are,
// with leaves and without.
func TestMissingStatementsAreTold(t *testing.T) {
	inside, kept := ledgerDir+"/"+checkpointFile, ledgerDir+"/"+checkpointsFile
	for name, tc := range map[string]struct {
		gone  []string
		cutTo int // leaves; -1: none is cut off
		tells string
	}{
		"the tail and all that states it": {[]string{inside, kept, checkpointFile, ledgerDir + "/" + indexFile, ledgerDir + "/" + hashesFile}, 5, inside + " " + checkpointFile + " " + kept},
		"all leaves":                      {[]string{inside, kept, checkpointFile}, 0, inside + " " + checkpointFile + " " + kept},
		"the newest":                      {[]string{inside}, -1, inside},
		"the one beside":                  {[]string{checkpointFile}, -1, checkpointFile},
		"those that are kept":             {[]string{kept}, -1, kept},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			check(t, ledgerAndLog(t, dir, 8).Close())
			whole, err := VerifyDir(t.Context(), dir, VerifyOptions{})
			check(t, err)
			leaves := int(whole.Leaves)
			if tc.cutTo >= 0 {
				leaves = tc.cutTo
				cutTail(t, filepath.Join(dir, ledgerDir), leaves)
			}
			for _, name := range tc.gone {
				check(t, os.Remove(filepath.Join(dir, name)))
			}
			v, err := VerifyDir(t.Context(), dir, VerifyOptions{})
			check(t, err)
			if want := len(strings.Fields(tc.tells)); len(v.Findings) != want || v.Findings[0].What != "missing" {
				t.Errorf("before a start: %+v, want %d findings", v.Findings, want)
			}
			for range 2 { // told once
				s := openStore(t, dir, unsyncedSystem())
				leaf, err := s.Ledger.at(int64(leaves)) // behind it who the custodians are, where no leaf is left that says so
				check(t, err)
				if leaf.Kind != EventCheckpointMissing || leaf.Public["missing"] != tc.tells || leaf.Public["leaves"] != fmt.Sprint(leaves) || s.Ledger.Size() > int64(leaves)+2 {
					t.Errorf("%d leaves, the newest %+v", s.Ledger.Size(), leaf)
				}
				aside, err := s.SetAside()
				check(t, err)
				if len(aside) != 1 || aside[0].At.IsZero() || !strings.Contains(aside[0].Missing, fmt.Sprintf("%d leaves were found", leaves)) {
					t.Errorf("status: %+v", aside)
				}
				check(t, s.Close())
			}
			notices, err := filepath.Glob(filepath.Join(dir, checkpointFile+missingMark+"*"))
			check(t, err)
			check(t, os.Remove(notices[0]))
			v, err = VerifyDir(t.Context(), dir, VerifyOptions{})
			check(t, err)
			if len(v.Findings) != 1 || v.Findings[0].What != "missing" || v.Findings[0].Where != fmt.Sprintf("leaf %d", leaves) {
				t.Errorf("for good: %+v", v.Findings)
			}
		})
	}
}

// TestEmptiedCheckpointsAreTold empties the file of those that are kept.
func TestEmptiedCheckpointsAreTold(t *testing.T) {
	dir := t.TempDir()
	check(t, ledgerAndLog(t, dir, 3).Close())
	check(t, os.Truncate(filepath.Join(dir, ledgerDir, checkpointsFile), 0))
	if r := mustVerify(t, filepath.Join(dir, ledgerDir)); len(r.Findings) != 1 || r.Findings[0].Where != ledgerDir+"/"+checkpointsFile {
		t.Errorf("%+v", r.Findings)
	}
	s := openStore(t, dir, unsyncedSystem())
	defer s.Close()
	if leaf, err := s.Ledger.Newest(); err != nil || leaf.Kind != EventCheckpointMissing {
		t.Errorf("%+v, %v", leaf, err)
	}
}

// TestPowerCutWhileALogBegins has the power go at every point of two first runs:
// no file is ever missed that a crash kept from being made.
func TestPowerCutWhileALogBegins(t *testing.T) {
	withoutRaces(t)
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data", ledgerDir)
	r := newRecorder()
	for range 2 {
		l := openLedger(t, dir, r.system())
		for range 3 {
			fillLog(t, l, 2)
			_, err := l.Checkpoint()
			check(t, err)
		}
		fillLog(t, l, 1)
		check(t, l.closeFiles()) // killed
	}
	if len(r.log) < 100 {
		t.Fatalf("only %d operations recorded", len(r.log))
	}
	for n := range r.log {
		for name, fate := range fates(uint64(n)) {
			if !r.log[n].differs(name) {
				continue
			}
			for again := range 2 {
				if again > 0 && name != "mixed" {
					break
				}
				to := scratch(t)
				cut{r.log[:n+1], fate}.lay(t, to)
				l := openLedger(t, filepath.Join(to, dir), unsyncedSystem())
				leaf, err := l.Newest()
				check(t, err)
				if leaf.Kind == EventCheckpointMissing || leaf.Kind == EventBroken {
					t.Fatalf("cut after operation %d (%s %s), unsynced %s: %+v", n, r.log[n].kind, r.log[n].path, name, leaf)
				}
				fillLog(t, l, 1)
				check(t, l.Close())
				found := mustVerify(t, l.dir).Findings
				found = slices.DeleteFunc(found, func(f Finding) bool { return strings.Contains(f.Detail, "readable row") })
				if len(found) > 0 {
					t.Fatalf("cut after operation %d (%s %s), unsynced %s: %+v", n, r.log[n].kind, r.log[n].path, name, found)
				}
				check(t, os.RemoveAll(to))
			}
		}
	}
}

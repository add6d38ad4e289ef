package store

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
)

// proveAll checks the proofs of every leaf and of every growth.
func proveAll(t *testing.T, l *Ledger, c Checkpoint) {
	t.Helper()
	for seq := range c.Size {
		leaf, proof, err := l.ProveLeaf(seq, c)
		check(t, err)
		check(t, tlog.CheckRecord(proof, c.Size, c.Root, seq, tlog.RecordHash(leaf)))
	}
	for old := int64(1); old <= c.Size; old++ {
		_, err := l.ProveGrowth(old, c.Size)
		check(t, err)
	}
}

// TestEveryFlippedByteOfWhatIsDerivedIsMended flips each byte of index, hashes and
// the public key, one at a time, before a start and while the daemon runs.
func TestEveryFlippedByteOfWhatIsDerivedIsMended(t *testing.T) {
	dir := filepath.Join(t.TempDir(), ledgerDir)
	l := openLedger(t, dir, System{})
	fillLog(t, l, 7)
	check(t, l.Close())
	signed := l.Signed()
	for _, name := range []string{indexFile, hashesFile, verifierFile} {
		whole, err := os.ReadFile(filepath.Join(dir, name))
		check(t, err)
		for i := range whole {
			bad := slices.Clone(whole)
			bad[i] ^= 1
			one := logCopyOf(t, dir)
			path := filepath.Join(one, name)
			check(t, os.WriteFile(path, bad, fileMode))
			if r := mustVerify(t, one); len(r.Findings) == 0 && bad[i]^1 != '\n' {
				t.Errorf("byte %d of %s: nothing found", i, name)
			}
			l := openLedger(t, one, unsyncedSystem())
			if l.Size() != 7 {
				t.Fatalf("byte %d of %s: opened with %d leaves", i, name, l.Size())
			}
			proveAll(t, l, signed)
			if name != verifierFile { // and once more, under a log that is open
				check(t, os.WriteFile(path, bad, fileMode))
				proveAll(t, l, signed)
				check(t, os.WriteFile(path, bad, fileMode))
			}
			fillLog(t, l, 2)
			c, err := l.Checkpoint()
			check(t, err)
			proveAll(t, l, c)
			check(t, l.Close())
			if r := mustVerify(t, one); len(r.Findings) != 0 || r.Leaves != 9 {
				t.Errorf("byte %d of %s: afterwards %+v", i, name, r)
			}
			check(t, os.RemoveAll(filepath.Dir(one)))
		}
	}
}

// TestVerifyMendsWhatIsDerived flips a hash that nothing signed hangs on, and lets
// the daemon verify.
func TestVerifyMendsWhatIsDerived(t *testing.T) {
	dir := t.TempDir()
	s := ledgerAndLog(t, dir, 7)
	defer s.Close()
	path := filepath.Join(dir, ledgerDir, hashesFile)
	whole, err := os.ReadFile(path)
	check(t, err)
	bad := slices.Clone(whole)
	bad[0] ^= 1
	check(t, os.WriteFile(path, bad, fileMode))
	for i := range 2 {
		r, err := (&verification{ledger: s.Ledger}).run(filepath.Join(dir, ledgerDir))
		check(t, err)
		if len(r.Findings) != 1-i {
			t.Errorf("look %d: %+v", i, r.Findings)
		}
	}
	if again, err := os.ReadFile(path); err != nil || !slices.Equal(again, whole) {
		t.Errorf("the hashes are not what they were; %v", err)
	}
}

// TestAlteredLeavesAreNotHashedAgain changes a leaf, checksum and all, and a hash:
// nothing is proven any more, and the hashes of what was signed stay.
func TestAlteredLeavesAreNotHashedAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), ledgerDir)
	l := openLedger(t, dir, System{})
	defer l.closeFiles()
	fillLog(t, l, 4)
	c, err := l.Checkpoint()
	check(t, err)
	before, err := os.ReadFile(filepath.Join(dir, hashesFile))
	check(t, err)
	leaves, err := os.ReadFile(filepath.Join(dir, leavesFile))
	check(t, err)
	leaves[len(leaves)-2] ^= 1
	check(t, os.WriteFile(filepath.Join(dir, leavesFile), leaves, fileMode))
	if _, _, err := l.ProveLeaf(3, c); err == nil {
		t.Error("a leaf that was changed is proven")
	}
	if after, err := os.ReadFile(filepath.Join(dir, hashesFile)); err != nil || !slices.Equal(after, before) {
		t.Errorf("the hashes were made of changed leaves; %v", err)
	}
}

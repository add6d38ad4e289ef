package store

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// rewritten changes the lines of a file.
func rewritten(t *testing.T, name string, change func(lines [][]byte) [][]byte) {
	t.Helper()
	lines, err := linesOf(name)
	check(t, err)
	check(t, os.WriteFile(name, append(bytes.Join(change(lines), []byte("\n")), '\n'), fileMode))
}

// cutNote adds a copy of the newest note to those that are kept, without its last
// bytes.
func cutNote(less int) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		note, err := os.ReadFile(filepath.Join(dir, checkpointFile))
		check(t, err)
		name := filepath.Join(dir, checkpointsFile)
		kept, err := os.ReadFile(name)
		check(t, err)
		check(t, os.WriteFile(name, append(kept, append(note, '\n')[:len(note)+1-less]...), fileMode))
	}
}

// TestVerifyLooksAtAllThatLiesInTheLedger puts in what no run of ours leaves, and
// what a crash does.
func TestVerifyLooksAtAllThatLiesInTheLedger(t *testing.T) {
	rows := func(dir string) string { return filepath.Join(dir, rowsDir, "2026-11.jsonl") }
	add := func(name, text string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			b, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
			check(t, os.WriteFile(filepath.Join(dir, name), append(b, text...), fileMode))
		}
	}
	lines := func(change func([][]byte) [][]byte) func(*testing.T, string) {
		return func(t *testing.T, dir string) { rewritten(t, rows(dir), change) }
	}
	row := func(l [][]byte) []byte { return l[0][:40] }
	in := ledgerDir + "/" + rowsDir + "/2026-11.jsonl"
	for name, tc := range map[string]struct {
		do          func(t *testing.T, dir string)
		what, where string // what: "" nothing is wrong
	}{
		"a line that is no row":     {lines(func(l [][]byte) [][]byte { return slices.Insert(l, 0, []byte("garbage")) }), "altered", in + ":1"},
		"another order":             {lines(func(l [][]byte) [][]byte { slices.Reverse(l); return l }), "out-of-order", in},
		"two rows exchanged":        {lines(func(l [][]byte) [][]byte { l[1], l[2] = l[2], l[1]; return l }), "out-of-order", in},
		"a row twice, at the end":   {lines(func(l [][]byte) [][]byte { return append(l, l[1]) }), "added", in},
		"a row twice, side by side": {lines(func(l [][]byte) [][]byte { return slices.Insert(l, 1, l[0]) }), "added", in},
		"another spelling": {lines(func(l [][]byte) [][]byte {
			l[0] = bytes.Replace(l[0], []byte(`,"salt"`), []byte(`, "salt"`), 1)
			return l
		}), "altered", in + ":1"},
		"a row that a crash tore":        {lines(func(l [][]byte) [][]byte { return slices.Insert(l, 1, row(l)) }), "", ""},
		"the place of a row, zeros":      {lines(func(l [][]byte) [][]byte { return slices.Insert(l, 1, make([]byte, 300)) }), "", ""},
		"garbage behind the leaves":      {add(leavesFile, "\x00\x00\x00\x05abcdefghi"), "unreadable", "leaf 4"},
		"garbage of a likely length":     {add(leavesFile, "\xff\x00\x00\x00abcdefghi"), "unreadable", "leaf 4"},
		"a leaf that a crash tore":       {add(leavesFile, "\xff\x00\x00\x00crc.siprecd leaf 1\ntime 2026"), "", ""},
		"one torn in its length":         {add(leavesFile, "\xff"), "", ""},
		"the place of a leaf, zeros":     {add(leavesFile, string(make([]byte, 300))), "", ""},
		"a file of nobody":               {add("notes.txt", "x"), "added", ledgerDir + "/notes.txt"},
		"a file of nobody among rows":    {add(rowsDir+"/2026.jsonl", "x"), "added", ledgerDir + "/" + rowsDir + "/2026.jsonl"},
		"a note that a crash tore":       {cutNote(30), "", ""},
		"one torn in its text":           {cutNote(150), "", ""},
		"a note without its last line":   {cutNote(1), "", ""},
		"garbage behind the notes":       {add(checkpointsFile, "garbage"), "altered", ledgerDir + "/" + checkpointsFile + ", note 2"},
		"what was being written":         {add(checkpointFile+partSuffix, "x"), "", ""},
		"rows that were being destroyed": {add(rowsDir+"/2026-10.jsonl"+goneExt, "x"), "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), ledgerDir)
			l := openLedger(t, dir, unsyncedSystem())
			fillLog(t, l, 4)
			check(t, l.Close())
			tc.do(t, dir)
			r := mustVerify(t, dir)
			if tc.what == "" {
				if len(r.Findings) != 0 {
					t.Errorf("%+v", r.Findings)
				}
				return
			}
			if !slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.What == tc.what && f.Where == tc.where }) {
				t.Errorf("%+v, want %s %s", r.Findings, tc.what, tc.where)
			}
		})
	}
}

// TestDestroyedRowsAreNoFinding destroys the rows of a month that is over: none of
// these looks takes it for damage, before a start and after it.
func TestDestroyedRowsAreNoFinding(t *testing.T) {
	dir := t.TempDir()
	now := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	open := func() *Ledger {
		l, err := OpenLedger(filepath.Join(dir, ledgerDir), unsyncedSystem(), slog.New(slog.DiscardHandler), func() time.Time { return now })
		check(t, err)
		return l
	}
	l := open()
	fillLog(t, l, 3)
	now = now.AddDate(0, 1, 0)
	fillLog(t, l, 2)
	check(t, l.DestroyRows("2026-11"))
	check(t, l.Close())
	for range 2 {
		if v, err := VerifyDir(t.Context(), dir, VerifyOptions{}); err != nil || v.RowsGone != 3 || v.Rows != 2 {
			t.Errorf("%+v, %v", v, err)
		}
		r := mustVerify(t, l.dir)
		if len(r.Findings) != 0 {
			t.Errorf("%+v", r.Findings)
		}
		l = open()
		if leaf, err := l.Newest(); err != nil || leaf.Kind == EventCheckpointMissing || leaf.Kind == EventBroken {
			t.Errorf("%+v, %v", leaf, err)
		}
		check(t, l.Close())
	}
}

// contents are the digests and times of all files of a directory but its lock.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := make(map[string]string)
	check(t, filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == filepath.Join(dir, "lock") {
			return err
		}
		info, err := d.Info()
		check(t, err)
		text := fmt.Sprint(info.Mode())
		if d.Type().IsRegular() {
			b, err := os.ReadFile(name)
			check(t, err)
			text += fmt.Sprintf(" %x %s", sha256.Sum256(b), info.ModTime())
		}
		all[name] = text
		return nil
	}))
	return all
}

// TestVerifyDirChangesNothing looks at data that a start would mend, or set aside.
func TestVerifyDirChangesNothing(t *testing.T) {
	for name, tc := range map[string]struct {
		do       func(t *testing.T, dir string)
		findings int
	}{
		"whole":            {func(*testing.T, string) {}, 0},
		"no public key":    {func(t *testing.T, dir string) { check(t, os.Remove(filepath.Join(dir, ledgerDir, verifierFile))) }, 1},
		"no secret key":    {func(t *testing.T, dir string) { check(t, os.Remove(filepath.Join(dir, ledgerDir, signerFile))) }, 1},
		"no custodians":    {func(t *testing.T, dir string) { check(t, os.RemoveAll(filepath.Join(dir, keysDir, custodiansDir))) }, 1},
		"no catalogue":     {func(t *testing.T, dir string) { check(t, os.Remove(filepath.Join(dir, "catalogue.db"))) }, 0},
		"no ledger":        {func(t *testing.T, dir string) { check(t, os.RemoveAll(filepath.Join(dir, ledgerDir))) }, 2},
		"the leaf cut off": {func(t *testing.T, dir string) { cutTail(t, filepath.Join(dir, ledgerDir), 0) }, 2},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := openStore(t, dir, unsyncedSystem())
			sealedOn(t, s, "2027-02-22")
			check(t, s.Close())
			tc.do(t, dir)
			before := contents(t, dir)
			for range 2 {
				v, err := VerifyDir(t.Context(), dir, VerifyOptions{})
				check(t, err)
				if len(v.Findings) != tc.findings {
					t.Errorf("%+v", v.Findings)
				}
			}
			after := contents(t, dir)
			for name, was := range before {
				if after[name] != was {
					t.Errorf("%s: %s, was %s", name, after[name], was)
				}
				delete(after, name)
			}
			if len(after) > 0 {
				t.Errorf("made: %v", after)
			}
		})
	}
}

// TestVerifyDirOfARestoredBackup verifies a backup that was restored without its
// keys as often as anybody likes.
func TestVerifyDirOfARestoredBackup(t *testing.T) {
	s := openStore(t, t.TempDir(), unsyncedSystem())
	defer s.Close()
	sealedWithOriginal(t, s, "2027-02-22")
	to, keys := filepath.Join(t.TempDir(), "backup"), filepath.Join(t.TempDir(), "keys")
	_, err := s.Backup(t.Context(), to, keys)
	check(t, err)
	for _, with := range []string{"", keys} {
		dir := filepath.Join(t.TempDir(), "restored")
		v, err := Restore(t.Context(), to, with, dir)
		check(t, err)
		for range 2 {
			if len(v.Findings) != 0 || v.Recordings != 1 {
				t.Errorf("with keys %q: %+v", with, v)
			}
			v, err = VerifyDir(t.Context(), dir, VerifyOptions{})
			check(t, err)
		}
		if with == "" {
			continue
		}
		again := openStore(t, dir, unsyncedSystem())
		if aside, err := again.SetAside(); err != nil || len(aside) != 0 {
			t.Errorf("a start raises an alarm: %+v, %v", aside, err)
		}
		check(t, again.Close())
	}
}

// TestVerifyDirOfNothing makes no data directory of one that is none.
func TestVerifyDirOfNothing(t *testing.T) {
	dir := t.TempDir()
	if v, err := VerifyDir(t.Context(), dir, VerifyOptions{}); err == nil {
		t.Errorf("%+v", v)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("it made %v; %v", entries, err)
	}
}

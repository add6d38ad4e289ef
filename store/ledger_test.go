package store

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"
)

type call struct {
	Extension string `json:"extension"`
	Other     string `json:"other"`
}

// clockFrom ticks one second a reading.
func clockFrom(at time.Time) func() time.Time {
	return func() time.Time {
		at = at.Add(time.Second)
		return at
	}
}

func openLedger(t *testing.T, dir string, sys System) *Ledger {
	t.Helper()
	l, err := OpenLedger(dir, sys, slog.New(slog.DiscardHandler), clockFrom(time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func fillLog(t *testing.T, l *Ledger, n int) {
	t.Helper()
	for i := range n {
		_, err := l.Append(Entry{
			Kind: EventSealed, Subject: fmt.Sprintf("01KAXB%020d", i),
			Public: map[string]string{"sha256": strings.Repeat("ab", 32), "packets": "1200"},
			Row:    call{Extension: "2001", Other: "0105550101"},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func mustVerify(t *testing.T, dir string) LogReport {
	t.Helper()
	r, err := VerifyLog(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestLedgerIsGoneOnWith(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ledger")
	var before Checkpoint
	for round := range 4 {
		l := openLedger(t, dir, System{})
		if l.Size() != int64(round*7) {
			t.Fatalf("round %d begins with %d leaves", round, l.Size())
		}
		fillLog(t, l, 7)
		c, err := l.Checkpoint()
		if err != nil {
			t.Fatal(err)
		}
		if before.Size > 0 {
			proof, err := l.ProveGrowth(before.Size, c.Size)
			if err != nil {
				t.Fatal(err)
			}
			if err := tlog.CheckTree(proof, c.Size, c.Root, before.Size, before.Root); err != nil {
				t.Errorf("growth from %d to %d: %v", before.Size, c.Size, err)
			}
		}
		for seq := range c.Size {
			leaf, proof, err := l.ProveLeaf(seq, c)
			if err != nil {
				t.Fatal(err)
			}
			if err := tlog.CheckRecord(proof, c.Size, c.Root, seq, tlog.RecordHash(leaf)); err != nil {
				t.Errorf("leaf %d: %v", seq, err)
			}
		}
		before = c
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	r := mustVerify(t, dir)
	if r.Leaves != 28 || r.Rows != 28 || len(r.Findings) != 0 || r.Newest.Root != before.Root {
		t.Errorf("verified %+v", r)
	}
}

// TestNoLeafNamesAnybody searches the log's permanent files for what stands in
// the rows.
func TestNoLeafNamesAnybody(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ledger")
	l := openLedger(t, dir, System{})
	fillLog(t, l, 3)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{leavesFile, checkpointsFile, checkpointFile} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(b, []byte("0105550101")) {
			t.Errorf("%s holds a number", name)
		}
	}
	if err := os.Remove(filepath.Join(dir, rowsDir, "2026-11.jsonl")); err != nil {
		t.Fatal(err)
	}
	if r := mustVerify(t, dir); len(r.Findings) != 3 || r.Findings[0].What != "missing" {
		t.Errorf("rows gone without a word: %+v", r.Findings)
	}
	l = openLedger(t, dir, System{})
	if _, err := l.Append(Entry{Kind: EventRowsDestroyed, Subject: "2026-11"}); err != nil {
		t.Fatal(err)
	}
	l.Close()
	if r := mustVerify(t, dir); len(r.Findings) != 0 || r.RowsGone != 3 {
		t.Errorf("rows destroyed and said so: %+v", r)
	}
}

// TestEveryFlippedByteIsFound changes each byte of a log, one at a time.
func TestEveryFlippedByteIsFound(t *testing.T) {
	dir := filepath.Join(scratch(t), "ledger")
	l := openLedger(t, dir, System{})
	fillLog(t, l, 3)
	w := openWitness(t, scratch(t), System{}, l.VerifierKey())
	defer w.Close()
	cosign(t, w, l, 0)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	flipped := 0
	for _, name := range []string{leavesFile, indexFile, hashesFile, checkpointFile, checkpointsFile, verifierFile, signerFile,
		witnessedFile, witnessFile, filepath.Join(rowsDir, "2026-11.jsonl"), filepath.Join("..", checkpointFile)} {
		path := filepath.Join(dir, name)
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for i := range whole {
			if whole[i] == '\n' && i == len(whole)-1 {
				continue // the end of a text file, which says nothing
			}
			bad := slices.Clone(whole)
			bad[i] ^= 0x01
			if err := os.WriteFile(path, bad, 0o600); err != nil {
				t.Fatal(err)
			}
			flipped++
			if r, err := VerifyLog(dir, nil); err == nil && len(r.Findings) == 0 {
				t.Errorf("byte %d of %s flipped from %q: nothing found", i, name, whole[i])
			}
		}
		if err := os.WriteFile(path, whole, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d bytes flipped, one at a time", flipped)
}

// TestTruncatedAnywhere cuts the leaves at every byte. What a checkpoint
// covers is missed; recording goes on in a new log that says so.
func TestTruncatedAnywhere(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ledger")
	l := openLedger(t, dir, System{})
	fillLog(t, l, 2)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(filepath.Join(dir, leavesFile))
	if err != nil {
		t.Fatal(err)
	}
	for cut := range whole {
		one := logCopyOf(t, dir)
		if err := os.Truncate(filepath.Join(one, leavesFile), int64(cut)); err != nil {
			t.Fatal(err)
		}
		if r := mustVerify(t, one); len(r.Findings) == 0 {
			t.Errorf("cut at %d: nothing found", cut)
		}
		l := openLedger(t, one, System{})
		if l.Size() != 1 {
			t.Fatalf("cut at %d: the next log begins with %d leaves", cut, l.Size())
		}
		fillLog(t, l, 1)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if r := mustVerify(t, one); len(r.Findings) != 0 || r.Leaves != 2 {
			t.Errorf("cut at %d: the next log: %+v", cut, r)
		}
		if old, _ := filepath.Glob(one + ".damaged-*"); len(old) != 1 {
			t.Errorf("cut at %d: set aside: %v", cut, old)
		}
	}
}

// TestDerivedFilesAreMended takes index and hashes away in every way.
func TestDerivedFilesAreMended(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ledger")
	l := openLedger(t, dir, System{})
	fillLog(t, l, 5)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(rt *rapid.T) {
		one := logCopyOf(t, dir)
		for _, name := range []string{indexFile, hashesFile} {
			info, err := os.Stat(filepath.Join(one, name))
			if err != nil {
				rt.Fatal(err)
			}
			cut := rapid.Int64Range(0, info.Size()).Draw(rt, name)
			if err := os.Truncate(filepath.Join(one, name), cut); err != nil {
				rt.Fatal(err)
			}
		}
		l := openLedger(t, one, System{})
		if l.Size() != 5 {
			rt.Fatalf("%d leaves", l.Size())
		}
		fillLog(t, l, 2)
		if err := l.Close(); err != nil {
			rt.Fatal(err)
		}
		if r := mustVerify(t, one); r.Leaves != 7 || len(r.Findings) != 0 {
			rt.Errorf("%+v", r)
		}
	})
}

// TestLedgerOnAFullDisk fails every n-th write; what Append said is there is
// there, and nothing is torn.
func TestLedgerOnAFullDisk(t *testing.T) {
	for nth := 1; nth < 40; nth++ {
		dir := filepath.Join(t.TempDir(), "ledger")
		writes := 0
		full := func() bool { writes++; return writes%nth == 0 }
		armed := false
		sys := System{
			Write: func(f *os.File, p []byte) (int, error) {
				if armed && full() {
					n, _ := f.Write(p[:len(p)/2])
					return n, syscall.ENOSPC
				}
				return f.Write(p)
			},
			WriteAt: func(f *os.File, p []byte, off int64) (int, error) {
				if armed && full() {
					n, _ := f.WriteAt(p[:len(p)/2], off)
					return n, syscall.ENOSPC
				}
				return f.WriteAt(p, off)
			},
		}
		l := openLedger(t, dir, sys)
		armed = true
		said := 0
		for range 20 {
			_, err := l.Append(Entry{Kind: EventHeard, Row: call{"2001", "0105550101"}})
			if err == nil {
				said++
			} else if !errors.Is(err, syscall.ENOSPC) {
				t.Fatal(err)
			}
		}
		armed = false
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		r := mustVerify(t, dir)
		if r.Leaves != int64(said) || r.Rows != said || len(r.Findings) != 0 {
			t.Errorf("every %d. write fails: %d leaves said, verified %+v", nth, said, r)
		}
	}
}

func TestLeafIsReadBack(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		l := Leaf{
			Time:    time.Unix(rapid.Int64Range(0, 4e9).Draw(rt, "s"), rapid.Int64Range(0, 999999999).Draw(rt, "ns")).UTC(),
			Kind:    rapid.StringMatching(`[a-z][a-z-]{0,20}`).Draw(rt, "kind"),
			Subject: rapid.StringMatching(`[0-9A-Z-]{0,26}`).Draw(rt, "subject"),
			Row:     rapid.StringMatching(`([0-9a-f]{64})?`).Draw(rt, "row"),
			Public: rapid.MapOf(
				rapid.StringMatching(`x[a-z0-9]{1,10}`), rapid.StringMatching(`[ -~가-힣]{0,40}`)).Draw(rt, "public"),
		}
		text, err := l.MarshalText()
		if err != nil {
			rt.Fatal(err)
		}
		var back Leaf
		if err := back.UnmarshalText(text); err != nil {
			rt.Fatalf("%v\n%s", err, text)
		}
		if !back.Time.Equal(l.Time) || back.Kind != l.Kind || back.Subject != l.Subject || back.Row != l.Row || !maps.Equal(back.Public, l.Public) {
			rt.Errorf("%+v\n%+v", l, back)
		}
	})
}

func FuzzLeaf(f *testing.F) {
	f.Add([]byte("siprecd leaf 1\ntime 2026-11-23T09:00:01Z\nkind sealed\nsubject 01KAXB\nrow 00\nsha256 ab\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		var l Leaf
		if l.UnmarshalText(text) != nil {
			return
		}
		again, err := l.MarshalText()
		if err != nil || !bytes.Equal(again, text) {
			t.Errorf("%q is read as %q", text, again)
		}
	})
}

// copyOf copies a directory.
func copyOf(t testing.TB, dir string) string {
	t.Helper()
	to := filepath.Join(scratch(t), filepath.Base(dir))
	check(t, os.CopyFS(to, os.DirFS(dir)))
	return to
}

// logCopyOf copies a log, and the checkpoint beside it.
func logCopyOf(t testing.TB, dir string) string {
	t.Helper()
	to := copyOf(t, dir)
	beside, err := os.ReadFile(anchorOf(dir))
	check(t, err)
	check(t, os.WriteFile(anchorOf(to), beside, fileMode))
	return to
}

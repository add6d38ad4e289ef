package store

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// alter changes a byte in the middle of a file.
func alter(t testing.TB, path string) {
	t.Helper()
	b, err := os.ReadFile(path)
	check(t, err)
	b[len(b)/2] ^= 1
	check(t, os.WriteFile(path, b, 0o600))
}

// TestScrubIsGoneOnWith ends a scrub before every read in turn. The restart
// reads the others, and nothing is forgotten of what was found before.
func TestScrubIsGoneOnWith(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, unsyncedSystem())
	if _, err := s.Scrubbed(); !errors.Is(err, ErrNotFound) {
		t.Errorf("before the first: %v", err)
	}
	var rows []*Row
	for range 4 {
		rows = append(rows, sealedWithOriginal(t, s, "2027-02-22"))
	}
	sealedOn(t, s, "2027-02-22")
	alter(t, filepath.Join(dir, rows[0].File))
	alter(t, filepath.Join(dir, rows[3].Original.File))
	check(t, os.Remove(filepath.Join(dir, rows[1].File)))
	reads := 0
	_, err := s.Scrub(t.Context(), func(context.Context, int) error { reads++; return nil })
	check(t, err)
	if reads < 25 {
		t.Errorf("a scrub of %d reads", reads)
	}
	for stop := 1; stop <= reads; stop++ {
		check(t, os.RemoveAll(filepath.Join(dir, scrubFile)))
		size := s.Ledger.Size()
		scrubUntil(t, s, stop)
		check(t, s.Close())
		s = openStore(t, dir, unsyncedSystem())
		c, err := s.Scrub(t.Context(), nil)
		check(t, err)
		if c.Found["altered"] != 2 || c.Found["missing"] != 1 || len(c.Found) != 2 || len(c.Findings) != 3 || c.Recordings != 4 {
			t.Errorf("ended before read %d and gone on with: %+v", stop, c)
		}
		if want := "1 missing, 2 altered"; c.Words() != want {
			t.Errorf("in words %q", c.Words())
		}
		kept, err := s.Scrubbed()
		check(t, err)
		if kept.Ended.IsZero() || kept.Behind != "" || kept.Words() != c.Words() {
			t.Errorf("kept: %+v", kept)
		}
		newest, err := s.Ledger.Newest()
		check(t, err)
		if newest.Kind != EventScrubbed || newest.Public["altered"] != "2" || newest.Public["missing"] != "1" || newest.Row != "" || s.Ledger.Size() != size+1 {
			t.Errorf("the ledger was told %+v, %d leaves before, %d after", newest, size, s.Ledger.Size())
		}
	}
}

// scrubUntil ends a scrub before the nth read.
func scrubUntil(t *testing.T, s *Store, nth int) {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	stop := errors.New("the recorder stops")
	_, err := s.Scrub(ctx, func(context.Context, int) error {
		if nth--; nth > 0 {
			return nil
		}
		cancel(stop)
		return stop
	})
	if !errors.Is(err, stop) {
		t.Fatalf("ended early: %v", err)
	}
	if c, err := s.Scrubbed(); err != nil || !c.Ended.IsZero() {
		t.Errorf("ended early: %+v %v", c, err)
	}
}

// TestScrubOfADamagedRecordOfItself begins again.
func TestScrubOfADamagedRecordOfItself(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, unsyncedSystem())
	sealedOn(t, s, "2027-02-22")
	check(t, os.WriteFile(filepath.Join(dir, scrubFile), []byte("{"), 0o600))
	if _, err := s.Scrubbed(); !errors.Is(err, ErrDamaged) {
		t.Errorf("damaged: %v", err)
	}
	c, err := s.Scrub(t.Context(), nil)
	check(t, err)
	if c.Recordings != 1 || len(c.Findings) != 0 || c.Words() != "nothing missing, altered or added" {
		t.Errorf("%+v", c)
	}
}

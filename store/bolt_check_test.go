package store

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestLargeCatalogueIsReadInTheBackground damages a page in the middle of a
// catalogue that is too large to be read before the first call.
func TestLargeCatalogueIsReadInTheBackground(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, unsyncedSystem())
	var rows []*Row
	for i := range 5 * edge {
		r := rowNo(i)
		r.State, r.Notes = NotRecorded, []string{strings.Repeat("x", 700)}
		check(t, s.Record(t.Context(), r))
		rows = append(rows, r)
	}
	if s.check != nil {
		t.Error("a small catalogue is read in the background")
	}
	check(t, s.Close())
	path := filepath.Join(dir, "catalogue.db")
	check(t, os.Truncate(path, soundMost+1))

	s = openStore(t, dir, unsyncedSystem())
	<-s.check.done
	if n, err := s.Catalog.Count(t.Context(), Query{}); err != nil || n != len(rows) {
		t.Fatalf("sound: %d rows, %v", n, err)
	}
	check(t, s.Close())
	if info, err := os.Stat(path); err != nil || info.Size() <= soundMost {
		t.Fatalf("a sound catalogue was made anew: %v, %v", info, err)
	}

	middle := rows[len(rows)/2]
	b, err := os.ReadFile(path)
	check(t, err)
	page := os.Getpagesize()
	damaged := 0
	for at := bytes.Index(b, []byte(`{"id":"`+middle.ID)); at >= 0; damaged++ {
		for i := range page {
			b[at/page*page+i] = byte(i * 7)
		}
		at = bytes.Index(b, []byte(`{"id":"`+middle.ID))
	}
	if damaged == 0 {
		t.Fatal("the row is nowhere in the file")
	}
	check(t, os.WriteFile(path, b, 0o600))
	var log bytes.Buffer
	s, err = Open(Options{Dir: dir, System: unsyncedSystem(), Log: slog.New(slog.NewTextHandler(&log, nil)), unsynced: true})
	check(t, err)
	defer s.Close()
	if _, err := s.Catalog.Get(t.Context(), middle.ID); !errors.Is(err, ErrDamaged) && err != nil {
		t.Errorf("Get of a row in it: %v", err)
	}
	live := rowNo(5000) // a call meanwhile
	live.State = Live
	check(t, s.Catalog.Put(t.Context(), live))
	<-s.check.done
	for _, r := range append(rows, live) {
		if _, err := s.Catalog.Get(t.Context(), r.ID); err != nil {
			t.Errorf("after it: %v", err)
		}
	}
	if n, err := s.Catalog.Count(t.Context(), Query{}); err != nil || n != len(rows)+1 {
		t.Errorf("%d rows, %v, want %d", n, err, len(rows)+1)
	}
	if !strings.Contains(log.String(), "being rebuilt from the facts, while calls go on") {
		t.Errorf("log: %s", log.String())
	}
}

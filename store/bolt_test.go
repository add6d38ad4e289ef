package store

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.etcd.io/bbolt"
)

func rowNo(i int) *Row {
	start := noon.Add(time.Duration(i) * time.Minute)
	return &Row{
		ID: NewID(start), State: Sealed, Start: start, Extension: "2001", Other: fmt.Sprintf("0105550%03d", i),
		Sessions: []string{"cs"}, Participants: []Participant{{Number: "2001"}},
	}
}

// makeDB makes a catalogue as an older or newer siprecd would have left it.
func makeDB(t *testing.T, path string, version []byte, rows []*Row) {
	db, err := bbolt.Open(path, 0o600, nil)
	check(t, err)
	check(t, db.Update(func(tx *bbolt.Tx) error {
		root, err := tx.CreateBucket([]byte("v1"))
		check(t, err)
		if version != nil {
			check(t, root.Put([]byte("version"), version))
		}
		b, err := root.CreateBucket([]byte("row"))
		check(t, err)
		for _, r := range rows {
			value, err := json.Marshal(r)
			check(t, err)
			check(t, b.Put([]byte(r.ID), value))
		}
		return nil
	}))
	check(t, db.Close())
}

func TestMigrationFromVersion0(t *testing.T) {
	path := filepath.Join(t.TempDir(), "catalogue.db")
	rows := []*Row{rowNo(0), rowNo(1), rowNo(2)}
	makeDB(t, path, nil, rows)
	for range 2 { // the second time there is nothing to do
		b, err := OpenBolt(path)
		check(t, err)
		for _, q := range []Query{{}, {Number: "0105*"}, {Number: "2001"}, {Extension: "2001"}, {CS: "cs"}, {States: []State{Sealed}}} {
			var ids []string
			for r, err := range b.Find(t.Context(), q) {
				check(t, err)
				ids = append(ids, r.ID)
			}
			if want := []string{rows[2].ID, rows[1].ID, rows[0].ID}; !slices.Equal(ids, want) {
				t.Errorf("%+v finds %v, want %v", q, ids, want)
			}
		}
		check(t, b.Close())
	}
}

func TestNewerCatalogueIsLeftAlone(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "catalogue.db")
	makeDB(t, path, binary.AppendUvarint(nil, catalogueVersion+1), nil)
	_, err := Open(Options{Dir: dir})
	if err == nil || errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "newer siprecd") {
		t.Errorf("%v, want advice", err)
	}
	if files := filesOf(t, dir); !slices.Contains(files, "/catalogue.db") {
		t.Errorf("moved: %q", files)
	}
}

func TestDamagedCatalogueIsRebuilt(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, System{})
	var ids []string
	for i := range 40 {
		r := rowNo(i)
		r.State, r.Notes = NotRecorded, []string{strings.Repeat("x", 500)}
		check(t, s.Record(t.Context(), r))
		ids = append(ids, r.ID)
	}
	check(t, s.Close())
	path := filepath.Join(dir, "catalogue.db")
	good, err := os.ReadFile(path)
	check(t, err)
	page := os.Getpagesize()
	random := rand.New(rand.NewPCG(1, 2))
	damages := map[string]func(b []byte) []byte{
		"empty":        func([]byte) []byte { return nil },
		"text":         func([]byte) []byte { return []byte("not a catalogue") },
		"zeros":        func(b []byte) []byte { return make([]byte, len(b)) },
		"cut off":      func(b []byte) []byte { return b[:3*page] },
		"metas zeroed": func(b []byte) []byte { clear(b[:2*page]); return b },
		"pages zeroed": func(b []byte) []byte { clear(b[2*page:]); return b },
	}
	for i := range 12 {
		at := random.IntN(len(good)/page) * page
		damages[fmt.Sprintf("page %d, %d", at/page, i)] = func(b []byte) []byte {
			for j := range page {
				b[at+j] = byte(random.Uint32())
			}
			return b
		}
	}
	for name, damage := range damages {
		t.Run(name, func(t *testing.T) {
			bad := damage(bytes.Clone(good))
			check(t, os.WriteFile(path, bad, 0o600))
			s := openStore(t, dir, System{})
			n, err := s.Catalog.Count(t.Context(), Query{})
			check(t, err)
			aside, err := filepath.Glob(path + ".bad-*")
			check(t, err)
			switch {
			case len(aside) == 1:
				kept, err := os.ReadFile(aside[0])
				check(t, err)
				if !bytes.Equal(kept, bad) || n != len(ids) {
					t.Errorf("%d rows, %d bytes set aside", n, len(kept))
				}
				check(t, os.Remove(aside[0]))
			case name == "empty":
				if n != 0 {
					t.Errorf("%d rows", n)
				}
			case n != len(ids): // damage in a page that nothing uses, or in one meta of two
				t.Errorf("%d rows, want %d, and nothing set aside", n, len(ids))
			}
			check(t, s.Close())
		})
	}
}

func TestReindexWhileRowsAreWritten(t *testing.T) {
	s := openStore(t, t.TempDir(), System{})
	live := rowNo(1000)
	live.State = Live
	check(t, s.Catalog.Put(t.Context(), live))
	gone := rowNo(1001)
	gone.File = "vault/2026/03/01/" + gone.ID + ".wav"
	check(t, s.Catalog.Put(t.Context(), gone))
	sealed := sealRow(NewID(noon))
	check(t, s.Seal(t.Context(), sealed, "wav", writeBody))
	check(t, s.Catalog.Delete(t.Context(), sealed.ID))

	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			for j := range 5 {
				if err := s.Catalog.Put(t.Context(), rowNo(i*5+j)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 5 {
		if _, err := s.Reindex(t.Context()); err != nil {
			t.Error(err)
		}
	}
	wg.Wait()
	n, err := s.Reindex(t.Context())
	check(t, err)
	if n != 102 {
		t.Errorf("%d rows, want 100, the live one and the sealed one", n)
	}
	if got, err := s.Catalog.Get(t.Context(), sealed.ID); err != nil || got.SHA256 != sealed.SHA256 {
		t.Errorf("sealed: %+v, %v", got, err)
	}
	if _, err := s.Catalog.Get(t.Context(), gone.ID); !errors.Is(err, ErrNotFound) {
		t.Errorf("a row whose file is gone: %v", err)
	}
}

func TestOneDaemonPerDirectory(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, System{})
	if _, err := Open(Options{Dir: dir}); !errors.Is(err, ErrInUse) {
		t.Errorf("a second one: %v, want ErrInUse", err)
	}
	check(t, s.Close())
	openStore(t, dir, System{})
}

func TestCatalogueThatAnotherProgramHasOpenIsLeftAlone(t *testing.T) {
	dir := t.TempDir()
	check(t, openStore(t, dir, System{}).Close())
	other, err := bbolt.Open(filepath.Join(dir, "catalogue.db"), 0o600, nil)
	check(t, err)
	defer other.Close()
	if _, err := Open(Options{Dir: dir}); err == nil || errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "another program") {
		t.Errorf("%v, want advice", err)
	}
	if files := filesOf(t, dir); !slices.Contains(files, "/catalogue.db") {
		t.Errorf("moved: %q", files)
	}
}

func TestRunKeyOfAnotherSizeIsNotReplaced(t *testing.T) {
	dir := t.TempDir()
	check(t, os.WriteFile(filepath.Join(dir, "run.key"), []byte("short"), 0o600))
	if _, err := Open(Options{Dir: dir}); err == nil || !strings.Contains(err.Error(), "run.key") {
		t.Errorf("%v, want an error that names the file", err)
	}
}

func TestFilesAreOnlyOurs(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	s := openStore(t, dir, System{})
	newTape(t, s, false)
	check(t, s.Seal(t.Context(), sealRow(NewID(noon)), "wav", writeBody))
	check(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		check(t, err)
		info, err := d.Info()
		check(t, err)
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v", path, info.Mode())
		}
		return nil
	}))
	if free, total, err := s.Disk(); err != nil || free == 0 || total < free {
		t.Errorf("disk: %d of %d, %v", free, total, err)
	}
}

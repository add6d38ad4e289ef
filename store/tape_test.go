package store

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// rec is a Record one may keep.
type rec struct {
	kind uint8
	at   int64
	line uint16
	data string
}

func openStore(t testing.TB, dir string, sys System) *Store {
	t.Helper()
	s, err := Open(Options{Dir: dir, System: sys, unsynced: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func newTape(t testing.TB, s *Store, provisional bool) *Tape {
	t.Helper()
	tape, err := s.NewTape(NewID(noon), "2027-02-22", provisional)
	if err != nil {
		t.Fatal(err)
	}
	return tape
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// someRecs are records of all sizes, several blocks of them.
func someRecs() []rec {
	var all []rec
	for i, size := range []int{0, 1, 172, 172, 1500, 4069, 4079, 4096, 10_000, 0, 262_144, 172, 172} {
		at := noon.UnixNano() + int64(i)*20e6
		if i == 3 {
			at -= 50e6 // the kernel's time may step back
		}
		all = append(all, rec{kind: uint8(i), at: at, line: uint16(i * 5000), data: string(bytes.Repeat([]byte{byte('a' + i)}, size))})
	}
	return all
}

func appendAll(tape *Tape, recs []rec) {
	for _, r := range recs {
		tape.Append(r.kind, r.at, r.line, []byte(r.data))
	}
}

func collect(records Records) (recs []rec, errs []error) {
	for r, err := range records {
		if err != nil {
			errs = append(errs, err)
			continue
		}
		recs = append(recs, rec{r.Kind, r.At, r.Line, string(r.Data)})
	}
	return recs, errs
}

// readTape reads a whole tape.
func readTape(t testing.TB, s *Store, id string) []rec {
	t.Helper()
	read, err := s.ReadTape(id)
	check(t, err)
	recs, errs := collect(read())
	if errs != nil {
		t.Fatalf("tape %s: %v", id, errs)
	}
	again, _ := collect(read())
	if !slices.Equal(recs, again) {
		t.Fatal("the second reading differs")
	}
	return recs
}

func describe(recs []rec) (s string) {
	for _, r := range recs {
		s += fmt.Sprintf("{%d %d %d, %d bytes} ", r.kind, r.at, r.line, len(r.data))
	}
	return s
}

func TestTapeReadsBackWhatWasAppended(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, System{})
	tape := newTape(t, s, false)
	want := someRecs()
	half := len(want) / 2
	appendAll(tape, want[:half])
	check(t, tape.Flush())
	if got := readTape(t, s, tape.id); !slices.Equal(got, want[:half]) {
		t.Errorf("live: %s, want %s", describe(got), describe(want[:half]))
	}
	appendAll(tape, want[half:])
	check(t, tape.Close())
	check(t, tape.Close())
	check(t, s.Close())

	s = openStore(t, dir, System{})
	if got := readTape(t, s, tape.id); !slices.Equal(got, want) {
		t.Errorf("after a restart: %s, want %s", describe(got), describe(want))
	}
	left, err := s.Leftovers()
	check(t, err)
	if !slices.Equal(left, []string{tape.id}) {
		t.Errorf("leftovers %v", left)
	}
	if tape.Lost() != 0 {
		t.Errorf("%d lost", tape.Lost())
	}
}

func TestTapeIsUnreadableOnDisk(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, System{})
	tape := newTape(t, s, false)
	tape.Append(1, 2, 3, bytes.Repeat([]byte("speech"), 100))
	check(t, tape.Close())
	raw, err := os.ReadFile(filepath.Join(dir, "tapes", tape.id+".tape"))
	check(t, err)
	if bytes.Contains(raw, []byte("speech")) {
		t.Error("clear text on disk")
	}
	info, err := os.Stat(filepath.Join(dir, "tapes", tape.id+".tape"))
	check(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
}

func TestProvisionalTape(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, System{})
	forgotten, confirmed, destroyed := newTape(t, s, true), newTape(t, s, true), newTape(t, s, true)
	want := someRecs()
	for _, tape := range []*Tape{forgotten, confirmed, destroyed} {
		appendAll(tape, want)
		check(t, tape.Flush())
		if got := readTape(t, s, tape.id); !slices.Equal(got, want) {
			t.Errorf("live: %s", describe(got))
		}
	}
	key := destroyed.key
	check(t, confirmed.Confirm())
	check(t, confirmed.Confirm())
	check(t, destroyed.Destroy())
	if !bytes.Equal(key, make([]byte, keySize)) {
		t.Error("the key outlives Destroy")
	}
	if _, err := s.ReadTape(destroyed.id); !errors.Is(err, ErrNotFound) {
		t.Errorf("read after Destroy: %v", err)
	}
	if err := destroyed.Flush(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("flush after Destroy: %v", err)
	}
	if err := destroyed.Confirm(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("confirm after Destroy: %v", err)
	}
	destroyed.Append(1, 2, 3, nil)
	// A kept key goes too, from the blocks of the unlinked file.
	kept := newTape(t, s, false)
	link := filepath.Join(dir, "link")
	check(t, os.Link(s.tapePath(kept.id), link))
	check(t, kept.Destroy())
	raw, err := os.ReadFile(link)
	check(t, err)
	if h, err := readHeader(raw[:headerSize], kept.id); h.slot != nil || h.sealed != nil || h.damaged != nil || err != nil {
		t.Errorf("the key of a destroyed tape is in its header; %v", err)
	}
	check(t, forgotten.Close())
	check(t, confirmed.Close())
	check(t, s.Close())

	s = openStore(t, dir, System{})
	if got := readTape(t, s, confirmed.id); !slices.Equal(got, want) {
		t.Errorf("confirmed: %s", describe(got))
	}
	if _, err := s.ReadTape(forgotten.id); !errors.Is(err, ErrForgotten) {
		t.Errorf("never confirmed: %v, want ErrForgotten", err)
	}
	check(t, s.RemoveTape(forgotten.id))
	check(t, s.RemoveTape(forgotten.id))
}

package store

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func openWithKey(t *testing.T, dir string, key RunKey) *Store {
	t.Helper()
	s, err := Open(Options{Dir: dir, RunKey: key, unsynced: true})
	check(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

// What a power cut leaves, and a thief of disks gets: the data directory without
// the run key. Nobody but a custodian opens the tape.
func TestTapeWithoutItsRunKey(t *testing.T) {
	dir, runtime := t.TempDir(), RunKey{File: filepath.Join(t.TempDir(), "run.key")}
	s := openWithKey(t, dir, runtime)
	tape := newTape(t, s, false)
	want := someRecs()
	appendAll(tape, want)
	check(t, tape.Close())
	ids, err := s.Keys.Identity("first", nil)
	check(t, err)
	s.Keys.workFactor = 10 // a passphrase is to cost nothing here
	check(t, s.Keys.Protect("first", "옛날 옛적에"))
	check(t, s.Close())

	s = openWithKey(t, dir, runtime)
	if got := readTape(t, s, tape.id); !slices.Equal(got, want) {
		t.Errorf("after a kill: %s", describe(got))
	}
	check(t, s.Close())

	check(t, os.Remove(runtime.File))
	s = openWithKey(t, dir, runtime)
	if _, err := s.ReadTape(tape.id); !errors.Is(err, ErrLocked) {
		t.Errorf("after a power cut: %v, want ErrLocked", err)
	}
	if day, err := s.TapeDay(tape.id); day != "2027-02-22" || err != nil {
		t.Errorf("dies %q, %v", day, err)
	}
	check(t, s.Keys.Unlock(ids, time.Now().Add(time.Hour)))
	if got := readTape(t, s, tape.id); !slices.Equal(got, want) {
		t.Errorf("unlocked: %s", describe(got))
	}
	_, err = s.RetireDay(t.Context(), "2027-02-22", "2027-02-22")
	check(t, err)
	if _, err := s.ReadTape(tape.id); !errors.Is(err, ErrDead) {
		t.Errorf("when its day is over: %v, want ErrDead", err)
	}
}

func TestProvisionalTapeIsSealedToNobody(t *testing.T) {
	dir, runtime := t.TempDir(), RunKey{Secret: []byte(strings.Repeat("k", 32))}
	s := openWithKey(t, dir, runtime)
	forgotten, confirmed := newTape(t, s, true), newTape(t, s, true)
	appendAll(forgotten, someRecs())
	appendAll(confirmed, someRecs())
	check(t, confirmed.Confirm())
	check(t, forgotten.Close())
	check(t, confirmed.Close())
	check(t, s.Close())
	s = openWithKey(t, dir, RunKey{Secret: []byte(strings.Repeat("x", 40))})
	if _, err := s.ReadTape(forgotten.id); !errors.Is(err, ErrForgotten) {
		t.Errorf("never confirmed: %v, want ErrForgotten", err)
	}
	if got := readTape(t, s, confirmed.id); !slices.Equal(got, someRecs()) { // the first custodian is unlocked
		t.Errorf("confirmed: %s", describe(got))
	}
}

// A key that lay beside the data opens what it was made for, and goes with the
// last of it.
func TestRunKeyMovesAway(t *testing.T) {
	dir := t.TempDir()
	s := openWithKey(t, dir, RunKey{})
	if !s.RunKeyBeside {
		t.Error("it is not said that the run key lies beside the data")
	}
	tape := newTape(t, s, false)
	check(t, tape.Close())
	s.Keys.workFactor = 10 // a passphrase is to cost nothing here
	check(t, s.Keys.Protect("first", "옛날 옛적에"))
	check(t, s.Close())
	beside, runtime := filepath.Join(dir, runKeyFile), RunKey{File: filepath.Join(t.TempDir(), "run.key")}
	for left := range 2 {
		s = openWithKey(t, dir, runtime)
		if s.RunKeyBeside {
			t.Error("said to lie beside the data")
		}
		_, err := os.Stat(beside)
		if there := err == nil; there != (left == 0) {
			t.Errorf("round %d: the old key is there: %v", left, there)
		}
		if left == 0 {
			_, err := s.ReadTape(tape.id)
			check(t, err)
			check(t, s.RemoveTape(tape.id))
		}
		check(t, s.Close())
	}
}

func TestRunKeyThatOthersMayRead(t *testing.T) {
	file := filepath.Join(t.TempDir(), "run.key")
	check(t, os.WriteFile(file, make([]byte, keySize), 0o600))
	check(t, os.Chmod(file, 0o644))
	if _, err := Open(Options{Dir: t.TempDir(), RunKey: RunKey{File: file}}); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("%v, want advice", err)
	}
	if _, err := Open(Options{Dir: t.TempDir(), RunKey: RunKey{Secret: []byte("short")}}); err == nil {
		t.Error("a short secret is taken")
	}
	dir := t.TempDir()
	s := openWithKey(t, dir, RunKey{Existing: true})
	check(t, s.Close())
	if slices.Contains(filesOf(t, dir), "/"+runKeyFile) {
		t.Error("a key was made where none is needed")
	}
}

// Each bit of a header: what it says of the key is right, or damage is told.
func TestTapeHeaderBits(t *testing.T) {
	s := openWithKey(t, t.TempDir(), RunKey{})
	tape, raw, want, _ := smallTape(t, s)
	silent := 0
	for i := range headerSize {
		b := slices.Clone(raw)
		b[i] ^= 1 << (i % 8)
		check(t, os.WriteFile(s.tapePath(tape.id), b, 0o600))
		read, err := s.ReadTape(tape.id)
		if err != nil {
			if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrForgotten) && !strings.Contains(err.Error(), "version") {
				t.Errorf("byte %d: %v", i, err)
			}
			continue
		}
		got, errs := collect(read())
		if !slices.Equal(got, want) {
			t.Errorf("byte %d: %s", i, describe(got))
		}
		if len(errs) == 0 {
			silent++
			t.Errorf("byte %d: nothing is said", i)
		}
	}
	if silent > 0 {
		t.Errorf("%d flipped bytes go unnoticed", silent)
	}
}

// TestRemovedTapeOpensNoMore keeps a second name of a tape's file, as free space
// keeps its blocks: with the run key and every custodian nothing of it opens.
func TestRemovedTapeOpensNoMore(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, unsyncedSystem())
	tape := newTape(t, s, false)
	appendAll(tape, []rec{{kind: 1, at: noon.UnixNano(), line: 1, data: "voice"}})
	check(t, tape.Close())
	kept := filepath.Join(dir, "free-space")
	check(t, os.Link(s.tapePath(tape.id), kept))
	check(t, s.Seal(t.Context(), sealRow(tape.id), "wav", writeBody))
	check(t, os.Rename(kept, s.tapePath(tape.id)))
	if _, err := s.ReadTape(tape.id); !errors.Is(err, ErrForgotten) {
		t.Errorf("a tape that was removed: %v", err)
	}
}

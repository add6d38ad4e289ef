package store

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
)

// faults is a System and a Catalog of which the nth operation fails, a write
// after half of it.
type faults struct {
	left atomic.Int64 // operations until the failing one
	err  error
}

// fail says whether this operation is the one.
func (f *faults) fail() bool { return f.left.Add(-1) == 0 }

func (f *faults) system() System {
	return System{
		OpenFile: func(name string, flag int, perm fs.FileMode) (*os.File, error) {
			if f.fail() {
				return nil, f.err
			}
			return os.OpenFile(name, flag, perm)
		},
		Write: func(file *os.File, p []byte) (int, error) {
			if f.fail() {
				n, _ := file.Write(p[:len(p)/2])
				return n, f.err
			}
			return file.Write(p)
		},
		Sync: func(file *os.File) error {
			if f.fail() {
				return f.err
			}
			return nil
		},
		SyncFS: func(*os.File) error { return nil },
		Mkdir: func(name string, perm fs.FileMode) error {
			if f.fail() {
				return f.err
			}
			return os.Mkdir(name, perm)
		},
		Rename: func(from, to string) error {
			if f.fail() {
				return f.err
			}
			return os.Rename(from, to)
		},
		Remove: func(name string) error {
			if f.fail() {
				return f.err
			}
			return os.Remove(name)
		},
	}
}

type faultyCatalog struct {
	Catalog
	f *faults
}

func (c faultyCatalog) Put(ctx context.Context, r *Row) error {
	if c.f.fail() {
		return c.f.err
	}
	return c.Catalog.Put(ctx, r)
}

// sealedBody is longer than what Seal buffers.
var sealedBody = bytes.Repeat([]byte("sealed"), 25_000)

func writeBody(w io.Writer) error {
	for part := range slices.Chunk(sealedBody, 1000) {
		w.Write(part) // a renderer that does not look at errors must not matter
	}
	return nil
}

// sealRow is a row ready for Seal.
func sealRow(id string) *Row {
	return &Row{ID: id, State: Sealed, Start: noon, Extension: "2001", Other: "0105550101", Dies: "2026-05-31"}
}

// filesOf lists the files under a directory, relative to it.
func filesOf(t testing.TB, dir string) (names []string) {
	t.Helper()
	check(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, strings.TrimPrefix(path, dir))
		}
		return err
	}))
	return names
}

// checkWholeOrTaped checks that the recording of id is whole or its tape there,
// never both and never neither, and that nothing half lies about. It is what
// must hold after Recover.
func checkWholeOrTaped(t testing.TB, s *Store, id string) (sealed bool) {
	t.Helper()
	left, err := s.Leftovers()
	check(t, err)
	taped := len(left) == 1
	row, err := s.Catalog.Get(t.Context(), id)
	if err != nil && !errors.Is(err, ErrNotFound) {
		t.Fatal(err)
	}
	files := filesOf(t, filepath.Join(s.dir, vaultDir))
	if taped {
		readTape(t, s, id)
		if row != nil || len(files) != 0 {
			t.Fatalf("with the tape there are also row %v and %q", row, files)
		}
		return false
	}
	if row == nil || len(files) != 2 {
		t.Fatalf("without a tape there are row %v and %q", row, files)
	}
	body, err := s.OpenAudio(t.Context(), row)
	check(t, err)
	defer body.Close()
	if b, err := io.ReadAll(body); err != nil || !bytes.Equal(b, sealedBody) || row.Bytes != int64(len(b)) {
		t.Fatalf("sealed body of %d bytes, row says %d; %v", len(b), row.Bytes, err)
	}
	return true
}

// Every operation of a Seal fails once; then the daemon dies and comes again,
// or tries again.
func TestSealFailsAnywhere(t *testing.T) {
	withoutRaces(t)
	t.Parallel()
	for _, cause := range []error{syscall.ENOSPC, syscall.EIO} {
		for _, retry := range []bool{false, true} {
			n := int64(1)
			for ; !sealFailingAt(t, n, cause, retry); n++ {
			}
			if n < 15 {
				t.Errorf("a seal of only %d operations: are they counted?", n-1)
			}
		}
	}
}

// sealFailingAt returns true when the seal has fewer than n operations.
func sealFailingAt(t *testing.T, n int64, cause error, retry bool) (over bool) {
	dir := scratch(t)
	f := &faults{err: cause}
	s := openStore(t, dir, f.system())
	s.Catalog = faultyCatalog{s.Catalog, f}
	tape := newTape(t, s, false)
	appendAll(tape, someRecs()[:5])
	check(t, tape.Close())

	f.left.Store(n)
	err := s.Seal(t.Context(), sealRow(tape.id), "wav", writeBody)
	over = f.left.Load() > 0
	f.left.Store(0)
	if over {
		check(t, err)
	}
	if err != nil && !errors.Is(err, cause) {
		t.Errorf("operation %d: %v does not say %v", n, err, cause)
	}
	if retry {
		err := s.Seal(t.Context(), sealRow(tape.id), "wav", writeBody)
		if s.Err() == nil {
			check(t, err)
			if !checkWholeOrTaped(t, s, tape.id) {
				t.Errorf("operation %d: sealed at the second try, but the tape is there", n)
			}
		} else if !errors.Is(err, ErrSuspect) {
			t.Errorf("operation %d: seal on a suspect disk: %v", n, err)
		}
	}
	s.Close()

	f.left.Store(0)
	s = openStore(t, dir, f.system())
	check(t, s.Recover(t.Context()))
	if !checkWholeOrTaped(t, s, tape.id) {
		check(t, s.Seal(t.Context(), sealRow(tape.id), "wav", writeBody))
		if !checkWholeOrTaped(t, s, tape.id) {
			t.Errorf("operation %d: sealed after the restart, but the tape is there", n)
		}
	}
	check(t, s.Close())
	return over
}

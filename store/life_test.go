package store

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"
)

// badDisk is a System whose nth operation of some kinds fails, or all from it on.
type badDisk struct {
	err     error
	kinds   []string // that count and fail; nil: all that change something
	lasting bool     // until it is healed

	mu    sync.Mutex // guards what follows
	nth   int        // the failing one; 0: none
	count int
}

// op counts an operation and returns its error.
func (d *badDisk) op(kind string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.nth == 0 || d.kinds != nil && !slices.Contains(d.kinds, kind) {
		return nil
	}
	d.count++
	if d.count == d.nth || d.lasting && d.count > d.nth {
		return d.err
	}
	return nil
}

// arm lets the nth operation from now on fail; 0: none, the disk is well again.
// It returns how many were counted until now.
func (d *badDisk) arm(nth int) (counted int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	counted, d.count, d.nth = d.count, 0, nth
	return counted
}

func (d *badDisk) system() System {
	half := func(kind string, p []byte, write func([]byte) (int, error)) (int, error) {
		if err := d.op(kind); err != nil {
			n, _ := write(p[:len(p)/2])
			return n, err
		}
		return write(p)
	}
	return System{
		OpenFile: func(name string, flag int, perm fs.FileMode) (*os.File, error) {
			if flag&(os.O_CREATE|os.O_WRONLY|os.O_RDWR) != 0 {
				if err := d.op("open"); err != nil {
					return nil, &fs.PathError{Op: "open", Path: name, Err: err}
				}
			}
			return os.OpenFile(name, flag, perm)
		},
		Write: func(f *os.File, p []byte) (int, error) { return half("write", p, f.Write) },
		WriteAt: func(f *os.File, p []byte, off int64) (int, error) {
			return half("write", p, func(p []byte) (int, error) { return f.WriteAt(p, off) })
		},
		Truncate: func(f *os.File, size int64) error { return errors.Join(d.op("truncate"), f.Truncate(size)) },
		Sync:     func(*os.File) error { return d.op("sync") },
		SyncFS:   func(*os.File) error { return d.op("sync") },
		Mkdir: func(name string, perm fs.FileMode) error {
			if _, err := os.Lstat(name); err == nil {
				return fs.ErrExist
			}
			if err := d.op("mkdir"); err != nil {
				return err
			}
			return os.Mkdir(name, perm)
		},
		Rename: func(from, to string) error {
			if err := d.op("rename"); err != nil {
				return err
			}
			return os.Rename(from, to)
		},
		Remove: func(name string) error {
			if err := d.op("remove"); err != nil {
				return err
			}
			return os.Remove(name)
		},
	}
}

// Put makes the catalogue's writes, which go past System, fail too.
type badCatalog struct {
	Catalog
	d *badDisk
}

func (c badCatalog) Put(ctx context.Context, r *Row) error {
	if err := c.d.op("catalogue"); err != nil {
		return err
	}
	return c.Catalog.Put(ctx, r)
}

// TestACallOnABadDisk lives a call through, from its tape to its leaf in the
// ledger, and has every operation in turn fail. Then the disk is well again. The
// recording is never half, never twice, and never lost: not what was on the tape
// when the disk still took it.
func TestACallOnABadDisk(t *testing.T) {
	withoutRaces(t)
	t.Parallel()
	writes := []string{"open", "write", "mkdir", "rename", "catalogue"}
	for _, d := range []*badDisk{
		{err: syscall.ENOSPC, kinds: writes},                // full for a moment
		{err: syscall.ENOSPC, kinds: writes, lasting: true}, // full until there is room
		{err: syscall.ENOSPC, kinds: []string{"rename"}},    // no room for a name
		{err: syscall.EIO, kinds: []string{"sync"}},         // each fsync
		{err: syscall.EROFS, lasting: true},                 // mounted read-only in mid-life
	} {
		name := d.err.Error() + " of " + "everything"
		if d.kinds != nil {
			name = d.err.Error() + " of " + d.kinds[0]
		}
		if d.lasting {
			name += " from there on"
		}
		t.Run(name, func(t *testing.T) {
			seed := t.TempDir()
			check(t, openStore(t, seed, unsyncedSystem()).Close())
			nth := 1
			for ; ; nth++ {
				disk := &badDisk{err: d.err, kinds: d.kinds, lasting: d.lasting}
				if counted := liveOn(t, disk, nth, seed); counted < nth || t.Failed() {
					break
				}
			}
			if nth < 5 {
				t.Errorf("a life of only %d operations: are they counted?", nth-1)
			}
			t.Logf("%d lives", nth)
		})
	}
}

// liveOn lives one life of which the nth operation fails, and returns how many
// there were.
func liveOn(t *testing.T, disk *badDisk, nth int, seed string) (counted int) {
	t.Helper()
	dir := filepath.Join(scratch(t), "data")
	defer os.RemoveAll(dir)
	check(t, os.CopyFS(dir, os.DirFS(seed)))
	check(t, os.Chmod(filepath.Join(dir, runKeyFile), 0o600))
	s, err := Open(Options{Dir: dir, System: disk.system(), SyncEvery: time.Hour, unsynced: true})
	check(t, err)
	s.Catalog = badCatalog{s.Catalog, disk}

	disk.arm(nth)
	tape, err := s.NewTape(NewID(noon), dies, false)
	if err != nil { // the call is refused, or goes unrecorded and says so
		counted = disk.arm(0)
		_ = s.Close()
		nothingLeft(t, dir)
		return counted
	}
	want := someRecs()[:3]
	for _, r := range want {
		appendAll(tape, []rec{r})
		_ = tape.Flush() // it is said, and tried again
		s.sync.syncDirty()
	}
	closed := tape.Close()
	lost := tape.Lost()
	row := sealRow(tape.id)
	row.Dies = dies
	sealed := s.KeepOriginal(t.Context(), row)
	if sealed == nil {
		sealed = s.Seal(t.Context(), row, "", writeBody)
	}
	counted = disk.arm(0)

	if sealed != nil && s.Err() == nil { // there is room again
		check(t, s.KeepOriginal(t.Context(), row))
		check(t, s.Seal(t.Context(), row, "", writeBody))
		sealed = nil
	}
	if s.Err() != nil && sealed == nil {
		t.Errorf("operation %d: called complete on a disk that lost a sync", nth)
	}
	_ = s.Close()

	s = openStore(t, dir, unsyncedSystem())
	defer s.Close()
	check(t, s.Recover(t.Context()))
	if !checkWholeOrTaped(t, s, tape.id) {
		recs := readTape(t, s, tape.id)
		if !isSubsequence(recs, want) || closed == nil && lost == 0 && len(recs) != len(want) {
			t.Errorf("operation %d: on the tape is %s, %d records are said to be lost", nth, describe(recs), lost)
		}
		check(t, s.KeepOriginal(t.Context(), row))
		check(t, s.Seal(t.Context(), row, "", writeBody))
	} else if sealed != nil && !errors.Is(sealed, disk.err) && !errors.Is(sealed, ErrSuspect) {
		t.Errorf("operation %d: %v does not say %v", nth, sealed, disk.err)
	}
	if !checkWholeOrTaped(t, s, tape.id) {
		t.Errorf("operation %d: in the end its tape is still there", nth)
	}
	if kept := filesOf(t, filepath.Join(dir, originalsDir)); len(kept) != 1 {
		t.Errorf("operation %d: originals %q", nth, kept)
	}
	_, err = s.Ledger.Checkpoint()
	check(t, err)
	v, err := s.Verify(t.Context(), VerifyOptions{})
	check(t, err)
	if len(v.Findings) != 0 || v.Recordings != 1 {
		t.Errorf("operation %d: verified: %+v", nth, v)
	}
	return counted
}

// nothingLeft checks that of a call without a tape nothing lies about that
// anybody could take for a recording.
func nothingLeft(t *testing.T, dir string) {
	t.Helper()
	s := openStore(t, dir, unsyncedSystem())
	defer s.Close()
	check(t, s.Recover(t.Context()))
	left, err := s.Leftovers()
	check(t, err)
	for _, id := range left {
		if _, err := s.ReadTape(id); !errors.Is(err, ErrForgotten) {
			t.Errorf("a tape that was not begun is read: %v", err)
		}
	}
	if files := filesOf(t, filepath.Join(dir, vaultDir)); len(files) != 0 {
		t.Errorf("in the vault: %q", files)
	}
}

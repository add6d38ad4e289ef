package store

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// System is the operating system as the store writes through it. A nil field
// is the real one. bbolt does its own writing.
type System struct {
	OpenFile func(name string, flag int, perm fs.FileMode) (*os.File, error)
	Write    func(f *os.File, p []byte) (int, error)
	WriteAt  func(f *os.File, p []byte, off int64) (int, error)
	Truncate func(f *os.File, size int64) error
	Sync     func(f *os.File) error // fsync of a file or a directory
	Mkdir    func(name string, perm fs.FileMode) error
	Rename   func(from, to string) error
	Remove   func(name string) error
	Free     func(dir string) (free, total uint64, err error)

	// SyncFS syncs the whole file system dir is on. Where the real one is nil
	// (no such call), dirty tapes are synced one by one.
	SyncFS func(dir *os.File) error
}

func (sys System) orReal() System {
	if sys.OpenFile == nil {
		sys.OpenFile = os.OpenFile
	}
	if sys.Write == nil {
		sys.Write = (*os.File).Write
	}
	if sys.WriteAt == nil {
		sys.WriteAt = (*os.File).WriteAt
	}
	if sys.Truncate == nil {
		sys.Truncate = (*os.File).Truncate
	}
	if sys.Sync == nil {
		sys.Sync = (*os.File).Sync
	}
	if sys.Mkdir == nil {
		sys.Mkdir = os.Mkdir
	}
	if sys.Rename == nil {
		sys.Rename = os.Rename
	}
	if sys.Remove == nil {
		sys.Remove = os.Remove
	}
	if sys.Free == nil {
		sys.Free = freeSpace
	}
	if sys.SyncFS == nil {
		sys.SyncFS = realSyncFS()
	}
	return sys
}

// makeDir makes dir and its missing parents, each durable in its parent before
// anything is put into it.
func (sys System) makeDir(dir string) error {
	err := sys.Mkdir(dir, dirMode)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if errors.Is(err, fs.ErrNotExist) && filepath.Dir(dir) != dir {
		if err := sys.makeDir(filepath.Dir(dir)); err != nil {
			return err
		}
		if err = sys.Mkdir(dir, dirMode); errors.Is(err, fs.ErrExist) {
			return nil
		}
	}
	if err != nil {
		return err
	}
	return sys.syncDir(filepath.Dir(dir))
}

func (sys System) syncDir(dir string) error {
	if !dirsSync {
		return nil
	}
	d, err := sys.OpenFile(dir, os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	return errors.Join(sys.Sync(d), d.Close())
}

// removeIfThere removes a file; a missing one is no error.
func (sys System) removeIfThere(name string) error {
	if err := sys.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

package store

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// shred overwrites a file, makes that durable, and unlinks it; a missing
// one is no error. On a file system that writes elsewhere (copy on write, flash)
// the old bytes may survive: the disk itself must be encrypted against that.
func (sys System) shred(name string) error {
	if err := sys.overwrite(name); err != nil {
		return err
	}
	err := sys.syncDir(filepath.Dir(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// overwrite is shred without the last step: that the name is gone is not durable.
func (sys System) overwrite(name string) error {
	f, err := sys.OpenFile(name, os.O_WRONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil {
		zeros := make([]byte, min(info.Size(), 1<<20))
		for at := int64(0); at < info.Size() && err == nil; at += int64(len(zeros)) {
			err = sys.writeAll(f, zeros[:min(int64(len(zeros)), info.Size()-at)], at)
		}
	}
	if err == nil {
		err = sys.Sync(f)
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return sys.removeIfThere(name)
}

// goneExt marks a file that is being destroyed.
const goneExt = ".gone"

// giveUp shreds a file that is read by its name, and what a crash left of that:
// half overwritten under its own name it would look damaged.
func (sys System) giveUp(name string) error {
	if err := sys.Rename(name, name+goneExt); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := sys.syncDir(filepath.Dir(name)); err != nil {
		return err
	}
	return sys.shred(name + goneExt)
}

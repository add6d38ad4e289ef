package store

import (
	"cmp"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// RunKey says where the key comes from that opens the tapes of calls going on,
// and what a crash left of them. Its zero value is a file beside the data, which
// goes with the disk.
type RunKey struct {
	Secret []byte // 32 bytes or more that whoever starts the daemon gives it; nil: File
	File   string // read, or made: where a power cut, and a thief of disks, leaves nothing; "": beside the data

	Existing bool // it is not made: for who writes no tapes
}

const runKeyFile = "run.key"

// openRunKey finds or makes the run key. A key beside the data that another place
// has taken over from still opens the tapes it was made for; it goes with the
// last of them.
func (s *Store) openRunKey(from RunKey) (err error) {
	beside := filepath.Join(s.dir, runKeyFile)
	switch _, missing := os.Stat(cmp.Or(from.File, beside)); {
	case from.Existing && from.Secret == nil && errors.Is(missing, fs.ErrNotExist):
		s.runKey = make([]byte, keySize)
		rand.Read(s.runKey)
		return nil
	case from.Secret != nil:
		if len(from.Secret) < keySize {
			return fmt.Errorf("the run key that was given holds %d bytes, %d are the least: head -c 32 /dev/urandom makes one", len(from.Secret), keySize)
		}
		s.runKey, err = hkdf.Key(sha256.New, from.Secret, nil, "siprecd run key", keySize)
	case from.File != "":
		s.runKey, err = s.sys.readOrMakeKey(from.File)
	default:
		s.RunKeyBeside = true
		s.runKey, err = s.sys.readOrMakeKey(beside)
		return err
	}
	if err != nil {
		return err
	}
	old, err := os.ReadFile(beside)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	left, err := s.Leftovers()
	if err != nil || len(left) > 0 && len(old) == keySize {
		s.oldRunKeys = append(s.oldRunKeys, old)
		return err
	}
	if f, err := s.sys.OpenFile(beside, os.O_WRONLY, fileMode); err == nil {
		err = errors.Join(s.sys.writeAll(f, make([]byte, len(old)), 0), s.sys.Sync(f), f.Close())
		if err != nil {
			return err
		}
	}
	return s.sys.removeIfThere(beside)
}

// readOrMakeKey reads the 32 bytes at path, or makes them at the first start.
func (sys System) readOrMakeKey(path string) ([]byte, error) {
	key, err := os.ReadFile(path)
	if err == nil && len(key) == keySize {
		return key, private(path)
	}
	if err == nil && len(key) > 0 {
		return nil, fmt.Errorf("%s: holds %d bytes, not %d: restore it, or move it away to begin with a new one (tapes of the old key stay closed)", path, len(key), keySize)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	key = make([]byte, keySize)
	rand.Read(key)
	if err := sys.replace(path, key); err != nil {
		return nil, fmt.Errorf("make the run key: %w", err)
	}
	return key, nil
}

// private refuses a key that others may read.
func private(path string) error {
	info, err := os.Stat(path)
	if err == nil && info.Mode().Perm()&0o007 != 0 && runtime.GOOS != "windows" {
		err = fmt.Errorf("%s: everybody on this machine may read the run key (mode %v): chmod 600 it, and restart", path, info.Mode().Perm())
	}
	return err
}

package store

import (
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// recorder is a System that does everything and writes down what it did, so
// that a power cut after any of it can be played.
type recorder struct {
	mu    sync.Mutex // guards everything below, and orders the operations
	log   []operation
	paths map[string]int   // path → inode, as of now
	files map[*os.File]int // open file → inode
	next  int
}

type operation struct {
	kind  string // create, mkdir, rename, remove; write, truncate; sync, syncdir, syncfs; done
	path  string // or, of done, what has been done
	to    string // of rename
	inode int
	at    int64
	data  []byte
}

func newRecorder() *recorder {
	return &recorder{paths: map[string]int{}, files: map[*os.File]int{}}
}

// done notes that what has been promised to a caller.
func (r *recorder) done(what string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.log = append(r.log, operation{kind: "done", path: what})
}

func (r *recorder) note(op operation, err error) error {
	if err == nil {
		r.log = append(r.log, op)
	}
	return err
}

func (r *recorder) system() System {
	locked := func() func() { r.mu.Lock(); return r.mu.Unlock }
	return System{
		OpenFile: r.openFile,
		Write: func(f *os.File, p []byte) (int, error) {
			defer locked()()
			at, err := f.Seek(0, io.SeekCurrent)
			if err != nil {
				return 0, err
			}
			n, err := f.Write(p)
			return n, r.note(operation{kind: "write", inode: r.files[f], at: at, data: append([]byte(nil), p...)}, err)
		},
		WriteAt: func(f *os.File, p []byte, off int64) (int, error) {
			defer locked()()
			n, err := f.WriteAt(p, off)
			return n, r.note(operation{kind: "write", inode: r.files[f], at: off, data: append([]byte(nil), p...)}, err)
		},
		Sync: func(f *os.File) error {
			defer locked()()
			if inode, ok := r.files[f]; ok {
				return r.note(operation{kind: "sync", inode: inode}, nil)
			}
			return r.note(operation{kind: "syncdir", path: f.Name()}, nil)
		},
		SyncFS: func(*os.File) error {
			defer locked()()
			return r.note(operation{kind: "syncfs"}, nil)
		},
		Mkdir: func(name string, perm fs.FileMode) error {
			defer locked()()
			return r.note(operation{kind: "mkdir", path: name}, os.Mkdir(name, perm))
		},
		Rename: func(from, to string) error {
			defer locked()()
			r.paths[to] = r.paths[from]
			delete(r.paths, from)
			return r.note(operation{kind: "rename", path: from, to: to}, os.Rename(from, to))
		},
		Remove: func(name string) error {
			defer locked()()
			err := os.Remove(name)
			if err == nil {
				delete(r.paths, name)
			}
			return r.note(operation{kind: "remove", path: name}, err)
		},
	}
}

func (r *recorder) openFile(name string, flag int, perm fs.FileMode) (*os.File, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f, err := os.OpenFile(name, flag, perm)
	if err != nil {
		return f, err
	}
	inode, known := r.paths[name]
	if flag&os.O_CREATE == 0 || known && flag&os.O_TRUNC == 0 {
		if known {
			r.files[f] = inode
		}
		if flag&os.O_APPEND != 0 {
			_, err = f.Seek(0, io.SeekEnd)
		}
		return f, err
	}
	// Whoever creates here begins an empty file.
	r.next++
	r.paths[name], r.files[f] = r.next, r.next
	return f, r.note(operation{kind: "create", path: name, inode: r.next}, nil)
}

// cut is a disk after a power cut: what became of that which was not synced.
type cut struct {
	log  []operation // up to the cut
	fate func() fate
}

type fate int

const (
	kept fate = iota
	dropped
	torn
)

// fates are the extremes, and mixtures.
func fates(seed uint64) map[string]func() fate {
	r := rand.New(rand.NewPCG(seed, seed))
	return map[string]func() fate{
		"kept":    func() fate { return kept },
		"dropped": func() fate { return dropped },
		"torn":    func() fate { return torn },
		"mixed":   func() fate { return fate(r.IntN(3)) },
	}
}

// differs reports whether a cut behind the operation leaves another disk than one
// before it, or another promise: what is dropped changes with a sync alone, what is
// kept with all else.
func (op operation) differs(fate string) bool {
	syncs := op.kind == "sync" || op.kind == "syncdir" || op.kind == "syncfs"
	switch fate {
	case "kept":
		return !syncs
	case "dropped":
		return syncs || op.kind == "done"
	}
	return true
}

// lay puts the disk as it is after the cut into dir. Changes of names in one
// directory reach the disk in order, as journals have it; those of different
// directories, and all writes, in any.
func (c cut) lay(t testing.TB, dir string) {
	names := map[string]int{}  // path → inode
	data := map[int][]byte{}   // inode → content
	ended := map[string]bool{} // directories of which no more changes arrived
	for i, op := range c.log {
		switch op.kind {
		case "create", "mkdir", "rename", "remove":
			parent := filepath.Dir(op.path)
			if ended[parent] || !c.durable(i) && c.fate() == dropped {
				ended[parent] = true
				continue
			}
			switch op.kind {
			case "create":
				names[op.path] = op.inode
			case "mkdir":
				names[op.path] = -1
			case "rename":
				names[op.to] = names[op.path]
				delete(names, op.path)
			case "remove":
				delete(names, op.path)
			}
		case "write":
			p := op.data
			if !c.durable(i) {
				switch c.fate() {
				case dropped:
					continue
				case torn:
					// Disks write a sector whole. Of the first one, with a
					// tape's key, that is relied on; of others it is not.
					if op.at > 0 && op.at < headerSize {
						continue
					}
					p = p[:len(p)*2/3]
				}
			}
			b := data[op.inode]
			if grow := int(op.at) + len(p) - len(b); grow > 0 {
				b = append(b, make([]byte, grow)...)
			}
			copy(b[op.at:], p)
			data[op.inode] = b
		}
	}
	for path, inode := range names {
		if inode > 0 && names[filepath.Dir(path)] == -1 {
			to := filepath.Join(dir, path)
			check(t, os.MkdirAll(filepath.Dir(to), 0o700))
			check(t, os.WriteFile(to, data[inode], 0o600))
		}
	}
}

// durable says whether operation i was synced before the cut.
func (c cut) durable(i int) bool {
	op := c.log[i]
	for _, later := range c.log[i+1:] {
		switch {
		case later.kind == "syncfs":
			return true
		case later.kind == "sync" && op.kind == "write" && later.inode == op.inode:
			return true
		case later.kind == "syncdir" && op.kind != "write" && later.path == filepath.Dir(op.path):
			return true
		}
	}
	return false
}

package store

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/oklog/ulid/v2"
)

const (
	dirMode  = 0o700
	fileMode = 0o600
)

// Options opens a Store.
type Options struct {
	Dir       string
	SyncEvery time.Duration // 0: 1 s
	Log       *slog.Logger  // nil: none
	System    System        // zero fields: the real one
	RunKey    RunKey        // of live tapes
	Clear     bool          // recordings are not sealed: a tester's files, which are to be heard

	unsynced bool // the catalogue's writes, which do not go through System
}

// Store is one data directory. One process may have it open at a time.
type Store struct {
	Blobs   Blobs
	Catalog Catalog
	Keys    *Keys   // nil with Options.Clear
	Ledger  *Ledger // nil with Options.Clear

	RunKeyBeside bool // the key of live tapes lies in the data directory
	Before       Leaf // the ledger's newest when it was opened; without Kind: there was none

	clear     bool
	originals Blobs // nil with Options.Clear

	dir    string
	log    *slog.Logger
	sys    System // as it is written through: syncs that fail are noted
	raw    System
	runKey []byte

	oldRunKeys [][]byte // of tapes that are left from another run key

	unsynced bool
	lock     *os.File
	bolt     *Bolt
	sync     *syncer
	check    *checker // nil: the catalogue was read whole

	changing changing // for Verify, which may go on meanwhile

	closing sync.Once
	first   atomic.Pointer[error] // of the syncs that failed

	ends sync.Mutex // one at a time: who ends recordings, who holds them, who renders what waited

	mu   sync.Mutex // guards open
	open map[string]*Tape
}

// Open locks the directory, makes what is missing and starts the syncer. A
// catalogue that is missing or damaged is set aside and rebuilt from the facts;
// most of a large one is read in the background, and rebuilt then.
func Open(o Options) (_ *Store, err error) {
	if o.SyncEvery == 0 {
		o.SyncEvery = time.Second
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Store{dir: o.Dir, log: o.Log, clear: o.Clear, open: map[string]*Tape{}}
	s.unsynced = o.unsynced
	s.raw = o.System.orReal()
	s.sys = s.watched(s.raw)
	for _, dir := range []string{s.dir, s.tapeDir(), filepath.Join(s.dir, vaultDir)} {
		if err := s.sys.makeDir(dir); err != nil {
			return nil, fmt.Errorf("data directory: %w", err)
		}
	}
	if s.lock, err = lockFile(s.lockPath()); err != nil {
		return nil, fmt.Errorf("%s: %w", s.dir, err)
	}
	defer func() {
		if err != nil {
			s.lock.Close()
		}
	}()
	if err = s.openRunKey(o.RunKey); err != nil {
		return nil, err
	}
	s.Blobs = NewVault(s.dir, s.sys)
	if !s.clear {
		s.originals = NewVault(filepath.Join(s.dir, originalsDir), s.sys)
		if s.Keys, err = OpenKeys(filepath.Join(s.dir, keysDir), s.sys); err != nil {
			return nil, err
		}
		if s.Ledger, err = OpenLedger(filepath.Join(s.dir, ledgerDir), s.sys, s.log, time.Now); err != nil {
			return nil, err
		}
		if s.Before, err = s.Ledger.Newest(); err != nil {
			return nil, errors.Join(fmt.Errorf("ledger: %w", err), s.Ledger.Close())
		}
		if err = s.Keys.heed(s.Ledger, s.Tell); err != nil {
			return nil, errors.Join(err, s.Ledger.Close())
		}
		s.Ledger.signEvery(signPeriod)
		defer func() {
			if err != nil {
				s.Ledger.Close()
			}
		}()
	}
	if err := s.openCatalogue(); err != nil {
		return nil, err
	}
	s.Catalog = s.bolt
	if s.sync, err = s.startSyncer(o.SyncEvery); err != nil {
		s.bolt.Close()
		return nil, err
	}
	if s.bolt.unread {
		s.check = s.startChecker()
	}
	return s, nil
}

// Close syncs, stops the syncer and releases the lock. The owner of each tape
// closes it before. Closing twice is no error.
func (s *Store) Close() error {
	var err error
	s.closing.Do(func() {
		s.check.close()
		err = errors.Join(s.sync.close(), s.Err())
		if s.Ledger != nil {
			err = errors.Join(err, s.Ledger.Close())
		}
		err = errors.Join(err, s.bolt.Close())
		// The lock goes last: until then nobody else may open the catalogue.
		err = errors.Join(err, s.lock.Close())
	})
	return err
}

// Err returns the first sync error; it is permanent and wraps ErrSuspect.
func (s *Store) Err() error {
	if err := s.first.Load(); err != nil {
		return *err
	}
	return nil
}

// suspect keeps the first sync error. After it nobody knows what the disk
// holds: the kernel has dropped the pages and will not say so again.
func (s *Store) suspect(err error) {
	if err == nil {
		return
	}
	err = fmt.Errorf("%w: %w", ErrSuspect, err)
	if s.first.CompareAndSwap(nil, &err) {
		s.log.Error("sync: what this run recorded may be incomplete; check the disk, then restart", "err", err)
	}
}

// watched returns sys with every failed sync noted.
func (s *Store) watched(sys System) System {
	sync, syncFS := sys.Sync, sys.SyncFS
	sys.Sync = func(f *os.File) error {
		err := sync(f)
		// A full disk that says so only at the sync has lost this file,
		// nothing else.
		if err != nil && !diskFull(err) {
			s.suspect(err)
		}
		return err
	}
	if syncFS != nil {
		sys.SyncFS = func(dir *os.File) error {
			err := syncFS(dir)
			s.suspect(err)
			return err
		}
	}
	return sys
}

// Disk returns the free and total bytes of the data directory's file system.
// Free is what this user may still write.
func (s *Store) Disk() (free, total uint64, err error) {
	free, total, err = s.sys.Free(s.dir)
	if err != nil {
		return 0, 0, fmt.Errorf("free space of %s: %w", s.dir, err)
	}
	return free, total, nil
}

// NewID returns a new ULID for a recording that begins at t.
func NewID(t time.Time) string {
	return ulid.MustNew(ulid.Timestamp(t), rand.Reader).String()
}

// began returns the time within an id, in UTC. Only the canonical spelling of a
// ULID is an id: ids become parts of paths.
func began(id string) (time.Time, error) {
	u, err := ulid.ParseStrict(id)
	if err != nil || u.String() != id {
		return time.Time{}, fmt.Errorf("%q is not a recording id", id)
	}
	return u.Timestamp().UTC(), nil
}

func (s *Store) tapeDir() string { return filepath.Join(s.dir, "tapes") }

func (s *Store) openCatalogue() error {
	path := filepath.Join(s.dir, "catalogue.db")
	_, statErr := os.Stat(path)
	missing := errors.Is(statErr, fs.ErrNotExist)
	bolt, err := openBolt(path, s.unsynced)
	if damaged := errors.Is(err, ErrDamaged); damaged {
		aside := path + ".bad-" + time.Now().UTC().Format("20060102T150405.000")
		if err := s.sys.Rename(path, aside); err != nil {
			return fmt.Errorf("set the damaged catalogue aside: %w", err)
		}
		s.log.Warn("catalogue damaged: set aside and rebuilt from the facts", "aside", aside, "cause", err)
		missing = true
		bolt, err = openBolt(path, s.unsynced)
	}
	if err != nil {
		return err
	}
	s.bolt = bolt
	if !missing {
		return nil
	}
	n, err := s.reindex(context.Background())
	if err != nil {
		return errors.Join(fmt.Errorf("rebuild the catalogue: %w", err), bolt.Close())
	}
	if n > 0 {
		s.log.Info("catalogue rebuilt from the facts", "rows", n)
	}
	return nil
}

// replace makes data the durable content of path: old or new, never between.
func (sys System) replace(path string, data []byte) (err error) {
	part := path + partSuffix
	f, err := sys.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, fileMode)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			sys.Remove(part)
		}
	}()
	n, err := sys.Write(f, data)
	if err == nil && n < len(data) {
		err = io.ErrShortWrite
	}
	if err == nil {
		err = sys.Sync(f)
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := sys.Rename(part, path); err != nil {
		return err
	}
	return sys.syncDir(filepath.Dir(path))
}

package store

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// backupKeysFile lists the copies of keys that were made; in the key directory.
const backupKeysFile = "copies.jsonl"

// KeyCopy is one copy of the keys, which retention cannot reach.
type KeyCopy struct {
	Time time.Time `json:"time"`
	Dir  string    `json:"dir"`
}

// BackupReport is what Backup wrote.
type BackupReport struct {
	Dir        string `json:"dir"`
	Keys       string `json:"keys,omitempty"` // where the keys were copied to
	Recordings int    `json:"recordings"`
	Linked     int    `json:"linked"` // files that were not copied but linked, on the same disk
	Bytes      int64  `json:"bytes"`  // copied

	LeftOut []string `json:"identities_left_out,omitempty"` // custodians whose identity lies in clear
}

// Backup copies what is sealed, the catalogue and the ledger into dir, which is
// empty or not there, while calls go on. No secret and no header is among it:
// what dies in the store dies in the backup too. Tapes of calls that go on are
// left out. With keys, a place that does not lie in dir, secrets and headers
// are copied there, and that is noted for good: the receipts of retention count
// such copies. The checkpoint beside the ledger is left out too: it is held
// against a log that is older, and a backup is.
func (s *Store) Backup(ctx context.Context, dir, keys string) (BackupReport, error) {
	b := backup{BackupReport: BackupReport{Dir: dir, Keys: keys}, sys: s.raw, ctx: ctx}
	if s.Ledger == nil {
		return b.BackupReport, errors.New("backup: a store in clear has none")
	}
	if keys != "" && (inside(keys, dir) || inside(dir, keys)) {
		return b.BackupReport, errors.New("backup: keys lie apart from what they open: name a place outside of the backup")
	}
	if err := s.places(dir, keys); err != nil {
		return b.BackupReport, fmt.Errorf("backup: %w", err)
	}
	if keys != "" {
		// Noted before there is anything to note.
		if err := s.Keys.noteCopy(KeyCopy{Time: time.Now().UTC(), Dir: keys}); err != nil {
			return b.BackupReport, fmt.Errorf("backup: %w", err)
		}
	}
	s.Tell(Entry{Kind: EventBackup, Row: b.BackupReport, Public: map[string]string{"keys": strconv.FormatBool(keys != "")}})
	if err := errors.Join(b.run(s), b.sync(dir), b.sync(keys)); err != nil {
		return b.BackupReport, fmt.Errorf("backup: %w", err)
	}
	return b.BackupReport, nil
}

// places makes directories, each of which must be empty and not of the store; ""
// is none. One that is refused leaves nothing behind of the others.
func (s *Store) places(dirs ...string) error {
	dirs = slices.DeleteFunc(dirs, func(dir string) bool { return dir == "" })
	for _, dir := range dirs {
		if inside(dir, s.dir) {
			return fmt.Errorf("%s lies in the data directory", dir)
		}
		switch entries, err := os.ReadDir(dir); {
		case err == nil && len(entries) > 0:
			return fmt.Errorf("%s is not empty", dir)
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return err
		}
	}
	for _, dir := range dirs {
		if err := s.raw.makeDir(dir); err != nil {
			return err
		}
	}
	return nil
}

func inside(dir, of string) bool {
	a, err := filepath.Abs(dir)
	b, err2 := filepath.Abs(of)
	if err != nil || err2 != nil {
		return true // nothing is known about it
	}
	rest, err := filepath.Rel(b, a)
	return err == nil && rest != ".." && !strings.HasPrefix(rest, ".."+string(filepath.Separator))
}

// backup is one run.
type backup struct {
	BackupReport
	sys System // not watched: what fails where the backup lies is not of the store
	ctx context.Context
}

func (b *backup) run(s *Store) error {
	if err := s.Ledger.copyTo(b, filepath.Join(b.Dir, ledgerDir)); err != nil {
		return err
	}
	// Only what this copy of the ledger speaks of, so that it verifies.
	known := make(map[string]bool)
	if _, err := VerifyLog(filepath.Join(b.Dir, ledgerDir), func(_ int64, l Leaf) {
		if l.Kind == EventSealed || l.Kind == EventNotRecorded || l.Kind == EventWaiting {
			known[l.Subject] = true
			if sibling, err := originalID(l.Subject); err == nil {
				known[sibling] = true
			}
		}
	}); err != nil {
		return err
	}
	for _, tree := range []string{vaultDir, originalsDir} {
		err := b.tree(filepath.Join(s.dir, tree), filepath.Join(b.Dir, tree), func(name string) bool {
			id, ext, _ := strings.Cut(filepath.Base(name), ".")
			take := known[id] && (ext == bodyExt || ext == factsExt)
			if take && tree == vaultDir && ext == bodyExt {
				b.Recordings++
			}
			return take
		})
		if err != nil {
			return err
		}
	}
	if err := s.bolt.copyTo(b.ctx, filepath.Join(b.Dir, "catalogue.db")); err != nil {
		return err
	}
	// Custodians' public halves, so that a restored recorder seals to them.
	from, isPub := filepath.Join(s.dir, keysDir), func(name string) bool { return filepath.Ext(name) == pubExt }
	if err := b.tree(filepath.Join(from, custodiansDir), filepath.Join(b.Dir, keysDir, custodiansDir), isPub); err != nil {
		return err
	}
	if b.Keys == "" {
		return nil
	}
	return b.secrets(s)
}

// secrets copies what Backup leaves out, but for identities in clear.
func (b *backup) secrets(s *Store) error {
	s.Keys.mu.Lock()
	defer s.Keys.mu.Unlock()
	err := b.tree(filepath.Join(s.dir, keysDir), filepath.Join(b.Keys, keysDir), func(name string) bool {
		if filepath.Ext(name) == identityExt && !isSealed(name) {
			b.LeftOut = append(b.LeftOut, strings.TrimSuffix(filepath.Base(name), identityExt))
			return false
		}
		return filepath.Ext(name) != partSuffix
	})
	if err != nil {
		return err
	}
	return b.file(filepath.Join(s.dir, ledgerDir, signerFile), filepath.Join(b.Keys, ledgerDir, signerFile), -1)
}

// isSealed reports whether an identity file is sealed to a passphrase.
func isSealed(name string) bool {
	b, err := os.ReadFile(name)
	return err == nil && bytes.HasPrefix(b, []byte(ageMagic))
}

// tree copies the files below a directory that are to be taken. What goes away
// meanwhile is left out.
func (b *backup) tree(from, to string, take func(name string) bool) error {
	return filepath.WalkDir(from, func(name string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || b.ctx.Err() != nil {
			return errors.Join(err, context.Cause(b.ctx))
		}
		if !d.Type().IsRegular() || !take(name) {
			return nil
		}
		rest, err := filepath.Rel(from, name)
		if err != nil {
			return err
		}
		if ext := filepath.Ext(name); ext == "."+bodyExt || ext == "."+factsExt {
			err = b.link(name, filepath.Join(to, rest))
		} else {
			err = b.file(name, filepath.Join(to, rest), -1)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
}

// link gives a body, or facts, a second name; on another disk it is copied.
// Neither is ever written to again: newer facts are a new file under the name.
func (b *backup) link(from, to string) error {
	if err := b.sys.makeDir(filepath.Dir(to)); err != nil {
		return err
	}
	if err := os.Link(from, to); err == nil {
		b.Linked++
		return nil
	}
	return b.file(from, to, -1)
}

// sync makes all that was written below dir durable at once, which takes a
// fraction of what a sync of each file does; dir "" is none.
func (b *backup) sync(dir string) error {
	if dir == "" || b.sys.SyncFS == nil {
		return nil // each file was synced
	}
	d, err := b.sys.OpenFile(dir, os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	return errors.Join(b.sys.SyncFS(d), d.Close())
}

// file copies a file, or its first bytes. It is durable after sync.
func (b *backup) file(from, to string, most int64) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	if err := b.sys.makeDir(filepath.Dir(to)); err != nil {
		return err
	}
	out, err := b.sys.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return err
	}
	var n int64
	if most < 0 {
		n, err = io.Copy(out, in)
	} else {
		n, err = io.CopyN(out, in, most)
	}
	b.Bytes += n
	if err == nil && b.sys.SyncFS == nil {
		err = b.sys.Sync(out)
	}
	return errors.Join(err, out.Close())
}

// copyTo copies the log as it stands. What is derived is left out.
func (l *Ledger) copyTo(b *backup, dir string) error {
	if _, err := l.Checkpoint(); err != nil {
		return err
	}
	l.mu.Lock()
	end := l.end
	var errs []error
	for _, name := range []string{checkpointFile, checkpointsFile, verifierFile} {
		errs = append(errs, b.file(filepath.Join(l.dir, name), filepath.Join(dir, name), -1))
	}
	for _, name := range []string{witnessedFile, witnessFile, refusedFile} {
		if err := b.file(filepath.Join(l.dir, name), filepath.Join(dir, name), -1); !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	l.mu.Unlock()
	// Leaves are only ever appended, and rows are written before them.
	errs = append(errs, b.file(filepath.Join(l.dir, leavesFile), filepath.Join(dir, leavesFile), end),
		b.tree(filepath.Join(l.dir, rowsDir), filepath.Join(dir, rowsDir), func(name string) bool { return !strings.HasSuffix(name, goneExt) }))
	return errors.Join(errs...)
}

// noteCopy adds to the list of copies.
func (k *Keys) noteCopy(c KeyCopy) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	all, err := k.copies()
	if err != nil {
		return err
	}
	var text []byte
	for _, c := range append(all, c) {
		line, err := json.Marshal(c)
		if err != nil {
			return err
		}
		text = append(append(text, line...), '\n')
	}
	return k.sys.replace(filepath.Join(k.dir, backupKeysFile), text)
}

// Copies lists the copies of keys that were made with Backup. Retention cannot
// reach them.
func (k *Keys) Copies() ([]KeyCopy, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.withTold(k.copies())
}

func (k *Keys) copies() ([]KeyCopy, error) {
	lines, err := linesOf(filepath.Join(k.dir, backupKeysFile))
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	var all []KeyCopy
	for i, line := range lines {
		var c KeyCopy
		if err := json.Unmarshal(line, &c); err != nil {
			return nil, fmt.Errorf("keys: %s:%d: %w", backupKeysFile, i+1, err)
		}
		all = append(all, c)
	}
	return all, nil
}

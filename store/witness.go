package store

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

var (
	// ErrUnknownLog is returned by Witness.Add for a log that it was not told of.
	ErrUnknownLog = errors.New("this witness does not know the log: start it with --log and the log's verifier key")
	// ErrNotSigned is wrapped where a checkpoint bears no signature of its log.
	ErrNotSigned = errors.New("the checkpoint is not signed with the log's key")
	// ErrRewritten is wrapped where a tree does not begin with the one that was
	// cosigned before.
	ErrRewritten = errors.New("the log does not begin with what was cosigned before")
)

// OtherSizeError is returned where the old size of a request is not that of the
// tree that was cosigned last, or is, and its leaves are others.
type OtherSizeError struct{ Size int64 }

func (e *OtherSizeError) Error() string {
	return fmt.Sprintf("the tree that was cosigned last has %d leaves", e.Size)
}

// Witness remembers the newest tree of each log that it knows, and cosigns what
// begins with it (C2SP tlog-witness). It is a directory of its own, locked as a
// data directory is, best on a machine that the log's owners cannot write to:
//
//	lock                    held (flock) by the one witness
//	witness.key             its key, Ed25519, secret half
//	witness.pub             public half
//	logs/<hash>/key         a log's verifier key; hash: 8 bytes of its name's SHA-256
//	logs/<hash>/newest      the newest checkpoint, with the log's signature and ours
//	logs/<hash>/refusals    how often the log was refused, and the last time; JSON
//	logs/<hash>/refused/<size>-<root>  a signed checkpoint that contradicts what was
//	                        cosigned; the first hundred
//
// Its methods may be called from any goroutine.
type Witness struct {
	dir  string
	sys  System
	log  *slog.Logger
	now  func() time.Time
	key  cosigning
	lock *os.File

	mu   sync.Mutex // guards what follows: a check and what it lets be written are one step
	logs map[string]*witnessedLog
}

// witnessedLog is one log that a witness knows.
type witnessedLog struct {
	WitnessedLog
	dir  string
	root tlog.Hash
	time time.Time // of the newest checkpoint, as the log states it
}

// OpenWitness opens the directory of a witness, making it and its key when there
// is none. The verifier keys of logs are remembered there. ErrInUse when another
// witness runs on it.
func OpenWitness(dir string, sys System, logKeys []string, log *slog.Logger, now func() time.Time) (*Witness, error) {
	if err := noRecorders(dir); err != nil {
		return nil, fmt.Errorf("witness: %w", err)
	}
	w := &Witness{dir: dir, sys: sys.orReal(), log: log, now: now, logs: make(map[string]*witnessedLog)}
	if err := w.sys.makeDir(filepath.Join(dir, witnessLogs)); err != nil {
		return nil, fmt.Errorf("witness: %w", err)
	}
	var err error
	if w.lock, err = lockFile(filepath.Join(dir, "lock")); err != nil {
		if errors.Is(err, ErrInUse) {
			err = errors.New("another witness runs on it")
		}
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	if err := w.open(logKeys); err != nil {
		return nil, errors.Join(fmt.Errorf("witness: %w", err), w.lock.Close())
	}
	return w, nil
}

// noRecorders refuses a directory that is a recorder's, or lies in one: whoever can
// write there could write both pasts.
func noRecorders(dir string) error {
	at, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	for {
		if holdsAny(at, filepath.Join(ledgerDir, leavesFile), "catalogue.db", filepath.Join(keysDir, daysDir)) {
			return fmt.Errorf("%s is a recorder's data directory, or lies in one: a witness has a directory of its own, best on another machine", dir)
		}
		up := filepath.Dir(at)
		if up == at {
			return nil
		}
		at = up
	}
}

func (w *Witness) open(logKeys []string) error {
	name := filepath.Join(w.dir, witnessKeyFile)
	secret, err := os.ReadFile(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if _, err := os.Stat(filepath.Join(w.dir, witnessFile)); err == nil {
			return fmt.Errorf("%s is missing beside %s: bring it back, or begin with another directory", witnessKeyFile, witnessFile)
		}
		w.key = newCosigning()
		// The secret half first: its public half may be known only when it will
		// be the same after a crash.
		if err := w.sys.replace(name, []byte(w.key.secret()+"\n")); err != nil {
			return err
		}
	case err != nil:
		return err
	default:
		if w.key, err = readCosigning(strings.TrimSpace(string(secret))); err != nil {
			return fmt.Errorf("%s: %w", witnessKeyFile, err)
		}
	}
	if err := w.sys.replace(filepath.Join(w.dir, witnessFile), []byte(w.Key()+"\n")); err != nil {
		return err
	}
	for _, key := range logKeys {
		if err := w.know(strings.TrimSpace(key)); err != nil {
			return err
		}
	}
	logs, err := readWitnessedLogs(w.dir, w.Key())
	for _, l := range logs {
		w.logs[l.Name] = l
	}
	return err
}

// know remembers a log. A name has one key for ever.
func (w *Witness) know(key string) error {
	v, err := note.NewVerifier(key)
	if err != nil {
		return fmt.Errorf("%q is not the verifier key of a log: siprecd status prints it", key)
	}
	dir := filepath.Join(w.dir, witnessLogs, logFolder(v.Name()))
	known, err := os.ReadFile(filepath.Join(dir, logKeyFile))
	if err == nil && strings.TrimSpace(string(known)) != key {
		return fmt.Errorf("%s is known with another key, %s", v.Name(), strings.TrimSpace(string(known)))
	}
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := w.sys.makeDir(filepath.Join(dir, refusedFile)); err != nil {
		return err
	}
	return w.sys.replace(filepath.Join(dir, logKeyFile), []byte(key+"\n"))
}

// Key returns the verifier key of the witness.
func (w *Witness) Key() string { return w.key.String() }

// Close releases the directory.
func (w *Witness) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	clear(w.logs)
	return w.lock.Close()
}

// Add answers a request (tlog-witness, add-checkpoint): the line to be returned,
// which is given only when the new tree is on disk. An error wraps one of those
// of this file or ErrWitnessRequest, or is the disk's.
func (w *Witness) Add(request []byte) (cosignature []byte, err error) {
	var r WitnessRequest
	if err := r.UnmarshalText(request); err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	origin, _, _ := bytes.Cut(r.Note, []byte{'\n'})
	l := w.logs[string(origin)]
	if l == nil {
		return nil, ErrUnknownLog
	}
	c, text, err := openLogged(r.Note, l.Key)
	if err != nil {
		return nil, err
	}
	if r.Old > c.Size {
		return nil, fmt.Errorf("%w: its old size %d is more than the %d leaves of the checkpoint", ErrWitnessRequest, r.Old, c.Size)
	}
	if err := l.check(r, c); err != nil {
		return nil, w.refuse(l, c, err)
	}
	line := w.key.line(text, w.now())
	if err := w.accept(l, append(c.Note, line...)); err != nil {
		return nil, err
	}
	return line, nil
}

// openLogged opens a checkpoint, and returns it with its log's signature alone.
func openLogged(signed []byte, key string) (c Checkpoint, text []byte, err error) {
	c, err = ReadCheckpoint(signed, key)
	if err != nil {
		_, unsigned := errors.AsType[*note.UnverifiedNoteError](err)
		_, forged := errors.AsType[*note.InvalidSignatureError](err)
		if unsigned || forged {
			return c, nil, fmt.Errorf("%w: %w", ErrNotSigned, err)
		}
		return c, nil, fmt.Errorf("%w: %w", ErrWitnessRequest, err)
	}
	v, err := note.NewVerifier(key)
	if err != nil {
		return c, nil, err
	}
	n, err := note.Open(signed, note.VerifierList(v))
	if err != nil {
		return c, nil, err
	}
	c.Note = fmt.Appendf(nil, "%s\n— %s %s\n", n.Text, n.Sigs[0].Name, n.Sigs[0].Base64)
	return c, []byte(n.Text), nil
}

// check holds a checkpoint against the newest one (tlog-witness, in its order).
func (l *witnessedLog) check(r WitnessRequest, c Checkpoint) error {
	switch {
	case r.Old != l.Size, c.Size == l.Size && l.known() && c.Root != l.root:
		return &OtherSizeError{l.Size}
	case r.Old == 0 && len(r.Proof) > 0:
		return fmt.Errorf("%w: nothing was cosigned before, a proof proves nothing", ErrWitnessRequest)
	case r.Old == 0 && c.Size > 0:
		return nil
	case r.Old == 0:
		if empty, err := tlog.TreeHash(0, nil); err != nil || c.Root != empty {
			return fmt.Errorf("%w: that is not the root of a tree without leaves", ErrWitnessRequest)
		}
		return nil
	}
	if err := tlog.CheckTree(r.Proof, c.Size, c.Root, l.Size, l.root); err != nil {
		return ErrRewritten
	}
	return nil
}

// known says whether anything was cosigned yet.
func (l *witnessedLog) known() bool { return !l.Cosigned.IsZero() }

// contradicts says, in words, how a signed checkpoint that was refused differs
// from what was cosigned; "" when the request is merely late or wrong.
func (l *witnessedLog) contradicts(c Checkpoint, cause error) string {
	switch {
	case c.Size == l.Size && l.known() && c.Root != l.root:
		return "two trees of one size"
	case c.Size < l.Size && c.Time.After(l.time):
		return "a smaller tree, signed later"
	case errors.Is(cause, ErrRewritten):
		return "no proof that it grew"
	}
	return ""
}

// accept makes a cosigned checkpoint the newest, durably.
func (w *Witness) accept(l *witnessedLog, cosigned []byte) error {
	c, err := ReadCosigned(cosigned, l.Key, w.Key())
	if err != nil {
		return err
	}
	if err := w.sys.replace(filepath.Join(l.dir, newestFile), cosigned); err != nil {
		w.log.Error("the witness cannot keep what it cosigned", "log", l.Name, "reason", err)
		return fmt.Errorf("witness: %w", err)
	}
	if !l.known() {
		w.log.Info("first checkpoint of a log", "log", l.Name, "size", c.Size, "root", c.Root)
	}
	l.take(c)
	return nil
}

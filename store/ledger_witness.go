package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

const (
	witnessedFile = "witnessed"
	witnessFile   = "witness.pub"
	refusedFile   = "refused"
)

// Signed returns the newest checkpoint, without signing what came since; its
// Note is nil when none states any leaf.
func (l *Ledger) Signed() Checkpoint {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.signed.Size == 0 {
		return Checkpoint{}
	}
	return l.signed
}

// Witnessed returns the newest checkpoint that a witness cosigned, and the
// witness's verifier key; "" when there is none.
func (l *Ledger) Witnessed() (c Cosigned, witnessKey string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.witnessed, l.witnessKey
}

// KeepWitnessed makes signed, a checkpoint of this log with a cosignature of
// witnessKey, the newest one that was witnessed. It is durable when it returns.
func (l *Ledger) KeepWitnessed(signed []byte, witnessKey string) (Cosigned, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken != nil {
		return Cosigned{}, l.broken
	}
	c, err := ReadCosigned(signed, l.vkey, witnessKey)
	if err != nil {
		return Cosigned{}, err
	}
	if err := l.holds(c.Checkpoint); err != nil {
		return Cosigned{}, err
	}
	name := filepath.Join(l.dir, witnessedFile)
	if witnessKey != l.witnessKey {
		// The note and the key that reads it are two files: between them nothing
		// is claimed.
		err := l.sys.removeIfThere(name)
		if err == nil {
			err = l.sys.replace(filepath.Join(l.dir, witnessFile), []byte(witnessKey+"\n"))
		}
		if err != nil {
			return Cosigned{}, fmt.Errorf("ledger: the witness's key: %w", err)
		}
		l.witnessed, l.witnessKey = Cosigned{}, witnessKey
	}
	if err := l.sys.replace(name, c.Note); err != nil {
		return Cosigned{}, fmt.Errorf("ledger: what was witnessed: %w", err)
	}
	l.witnessed = c
	return c, nil
}

// holds says whether the log is one that begins as a checkpoint states. The
// caller holds mu.
func (l *Ledger) holds(c Checkpoint) error {
	if c.Size > l.edge.size {
		return fmt.Errorf("%w: it holds %d leaves, its checkpoint of before states %d", errLog, l.edge.size, c.Size)
	}
	return l.derived(func() error {
		root, err := tlog.TreeHash(c.Size, l.reader())
		if err != nil {
			return fmt.Errorf("%w: %w", errLog, err)
		}
		if root != c.Root {
			return fmt.Errorf("%w: its first %d leaves are not those that its checkpoint states", errLog, c.Size)
		}
		return nil
	})
}

// compareWitnessed holds the log against what a witness cosigned: the log's own
// signature is on it, so that it states as much as a checkpoint of ours. A note
// that cannot be read states nothing; Verify finds it.
func (l *Ledger) compareWitnessed() error {
	c, key, err := readWitnessed(l.dir, l.vkey)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		l.log.Warn("what a witness cosigned cannot be read; it will be asked again", "reason", err)
		return nil
	}
	if err := l.holds(c.Checkpoint); err != nil {
		return fmt.Errorf("%w; a witness cosigned that checkpoint", err)
	}
	l.witnessed, l.witnessKey = c, key
	return nil
}

// readWitnessed reads the two files; fs.ErrNotExist when nothing was witnessed.
func readWitnessed(dir, vkey string) (c Cosigned, witnessKey string, err error) {
	signed, err := os.ReadFile(filepath.Join(dir, witnessedFile))
	if err != nil {
		return c, "", err
	}
	key, err := os.ReadFile(filepath.Join(dir, witnessFile))
	if err != nil {
		return c, "", fmt.Errorf("%s: %v", witnessFile, err)
	}
	witnessKey = strings.TrimSpace(string(key))
	c, err = ReadCosigned(signed, vkey, witnessKey)
	return c, witnessKey, err
}

// Refusal is a witness's refusal to cosign what the log states.
type Refusal struct {
	Since time.Time
	Why   string // in words
}

// Refused returns the refusal that stands; its Why is empty when none does.
func (l *Ledger) Refused() Refusal {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.refusal
}

// WitnessRefuses notes that a witness refuses what the log states, with one leaf
// when that is news.
func (l *Ledger) WitnessRefuses(why string) (news bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.refusal.Why != "" {
		return false, nil
	}
	r := Refusal{Since: l.now().UTC().Truncate(time.Second), Why: printable(why)}
	if _, err := l.append(Entry{Kind: EventWitness, Public: map[string]string{"state": "refuses", "reason": r.Why, "checkpoint": lastRoot(l.signed.Note)}}); err != nil {
		return false, err
	}
	l.refusal = r
	// It outlives a restart, so that the log is told once.
	text := r.Since.Format(time.RFC3339) + " " + r.Why + "\n"
	return true, l.sys.replace(filepath.Join(l.dir, refusedFile), []byte(text))
}

// WitnessAgrees notes that the witness cosigned, with one leaf when it had
// refused before.
func (l *Ledger) WitnessAgrees() (news bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.refusal.Why == "" {
		return false, nil
	}
	if _, err := l.append(Entry{Kind: EventWitness, Public: map[string]string{"state": "agrees"}}); err != nil {
		return false, err
	}
	l.refusal = Refusal{}
	return true, l.sys.removeIfThere(filepath.Join(l.dir, refusedFile))
}

// readRefusal reads the refusal that stood when the log was closed.
func readRefusal(dir string) (Refusal, error) {
	text, err := os.ReadFile(filepath.Join(dir, refusedFile))
	if errors.Is(err, fs.ErrNotExist) {
		return Refusal{}, nil
	}
	if err != nil {
		return Refusal{}, err
	}
	stamp, why, _ := strings.Cut(strings.TrimSpace(string(text)), " ")
	r := Refusal{Why: why}
	if r.Since, err = time.Parse(time.RFC3339, stamp); err != nil || why == "" {
		return Refusal{Why: "it refused; why cannot be read any more"}, nil
	}
	return r, nil
}

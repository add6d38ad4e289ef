package store

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Checkpoint is a signed statement of what the log held at a moment
// (C2SP tlog-checkpoint: origin, size, root hash, and an extension line with
// the time; a signed note).
type Checkpoint struct {
	Origin string
	Size   int64
	Root   tlog.Hash
	Time   time.Time
	Note   []byte // as signed
}

// keepPeriod is how often the signatures that come by themselves are kept. A
// file of all would grow by millions of notes a year, and say no more: the newest
// states all that those before it do.
const keepPeriod = 10 * time.Minute

// Checkpoint makes what was appended durable, signs the tree and keeps the
// note. Without news it returns the newest one again.
func (l *Ledger) Checkpoint() (Checkpoint, error) { return l.sign(0) }

// sign is Checkpoint, which keeps the note among all when the last that was kept
// is at least so old.
func (l *Ledger) sign(keep time.Duration) (Checkpoint, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.signed.Note == nil || l.signed.Size != l.edge.size {
		if err := l.signNew(); err != nil {
			return Checkpoint{}, err
		}
	}
	if l.kept.Size != l.signed.Size && l.signed.Time.Sub(l.kept.Time) >= keep {
		if err := l.keep(l.signed); err != nil {
			return Checkpoint{}, fmt.Errorf("ledger: checkpoint: %w", err)
		}
	}
	return l.signed, nil
}

// signNew makes the tree as it is durable, and the newest checkpoint, in the log
// and beside it.
func (l *Ledger) signNew() error {
	if l.broken != nil {
		return l.broken
	}
	if err := l.syncFiles(); err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	c := Checkpoint{Origin: l.signer.Name(), Size: l.edge.size, Root: l.edge.root(), Time: l.now().UTC().Truncate(time.Second)}
	var err error
	if c.Note, err = note.Sign(&note.Note{Text: c.text()}, l.signer); err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	if l.kept.Note == nil && c.Size > 0 {
		// Before the newest one states leaves: then none is ever missed among all
		// because of a crash.
		if err := l.keep(c); err != nil {
			return fmt.Errorf("ledger: checkpoint: %w", err)
		}
	}
	for _, name := range []string{filepath.Join(l.dir, checkpointFile), l.anchor()} {
		if err := l.sys.replace(name, c.Note); err != nil {
			return fmt.Errorf("ledger: checkpoint: %w", err)
		}
	}
	l.signed = c
	return nil
}

func (l *Ledger) syncFiles() error {
	err := errors.Join(l.sys.Sync(l.leaves), l.sys.Sync(l.index), l.sys.Sync(l.hashes))
	if l.rows != nil {
		err = errors.Join(err, l.sys.Sync(l.rows))
	}
	return err
}

const timeLine = "time "

// keep appends the checkpoint to all that are kept, durably.
func (l *Ledger) keep(c Checkpoint) error {
	if l.torn {
		if err := l.mendCheckpoints(); err != nil {
			return err
		}
		l.torn = false
	}
	all, err := l.openCheckpoints()
	if err != nil {
		return err
	}
	info, err := all.Stat()
	if err == nil {
		err = l.sys.writeAll(all, slices.Concat(c.Note, []byte{'\n'}), info.Size())
	}
	if err == nil {
		err = l.sys.Sync(all)
	}
	if err := errors.Join(err, all.Close()); err != nil {
		l.torn = true
		return err
	}
	l.kept = c
	return nil
}

// openCheckpoints opens the file of all that are kept, making it when it is not
// there.
func (l *Ledger) openCheckpoints() (*os.File, error) {
	name := filepath.Join(l.dir, checkpointsFile)
	f, err := l.sys.OpenFile(name, os.O_WRONLY, fileMode)
	if !errors.Is(err, fs.ErrNotExist) {
		return f, err
	}
	return l.sys.OpenFile(name, os.O_WRONLY|os.O_CREATE, fileMode)
}

func (c Checkpoint) text() string {
	return fmt.Sprintf("%s\n%d\n%s\n%s%s\n", c.Origin, c.Size, base64.StdEncoding.EncodeToString(c.Root[:]), timeLine, c.Time.Format(time.RFC3339))
}

// ReadCheckpoint opens a signed checkpoint with a verifier key.
func ReadCheckpoint(signed []byte, vkey string) (Checkpoint, error) {
	v, err := note.NewVerifier(vkey)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("verifier key: %w", err)
	}
	n, err := note.Open(signed, note.VerifierList(v))
	if err != nil {
		return Checkpoint{}, err
	}
	for _, sig := range n.Sigs {
		// One signature has one spelling.
		if _, err := base64.StdEncoding.Strict().DecodeString(sig.Base64); err != nil {
			return Checkpoint{}, fmt.Errorf("checkpoint: signature: %w", err)
		}
	}
	lines := strings.Split(strings.TrimSuffix(n.Text, "\n"), "\n")
	if len(lines) < 3 || lines[0] != v.Name() {
		return Checkpoint{}, fmt.Errorf("checkpoint: its origin is %q, want %q", lines[0], v.Name())
	}
	c := Checkpoint{Origin: lines[0], Note: signed}
	if c.Size, err = strconv.ParseInt(lines[1], 10, 64); err != nil || c.Size < 0 || strconv.FormatInt(c.Size, 10) != lines[1] {
		return Checkpoint{}, fmt.Errorf("checkpoint: %q is not a tree size", lines[1])
	}
	if c.Root, err = tlog.ParseHash(lines[2]); err != nil {
		return Checkpoint{}, fmt.Errorf("checkpoint: %w", err)
	}
	for _, line := range lines[3:] {
		if at, ok := strings.CutPrefix(line, timeLine); ok {
			c.Time, _ = time.Parse(time.RFC3339, at)
		}
	}
	return c, nil
}

// ProveLeaf returns the inclusion proof of leaf seq in the tree of a
// checkpoint (RFC 6962 section 2.1.1), and the leaf itself. The proof holds: what
// cannot be proven is an error.
func (l *Ledger) ProveLeaf(seq int64, c Checkpoint) (leaf []byte, proof tlog.RecordProof, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if seq < 0 || seq >= c.Size || c.Size > l.edge.size {
		return nil, nil, fmt.Errorf("ledger: leaf %d is not in a tree of %d", seq, c.Size)
	}
	err = l.derived(func() error {
		if leaf, err = l.leaf(seq); err != nil {
			return err
		}
		if proof, err = tlog.ProveRecord(c.Size, seq, l.reader()); err != nil {
			return err
		}
		return tlog.CheckRecord(proof, c.Size, c.Root, seq, tlog.RecordHash(leaf))
	})
	if err != nil {
		return nil, nil, fmt.Errorf("ledger: leaf %d: %w", seq, err)
	}
	return leaf, proof, nil
}

// ProveGrowth returns the proof that the tree of size old is the beginning of
// the one of size now (RFC 6962 section 2.1.2). It holds for the trees that the
// log has signed, or would have.
func (l *Ledger) ProveGrowth(old, now int64) (proof tlog.TreeProof, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if old < 1 || old > now || now > l.edge.size {
		return nil, fmt.Errorf("ledger: no growth from %d to %d in a log of %d", old, now, l.edge.size)
	}
	err = l.derived(func() error {
		before, err := l.root(old)
		if err != nil {
			return err
		}
		after, err := l.root(now)
		if err != nil {
			return err
		}
		if proof, err = tlog.ProveTree(now, old, l.reader()); err != nil {
			return err
		}
		return tlog.CheckTree(proof, now, after, old, before)
	})
	if err != nil {
		return nil, fmt.Errorf("ledger: growth from %d to %d: %w", old, now, err)
	}
	return proof, nil
}

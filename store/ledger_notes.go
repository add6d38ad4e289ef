package store

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// begin reads what is stated, and how much there is to read, at one moment. The
// notes that are kept, the rows and the leaves come after it: a row is written
// before its leaf, so none of these leaves can have a row that is not there yet.
func (v *verification) begin(dir string) error {
	if v.ledger != nil {
		v.ledger.mu.Lock()
		defer v.ledger.mu.Unlock()
	}
	for _, read := range []func(string) error{v.newest, v.anchored, v.kept, v.witness, v.strays} {
		if err := read(dir); err != nil {
			return err
		}
	}
	if err := v.derived.open(dir, v.signed); err != nil {
		return err
	}
	torn, err := tornNote(dir, v.vkey)
	if err != nil {
		return err
	}
	v.notes, v.endNotes = iter.Pull2(notesOf(dir, sizeOf(filepath.Join(dir, checkpointsFile))-torn))
	v.until = sizeOf(filepath.Join(dir, leavesFile))
	return nil
}

// tornNote is how much of the end of the notes is what a crash leaves: the beginning
// of one, which does not reach the end of its signature.
func tornNote(dir, vkey string) (int64, error) {
	b, _, err := readTail(filepath.Join(dir, checkpointsFile), noteMost)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	tail := b[wholeNotes(b):]
	note := bytes.TrimRight(tail, "\x00")
	origin, _, _ := strings.Cut(vkey, "+")
	text, signed, found := bytes.Cut(note, []byte("— "))
	signature := base64.StdEncoding.EncodedLen(4 + ed25519.SignatureSize)
	switch _, after, ends := bytes.Cut(text, []byte("\n\n")); {
	case err != nil || !bytes.HasPrefix(note, []byte(origin)[:min(len(origin), len(note))]),
		found && len(signed)-1-bytes.LastIndexByte(signed, ' ') >= signature,
		!found && ends && len(after) > len("—"):
		return 0, err
	}
	return int64(len(tail)), nil
}

// sizeOf is how much of a file is read: nothing of one that is not there yet. One
// that cannot be looked at is found as such when it is opened.
func sizeOf(name string) int64 {
	info, err := os.Stat(name)
	switch {
	case err == nil:
		return info.Size()
	case errors.Is(err, fs.ErrNotExist):
		return 0
	}
	return math.MaxInt64
}

// anchored takes what the checkpoint beside the log states.
func (v *verification) anchored(dir string) error {
	signed, err := os.ReadFile(anchorOf(dir))
	if errors.Is(err, fs.ErrNotExist) {
		v.find("missing", checkpointFile, "it lies beside the ledger since before its first leaf: somebody took it away")
		return nil
	}
	if err != nil {
		return err
	}
	c, err := ReadCheckpoint(signed, v.vkey)
	if err != nil {
		v.find("altered", checkpointFile, "beside the ledger, it is not one of this log: %v", err)
		return nil
	}
	if !slices.ContainsFunc(v.apart, func(d Checkpoint) bool { return d.Size == c.Size && d.Root == c.Root }) {
		v.apart = append(v.apart, c)
	}
	return nil
}

// reached holds the tree against a checkpoint of its size; false: of another.
func (v *verification) reached(c Checkpoint) bool {
	if c.Size == v.edge.size && c.Root != v.edge.root() {
		v.find("altered", fmt.Sprintf("leaves 0-%d", v.edge.size-1),
			"the checkpoint of %d leaves states another root: leaves were changed, removed or put in", v.edge.size)
	}
	return c.Size == v.edge.size
}

// readNotes reads checkpoints up to the first that states more leaves than
// size. Each states as many as the one before it, or more.
func (v *verification) readNotes(size int64) error {
	for v.notes != nil && !slices.ContainsFunc(v.next, func(c Checkpoint) bool { return c.Size > size }) {
		signed, err, ok := v.notes()
		if !ok {
			v.notes = nil
			return nil
		}
		if err != nil {
			return err
		}
		v.noted++
		where := fmt.Sprintf("%s/%s, note %d", ledgerDir, checkpointsFile, v.noted)
		c, err := v.take(where, signed)
		switch {
		case err != nil:
		case c.Size < size:
			v.find("out-of-order", where, "it states %d leaves, one before it more", c.Size)
		default:
			v.next = append(v.next, c)
		}
	}
	return nil
}

// take reads a checkpoint, and reports one that is none.
func (v *verification) take(where string, signed []byte) (Checkpoint, error) {
	c, err := ReadCheckpoint(signed, v.vkey)
	if err != nil {
		v.find("altered", where, "%v", err)
		return c, err
	}
	v.Checkpoints++
	if c.Size >= v.Newest.Size {
		v.Newest = c
	}
	return c, nil
}

// newest reads the newest checkpoint, which lies apart.
func (v *verification) newest(dir string) error {
	signed, err := os.ReadFile(filepath.Join(dir, checkpointFile))
	if errors.Is(err, fs.ErrNotExist) {
		v.find("missing", ledgerDir+"/"+checkpointFile, "it is there since before the first leaf: somebody took it away, and whether leaves with it nobody can tell")
		return nil
	}
	if err != nil {
		return err
	}
	if c, err := v.take(ledgerDir+"/"+checkpointFile, signed); err == nil {
		v.apart = append(v.apart, c)
		v.signed = c.Size
	}
	return nil
}

// kept looks for the file of all checkpoints, which holds one since the newest
// stated any leaf.
func (v *verification) kept(dir string) error {
	info, err := os.Stat(filepath.Join(dir, checkpointsFile))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		v.find("missing", ledgerDir+"/"+checkpointsFile, "it is there since before the first leaf: somebody took it away")
		return nil
	case err == nil && info.Size() == 0 && v.signed > 0:
		v.find("missing", ledgerDir+"/"+checkpointsFile, "it holds none of the checkpoints that were handed out: somebody took them away")
	}
	return err
}

// witness reads what a witness cosigned, which the log must hold as it must what
// it signed itself, and what a witness refused.
func (v *verification) witness(dir string) error {
	c, _, err := readWitnessed(dir, v.vkey)
	switch {
	case err == nil:
		v.Witnessed = c
		v.apart = append(v.apart, c.Checkpoint)
	case !errors.Is(err, fs.ErrNotExist):
		v.find("altered", ledgerDir+"/"+witnessedFile, "%v", err)
	}
	refused, err := readRefusal(dir)
	if refused.Why != "" {
		v.find("refused", ledgerDir, "a witness refuses what this log states, since %s: %s", refused.Since.Format(time.RFC3339), refused.Why)
	}
	return err
}

// finishNotes reports the checkpoints that state more leaves than there are.
func (v *verification) finishNotes() error {
	sizes := make(map[int64]bool)
	for _, c := range v.apart {
		sizes[c.Size] = true
	}
	for {
		for _, c := range v.next {
			sizes[c.Size] = true
		}
		if v.next = nil; v.notes == nil {
			break
		}
		if err := v.readNotes(v.edge.size); err != nil {
			return err
		}
	}
	for size := range sizes {
		v.find("missing", fmt.Sprintf("leaves %d-%d", v.edge.size, size-1), "a checkpoint states %d leaves, the log holds %d", size, v.edge.size)
	}
	return nil
}

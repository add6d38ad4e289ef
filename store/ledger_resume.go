package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"golang.org/x/mod/sumdb/tlog"
)

// resume finds the end of the leaves and brings index and hashes to it: from where
// the newest checkpoint proves both, or else from the first leaf on. The leaves
// stay as they are: whether the log is gone on with is not known yet.
func (l *Ledger) resume() error {
	if !l.proven(l.signed) {
		l.edge, l.end = treeEdge{}, 0
	}
	info, err := l.leaves.Stat()
	if err != nil {
		return err
	}
	for l.end < info.Size() {
		text, err := l.frame(l.end)
		if err != nil {
			l.log.Warn("the ledger ends in the middle of a leaf, the rest is cut off", "leaf", l.edge.size, "bytes", info.Size()-l.end)
			break
		}
		if err := l.derive(text); err != nil {
			return err
		}
	}
	if l.edge.size == 0 {
		return nil
	}
	text, err := l.leaf(l.edge.size - 1)
	if err != nil {
		return err
	}
	var newest Leaf
	if err := newest.UnmarshalText(text); err != nil {
		return fmt.Errorf("%w: leaf %d: %w", errLog, l.edge.size-1, err)
	}
	l.last = newest.Time
	return nil
}

// proven takes what index and hashes say of the tree of a checkpoint, if they
// prove it.
func (l *Ledger) proven(c Checkpoint) bool {
	if c.Size == 0 {
		return false
	}
	edge, err := readEdge(c.Size, l.reader())
	if err != nil || edge.root() != c.Root {
		return false
	}
	at, err := l.offset(c.Size - 1)
	if err != nil {
		return false
	}
	text, err := l.frame(at)
	if err != nil {
		return false
	}
	proof, err := tlog.ProveRecord(c.Size, c.Size-1, l.reader())
	if err != nil || tlog.CheckRecord(proof, c.Size, c.Root, c.Size-1, tlog.RecordHash(text)) != nil {
		return false
	}
	l.edge, l.end = edge, at+leafFrame+int64(len(text))
	return true
}

// derived does what reads index or hashes, and when that fails, once more with
// both made again from the leaves. The caller holds mu.
func (l *Ledger) derived(do func() error) error {
	err := do()
	if err == nil || l.gone != nil {
		return err
	}
	if l.gone = l.rederive(); l.gone != nil {
		return errors.Join(err, l.gone)
	}
	return do()
}

// mend makes index and hashes again, if that is possible.
func (l *Ledger) mend() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.rederive(); err != nil {
		l.log.Error("index and hashes of the ledger cannot be made again", "side", "srs", "reason", err)
	}
}

// rederive makes index and hashes again, when the leaves give the tree that is
// known: of others nothing is written. A crash on the way harms nothing, as what
// is written over is either the same or wrong. The caller holds mu.
func (l *Ledger) rederive() error {
	var edge treeEdge
	var stored []tlog.Hash
	for text, err := range leavesOf(l.dir, l.end) {
		if err != nil {
			return fmt.Errorf("leaf %d: %w", edge.size, err)
		}
		stored = edge.add(tlog.RecordHash(text), stored[:0])
	}
	if edge.size != l.edge.size || edge.root() != l.edge.root() {
		return fmt.Errorf("%w: its leaves were changed", errLog)
	}
	l.log.Warn("index and hashes of the ledger are made again from its leaves", "leaves", edge.size)
	edge, at := treeEdge{}, int64(0)
	for text, err := range leavesOf(l.dir, l.end) {
		if err == nil {
			err = l.writeDerived(&edge, at, text)
		}
		if err != nil {
			return fmt.Errorf("leaf %d: %w", edge.size, err)
		}
		at += leafFrame + int64(len(text))
	}
	return nil
}

// root is that of the tree of the first leaves, proven to be the beginning of the
// log. The caller holds mu.
func (l *Ledger) root(size int64) (tlog.Hash, error) {
	if size == l.edge.size {
		return l.edge.root(), nil
	}
	root, err := tlog.TreeHash(size, l.reader())
	if err != nil {
		return root, err
	}
	proof, err := tlog.ProveTree(l.edge.size, size, l.reader())
	if err != nil {
		return root, err
	}
	return root, tlog.CheckTree(proof, l.edge.size, l.edge.root(), size, root)
}

func (l *Ledger) offset(seq int64) (int64, error) {
	var b [8]byte
	if _, err := l.index.ReadAt(b[:], seq*8); err != nil {
		return 0, err
	}
	return int64(binary.LittleEndian.Uint64(b[:])), nil
}

// leaf reads a leaf, of which index and hashes agree.
func (l *Ledger) leaf(seq int64) ([]byte, error) {
	at, err := l.offset(seq)
	if err != nil {
		return nil, err
	}
	text, err := l.frame(at)
	if err != nil {
		return nil, err
	}
	h, err := l.reader()([]int64{tlog.StoredHashIndex(0, seq)})
	if err == nil && h[0] != tlog.RecordHash(text) {
		err = fmt.Errorf("%w: leaf %d is not the one that was hashed", ErrDamaged, seq)
	}
	return text, err
}

// frame reads the leaf whose frame begins at at.
func (l *Ledger) frame(at int64) ([]byte, error) {
	return readFrame(io.NewSectionReader(l.leaves, at, leafFrame+leafMost))
}

func readFrame(r io.Reader) ([]byte, error) {
	var head [leafFrame]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := binary.LittleEndian.Uint32(head[:])
	if n == 0 || n > leafMost {
		return nil, fmt.Errorf("%w: a leaf of %d bytes", ErrDamaged, n)
	}
	text := make([]byte, n)
	if _, err := io.ReadFull(r, text); err != nil {
		return nil, err
	}
	if crc32.Checksum(text, castagnoli) != binary.LittleEndian.Uint32(head[4:]) {
		return nil, fmt.Errorf("%w: a leaf's checksum is wrong", ErrDamaged)
	}
	return text, nil
}

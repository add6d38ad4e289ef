package store

import (
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
)

// Tape is one live tape. Safe for concurrent use; its lock is the call's own.
type Tape struct {
	id    string
	dies  Day
	store *Store

	mu      sync.Mutex // guards everything below
	file    *os.File   // nil once closed
	key     []byte
	aead    cipher.AEAD // nil once destroyed
	kept    bool        // the key is in the header
	size    int64       // bytes of whole frames, header included
	number  uint32      // of the block being built
	block   []byte      // clear text, capacity blockMax
	frame   []byte      // scratch, capacity frameMax
	ad      []byte      // id and block number
	last    int64       // time of the last fragment in the block
	records int64       // begun in the block
	lost    int64
	err     error // the first since the last Flush
}

// NewTape creates a tape, whose key can be opened with the run key and with that
// of the day dies, on which the recording would die if the call ended now ("": by
// nothing but the run key). A provisional tape's key exists in memory only until
// Confirm. It is an error if there is a tape of that id.
func (s *Store) NewTape(id string, dies Day, provisional bool) (*Tape, error) {
	if _, err := began(id); err != nil {
		return nil, err
	}
	t := &Tape{
		id: id, dies: dies, store: s, size: headerSize,
		key:   make([]byte, keySize),
		block: make([]byte, 0, blockMax),
		frame: make([]byte, 0, frameMax),
		ad:    append(make([]byte, 0, len(id)+4), id...),
	}
	rand.Read(t.key)
	var err error
	if t.aead, err = gcm(t.key); err != nil {
		return nil, err
	}
	header := newHeader(id)
	if !provisional {
		wrapped, err := s.wrappings(t.key, id, dies)
		if err != nil {
			return nil, err
		}
		copy(header[slotAt:], wrapped)
		t.kept = true
	}
	t.file, err = s.sys.OpenFile(s.tapePath(id), os.O_RDWR|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return nil, fmt.Errorf("new tape: %w", err)
	}
	if err := s.sys.writeAll(t.file, header, 0); err != nil {
		return nil, errors.Join(fmt.Errorf("new tape: %w", err), t.file.Close(), s.sys.removeIfThere(s.tapePath(id)))
	}
	s.mu.Lock()
	s.open[id] = t
	s.mu.Unlock()
	s.sync.wrote(false)
	return t, nil
}

func (s *Store) tapePath(id string) string {
	return filepath.Join(s.tapeDir(), id+tapeSuffix)
}

func (s *Store) openTapes() []*Tape {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Values(s.open))
}

// Append adds a record to the block being built; a full block is written at
// once. It copies data, of at most 1 MiB. at is Unix nanoseconds. Errors are
// kept for Flush, what they cost is counted in Lost.
func (t *Tape) Append(kind uint8, at int64, line uint16, data []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.file == nil || t.aead == nil || len(data) > recordMax {
		t.lost++
		return
	}
	var flags uint8
	for begun := false; ; begun = true {
		room := blockMax - len(t.block) - fragmentHead
		// Below this a fragment would be mostly header.
		if room < min(len(data), fragmentHead) || room < 0 {
			t.writeFull()
			room = blockMax - fragmentHead
		}
		if !begun {
			t.records++
		}
		n := min(len(data), room)
		flags &^= flagMore
		if n < len(data) {
			flags |= flagMore
		}
		t.fragment(kind, flags, at, line, data[:n])
		if data = data[n:]; len(data) == 0 {
			return
		}
		flags |= flagContinues
		t.writeFull()
	}
}

// fragment adds data to the block, in which there is room for it.
func (t *Tape) fragment(kind, flags uint8, at int64, line uint16, data []byte) {
	t.block = append(t.block, kind, flags)
	t.block = binary.LittleEndian.AppendUint16(t.block, line)
	// The first of a block counts from zero, so that a block stands alone.
	t.block = binary.AppendVarint(t.block, at-t.last)
	t.block = binary.AppendUvarint(t.block, uint64(len(data)))
	t.block = append(t.block, data...)
	t.last = at
}

// writeFull writes a block that has no room left. When that fails the block is
// lost: the call goes on.
func (t *Tape) writeFull() {
	if err := t.write(); err != nil {
		t.lost += t.records
		if t.err == nil {
			t.err = err
		}
		t.next()
	}
}

// write writes the block as one frame. On an error the block
// stands as before, to be tried again.
func (t *Tape) write() error {
	if len(t.block) == 0 {
		return nil
	}
	f := t.seal()
	if err := t.store.sys.writeAll(t.file, f, t.size); err != nil {
		// The next frame goes to the same place. What stays behind it if this
		// fails too is not whole, and readers pass over it.
		t.store.sys.Truncate(t.file, t.size)
		return fmt.Errorf("tape: %w", err)
	}
	t.size += int64(len(f))
	t.next()
	t.store.sync.wrote(false)
	return nil
}

// seal returns the block as a frame.
func (t *Tape) seal() []byte {
	f := append(t.frame[:0], frameMagic...)
	f = binary.LittleEndian.AppendUint32(f, t.number)
	f = binary.LittleEndian.AppendUint32(f, uint32(len(t.block)+sealExtra))
	t.ad = binary.LittleEndian.AppendUint32(t.ad[:len(t.id)], t.number)
	f = t.aead.Seal(f, nil, t.block, t.ad)
	t.frame = binary.LittleEndian.AppendUint32(f, crc32.Checksum(f, castagnoli))
	return t.frame
}

func (t *Tape) next() {
	t.number++
	t.block = t.block[:0]
	t.last = 0
	t.records = 0
}

func (sys System) writeAll(f *os.File, p []byte, off int64) error {
	n, err := sys.WriteAt(f, p, off)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	return err
}

// Flush writes the block being built to the file (not to the disk: the store's
// syncer does that once a second for all tapes). It returns the first error
// since the last Flush, of Append's too; a block that could not be written is
// kept and tried again by the next one, as long as it has room. After a failed
// sync the error wraps ErrSuspect, though the tape goes on.
func (t *Tape) Flush() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.flush()
}

func (t *Tape) flush() error {
	if t.file == nil || t.aead == nil {
		return os.ErrClosed
	}
	err := t.err
	t.err = nil
	if werr := t.write(); err == nil {
		err = werr
	}
	if err == nil {
		err = t.store.Err()
	}
	return err
}

// Lost returns the number of records that never reached the file, for want of
// room on the disk, say.
func (t *Tape) Lost() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.lost
}

// Confirm writes a provisional tape's key; from then on it is a tape like any
// other. The syncer makes that durable at once, but Confirm does not wait for
// it.
func (t *Tape) Confirm() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.kept {
		return nil
	}
	if t.file == nil || t.aead == nil {
		return os.ErrClosed
	}
	wrapped, err := t.store.wrappings(t.key, t.id, t.dies)
	if err != nil {
		return err
	}
	if err := t.store.sys.writeAll(t.file, wrapped, slotAt); err != nil {
		return fmt.Errorf("confirm tape: %w", err)
	}
	t.kept = true
	t.store.sync.wrote(true)
	return nil
}

// Close flushes and closes the file; the tape stays on disk. Closing twice is
// no error.
func (t *Tape) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.file == nil {
		return nil
	}
	err := t.flush()
	if err != nil {
		t.lost += t.records
	}
	err = errors.Join(err, t.shut())
	t.wipe()
	return err
}

// Destroy forgets the key first, in memory and in the header if it is there,
// then unlinks the file. Destroying a closed tape removes it.
func (t *Tape) Destroy() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.wipe()
	var err error
	if t.file != nil {
		if t.kept {
			err = t.store.sys.writeAll(t.file, make([]byte, headerSize-slotAt), slotAt)
			t.store.sync.wrote(true)
		}
		err = errors.Join(err, t.shut())
	}
	return errors.Join(err, t.store.RemoveTape(t.id))
}

func (t *Tape) shut() error {
	t.store.mu.Lock()
	delete(t.store.open, t.id)
	t.store.mu.Unlock()
	err := t.file.Close()
	t.file = nil
	return err
}

// wipe overwrites the key and the clear text. The key schedule inside aead is
// out of reach and left to the collector.
func (t *Tape) wipe() {
	clear(t.key)
	clear(t.block[:cap(t.block)])
	t.block = t.block[:0]
	t.aead = nil
}

// sync makes the tape durable where there is no way to sync all at once.
func (t *Tape) sync() {
	t.mu.Lock()
	file := t.file
	t.mu.Unlock()
	if file != nil {
		// Outside the lock: a sync may take long and the call must not wait.
		t.store.sys.Sync(file)
	}
}

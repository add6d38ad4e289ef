package store

import (
	"bufio"
	"bytes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
)

const tapeSuffix = ".tape"

// Leftovers lists the ids of tapes on disk that are not open, oldest first.
func (s *Store) Leftovers() ([]string, error) {
	entries, err := os.ReadDir(s.tapeDir())
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var ids []string
	for _, e := range entries {
		id, ok := strings.CutSuffix(e.Name(), tapeSuffix)
		if _, err := began(id); ok && err == nil && s.open[id] == nil {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids, nil
}

// RemoveTape forgets a tape's key and unlinks it; a missing one is no error. The
// blocks that it leaves in free space would else open with the run key, which
// lives on, after the day of the recording.
func (s *Store) RemoveTape(id string) error {
	if _, err := began(id); err != nil {
		return err
	}
	err := s.forgetKey(id)
	if removed := s.sys.removeIfThere(s.tapePath(id)); removed != nil {
		return errors.Join(removed, err)
	}
	if err != nil {
		s.log.Error("the key in a tape's header was not overwritten before the tape went", "call", id, "side", "srs", "reason", err)
	}
	return nil
}

// forgetKey overwrites both wrappings of a tape's key.
func (s *Store) forgetKey(id string) error {
	f, err := s.sys.OpenFile(s.tapePath(id), os.O_WRONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	err = s.sys.writeAll(f, make([]byte, headerSize-slotAt), slotAt)
	if err == nil {
		err = s.sys.Sync(f)
	}
	return errors.Join(err, f.Close())
}

// ReadTape opens a tape for reading, live ones included (as far as flushed).
// Each call of the returned function reads what was there at ReadTape, from
// the beginning. The error is ErrForgotten when the tape's key is nowhere,
// ErrNotFound when there is no such tape, ErrLocked when a custodian must unlock
// it: the run key is not the one it was made with. ErrDead: its day is over.
func (s *Store) ReadTape(id string) (func() Records, error) {
	if _, err := began(id); err != nil {
		return nil, err
	}
	key, size, damaged, err := s.tapeKey(id)
	if err != nil {
		return nil, err
	}
	aead, err := gcm(key)
	if err != nil {
		return nil, err
	}
	return func() Records {
		return func(yield func(Record, error) bool) {
			f, err := os.Open(s.tapePath(id))
			if err != nil {
				yield(Record{}, err)
				return
			}
			defer f.Close()
			if damaged != nil && !yield(Record{}, damaged) {
				return
			}
			r := newTapeReader(io.NewSectionReader(f, headerSize, max(size-headerSize, 0)), id, aead)
			r.read(yield)
		}
	}, nil
}

// tapeKey returns the key of a tape and how many of its bytes can be read;
// damaged is what is wrong with its header and costs nothing.
func (s *Store) tapeKey(id string) (key []byte, size int64, damaged, err error) {
	s.mu.Lock()
	t := s.open[id]
	s.mu.Unlock()
	if t != nil {
		t.mu.Lock()
		if t.aead != nil {
			defer t.mu.Unlock()
			return slices.Clone(t.key), t.size, nil, nil
		}
		t.mu.Unlock() // closed or destroyed just now: what the disk says, holds
	}
	header, size, err := s.tapeHeader(id)
	if err != nil {
		return nil, 0, nil, err
	}
	if header.slot == nil && header.sealed == nil {
		return nil, 0, nil, fmt.Errorf("tape %s: %w", id, errors.Join(ErrForgotten, header.damaged))
	}
	key, err = s.openKey(header, id)
	return key, size, header.damaged, err
}

// tapeHeader reads the header page of a tape, and the size of the file.
func (s *Store) tapeHeader(id string) (h tapeHeader, size int64, err error) {
	f, err := os.Open(s.tapePath(id))
	if errors.Is(err, fs.ErrNotExist) {
		return h, 0, fmt.Errorf("tape %s: %w: %w", id, ErrNotFound, err)
	}
	if err != nil {
		return h, 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return h, 0, err
	}
	page := make([]byte, headerSize)
	n, err := io.ReadFull(f, page)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return h, 0, err
	}
	h, err = readHeader(page[:n], id)
	return h, info.Size(), err
}

// TapeDay returns the day to which the key of a tape on disk is sealed; "" when
// it is sealed to none.
func (s *Store) TapeDay(id string) (Day, error) {
	if _, err := began(id); err != nil {
		return "", err
	}
	h, _, err := s.tapeHeader(id)
	return h.day, err
}

// tapeReader reads the frames behind the header.
type tapeReader struct {
	in    *bufio.Reader
	at    int64 // of in, in the file
	id    string
	aead  cipher.AEAD
	ad    []byte
	clear []byte

	next    uint32 // the number of the block to come
	partial []byte // of the record that goes on in the next block
	goesOn  bool
	damage  error // seen, and told if a whole frame follows: else it is the tail
}

func newTapeReader(in io.Reader, id string, aead cipher.AEAD) *tapeReader {
	return &tapeReader{
		in: bufio.NewReaderSize(in, 64<<10), at: headerSize, id: id, aead: aead,
		ad: append(make([]byte, 0, len(id)+4), id...), clear: make([]byte, 0, blockMax),
	}
}

func (r *tapeReader) read(yield func(Record, error) bool) {
	for {
		more, err := r.block(yield)
		if err != nil {
			yield(Record{}, err)
		}
		if !more {
			return
		}
	}
}

// block yields the records of the next block; false: there is no other, or the
// consumer has enough.
func (r *tapeReader) block(yield func(Record, error) bool) (more bool, err error) {
	frame, err := r.frame()
	if errors.Is(err, io.EOF) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("tape %s at %d: %w", r.id, r.at, err)
	}
	number := binary.LittleEndian.Uint32(frame[4:])
	r.ad = binary.LittleEndian.AppendUint32(r.ad[:len(r.id)], number)
	block, err := r.aead.Open(r.clear[:0], nil, frame[frameHead:len(frame)-4], r.ad)
	switch {
	case err != nil:
		r.tell("block %d does not open", number)
		if number == r.next {
			r.next++ // so that it is not told as missing too
		}
	case number < r.next:
		r.tell("block %d comes again", number)
		err = ErrDamaged
	case number > r.next:
		r.tell("blocks %d to %d are missing", r.next, number-1)
	}
	if r.damage != nil {
		r.goesOn = false
		if !yield(Record{}, r.damage) {
			return false, nil
		}
		r.damage = nil
	}
	if err == nil {
		r.next = number + 1
		if !r.records(block, yield) {
			return false, nil
		}
	}
	r.skip(len(frame))
	return true, nil
}

// tell notes damage, of which only the first is told.
func (r *tapeReader) tell(format string, args ...any) {
	if r.damage == nil {
		r.damage = fmt.Errorf("tape %s at %d: %s: %w", r.id, r.at, fmt.Sprintf(format, args...), ErrDamaged)
	}
}

// frame finds the next whole frame, which stays valid until skip. Bytes that
// are none are passed over. io.EOF: there is no other.
func (r *tapeReader) frame() ([]byte, error) {
	for {
		head, err := r.in.Peek(frameHead)
		if err != nil {
			return nil, err
		}
		if string(head[:4]) == frameMagic {
			n := binary.LittleEndian.Uint32(head[8:])
			if n > sealExtra && n <= sealExtra+blockMax {
				whole, err := r.in.Peek(frameHead + int(n) + 4)
				if err != nil && !errors.Is(err, io.EOF) {
					return nil, err
				}
				body := len(whole) - 4
				if err == nil && crc32.Checksum(whole[:body], castagnoli) == binary.LittleEndian.Uint32(whole[body:]) {
					return whole, nil
				}
			}
		}
		r.tell("no whole block")
		r.skipToMagic()
	}
}

// skipToMagic moves on by at least one byte, to where a frame may begin.
func (r *tapeReader) skipToMagic() {
	r.skip(1)
	ahead, _ := r.in.Peek(max(r.in.Buffered(), frameHead))
	if i := bytes.Index(ahead, []byte(frameMagic)); i >= 0 {
		r.skip(i)
	} else {
		r.skip(max(len(ahead)-len(frameMagic)+1, 0))
	}
}

func (r *tapeReader) skip(n int) {
	n, _ = r.in.Discard(n)
	r.at += int64(n)
}

// records yields the records of a block; false: the consumer has enough.
func (r *tapeReader) records(block []byte, yield func(Record, error) bool) bool {
	var at int64
	for len(block) > 0 {
		rec, flags, rest, ok := fragment(block, at)
		if !ok {
			r.goesOn = false
			return yield(Record{}, fmt.Errorf("tape %s, block %d: no record: %w", r.id, r.next-1, ErrDamaged))
		}
		at, block = rec.At, rest
		continues, more := flags&flagContinues != 0, flags&flagMore != 0
		if continues && !r.goesOn {
			continue // its beginning was lost, and that was told
		}
		if !continues {
			r.partial = r.partial[:0]
		}
		r.goesOn = more
		if more || continues {
			r.partial = append(r.partial, rec.Data...)
			rec.Data = r.partial
			if len(r.partial) > recordMax {
				r.goesOn = false
				return yield(Record{}, fmt.Errorf("tape %s, block %d: record too long: %w", r.id, r.next-1, ErrDamaged))
			}
		}
		if !more && !yield(rec, nil) {
			return false
		}
	}
	return true
}

// fragment decodes the first fragment of a block. last is the time of the one
// before.
func fragment(b []byte, last int64) (rec Record, flags uint8, rest []byte, ok bool) {
	if len(b) < 4 {
		return rec, 0, nil, false
	}
	rec.Kind, flags, rec.Line = b[0], b[1], binary.LittleEndian.Uint16(b[2:])
	delta, n := binary.Varint(b[4:])
	if n <= 0 {
		return rec, 0, nil, false
	}
	rec.At = last + delta
	b = b[4+n:]
	size, n := binary.Uvarint(b)
	if n <= 0 || size > uint64(len(b)-n) {
		return rec, 0, nil, false
	}
	b = b[n:]
	rec.Data = b[:size:size]
	return rec, flags, b[size:], true
}

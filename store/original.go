package store

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"path"
	"strings"

	"github.com/oklog/ulid/v2"
)

// originalsDir is where originals lie: a vault of its own, so that what walks
// over recordings meets recordings only.
const originalsDir = "originals"

// Original is the tape of a recording, kept sealed beside it because the
// recording is not all that was received. It dies with the recording.
type Original struct {
	File         string `json:"file"`   // relative to the data directory
	Bytes        int64  `json:"bytes"`  // in clear
	SHA256       string `json:"sha256"` // in clear, hex
	SealedBytes  int64  `json:"sealed_bytes"`
	SealedSHA256 string `json:"sealed_sha256"`
}

// originalID is the id under which the original of a recording lies: another
// ULID of the same moment, and always the same one.
func originalID(id string) (string, error) {
	u, err := ulid.ParseStrict(id)
	if err != nil || u.String() != id {
		return "", fmt.Errorf("%q is not a recording id", id)
	}
	u[6] ^= 0x80
	return u.String(), nil
}

// The sealed original is this line and then, record by record, kind 1, line 2,
// time in Unix nanoseconds 8 and length 4 bytes, little-endian, and the data.
const (
	originalHead   = "siprecd original 1\n"
	originalRecord = 15
)

// KeepOriginal seals the tape of row to the day row.Dies, before Seal writes the
// recording, and fills row.Original. It is idempotent: what is there is written
// anew, as long as the tape has its key: that goes when all is sealed, and before
// the tape.
func (s *Store) KeepOriginal(ctx context.Context, row *Row) error {
	if s.clear {
		return nil
	}
	id, err := originalID(row.ID)
	if err != nil {
		return err
	}
	open, err := s.ReadTape(row.ID)
	if errors.Is(err, ErrForgotten) && row.Original != nil {
		return nil
	}
	if err != nil {
		return fmt.Errorf("original of %s: %w", row.ID, err)
	}
	defer s.changing.begin(row.ID)()
	shape := &Row{ID: id, Dies: row.Dies}
	if err := s.commitSealed(ctx, s.originals, shape, func(w io.Writer) error { return writeRecords(w, open()) }); err != nil {
		return fmt.Errorf("original of %s: %w", row.ID, err)
	}
	row.Original = &Original{path.Join(originalsDir, shape.File), shape.Bytes, shape.SHA256, shape.SealedBytes, shape.SealedSHA256}
	return nil
}

func writeRecords(w io.Writer, records Records) error {
	if _, err := io.WriteString(w, originalHead); err != nil {
		return err
	}
	var head [originalRecord]byte
	for rec, err := range records {
		if err != nil || len(rec.Data) > math.MaxInt32 { // a damaged place; what lies behind it can be read
			continue
		}
		head[0] = rec.Kind
		binary.LittleEndian.PutUint16(head[1:], rec.Line)
		binary.LittleEndian.PutUint64(head[3:], uint64(rec.At))
		binary.LittleEndian.PutUint32(head[11:], uint32(len(rec.Data)))
		if _, err := w.Write(head[:]); err != nil {
			return err
		}
		if _, err := w.Write(rec.Data); err != nil {
			return err
		}
	}
	return nil
}

// OpenOriginal opens what KeepOriginal sealed, as the tape it was; it is read
// anew by each call of the returned function. The errors are those of OpenAudio;
// ErrNotFound: none was kept.
func (s *Store) OpenOriginal(ctx context.Context, row *Row) (func() Records, io.Closer, error) {
	if row.Original == nil {
		return nil, nil, fmt.Errorf("%s has no original: %w", row.ID, ErrNotFound)
	}
	id, err := originalID(row.ID)
	if err != nil {
		return nil, nil, err
	}
	a, err := s.openSealed(ctx, s.originals, &Row{ID: id, File: strings.TrimPrefix(row.Original.File, originalsDir+"/"), Dies: row.Dies})
	if err != nil {
		return nil, nil, err
	}
	return func() Records { return recordsOf(io.NewSectionReader(a, 0, a.Size())) }, a, nil
}

func recordsOf(r io.Reader) Records {
	return func(yield func(Record, error) bool) {
		in := bufio.NewReaderSize(r, 1<<16)
		first := make([]byte, len(originalHead))
		if _, err := io.ReadFull(in, first); err != nil || !bytes.Equal(first, []byte(originalHead)) {
			yield(Record{}, errors.Join(fmt.Errorf("not an original: %w", ErrDamaged), err))
			return
		}
		var head [originalRecord]byte
		var data bytes.Buffer
		for {
			_, err := io.ReadFull(in, head[:])
			if errors.Is(err, io.EOF) {
				return
			}
			data.Reset()
			if err == nil {
				_, err = io.CopyN(&data, in, int64(binary.LittleEndian.Uint32(head[11:])))
			}
			if err != nil {
				yield(Record{}, err)
				return
			}
			rec := Record{Kind: head[0], Line: binary.LittleEndian.Uint16(head[1:]), At: int64(binary.LittleEndian.Uint64(head[3:])), Data: data.Bytes()}
			if !yield(rec, nil) {
				return
			}
		}
	}
}

// forgetOriginal removes the body of an original that nothing opens any more.
func (s *Store) forgetOriginal(ctx context.Context, id string) error {
	sibling, err := originalID(id)
	if err != nil || s.clear {
		return err
	}
	day, err := began(sibling)
	if err != nil {
		return err
	}
	name, err := s.originals.Name(sibling, bodyExt, day)
	if err != nil {
		return err
	}
	return s.originals.Remove(ctx, name)
}

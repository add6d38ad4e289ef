package store

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
)

// Seal writes a recording: body through write, then facts, then the row, and
// removes the tape last. The rename of the body commits. It is idempotent by
// row.ID: a body that is there already is read and adopted, write not called.
// It fills row.File, row.Bytes and row.SHA256; the caller sets the rest, State
// too. On an error the tape is still there and Seal may be called again. After
// a failed sync it refuses, with ErrSuspect: nothing may be called complete.
func (s *Store) Seal(ctx context.Context, row *Row, ext string, write func(io.Writer) error) error {
	if err := s.Err(); err != nil {
		return err
	}
	day, err := began(row.ID)
	if err != nil {
		return err
	}
	name, err := s.Blobs.Name(row.ID, ext, day)
	if err != nil {
		return err
	}
	d := digest{sum: sha256.New()}
	switch err := s.adopt(ctx, name, &d); {
	case errors.Is(err, ErrNotFound):
		if name, err = s.commit(ctx, row.ID, ext, &d, write); err != nil {
			return fmt.Errorf("seal %s: %w", row.ID, err)
		}
	case err != nil:
		return fmt.Errorf("seal %s: adopt its body: %w", row.ID, err)
	}
	row.File, row.Bytes, row.SHA256 = name, d.n, hex.EncodeToString(d.sum.Sum(nil))
	if err := s.record(ctx, name, row); err != nil {
		return fmt.Errorf("seal %s: %w", row.ID, err)
	}
	// A sync may have failed meanwhile, of this file or of another.
	if err := s.Err(); err != nil {
		return err
	}
	return s.RemoveTape(row.ID)
}

// Record writes the facts and the row of a call: of one that has no body, so
// that a rebuilt catalogue knows it too, or of a sealed one whose row changed.
func (s *Store) Record(ctx context.Context, row *Row) error {
	if err := s.Err(); err != nil {
		return err
	}
	name := row.File
	if name == "" {
		day, err := began(row.ID)
		if err != nil {
			return err
		}
		if name, err = s.Blobs.Name(row.ID, "", day); err != nil {
			return err
		}
	}
	return s.record(ctx, name, row)
}

func (s *Store) record(ctx context.Context, name string, row *Row) error {
	facts, err := json.Marshal(row)
	if err != nil {
		return err
	}
	if err := s.Blobs.PutFacts(ctx, name, append(facts, '\n')); err != nil {
		return fmt.Errorf("facts: %w", err)
	}
	if err := s.Catalog.Put(ctx, row); err != nil {
		return fmt.Errorf("row: %w", err)
	}
	return nil
}

// commit writes the body.
func (s *Store) commit(ctx context.Context, id, ext string, d *digest, write func(io.Writer) error) (string, error) {
	day, err := began(id)
	if err != nil {
		return "", err
	}
	w, err := s.Blobs.Create(ctx, id, ext, day)
	if err != nil {
		return "", err
	}
	defer w.Abort()
	d.to = w
	buffered := bufio.NewWriterSize(d, 64<<10)
	if err := write(buffered); err != nil {
		return "", err
	}
	// Says also what went wrong before, should write have swallowed it: half a
	// file must not be committed.
	if err := buffered.Flush(); err != nil {
		return "", err
	}
	return w.Commit()
}

// adopt digests a committed body, or returns ErrNotFound.
func (s *Store) adopt(ctx context.Context, name string, d *digest) error {
	body, err := s.Blobs.Open(ctx, name)
	if err != nil {
		return err
	}
	defer body.Close()
	d.to = io.Discard
	_, err = io.Copy(d, body)
	return err
}

// digest counts and sums what goes through it.
type digest struct {
	to  io.Writer
	sum hash.Hash
	n   int64
}

func (d *digest) Write(p []byte) (int, error) {
	n, err := d.to.Write(p)
	d.sum.Write(p[:n])
	d.n += int64(n)
	return n, err
}

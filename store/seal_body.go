package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"filippo.io/age"
)

// ageBody writes the sealed form of one recording: the payload goes on to the
// body, the header stays here. It is what age.Encrypt writes, cut in two.
type ageBody struct {
	to     io.Writer
	head   bytes.Buffer // all that Encrypt writes by itself
	header []byte       // nil until begun
	w      io.WriteCloser
}

func sealTo(to io.Writer, r age.Recipient) (*ageBody, error) {
	b := &ageBody{to: to}
	w, err := age.Encrypt(b, r)
	if err != nil {
		return nil, err
	}
	b.w = w
	written := bytes.NewReader(b.head.Bytes())
	if b.header, err = age.ExtractHeader(written); err != nil {
		return nil, err
	}
	// What follows the header is the payload's nonce.
	if _, err := to.Write(b.head.Bytes()[len(b.header):]); err != nil {
		return nil, err
	}
	return b, nil
}

// Write implements io.Writer for age.
func (b *ageBody) Write(p []byte) (int, error) {
	if b.header == nil {
		return b.head.Write(p)
	}
	return b.to.Write(p)
}

// joined is a header and a body as one age file.
type joined struct {
	header []byte
	body   io.ReaderAt
}

func (j joined) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, errors.New("negative offset")
	}
	if off < int64(len(j.header)) {
		n = copy(p, j.header[off:])
		if n == len(p) {
			return n, nil
		}
	}
	m, err := j.body.ReadAt(p[n:], off+int64(n)-int64(len(j.header)))
	return n + m, err
}

// Audio is an opened recording in clear. It decrypts where it is read; nothing
// in clear is on disk.
type Audio struct {
	*io.SectionReader
	body Body
}

// Close releases the body.
func (a *Audio) Close() error { return a.body.Close() }

// OpenAudio opens the sealed audio of a row. ErrLocked: a custodian must unlock
// first; ErrDead: its key is destroyed; ErrDamaged: the body is not what was
// sealed.
func (s *Store) OpenAudio(ctx context.Context, row *Row) (*Audio, error) {
	if row.File == "" {
		return nil, fmt.Errorf("%s has no audio (%s): %w", row.ID, row.State, ErrNotFound)
	}
	return s.openSealed(ctx, s.Blobs, row)
}

func (s *Store) openSealed(ctx context.Context, in Blobs, row *Row) (*Audio, error) {
	body, err := in.Open(ctx, row.File)
	if err != nil {
		return nil, err
	}
	if row.Dies == "" {
		return &Audio{SectionReader: io.NewSectionReader(body, 0, body.Size()), body: body}, nil
	}
	header, err := s.Keys.Header(row.Dies, row.ID)
	if err != nil {
		return nil, errors.Join(err, body.Close())
	}
	secret, err := s.Keys.Secret(row.Dies)
	if err != nil {
		return nil, errors.Join(err, body.Close())
	}
	clear, size, err := age.DecryptReaderAt(joined{header, body}, int64(len(header))+body.Size(), secret)
	if errors.Is(err, ErrLocked) {
		return nil, errors.Join(fmt.Errorf("%s: %w", row.ID, err), body.Close())
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w: %w", row.ID, ErrDamaged, err), body.Close())
	}
	return &Audio{SectionReader: io.NewSectionReader(exact{clear}, 0, size), body: body}, nil
}

// exact reports the end only to who asked for more than there is.
type exact struct{ io.ReaderAt }

func (r exact) ReadAt(p []byte, off int64) (int, error) {
	n, err := r.ReaderAt.ReadAt(p, off)
	if n == len(p) && err == io.EOF {
		err = nil
	}
	return n, err
}

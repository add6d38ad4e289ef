package store

import (
	"context"
	"errors"
	"io"
	"iter"
	"time"
)

var (
	// ErrNotFound is returned for an id nobody has.
	ErrNotFound = errors.New("no such recording")
	// ErrInUse is returned by Open when another daemon holds the directory.
	ErrInUse = errors.New("data directory in use by another siprecd")
	// ErrSuspect is wrapped by every write after a failed sync: what the disk
	// holds is unknown.
	ErrSuspect = errors.New("disk suspect after a failed sync")
)

// Blobs is where sealed bodies live.
type Blobs interface {
	// Create begins the body of id; ext is "wav" or "flac". Nothing is visible
	// until Commit.
	Create(ctx context.Context, id, ext string, day time.Time) (BlobWriter, error)
	// Open opens the body at the name Commit returned.
	Open(ctx context.Context, name string) (Body, error)
	// Remove removes a body and what lies beside it; a missing one is no error.
	Remove(ctx context.Context, name string) error
	// PutFacts writes the facts beside a committed body, replacing older ones.
	PutFacts(ctx context.Context, name string, facts []byte) error
	// All yields every committed body's name and facts (nil when missing).
	All(ctx context.Context) iter.Seq2[Stored, error]
}

// BlobWriter writes one body strictly forward.
type BlobWriter interface {
	io.Writer
	// Commit makes the body durable under its name: fsync, rename, fsync of the
	// directory.
	Commit() (name string, err error)
	// Abort forgets the body; after Commit it does nothing.
	Abort()
}

// Body is an open recording.
type Body interface {
	io.ReadSeekCloser
	io.ReaderAt
	Size() int64
}

// Stored is one committed body.
type Stored struct {
	Name  string
	ID    string
	Facts []byte
}

// Catalog is rows and queries.
type Catalog interface {
	// Put writes a row, replacing the one with its ID and its index entries.
	Put(ctx context.Context, r *Row) error
	// Get returns ErrNotFound when there is no such row.
	Get(ctx context.Context, id string) (*Row, error)
	// Find yields matching rows, newest first.
	Find(ctx context.Context, q Query) iter.Seq2[*Row, error]
	// Delete removes a row; a missing one is no error.
	Delete(ctx context.Context, id string) error
	// Count returns the number of rows.
	Count(ctx context.Context) (int, error)
	Close() error
}

// Query selects rows. Zero fields do not restrict.
type Query struct {
	Since, Until time.Time // by start: Since <= start < Until
	Number       string    // any party's: exact "01055501", prefix "0105*", suffix "*2345"
	Extension    string    // exact
	CS           string    // session_id of a CS
	ID           string    // exact, or a prefix of at least 4 characters
	States       []State
	Limit        int    // 0: all
	After        string // the ID of the last row of the page before
}

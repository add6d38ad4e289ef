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
	// ErrForgotten is returned for a tape whose key is nowhere: one that was
	// provisional, or so young that the disk never got its header. Nothing in
	// it can be read; whoever meets it removes it.
	ErrForgotten = errors.New("tape forgotten before it was confirmed")
	// ErrDamaged is wrapped by every error about content that is not what was
	// written.
	ErrDamaged = errors.New("damaged")

	// ErrHeld: a hold keeps the recording.
	ErrHeld = errors.New("held")
)

// Blobs is where sealed bodies live.
type Blobs interface {
	// Name returns the name a body of id is committed under; ext "" names the
	// facts of a call without a body. It depends on nothing else. Day's clock
	// date counts, whatever its location.
	Name(id, ext string, day time.Time) (string, error)
	// Create begins the body of id; ext is "wav" or "flac". Nothing is visible
	// until Commit, which replaces a body of the same name.
	Create(ctx context.Context, id, ext string, day time.Time) (BlobWriter, error)
	// Open opens the body at the name Commit returned; ErrNotFound when there
	// is none.
	Open(ctx context.Context, name string) (Body, error)
	// Remove removes a body and what lies beside it; a missing one is no error.
	Remove(ctx context.Context, name string) error
	// PutFacts writes the facts beside a committed body, replacing older ones;
	// or alone, under a name without a body.
	PutFacts(ctx context.Context, name string, facts []byte) error
	// Facts returns the facts beside a body, or alone; ErrNotFound when there are
	// none.
	Facts(ctx context.Context, name string) ([]byte, error)
	// All yields every committed body, and facts that lie alone, of days that
	// something was committed to or removed from since; zero: of all days. An
	// error with a name is of that one alone, or of its day.
	All(ctx context.Context, since time.Time) iter.Seq2[Stored, error]
	// Sweep removes what Create began since, and nobody committed or aborted;
	// zero: whenever. Only a starting daemon may.
	Sweep(ctx context.Context, since time.Time) error
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

// Stored is one committed body, or facts alone.
type Stored struct {
	Name  string // as Name returns it
	ID    string
	Size  int64  // of the body; -1: there is none
	Facts []byte // nil: missing
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
	// Count returns the number of rows that Find would yield. It is quick for
	// those of all, of a day, of states, and for what is held.
	Count(ctx context.Context, q Query) (int, error)
	Close() error
}

// Query selects rows. Zero fields do not restrict.
type Query struct {
	Since, Until time.Time // by start: Since <= start < Until
	Number       string    // any party's: exact "01055501", prefix "0105*", suffix "*2345"; never the middle of one
	Extension    string    // exact
	CS           string    // session_id of a CS
	Dies         Day       // exact
	ID           string    // exact, or a prefix of at least 4 characters; a row starts within a day of the time in its ID
	States       []State
	Held         bool   // only rows with a Hold
	Limit        int    // 0: all
	After        string // the ID of the last row of the page before
}

package store

import (
	"context"
	"io"
	"log/slog"
	"time"
)

// Options opens a Store.
type Options struct {
	Dir       string
	SyncEvery time.Duration // 0: 1 s
	Log       *slog.Logger
	System    System // zero fields: the real one
}

// System is the operating system as the store uses it.
type System struct {
	// filled by the builder: OpenFile, Rename, SyncFS, Free, ...
}

// Store is one data directory. One process may have it open at a time.
type Store struct {
	Blobs   Blobs
	Catalog Catalog
}

// Open locks the directory, makes what is missing and starts the syncer.
func Open(o Options) (*Store, error) { panic("unbuilt") }

// Close syncs, stops the syncer and releases the lock.
func (s *Store) Close() error { panic("unbuilt") }

// Err returns the first sync error; it is permanent (ErrSuspect).
func (s *Store) Err() error { panic("unbuilt") }

// Disk returns the free and total bytes of the data directory's file system.
func (s *Store) Disk() (free, total uint64, err error) { panic("unbuilt") }

// NewID returns a new ULID for a recording that begins at t.
func NewID(t time.Time) string { panic("unbuilt") }

// Tape is one live tape. Safe for concurrent use; its lock is the call's own.
type Tape struct{}

// NewTape creates a tape. A provisional tape's key exists in memory only until
// Confirm.
func (s *Store) NewTape(id string, provisional bool) (*Tape, error) { panic("unbuilt") }

// Append adds a record to the block being built; a full block is written at
// once. It copies data. Errors are kept for Flush.
func (t *Tape) Append(kind uint8, at int64, line uint16, data []byte) { panic("unbuilt") }

// Flush writes the block being built to the file (not to the disk: the store's
// syncer does that once a second for all tapes).
func (t *Tape) Flush() error { panic("unbuilt") }

// Confirm writes a provisional tape's key.
func (t *Tape) Confirm() error { panic("unbuilt") }

// Close flushes and closes the file; the tape stays on disk.
func (t *Tape) Close() error { panic("unbuilt") }

// Destroy forgets the key first, then unlinks the file.
func (t *Tape) Destroy() error { panic("unbuilt") }

// Leftovers lists the ids of tapes on disk that are not open.
func (s *Store) Leftovers() ([]string, error) { panic("unbuilt") }

// ReadTape opens a tape for reading, live ones included (as far as flushed).
// Each call of the returned function reads from the beginning.
func (s *Store) ReadTape(id string) (func() Records, error) { panic("unbuilt") }

// RemoveTape unlinks a tape; a missing one is no error.
func (s *Store) RemoveTape(id string) error { panic("unbuilt") }

// Seal writes a recording: body through write, then facts, then the row, and
// removes the tape last. The rename of the body commits. It is idempotent by
// row.ID. It fills row.File, row.Bytes and row.SHA256.
func (s *Store) Seal(ctx context.Context, row *Row, ext string, write func(io.Writer) error) error {
	panic("unbuilt")
}

// Reindex rebuilds the catalogue from the facts beside the bodies and returns
// the number of rows.
func (s *Store) Reindex(ctx context.Context) (int, error) { panic("unbuilt") }

package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"go.etcd.io/bbolt"
	bberrors "go.etcd.io/bbolt/errors"
)

// Bolt is the Catalog in one bbolt file, drawn in doc.go.
type Bolt struct {
	path     string
	unsynced bool

	unread bool // too large to be read whole when it was opened: Check does

	rebuild sync.Mutex // held by the one Rebuild or Compact
	queue   queue

	mu      sync.RWMutex // guards the next fields; held for reading by each transaction
	db      *bbolt.DB    // nil once closed
	changed *changes     // while a Rebuild or a Compact runs
}

// OpenBolt opens or makes the catalogue at path. The error wraps ErrDamaged when
// it is damaged as far as it is read: whole, or, a large one, in parts; Check
// reads the rest.
func OpenBolt(path string) (*Bolt, error) { return openBolt(path, false) }

func openBolt(path string, unsynced bool) (*Bolt, error) {
	unread, err := sound(path)
	if err != nil {
		return nil, fmt.Errorf("catalogue %s: %w", path, err)
	}
	db, err := openDB(path, unsynced)
	if err == nil {
		db, err = upToDate(db, path, unsynced)
	}
	if err != nil {
		return nil, fmt.Errorf("catalogue %s: %w", path, err)
	}
	return &Bolt{path: path, db: db, unsynced: unsynced, unread: unread}, nil
}

// openDB opens a file that is sound, or makes one. The list of free pages is in
// it: without, bbolt would read all pages here to make it anew.
func openDB(path string, unsynced bool) (db *bbolt.DB, err error) {
	err = guard(func() error {
		db, err = bbolt.Open(path, fileMode, &bbolt.Options{
			Timeout: time.Second, FreelistType: bbolt.FreelistMapType, NoSync: unsynced,
		})
		return err
	})
	return db, err
}

// soundMost is the size in bytes up to which a catalogue is read whole before
// it is used. More would keep calls waiting at a start.
const soundMost = 64 << 20

// sound reads every key of the catalogue, or of a large one the first and the
// last of each index, which the next writes go to; unread: there is more.
func sound(path string) (unread bool, err error) {
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if info.Size() == 0 {
		return false, nil // made, but never written
	}
	unread = info.Size() > soundMost
	return unread, guard(func() error {
		db, err := bbolt.Open(path, fileMode, &bbolt.Options{Timeout: time.Second, ReadOnly: true})
		if errors.Is(err, bberrors.ErrTimeout) {
			return fmt.Errorf("another program has it open, close that: %w", err)
		}
		if errors.Is(err, os.ErrPermission) {
			return err
		}
		if err != nil {
			return fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		defer db.Close()
		return db.View(func(tx *bbolt.Tx) error {
			if tx.Size() > info.Size() {
				return fmt.Errorf("cut off at %d of %d bytes: %w", info.Size(), tx.Size(), ErrDamaged)
			}
			return tx.ForEach(func(_ []byte, b *bbolt.Bucket) error {
				if unread {
					return walkEdges(b)
				}
				return walk(b)
			})
		})
	})
}

// guard turns what a damaged page does to bbolt, a panic or a fault in the
// mapped file, into an error.
func guard(do func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", ErrDamaged, p)
		}
	}()
	return do()
}

// Close implements Catalog. Closing twice is no error.
func (b *Bolt) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.db == nil {
		return nil
	}
	err := b.db.Close()
	b.db = nil
	return err
}

// view reads in one transaction, which must be short: pages are not used again
// while one is open.
func (b *Bolt) view(ctx context.Context, do func(root *bbolt.Bucket) error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	if b.db == nil {
		return os.ErrClosed
	}
	err := guard(func() error {
		return b.db.View(func(tx *bbolt.Tx) error { return do(tx.Bucket([]byte(rootBucket))) })
	})
	return b.named(err)
}

// update writes, together with whoever else does so at the time: one fsync for
// all. do may be called more than once.
func (b *Bolt) update(ctx context.Context, do func(root *bbolt.Bucket, c *changes) error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	if b.db == nil {
		return os.ErrClosed
	}
	return b.named(b.queue.update(b.db, func(tx *bbolt.Tx) error { return do(tx.Bucket([]byte(rootBucket)), b.changed) }))
}

func (b *Bolt) named(err error) error {
	if err == nil || errors.Is(err, ErrNotFound) {
		return err
	}
	if errors.Is(err, ErrDamaged) {
		return fmt.Errorf("catalogue (siprecd reindex rebuilds it): %w", err)
	}
	return fmt.Errorf("catalogue: %w", err)
}

// Put implements Catalog.
func (b *Bolt) Put(ctx context.Context, r *Row) error {
	if _, err := began(r.ID); err != nil {
		return err
	}
	value, err := json.Marshal(r)
	if err != nil {
		return err
	}
	// JSON mends text that is not UTF-8. The index must have what a reader of
	// the row will compute, or its entries are never found again to be deleted.
	stored, err := decodeRow([]byte(r.ID), value)
	if err != nil {
		return err
	}
	return b.update(ctx, func(root *bbolt.Bucket, c *changes) error { return putRow(root, stored, value, c) })
}

// Delete implements Catalog.
func (b *Bolt) Delete(ctx context.Context, id string) error {
	return b.update(ctx, func(root *bbolt.Bucket, c *changes) error { return deleteRow(root, id, c) })
}

// Get implements Catalog.
func (b *Bolt) Get(ctx context.Context, id string) (*Row, error) {
	var row *Row
	err := b.view(ctx, func(root *bbolt.Bucket) (err error) {
		row, err = getRow(root, id)
		return err
	})
	return row, err
}

func getRow(root *bbolt.Bucket, id string) (*Row, error) {
	value := root.Bucket([]byte(rowBucket)).Get([]byte(id))
	if value == nil {
		return nil, ErrNotFound
	}
	return decodeRow([]byte(id), value)
}

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

	rebuild sync.Mutex // held by the one Rebuild

	mu      sync.RWMutex // guards the next fields; held for reading by each transaction
	db      *bbolt.DB    // nil once closed
	changed *changes     // while a Rebuild runs
}

// changes are the ids that were written while a Rebuild ran.
type changes struct {
	mu  sync.Mutex
	ids map[string]bool
}

func (c *changes) add(id string) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ids[id] = true
}

// OpenBolt opens or makes the catalogue at path. It reads the whole of it
// once, and the error wraps ErrDamaged when that finds damage.
func OpenBolt(path string) (*Bolt, error) { return openBolt(path, false) }

func openBolt(path string, unsynced bool) (*Bolt, error) {
	db, err := openDB(path, unsynced)
	if err != nil {
		return nil, fmt.Errorf("catalogue %s: %w", path, err)
	}
	return &Bolt{path: path, db: db, unsynced: unsynced}, nil
}

func openDB(path string, unsynced bool) (*bbolt.DB, error) {
	// bbolt reads all pages at Open in a goroutine of its own, where a damaged
	// one would end the process.
	if err := sound(path); err != nil {
		return nil, err
	}
	db, err := bbolt.Open(path, fileMode, &bbolt.Options{
		Timeout:        time.Second,
		NoFreelistSync: true,
		FreelistType:   bbolt.FreelistMapType,
		NoSync:         unsynced,
	})
	if err != nil {
		return nil, err
	}
	// A call's answer may wait for its row: not for company longer than this.
	db.MaxBatchDelay = 2 * time.Millisecond
	if err := guard(func() error { return upToDate(db) }); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// sound reads every key of the catalogue.
func sound(path string) error {
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Size() == 0 {
		return nil // made, but never written
	}
	return guard(func() error {
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
			return tx.ForEach(func(_ []byte, b *bbolt.Bucket) error { return walk(b) })
		})
	})
}

func walk(b *bbolt.Bucket) error {
	var before []byte
	return b.ForEach(func(k, v []byte) error {
		if before != nil && string(k) <= string(before) {
			return fmt.Errorf("keys out of order: %w", ErrDamaged)
		}
		before = k
		if v == nil {
			return walk(b.Bucket(k))
		}
		return nil
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
func (b *Bolt) update(ctx context.Context, id string, do func(root *bbolt.Bucket) error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	if b.db == nil {
		return os.ErrClosed
	}
	err := b.db.Batch(func(tx *bbolt.Tx) error {
		return guard(func() error { return do(tx.Bucket([]byte(rootBucket))) })
	})
	b.changed.add(id)
	return b.named(err)
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
	return b.update(ctx, r.ID, func(root *bbolt.Bucket) error { return putRow(root, stored, value) })
}

func putRow(root *bbolt.Bucket, r *Row, value []byte) error {
	if err := deleteRow(root, r.ID); err != nil {
		return err
	}
	if err := root.Bucket([]byte(rowBucket)).Put([]byte(r.ID), value); err != nil {
		return err
	}
	return putIndexes(root, r)
}

func deleteRow(root *bbolt.Bucket, id string) error {
	rows := root.Bucket([]byte(rowBucket))
	old := rows.Get([]byte(id))
	if old == nil {
		return nil
	}
	row, err := decodeRow([]byte(id), old)
	if err != nil {
		return err
	}
	if err := deleteIndexes(root, row); err != nil {
		return err
	}
	return rows.Delete([]byte(id))
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

// Delete implements Catalog.
func (b *Bolt) Delete(ctx context.Context, id string) error {
	return b.update(ctx, id, func(root *bbolt.Bucket) error { return deleteRow(root, id) })
}

// Count implements Catalog.
func (b *Bolt) Count(ctx context.Context) (n int, err error) {
	err = b.view(ctx, func(root *bbolt.Bucket) error {
		n = root.Bucket([]byte(rowBucket)).Stats().KeyN
		return nil
	})
	return n, err
}

package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"
)

// Reindex rebuilds the catalogue from the facts in the vault and returns the
// number of rows. Rows of calls that have no file (live ones, waiting ones) are
// taken over from the catalogue as it is. Others may go on reading and writing
// rows meanwhile.
func (s *Store) Reindex(ctx context.Context) (int, error) { return s.reindex(ctx) }

func (s *Store) reindex(ctx context.Context) (int, error) {
	return s.bolt.Rebuild(ctx, func(yield func(*Row, error) bool) {
		// Rows first: the facts of the same id replace them.
		for row, err := range s.bolt.Find(ctx, Query{}) {
			if err == nil && row.File != "" {
				continue
			}
			if errors.Is(err, ErrDamaged) {
				s.log.Warn("catalogue: rows passed over", "err", err)
				break
			}
			if !yield(row, err) {
				return
			}
		}
		for st, err := range s.Blobs.All(ctx, time.Time{}) {
			var row *Row
			if err == nil {
				if row, err = st.row(); errors.Is(err, ErrDamaged) {
					row, err = s.guess(ctx, st)
				}
			}
			if !yield(row, err) {
				return
			}
		}
	})
}

// Rebuild replaces all rows by those given, the later of the same id winning,
// in a new file that takes the place of the old one at the end: it is all or
// nothing. A Put or Delete meanwhile wins over a given row.
func (b *Bolt) Rebuild(ctx context.Context, rows iter.Seq2[*Row, error]) (n int, err error) {
	b.rebuild.Lock()
	defer b.rebuild.Unlock()
	path := b.path + ".new"
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	fresh, err := openDB(path, true)
	if err != nil {
		return 0, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("rebuild: %w", err), fresh.Close())
			os.Remove(path)
		}
	}()
	b.mu.Lock()
	b.changed = &changes{ids: map[string]bool{}}
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		b.changed = nil
		b.mu.Unlock()
	}()
	if err := fill(ctx, fresh, rows); err != nil {
		return 0, err
	}
	if err := b.swap(fresh, path); err != nil {
		return 0, err
	}
	return b.Count(ctx)
}

// fill puts rows, many in a transaction.
func fill(ctx context.Context, db *bbolt.DB, rows iter.Seq2[*Row, error]) error {
	var bulk []*Row
	flush := func() error {
		err := db.Update(func(tx *bbolt.Tx) error {
			root := tx.Bucket([]byte(rootBucket))
			for _, row := range bulk {
				value, err := json.Marshal(row)
				if err != nil {
					return err
				}
				if row, err = decodeRow([]byte(row.ID), value); err != nil {
					return err
				}
				if err := putRow(root, row, value); err != nil {
					return err
				}
			}
			return nil
		})
		bulk = bulk[:0]
		return err
	}
	for row, err := range rows {
		if err == nil && ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		if err != nil {
			return err
		}
		if bulk = append(bulk, row); len(bulk) == bulkRows {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

// swap brings over what changed meanwhile and puts the new file in place.
// Nobody reads or writes until it is done.
func (b *Bolt) swap(fresh *bbolt.DB, path string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.db == nil {
		return os.ErrClosed
	}
	err := b.db.View(func(old *bbolt.Tx) error {
		return fresh.Update(func(tx *bbolt.Tx) error {
			root := tx.Bucket([]byte(rootBucket))
			for id := range b.changed.ids {
				if err := carryOver(old.Bucket([]byte(rootBucket)), root, id); err != nil {
					return err
				}
			}
			return nil
		})
	})
	if err != nil {
		return err
	}
	if err := fresh.Sync(); err != nil {
		return err
	}
	// Closed before the renaming, for systems that do not rename open files.
	if err := errors.Join(fresh.Close(), b.db.Close()); err != nil {
		return err
	}
	renamed := os.Rename(path, b.path)
	if renamed == nil {
		renamed = System{}.orReal().syncDir(filepath.Dir(b.path))
	}
	b.db, err = openDB(b.path, b.unsynced)
	return errors.Join(renamed, err)
}

// carryOver makes id in the one what it is in the other.
func carryOver(from, to *bbolt.Bucket, id string) error {
	row, err := getRow(from, id)
	if errors.Is(err, ErrNotFound) {
		return deleteRow(to, id)
	}
	if err != nil {
		return err
	}
	value, err := json.Marshal(row)
	if err != nil {
		return err
	}
	return putRow(to, row, value)
}

// Compact writes the catalogue into a new file: bbolt leaves the bytes of rows
// that were changed or deleted where they were.
func (s *Store) Compact(ctx context.Context) error {
	_, err := s.bolt.Rebuild(ctx, s.bolt.Find(ctx, Query{}))
	if err != nil {
		return fmt.Errorf("compact the catalogue: %w", err)
	}
	return nil
}

package store

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"os"
	"slices"
	"strings"
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
	err = b.renew(func(fresh *bbolt.DB) error { return fill(ctx, fresh, rows) })
	if err != nil {
		return 0, fmt.Errorf("rebuild: %w", err)
	}
	return b.Count(ctx, Query{})
}

// renew makes a new file and lets it take the place of the old one.
func (b *Bolt) renew(write func(fresh *bbolt.DB) error) error {
	return b.another(b.path+newSuffix, write, b.swap)
}

// another makes another file while rows are written to this one: finish brings
// over what changed meanwhile.
func (b *Bolt) another(path string, write, finish func(fresh *bbolt.DB) error) (err error) {
	b.rebuild.Lock()
	defer b.rebuild.Unlock()
	fresh, err := makeFresh(path)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, fresh.Close())
			os.Remove(path)
		}
	}()
	b.mu.Lock()
	b.changed = newChanges()
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		b.changed = nil
		b.mu.Unlock()
	}()
	if err := write(fresh); err != nil {
		return err
	}
	// Gigabytes may be on their way to the disk: nobody waits for them in swap.
	if err := fresh.Sync(); err != nil {
		return err
	}
	return finish(fresh)
}

// fill puts rows, many in a transaction, each index in order of its keys.
func fill(ctx context.Context, db *bbolt.DB, rows iter.Seq2[*Row, error]) error {
	bulk := newBulk()
	for row, err := range rows {
		if err == nil && ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		if err == nil {
			err = bulk.add(row)
		}
		if err == nil && len(bulk.values) == bulkRows {
			err = bulk.flush(db)
		}
		if err != nil {
			return err
		}
	}
	return bulk.flush(db)
}

// bulk is rows that go into one transaction.
type bulk struct {
	values  map[string][]byte // by id
	entries map[string][]entry
}

func newBulk() *bulk { return &bulk{values: map[string][]byte{}, entries: map[string][]entry{}} }

func (u *bulk) add(row *Row) error {
	value, err := json.Marshal(row)
	if err != nil {
		return err
	}
	// As in Put: the index has what a reader of the row computes.
	if row, err = decodeRow([]byte(row.ID), value); err != nil {
		return err
	}
	u.values[row.ID], u.entries[row.ID] = value, indexKeys(row)
	return nil
}

func (u *bulk) flush(db *bbolt.DB) error {
	err := db.Update(func(tx *bbolt.Tx) error {
		root := tx.Bucket([]byte(rootBucket))
		rows := root.Bucket([]byte(rowBucket))
		var entries []entry
		for _, id := range slices.Sorted(maps.Keys(u.values)) {
			if err := deleteRow(root, id, nil); err != nil {
				return err
			}
			if err := rows.Put([]byte(id), u.values[id]); err != nil {
				return err
			}
			entries = append(entries, u.entries[id]...)
		}
		slices.SortFunc(entries, func(a, b entry) int {
			return cmp.Or(strings.Compare(a.bucket, b.bucket), strings.Compare(a.key, b.key))
		})
		for _, e := range entries {
			if err := root.Bucket([]byte(e.bucket)).Put([]byte(e.key), nil); err != nil {
				return err
			}
		}
		return addCount(root, len(u.values))
	})
	clear(u.values)
	clear(u.entries)
	return err
}

// swap brings over what changed meanwhile and puts the new file in place.
// Nobody reads or writes until it is done.
func (b *Bolt) swap(fresh *bbolt.DB) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.db == nil {
		return os.ErrClosed
	}
	if err := b.catchUp(fresh); err != nil {
		return err
	}
	if err := errors.Join(fresh.Close(), b.db.Close()); err != nil {
		return err
	}
	renamed := takePlace(b.path)
	var err error
	b.db, err = openDB(b.path, b.unsynced)
	return errors.Join(renamed, err)
}

// catchUp brings over what changed meanwhile, for good. The caller holds mu.
func (b *Bolt) catchUp(fresh *bbolt.DB) error {
	err := b.db.View(func(old *bbolt.Tx) error {
		return fresh.Update(func(tx *bbolt.Tx) error {
			return carryOver(old.Bucket([]byte(rootBucket)), tx.Bucket([]byte(rootBucket)), b.changed)
		})
	})
	if err != nil {
		return err
	}
	return fresh.Sync()
}

// carryOver makes what changed in the one what it is in the other. A row that
// is damaged there is left as it is here.
func carryOver(from, to *bbolt.Bucket, c *changes) error {
	for id := range c.ids {
		if err := deleteRow(to, id, nil); err != nil {
			return err
		}
	}
	// Compact may have copied entries of a row as it was in between.
	for e := range c.entries {
		if err := to.Bucket([]byte(e.bucket)).Delete([]byte(e.key)); err != nil {
			return err
		}
	}
	for id := range c.ids {
		var row *Row
		err := guard(func() (err error) { row, err = getRow(from, id); return err })
		if errors.Is(err, ErrNotFound) || errors.Is(err, ErrDamaged) {
			continue
		}
		value, err := json.Marshal(row)
		if err != nil {
			return err
		}
		if err := putRow(to, row, value, nil); err != nil {
			return err
		}
	}
	return nil
}

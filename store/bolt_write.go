package store

import (
	"encoding/binary"
	"fmt"
	"sync"

	"go.etcd.io/bbolt"
)

// queue brings writes together: while one commit waits for the disk the next
// ones gather, and go in one transaction. It is not bbolt's Batch, which commits
// in a goroutine of its own, where a damaged page would end the process.
type queue struct {
	commit sync.Mutex // held by who commits

	mu      sync.Mutex // guards waiting
	waiting []*write
}

type write struct {
	do   func(tx *bbolt.Tx) error
	done chan error
}

// update returns once do is on disk. Who comes first commits for all that came
// meanwhile.
func (q *queue) update(db *bbolt.DB, do func(tx *bbolt.Tx) error) error {
	w := &write{do: do, done: make(chan error, 1)}
	q.mu.Lock()
	q.waiting = append(q.waiting, w)
	first := len(q.waiting) == 1
	q.mu.Unlock()
	if first {
		q.commit.Lock()
		q.mu.Lock()
		all := q.waiting
		q.waiting = nil
		q.mu.Unlock()
		commit(db, all)
		q.commit.Unlock()
	}
	return <-w.done
}

// commit writes all in one transaction, or, when one of them fails, each in its
// own, so that it fails alone.
func commit(db *bbolt.DB, all []*write) {
	err := guard(func() error {
		return db.Update(func(tx *bbolt.Tx) error {
			for _, w := range all {
				if err := w.do(tx); err != nil {
					return err
				}
			}
			return nil
		})
	})
	for _, w := range all {
		if err != nil && len(all) > 1 {
			w.done <- guard(func() error { return db.Update(w.do) })
			continue
		}
		w.done <- err
	}
}

// putRow writes a row, which is what a reader of value sees, and its index
// entries.
func putRow(root *bbolt.Bucket, r *Row, value []byte, c *changes) error {
	if err := deleteRow(root, r.ID, c); err != nil {
		return err
	}
	if err := root.Bucket([]byte(rowBucket)).Put([]byte(r.ID), value); err != nil {
		return err
	}
	entries := indexKeys(r)
	c.add(r.ID, entries)
	for _, e := range entries {
		if err := root.Bucket([]byte(e.bucket)).Put([]byte(e.key), nil); err != nil {
			return err
		}
	}
	return addCount(root, 1)
}

func deleteRow(root *bbolt.Bucket, id string, c *changes) error {
	rows := root.Bucket([]byte(rowBucket))
	old := rows.Get([]byte(id))
	if old == nil {
		return nil
	}
	row, err := decodeRow([]byte(id), old)
	if err != nil {
		return err
	}
	entries := indexKeys(row)
	c.add(id, entries)
	for _, e := range entries {
		if err := root.Bucket([]byte(e.bucket)).Delete([]byte(e.key)); err != nil {
			return err
		}
	}
	if err := rows.Delete([]byte(id)); err != nil {
		return err
	}
	return addCount(root, -1)
}

// countOf reads the number of rows, which is kept because counting them would
// read every page.
func countOf(root *bbolt.Bucket) (int, error) {
	value := root.Get([]byte(countKey))
	if value == nil {
		return 0, nil
	}
	n, read := binary.Uvarint(value)
	if read <= 0 {
		return 0, fmt.Errorf("number of rows: %w", ErrDamaged)
	}
	return int(n), nil
}

func addCount(root *bbolt.Bucket, by int) error {
	n, err := countOf(root)
	if err != nil {
		return err
	}
	return root.Put([]byte(countKey), binary.AppendUvarint(nil, uint64(max(0, n+by))))
}

// changes are what was written while a Rebuild or a Compact ran.
type changes struct {
	mu      sync.Mutex
	ids     map[string]bool
	entries map[entry]bool // index entries, put or deleted
}

func newChanges() *changes { return &changes{ids: map[string]bool{}, entries: map[entry]bool{}} }

// add notes a row; on nil it does nothing. What a transaction that failed has
// added does no harm.
func (c *changes) add(id string, entries []entry) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ids[id] = true
	for _, e := range entries {
		c.entries[e] = true
	}
}

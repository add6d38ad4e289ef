package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"

	"go.etcd.io/bbolt"
)

// compactSpare is what a Compact leaves free, in bytes, for calls that go on.
const compactSpare = 1 << 30

// errNoRoom is why a Compact was not begun.
var errNoRoom = errors.New("no room for a second file")

// Compact writes the catalogue into a new file: bbolt leaves the bytes of rows
// that were changed or deleted where they were. It needs as much free space as
// the catalogue has; calls go on.
func (s *Store) Compact(ctx context.Context) error {
	info, err := os.Stat(s.bolt.path)
	if err != nil {
		return fmt.Errorf("compact the catalogue: %w", err)
	}
	free, _, err := s.Disk()
	if err != nil {
		return fmt.Errorf("compact the catalogue: %w", err)
	}
	need := uint64(info.Size())
	if need > soundMost {
		need += compactSpare // what calls that go on need is not to be had by a small one
	}
	if free < need {
		return fmt.Errorf("compact the catalogue: %w: %d MB are free, it takes %d", errNoRoom, free>>20, need>>20)
	}
	if err := s.bolt.Compact(ctx); err != nil {
		return fmt.Errorf("compact the catalogue: %w", err)
	}
	return nil
}

// Compact copies the catalogue into a new file, key by key and each index in its
// order, and lets that take its place. Others may go on reading and writing rows
// meanwhile.
func (b *Bolt) Compact(ctx context.Context) error {
	return b.renew(func(fresh *bbolt.DB) error { return b.copyAll(ctx, fresh) })
}

// copyTo copies the catalogue into a file that is not there yet, while rows are
// written.
func (b *Bolt) copyTo(ctx context.Context, name string) error {
	return b.another(name, func(fresh *bbolt.DB) error { return b.copyAll(ctx, fresh) }, func(fresh *bbolt.DB) error {
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.db == nil {
			return os.ErrClosed
		}
		if err := b.catchUp(fresh); err != nil {
			return err
		}
		return fresh.Close()
	})
}

func (b *Bolt) copyAll(ctx context.Context, fresh *bbolt.DB) error {
	rows := 0
	for _, bucket := range append(indexBuckets(), rowBucket) {
		n, err := b.copyBucket(ctx, fresh, bucket)
		if err != nil {
			return err
		}
		rows = n // of the last one
	}
	return fresh.Update(func(tx *bbolt.Tx) error { return addCount(tx.Bucket([]byte(rootBucket)), rows) })
}

const (
	copyKeys  = 20_000 // in one transaction, at most
	copyBytes = 16 << 20
	// What a page is filled to: keys that come later find room.
	copyFill = 0.9
)

// copyBucket copies one bucket in many short transactions: a long one would make
// a writer wait as soon as the file has to grow. What is written meanwhile is
// carried over in the end.
func (b *Bolt) copyBucket(ctx context.Context, fresh *bbolt.DB, bucket string) (copied int, err error) {
	var from []byte
	for done := false; !done; {
		err := b.view(ctx, func(root *bbolt.Bucket) error {
			return fresh.Update(func(tx *bbolt.Tx) error {
				to := tx.Bucket([]byte(rootBucket)).Bucket([]byte(bucket))
				to.FillPercent = copyFill
				n, last, err := copySome(root.Bucket([]byte(bucket)), to, from)
				copied, done, from = copied+n, last == nil, last
				return err
			})
		})
		if err == nil {
			// Bit by bit: gigabytes at once would keep the writes of calls waiting.
			err = fresh.Sync()
		}
		if err != nil {
			return 0, err
		}
	}
	return copied, nil
}

// copySome copies from the key behind after on; last is nil at the end.
func copySome(from, to *bbolt.Bucket, after []byte) (n int, last []byte, err error) {
	c := from.Cursor()
	k, v := c.Seek(after)
	if after != nil && bytes.Equal(k, after) {
		k, v = c.Next()
	}
	size := 0
	for ; k != nil; k, v = c.Next() {
		if err := to.Put(k, v); err != nil {
			return n, nil, err
		}
		size += len(k) + len(v)
		if n++; n == copyKeys || size > copyBytes {
			return n, bytes.Clone(k), nil
		}
	}
	return n, nil, nil
}

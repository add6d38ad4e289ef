package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/bbolt"
)

// walk reads every key of a bucket and those in it.
func walk(b *bbolt.Bucket) error {
	var before []byte
	return b.ForEach(func(k, v []byte) error {
		if before != nil && bytes.Compare(k, before) <= 0 {
			return errOrder
		}
		before = k
		if v == nil {
			return walk(b.Bucket(k))
		}
		return nil
	})
}

var errOrder = fmt.Errorf("keys out of order: %w", ErrDamaged)

// edge is how many keys at either end walkEdges reads.
const edge = 64

// walkEdges reads the first and the last keys of the buckets in root.
func walkEdges(root *bbolt.Bucket) error {
	return root.ForEachBucket(func(name []byte) error {
		c := root.Bucket(name).Cursor()
		var before []byte
		n := 0
		for k, _ := c.First(); k != nil && n < edge; k, _ = c.Next() {
			if before != nil && bytes.Compare(k, before) <= 0 {
				return errOrder
			}
			before = k
			n++
		}
		before = nil
		for k, _ := c.Last(); k != nil && n > 0; k, _ = c.Prev() {
			if before != nil && bytes.Compare(k, before) >= 0 {
				return errOrder
			}
			before = k
			n--
		}
		return nil
	})
}

const (
	checkKeys  = 4096 // read in one transaction of Check
	checkPause = 10 * time.Millisecond
)

// Check reads every key of the catalogue while others use it, with pauses, so
// that it is in nobody's way. The error wraps ErrDamaged when it finds damage.
func (b *Bolt) Check(ctx context.Context) error {
	for _, bucket := range append(indexBuckets(), rowBucket) {
		var from []byte
		for done := false; !done; {
			err := b.view(ctx, func(root *bbolt.Bucket) (err error) {
				from, done, err = checkSome(root.Bucket([]byte(bucket)), from)
				return err
			})
			if err != nil {
				return err
			}
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-time.After(checkPause):
			}
		}
	}
	return nil
}

// checkSome reads the keys behind from, and returns the last it read.
func checkSome(b *bbolt.Bucket, from []byte) (last []byte, done bool, err error) {
	if b == nil {
		return nil, true, fmt.Errorf("an index is missing: %w", ErrDamaged)
	}
	c := b.Cursor()
	k, _ := c.Seek(from)
	for n := 0; k != nil; k, _ = c.Next() {
		if bytes.Compare(k, last) <= 0 || bytes.Compare(k, from) < 0 {
			return nil, false, errOrder
		}
		last = k
		if n++; n == checkKeys {
			return bytes.Clone(last), false, nil
		}
	}
	return nil, true, nil
}

// checker reads what was too much of the catalogue to be read before the first
// call, and rebuilds it when it is damaged.
type checker struct {
	cancel context.CancelFunc
	done   chan struct{}
}

func (s *Store) startChecker() *checker {
	ctx, cancel := context.WithCancel(context.Background())
	c := &checker{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(c.done)
		err := s.bolt.Check(ctx)
		if errors.Is(err, ErrDamaged) {
			s.log.Error("catalogue damaged: it is being rebuilt from the facts, while calls go on", "side", "srs", "reason", err)
			var n int
			if n, err = s.reindex(ctx); err == nil {
				s.log.Info("catalogue rebuilt from the facts", "rows", n)
			}
		}
		if err != nil && ctx.Err() == nil {
			s.log.Error("catalogue: stop siprecd, move catalogue.db away and start again to rebuild it", "side", "srs", "reason", err)
		}
	}()
	return c
}

// close waits for the goroutine; on nil, there is none.
func (c *checker) close() {
	if c == nil {
		return
	}
	c.cancel()
	<-c.done
}

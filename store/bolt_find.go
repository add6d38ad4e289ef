package store

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"slices"
	"strings"
	"time"

	"go.etcd.io/bbolt"
)

const (
	idPrefixMin = 4
	// scanMax bounds the entries looked at in one transaction.
	scanMax = 4096
)

// Find implements Catalog. Rows come page by page, each page from a
// transaction of its own: rows written meanwhile may be seen or not.
func (b *Bolt) Find(ctx context.Context, q Query) iter.Seq2[*Row, error] {
	return func(yield func(*Row, error) bool) {
		s, err := b.search(ctx, q)
		if err != nil {
			yield(nil, err)
			return
		}
		left := q.Limit
		for !s.done {
			limit := pageRows
			if q.Limit > 0 {
				limit = min(limit, left)
			}
			rows, err := b.page(ctx, s, limit)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, row := range rows {
				if !yield(row, nil) {
					return
				}
				if left--; left == 0 {
					return
				}
			}
		}
	}
}

// search is one Find under way.
type search struct {
	q      Query
	before []byte  // points from here on are done or not wanted; nil: none yet
	since  []byte  // a point before this ends it
	ids    []point // of the rows whose id begins with q.ID, where these are few
	many   bool    // they are not
	done   bool
}

func (b *Bolt) search(ctx context.Context, q Query) (*search, error) {
	q.ID = strings.ToUpper(q.ID)
	if q.ID != "" && len(q.ID) < idPrefixMin {
		return nil, fmt.Errorf("%q is too short: give at least %d characters of the id", q.ID, idPrefixMin)
	}
	if strings.HasPrefix(q.Number, "*") && strings.HasSuffix(q.Number, "*") {
		return nil, fmt.Errorf("%q: a number is looked for by how it begins (0105*) or how it ends (*2345)", q.Number)
	}
	s := &search{q: q}
	if !q.Since.IsZero() {
		s.since = startKey(q.Since)
	}
	if !q.Until.IsZero() {
		// Keys are whole microseconds; the row itself decides within one.
		s.before = startKey(q.Until.Add(time.Microsecond))
	}
	if q.After != "" {
		p, err := b.after(ctx, q.After)
		if err != nil {
			return nil, err
		}
		s.notFrom([]byte(p))
	}
	if q.ID == "" {
		return s, nil
	}
	return s, b.view(ctx, func(root *bbolt.Bucket) error { return s.collect(root.Bucket([]byte(rowBucket))) })
}

// notFrom leaves out what begins at p or later.
func (s *search) notFrom(p []byte) {
	if s.before == nil || bytes.Compare(p, s.before) < 0 {
		s.before = p
	}
}

// after returns the place of a row, or, if it has been deleted since, where it
// must have been.
func (b *Bolt) after(ctx context.Context, id string) (point, error) {
	start, err := began(id)
	if err != nil {
		return "", err
	}
	row, err := b.Get(ctx, id)
	switch {
	case err == nil:
		start = row.Start
	case !errors.Is(err, ErrNotFound):
		return "", err
	}
	return pointOf(start, id), nil
}

// idsMost is how many rows of one beginning of an id are looked up one by one.
const idsMost = 256

// collect looks up the rows whose id begins with q.ID. Where these are many, the
// time within the id says where they are: a call begins when its id is made.
func (s *search) collect(rows *bbolt.Bucket) error {
	c := rows.Cursor()
	var found [][]byte // as long as the transaction
	for k, v := c.Seek([]byte(s.q.ID)); bytes.HasPrefix(k, []byte(s.q.ID)); k, v = c.Next() {
		if len(found) == idsMost {
			s.many = true
			return s.bound()
		}
		found = append(found, v)
	}
	for _, v := range found {
		row := new(Row)
		if err := json.Unmarshal(v, row); err != nil {
			return fmt.Errorf("a row of %s…: %w: %w", s.q.ID, ErrDamaged, err)
		}
		s.ids = append(s.ids, pointOf(row.Start, row.ID))
	}
	slices.Sort(s.ids)
	return nil
}

// bound narrows the time to that of ids which begin with q.ID, a day more at
// either end.
func (s *search) bound() error {
	first, err := began(s.q.ID + strings.Repeat("0", idSize-len(s.q.ID)))
	if err != nil {
		return err
	}
	last, err := began(s.q.ID + strings.Repeat("Z", idSize-len(s.q.ID)))
	if err != nil {
		return err
	}
	if since := startKey(first.AddDate(0, 0, -1)); bytes.Compare(since, s.since) > 0 {
		s.since = since
	}
	s.notFrom(startKey(last.AddDate(0, 0, 1)))
	return nil
}

const (
	exactNumber = iota
	prefixNumber
	suffixNumber
)

func numberPattern(number string) int {
	switch {
	case len(number) > 1 && strings.HasSuffix(number, "*"):
		return prefixNumber
	case len(number) > 1 && strings.HasPrefix(number, "*"):
		return suffixNumber
	}
	return exactNumber
}

// page returns the next rows that match, at most limit. None need not mean that
// there are no more: s.done does.
func (b *Bolt) page(ctx context.Context, s *search, limit int) (rows []*Row, err error) {
	err = b.view(ctx, func(root *bbolt.Bucket) error {
		scanned := 0
		for p := range s.next(root) {
			row, err := getRow(root, p.id())
			if errors.Is(err, ErrNotFound) {
				continue // listed, and deleted since
			}
			if err != nil {
				return err
			}
			if s.q.matches(row) {
				rows = append(rows, row)
			}
			if scanned++; len(rows) == limit || scanned == scanMax {
				return nil
			}
		}
		s.done = true
		return nil
	})
	return rows, err
}

// next yields the points that are left, newest first: those that all streams of
// the query have.
func (s *search) next(root *bbolt.Bucket) iter.Seq[point] {
	return func(yield func(point) bool) {
		streams := s.streams(root)
		for {
			p := common(streams, s.before)
			if p == "" || string(p) < string(s.since) {
				return
			}
			s.before = []byte(p)
			if !yield(p) {
				return
			}
		}
	}
}

// Count implements Catalog. What the indexes alone decide is counted in them.
func (b *Bolt) Count(ctx context.Context, q Query) (n int, err error) {
	s, err := b.search(ctx, q)
	if err != nil {
		return 0, err
	}
	if !s.inKeys() {
		for _, err := range b.Find(ctx, q) {
			if err != nil {
				return 0, err
			}
			n++
		}
		return n, nil
	}
	err = b.view(ctx, func(root *bbolt.Bucket) (err error) {
		if q.Dies == "" && len(q.States) == 0 && !q.Held {
			n, err = countOf(root)
			return err
		}
		for range s.next(root) {
			n++
		}
		return nil
	})
	return n, err
}

// inKeys reports whether no row need be read to know that it matches.
func (s *search) inKeys() bool {
	q := s.q
	q.Dies, q.States, q.Held = "", nil, false
	long := len(s.q.Dies) >= textMax || slices.ContainsFunc(s.q.States, func(st State) bool { return len(st) >= textMax })
	return reflect.ValueOf(q).IsZero() && !long
}

// matches is the meaning of a Query; the indexes only save work.
func (q *Query) matches(r *Row) bool {
	switch {
	case !q.Since.IsZero() && r.Start.Before(q.Since),
		!q.Until.IsZero() && !r.Start.Before(q.Until),
		q.Extension != "" && r.Extension != q.Extension,
		q.Dies != "" && r.Dies != q.Dies,
		q.CS != "" && !slices.Contains(r.Sessions, q.CS),
		q.Held && r.Hold == nil,
		q.ID != "" && !strings.HasPrefix(r.ID, q.ID),
		len(q.States) > 0 && !slices.Contains(q.States, r.State):
		return false
	}
	return q.Number == "" || slices.ContainsFunc(numbers(r), q.matchesNumber)
}

func (q *Query) matchesNumber(n string) bool {
	switch numberPattern(q.Number) {
	case prefixNumber:
		return strings.HasPrefix(n, q.Number[:len(q.Number)-1])
	case suffixNumber:
		return strings.HasSuffix(n, q.Number[1:])
	}
	return n == q.Number
}

// days returns the days through the given one on which rows die or died, oldest
// first.
func (b *Bolt) days(ctx context.Context, through Day) (days []Day, err error) {
	err = b.view(ctx, func(root *bbolt.Bucket) error {
		c := root.Bucket([]byte(diesBucket)).Cursor()
		for k, _ := c.First(); k != nil; {
			d, _, _ := bytes.Cut(k, []byte{separator})
			if Day(d) > through {
				return nil
			}
			days = append(days, Day(d))
			k, _ = c.Seek(append(bytes.Clone(d), separator+1)) // behind all of that day
		}
		return nil
	})
	return days, err
}

package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
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
			rows, err := b.page(ctx, s)
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
	before []byte // points from here on are done or not wanted; nil: none yet
	since  []byte // a point before this ends it
	done   bool

	// Either ranges of an index, each in order of time and merged,
	bucket   string
	prefixes [][]byte
	// or points that were collected from several and sorted, newest first.
	points []point
	listed bool
}

func (b *Bolt) search(ctx context.Context, q Query) (*search, error) {
	q.ID = strings.ToUpper(q.ID)
	if q.ID != "" && len(q.ID) < idPrefixMin {
		return nil, fmt.Errorf("%q is too short: give at least %d characters of the id", q.ID, idPrefixMin)
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
		if s.before == nil || string(p) < string(s.before) {
			s.before = []byte(p)
		}
	}
	return s, b.plan(ctx, s)
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

// plan chooses the index with the fewest entries to look at.
func (b *Bolt) plan(ctx context.Context, s *search) error {
	number, pattern := s.q.Number, numberPattern(s.q.Number)
	switch {
	case s.q.ID != "":
		return b.collect(ctx, s, rowBucket, s.q.ID)
	case s.q.Dies != "":
		s.bucket, s.prefixes = diesBucket, [][]byte{textKey(clean(string(s.q.Dies)), "")}
	case s.q.CS != "":
		s.bucket, s.prefixes = sessionBucket, [][]byte{textKey(clean(s.q.CS), "")}
	case number != "" && pattern == exactNumber:
		s.bucket, s.prefixes = numberBucket, [][]byte{textKey(clean(number), "")}
	case pattern == prefixNumber:
		return b.collect(ctx, s, numberBucket, clean(strings.TrimSuffix(number, "*")))
	case pattern == suffixNumber:
		return b.collect(ctx, s, reversedBucket, clean(reversed(strings.TrimPrefix(number, "*"))))
	case s.q.Extension != "":
		s.bucket, s.prefixes = extensionBucket, [][]byte{textKey(clean(s.q.Extension), "")}
	case len(s.q.States) > 0:
		s.bucket = stateBucket
		for _, state := range slices.Compact(slices.Sorted(slices.Values(s.q.States))) {
			s.prefixes = append(s.prefixes, textKey(clean(string(state)), ""))
		}
	default:
		s.bucket, s.prefixes = timeBucket, [][]byte{nil}
	}
	return nil
}

const (
	exactNumber = iota
	prefixNumber
	suffixNumber
	innerNumber
)

func numberPattern(number string) int {
	tail := len(number) > 1 && strings.HasSuffix(number, "*")
	head := len(number) > 1 && strings.HasPrefix(number, "*")
	switch {
	case head && tail:
		return innerNumber
	case tail:
		return prefixNumber
	case head:
		return suffixNumber
	}
	return exactNumber
}

// collect lists the points of all keys that begin with prefix.
func (b *Bolt) collect(ctx context.Context, s *search, bucket, prefix string) error {
	s.listed = true
	err := b.view(ctx, func(root *bbolt.Bucket) error {
		c := root.Bucket([]byte(bucket)).Cursor()
		for k, v := c.Seek([]byte(prefix)); k != nil && bytes.HasPrefix(k, []byte(prefix)); k, v = c.Next() {
			p := point("")
			if bucket == rowBucket {
				row, err := decodeRow(k, v)
				if err != nil {
					return err
				}
				p = pointOf(row.Start, row.ID)
			} else if len(k) > pointSize {
				p = point(k[len(k)-pointSize:])
			}
			if s.wants(p) {
				s.points = append(s.points, p)
			}
		}
		return nil
	})
	slices.Sort(s.points)
	s.points = slices.Compact(s.points)
	slices.Reverse(s.points)
	return err
}

func (s *search) wants(p point) bool {
	return len(p) == pointSize && string(p) >= string(s.since) && (s.before == nil || string(p) < string(s.before))
}

// page returns the next rows that match, at most pageRows. None need not mean
// that there are no more: s.done does.
func (b *Bolt) page(ctx context.Context, s *search) (rows []*Row, err error) {
	err = b.view(ctx, func(root *bbolt.Bucket) error {
		scanned := 0
		for p := range s.next(root) {
			row, err := getRow(root, p.id())
			if errors.Is(err, ErrNotFound) {
				continue // collected, and deleted since
			}
			if err != nil {
				return err
			}
			if s.q.matches(row) {
				rows = append(rows, row)
			}
			if scanned++; len(rows) == pageRows || scanned == scanMax {
				return nil
			}
		}
		s.done = true
		return nil
	})
	return rows, err
}

// next yields the points that are left, newest first.
func (s *search) next(root *bbolt.Bucket) iter.Seq[point] {
	return func(yield func(point) bool) {
		if s.listed {
			for len(s.points) > 0 {
				p := s.points[0]
				s.points = s.points[1:]
				if !yield(p) {
					return
				}
			}
			return
		}
		var heads []*head
		for _, prefix := range s.prefixes {
			h := &head{cursor: root.Bucket([]byte(s.bucket)).Cursor(), prefix: prefix}
			h.seek(s.before)
			heads = append(heads, h)
		}
		for {
			newest := slices.MaxFunc(heads, func(a, b *head) int { return strings.Compare(string(a.at), string(b.at)) })
			if !s.wants(newest.at) {
				return
			}
			s.before = []byte(newest.at)
			if !yield(newest.at) {
				return
			}
			newest.take(newest.cursor.Prev())
		}
	}
}

// head goes through one range of an index, newest first.
type head struct {
	cursor *bbolt.Cursor
	prefix []byte
	at     point // "" when there is no other
}

// seek goes to the last point before the given one; nil: to the last of all.
func (h *head) seek(before []byte) {
	if before == nil {
		before = bytes.Repeat([]byte{0xff}, pointSize+1)
	}
	if k, _ := h.cursor.Seek(slices.Concat(h.prefix, before)); k == nil {
		h.take(h.cursor.Last())
	} else {
		h.take(h.cursor.Prev())
	}
}

func (h *head) take(k, _ []byte) {
	h.at = ""
	if bytes.HasPrefix(k, h.prefix) {
		h.at = point(k[len(h.prefix):])
	}
}

// matches is the meaning of a Query; the indexes only save work.
func (q *Query) matches(r *Row) bool {
	switch {
	case !q.Since.IsZero() && r.Start.Before(q.Since),
		!q.Until.IsZero() && !r.Start.Before(q.Until),
		q.Extension != "" && r.Extension != q.Extension,
		q.Dies != "" && r.Dies != q.Dies,
		q.CS != "" && !slices.Contains(r.Sessions, q.CS),
		q.ID != "" && !strings.HasPrefix(r.ID, q.ID),
		len(q.States) > 0 && !slices.Contains(q.States, r.State):
		return false
	}
	return q.Number == "" || slices.ContainsFunc(numbers(r), q.matchesNumber)
}

func (q *Query) matchesNumber(n string) bool {
	switch numberPattern(q.Number) {
	case innerNumber:
		return strings.Contains(n, q.Number[1:len(q.Number)-1])
	case prefixNumber:
		return strings.HasPrefix(n, q.Number[:len(q.Number)-1])
	case suffixNumber:
		return strings.HasSuffix(n, q.Number[1:])
	}
	return n == q.Number
}

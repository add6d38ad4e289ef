package store

import (
	"bytes"
	"slices"
	"strings"

	"go.etcd.io/bbolt"
)

// A stream is the points that one part of a query matches, newest first. It
// returns the newest point before the given one, nil: of all, and "" when there
// is none. Each call is given the same point as the one before, or an older one.
type stream func(before []byte) point

// streams are those of every part of the query that an index knows of.
func (s *search) streams(root *bbolt.Bucket) []stream {
	var all []stream
	of := func(bucket string, texts ...string) {
		all = append(all, merged(root.Bucket([]byte(bucket)), texts))
	}
	exact := func(bucket, text string) { of(bucket, string(textKey(clean(text), ""))) }
	q := &s.q
	switch {
	case s.many:
		all = append(all, timed(root, q.ID, s.since))
	case q.ID != "":
		all = append(all, listed(s.ids))
	}
	if q.Dies != "" {
		exact(diesBucket, string(q.Dies))
	}
	if q.CS != "" {
		exact(sessionBucket, q.CS)
	}
	if q.Held {
		of(holdBucket, "")
	}
	// Where a number is the extension's own, every row of it matches.
	own := q.Extension != "" && q.Number != "" && q.matchesNumber(q.Extension)
	if q.Extension != "" && (q.Number == "" || own) {
		exact(extensionBucket, q.Extension)
	}
	if len(q.States) > 0 {
		var texts []string
		for _, state := range slices.Compact(slices.Sorted(slices.Values(q.States))) {
			texts = append(texts, string(textKey(clean(string(state)), "")))
		}
		of(stateBucket, texts...)
	}
	// Last, for a part of a number costs the most to look for.
	if q.Number != "" && !own {
		all = append(all, s.numbered(root))
	}
	if len(all) == 0 {
		of(timeBucket, "")
	}
	return all
}

// numbered is the stream of a number, or of a part of one: of all extensions, or at
// the one that is asked for, which it is not itself.
func (s *search) numbered(root *bbolt.Bucket) stream {
	number, forward, backward, before := s.q.Number, dayBucket, dayEndBucket, ""
	if s.q.Extension != "" {
		forward, backward, before = deskBucket, deskEndBucket, string(textKey(clean(s.q.Extension), ""))
	}
	switch numberPattern(number) {
	case exactNumber:
		number = string(textKey(clean(number), ""))
		if s.q.Extension == "" {
			return merged(root.Bucket([]byte(numberBucket)), []string{number})
		}
	case prefixNumber:
		number = clean(strings.TrimSuffix(number, "*"))
	case suffixNumber:
		number, forward = clean(reversed(strings.TrimPrefix(number, "*"))), backward
	}
	d := &daily{bucket: root.Bucket([]byte(forward)), since: s.since, prefix: before + number}
	d.cursor = d.bucket.Cursor()
	return d.newest
}

// common returns the newest point before the given one that all streams have.
// One that is behind lets the others leap over what it has not.
func common(streams []stream, before []byte) point {
	p := streams[0](before)
	var from []byte
	for agreed := 1; p != "" && agreed < len(streams); {
		for i, s := range streams {
			from = append(append(from[:0], p...), 0)
			at := s(from) // p itself, or before it
			if at == p {
				agreed = i + 1
				continue
			}
			p, agreed = at, 0
			break
		}
	}
	return p
}

// merged is the union of ranges of an index, each in order of time.
func merged(b *bbolt.Bucket, prefixes []string) stream {
	var heads []*head
	for _, prefix := range prefixes {
		heads = append(heads, &head{cursor: b.Cursor(), prefix: []byte(prefix)})
	}
	return func(before []byte) point {
		newest := point("")
		for _, h := range heads {
			newest = max(newest, h.newest(before))
		}
		return newest
	}
}

// head goes through one range of an index, newest first.
type head struct {
	cursor *bbolt.Cursor
	prefix []byte
	begun  bool
	at     []byte // a point, as long as the transaction; nil when there is no other
}

// headSteps is how many entries a head goes back one by one before it looks for
// its place: that takes as long as so many steps.
const headSteps = 12

func (h *head) newest(before []byte) point {
	if !h.begun {
		h.begun = true
		h.seek(before)
		return point(h.at)
	}
	for range headSteps {
		if h.at == nil || bytes.Compare(h.at, before) < 0 {
			return point(h.at)
		}
		h.take(h.cursor.Prev())
	}
	if h.at != nil && bytes.Compare(h.at, before) >= 0 {
		h.seek(before)
	}
	return point(h.at)
}

// seek goes to the last point before the given one; nil: to the last of all.
func (h *head) seek(before []byte) {
	if before == nil {
		before = bytes.Repeat([]byte{0xff}, pointSize+1)
	}
	h.take(lastBefore(h.cursor, slices.Concat(h.prefix, before)))
}

func (h *head) take(k, _ []byte) {
	h.at = nil
	if bytes.HasPrefix(k, h.prefix) && len(k) > len(h.prefix) {
		h.at = k[len(h.prefix):]
	}
}

// lastBefore goes to the last key before the given one.
func lastBefore(c *bbolt.Cursor, key []byte) (k, v []byte) {
	if k, _ := c.Seek(key); k == nil {
		return c.Last()
	}
	return c.Prev()
}

// listed is a stream of points in order of time.
func listed(points []point) stream {
	return func(before []byte) point {
		for before != nil && len(points) > 0 && string(points[len(points)-1]) >= string(before) {
			points = points[:len(points)-1]
		}
		if len(points) == 0 {
			return ""
		}
		return points[len(points)-1]
	}
}

// timed is the rows whose id begins with prefix, as they lie in time, down to
// since.
func timed(root *bbolt.Bucket, prefix string, since []byte) stream {
	h := &head{cursor: root.Bucket([]byte(timeBucket)).Cursor()}
	return func(before []byte) point {
		p := h.newest(before)
		for p != "" && string(p) >= string(since) && !strings.HasPrefix(p.id(), prefix) {
			p = h.newest([]byte(p))
		}
		return p
	}
}

// daily goes through an index that is divided by day, the newest day first: what
// of a day matches is not in order of time, and sorted.
type daily struct {
	bucket *bbolt.Bucket
	cursor *bbolt.Cursor
	prefix string // what the text behind the date begins with
	since  []byte // a point before this is not wanted

	begun bool
	date  uint32 // of the day that was read last
	left  stream // of that
}

func (d *daily) newest(before []byte) point {
	for {
		if d.begun {
			if p := d.left(before); p != "" {
				return p
			}
		}
		if !d.read(before) {
			return ""
		}
	}
}

// read reads the next day that has anything before the given point; false: there
// is none.
func (d *daily) read(before []byte) bool {
	next := uint32(1<<32 - 1)
	if len(before) >= startSize {
		next = point(before).date()
	}
	if d.begun && (d.date == 0 || next >= d.date) {
		next = d.date - 1
		if d.date == 0 {
			return false
		}
	}
	// The day itself, or the newest of those before that has any number.
	k, _ := lastBefore(d.cursor, append(dayKey(next, ""), bytes.Repeat([]byte{0xff}, 2*(textMax+1)+pointSize+1)...))
	if len(k) < dateSize+1+pointSize || len(d.since) > 0 && bytes.Compare(k[:dateSize], dayKey(point(d.since).date(), "")) < 0 {
		return false
	}
	date := bytes.Clone(k[:dateSize])
	d.begun, d.date = true, point(k[len(k)-pointSize:]).date()
	var points []point
	from := append(date, d.prefix...)
	for k, _ := d.cursor.Seek(from); bytes.HasPrefix(k, from) && len(k) > dateSize+pointSize; k, _ = d.cursor.Next() {
		p := k[len(k)-pointSize:]
		if before == nil || bytes.Compare(p, before) < 0 {
			points = append(points, point(p))
		}
	}
	slices.Sort(points)
	d.left = listed(slices.Compact(points))
	return true
}

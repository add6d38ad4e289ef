package store

import (
	"encoding/binary"
	"slices"
	"strings"
	"time"

	"go.etcd.io/bbolt"
)

// The buckets and keys, as doc.go draws them.
const (
	rootBucket       = "v1"
	versionKey       = "version"
	rowBucket        = "row"
	timeBucket       = "by-time"
	numberBucket     = "by-number"
	reversedBucket   = "by-number-reversed"
	extensionBucket  = "by-extension"
	sessionBucket    = "by-cs"
	stateBucket      = "by-state"
	diesBucket       = "by-dies"
	idSize           = 26
	startSize        = 8
	pointSize        = startSize + idSize
	separator        = 0 // ends a text key: no number or session id contains it
	bulkRows         = 1000
	pageRows         = 128
	textMax          = 512
	catalogueVersion = 2
)

// indexBuckets are all that indexKeys fills.
func indexBuckets() []string {
	return []string{timeBucket, numberBucket, reversedBucket, extensionBucket, sessionBucket, stateBucket, diesBucket}
}

// point is a place in time order: start and id. All indexes end in one.
type point string

func pointOf(start time.Time, id string) point {
	return point(append(startKey(start), id...))
}

func (p point) id() string { return string(p[startSize:]) }

// startKey sorts as the time does. Microseconds reach from the year -290308 on,
// so that a zero time sorts first.
func startKey(t time.Time) []byte {
	return binary.BigEndian.AppendUint64(nil, uint64(t.UnixMicro())^1<<63)
}

// textKey returns text, terminated, before a point.
func textKey(text string, p point) []byte {
	return append(append([]byte(text), separator), p...)
}

// clean makes text fit for a key: bbolt takes keys of up to 32 KiB, the wire
// sends what it likes. What is cut off is compared in the row.
func clean(text string) string {
	return strings.ReplaceAll(text[:min(len(text), textMax)], "\x00", "")
}

func reversed(s string) string {
	b := []byte(s)
	slices.Reverse(b)
	return string(b)
}

// numbers are all that find a row, without repetition.
func numbers(r *Row) []string {
	all := []string{r.Extension, r.Other}
	for _, p := range r.Participants {
		all = append(all, p.Number)
	}
	slices.Sort(all)
	all = slices.Compact(all)
	return slices.DeleteFunc(all, func(n string) bool { return n == "" })
}

// indexKeys calls do for every index entry of a row.
func indexKeys(r *Row, do func(bucket string, key []byte) error) error {
	p := pointOf(r.Start, r.ID)
	if err := do(timeBucket, []byte(p)); err != nil {
		return err
	}
	if err := do(stateBucket, textKey(clean(string(r.State)), p)); err != nil {
		return err
	}
	if r.Dies != "" {
		if err := do(diesBucket, textKey(clean(string(r.Dies)), p)); err != nil {
			return err
		}
	}
	if r.Extension != "" {
		if err := do(extensionBucket, textKey(clean(r.Extension), p)); err != nil {
			return err
		}
	}
	for _, n := range numbers(r) {
		if err := do(numberBucket, textKey(clean(n), p)); err != nil {
			return err
		}
		if err := do(reversedBucket, textKey(clean(reversed(n)), p)); err != nil {
			return err
		}
	}
	for _, cs := range r.Sessions {
		if err := do(sessionBucket, textKey(clean(cs), p)); err != nil {
			return err
		}
	}
	return nil
}

func putIndexes(root *bbolt.Bucket, r *Row) error {
	return indexKeys(r, func(bucket string, key []byte) error {
		return root.Bucket([]byte(bucket)).Put(key, nil)
	})
}

func deleteIndexes(root *bbolt.Bucket, r *Row) error {
	return indexKeys(r, func(bucket string, key []byte) error {
		return root.Bucket([]byte(bucket)).Delete(key)
	})
}

package store

import (
	"encoding/binary"
	"slices"
	"strings"
	"time"
)

// The buckets and keys, as doc.go draws them.
const (
	rootBucket       = "v1"
	versionKey       = "version"
	rowBucket        = "row"
	timeBucket       = "by-time"
	countKey         = "rows"
	numberBucket     = "by-number"
	dayBucket        = "by-day-number"
	dayEndBucket     = "by-day-number-reversed"
	deskBucket       = "by-day-extension-number"
	deskEndBucket    = "by-day-extension-number-reversed"
	holdBucket       = "by-hold"
	extensionBucket  = "by-extension"
	sessionBucket    = "by-cs"
	stateBucket      = "by-state"
	diesBucket       = "by-dies"
	idSize           = 26
	startSize        = 8
	pointSize        = startSize + idSize
	separator        = 0 // ends a text key: no number or session id contains it
	bulkRows         = 16384
	pageRows         = 128
	textMax          = 512
	dateSize         = 4
	catalogueVersion = 4
)

// indexBuckets are all that indexKeys fills.
func indexBuckets() []string {
	return []string{
		timeBucket, numberBucket, dayBucket, dayEndBucket, deskBucket, deskEndBucket,
		extensionBucket, sessionBucket, stateBucket, diesBucket, holdBucket,
	}
}

// point is a place in time order: start and id. All indexes end in one.
type point string

func pointOf(start time.Time, id string) point {
	return point(append(startKey(start), id...))
}

func (p point) id() string { return string(p[startSize:]) }

// date returns the number of the UTC day of a point, in order like it.
func (p point) date() uint32 {
	micros := int64(binary.BigEndian.Uint64([]byte(p[:startSize])) ^ 1<<63)
	days := micros / microsPerDay
	if micros%microsPerDay < 0 {
		days--
	}
	return uint32(days) ^ 1<<31
}

const microsPerDay = 24 * 60 * 60 * 1_000_000

// dayKey begins the keys of a day in an index that is divided by day.
func dayKey(date uint32, text string) []byte {
	return append(binary.BigEndian.AppendUint32(nil, date), text...)
}

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

// entry is one key of an index.
type entry struct{ bucket, key string }

// indexKeys returns every index entry of a row.
func indexKeys(r *Row) []entry {
	p := pointOf(r.Start, r.ID)
	all := []entry{{timeBucket, string(p)}}
	add := func(bucket, before, text string) {
		all = append(all, entry{bucket, before + string(textKey(clean(text), p))})
	}
	add(stateBucket, "", string(r.State))
	if r.Dies != "" {
		add(diesBucket, "", string(r.Dies))
	}
	if r.Hold != nil {
		all = append(all, entry{holdBucket, string(p)})
	}
	if r.Extension != "" {
		add(extensionBucket, "", r.Extension)
	}
	date := string(dayKey(p.date(), ""))
	for _, n := range numbers(r) {
		add(numberBucket, "", n)
		add(dayBucket, date, n)
		add(dayEndBucket, date, reversed(n))
		if r.Extension != "" && n != r.Extension {
			desk := date + string(textKey(clean(r.Extension), ""))
			add(deskBucket, desk, n)
			add(deskEndBucket, desk, reversed(n))
		}
	}
	for _, cs := range r.Sessions {
		add(sessionBucket, "", cs)
	}
	return all
}

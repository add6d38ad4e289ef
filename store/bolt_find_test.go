package store

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"
)

// busyRow is a row that has something in common with many others, on one of six
// days.
func busyRow(random *rand.Rand) *Row {
	start := noon.Add(time.Duration(random.IntN(6*24*60)) * time.Minute)
	r := &Row{
		ID: NewID(start), Start: start, State: []State{Live, Sealed, NotRecorded, Deleted}[random.IntN(4)],
		Extension: fmt.Sprint(2000 + random.IntN(3)), Other: fmt.Sprintf("0%d0555%02d", 1+random.IntN(2), random.IntN(20)),
		Sessions: []string{fmt.Sprint("cs-", random.IntN(50))}, Dies: Day(fmt.Sprintf("2027-02-0%d", 1+random.IntN(3))),
	}
	if random.IntN(10) == 0 {
		r.Other = fmt.Sprint(2000 + random.IntN(3))
	}
	if random.IntN(10) == 0 {
		r.Hold = &Hold{Reason: "dispute"}
	}
	return r
}

func anyQuery(random *rand.Rand, rows []*Row) (q Query) {
	some := rows[random.IntN(len(rows))]
	often := func(n int) bool { return random.IntN(n) == 0 }
	if often(2) {
		n := some.Other
		q.Number = []string{n, n[:2] + "*", n[:len(n)-1] + "*", "*" + n[len(n)-2:], "*" + n[1:], "7*", "*7", "0700"}[random.IntN(8)]
	}
	if often(3) {
		q.Extension = some.Extension
	}
	if often(4) {
		q.Since = some.Start.Add(time.Duration(random.IntN(3)-1) * time.Nanosecond)
	}
	if often(4) {
		q.Until = some.Start.Add(time.Duration(random.IntN(3000)) * time.Minute)
	}
	if often(4) {
		q.Dies = some.Dies
	}
	if often(6) {
		q.CS = some.Sessions[0]
	}
	if often(4) {
		q.States = []State{some.State, Sealed}
	}
	if often(8) {
		q.ID = some.ID[:4+random.IntN(idSize-3)]
	}
	if often(5) {
		q.After = some.ID
	}
	q.Held = often(10)
	return q
}

// TestIndexesFindWhatAReadingOfAllRowsFinds compares queries with their meaning,
// before and after rows were changed, and in a file that was compacted.
func TestIndexesFindWhatAReadingOfAllRowsFinds(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	b, err := openBolt(filepath.Join(t.TempDir(), "catalogue.db"), true)
	check(t, err)
	defer b.Close()
	byID := make(map[string]*Row)
	put := func() {
		r := busyRow(random)
		byID[r.ID] = r
		check(t, b.Put(t.Context(), r))
	}
	for range 400 {
		put()
	}
	for round := range 3 {
		var rows []*Row
		for _, r := range byID {
			rows = append(rows, r)
		}
		slices.SortFunc(rows, func(a, b *Row) int { return cmp.Or(-a.Start.Compare(b.Start), -strings.Compare(a.ID, b.ID)) })
		for range 120 {
			compareFind(t, b, rows, anyQuery(random, rows))
		}
		switch round {
		case 0:
			for _, r := range rows[:150] {
				changed := busyRow(random)
				changed.ID, changed.Start = r.ID, r.Start
				byID[r.ID] = changed
				check(t, b.Put(t.Context(), changed))
			}
			for _, r := range rows[150:250] {
				delete(byID, r.ID)
				check(t, b.Delete(t.Context(), r.ID))
			}
		case 1:
			check(t, b.Compact(t.Context()))
		}
	}
}

func compareFind(t *testing.T, b *Bolt, rows []*Row, q Query) {
	t.Helper()
	var want, got []string
	after := slices.IndexFunc(rows, func(r *Row) bool { return r.ID == q.After })
	for i, r := range rows {
		if q.matches(r) && i > after {
			want = append(want, r.ID)
		}
	}
	for r, err := range b.Find(t.Context(), q) {
		check(t, err)
		got = append(got, r.ID)
	}
	if !slices.Equal(got, want) {
		t.Fatalf("%+v finds %d rows, %d match\n%v\n%v", q, len(got), len(want), got, want)
	}
	if n, err := b.Count(t.Context(), q); err != nil || n != len(want) {
		t.Fatalf("%+v: counted %d, %v, want %d", q, n, err, len(want))
	}
	q.Limit = 3
	if n, err := b.Count(t.Context(), q); err != nil || n != min(3, len(want)) {
		t.Fatalf("%+v: counted %d, %v, at most 3", q, n, err)
	}
}

// TestManyIdsOfOneBeginning has more rows of one beginning than are looked up
// one by one.
func TestManyIdsOfOneBeginning(t *testing.T) {
	b, err := openBolt(filepath.Join(t.TempDir(), "catalogue.db"), true)
	check(t, err)
	defer b.Close()
	var want []string
	for i := range idsMost + 50 {
		r := rowNo(i)
		r.Start = noon.Add(time.Duration(i) * time.Millisecond)
		r.ID = NewID(r.Start)
		want = append(want, r.ID)
		check(t, b.Put(t.Context(), r))
	}
	check(t, b.Put(t.Context(), rowNo(10_000_000)))
	slices.Reverse(want)
	var got []string
	for r, err := range b.Find(t.Context(), Query{ID: want[0][:6]}) {
		check(t, err)
		got = append(got, r.ID)
	}
	if !slices.Equal(got, want) {
		t.Errorf("%d rows, want %d, newest first", len(got), len(want))
	}
}

// TestCompactWhileRowsAreWritten lets rows change their numbers while indexes
// and rows are copied one after the other.
func TestCompactWhileRowsAreWritten(t *testing.T) {
	b, err := openBolt(filepath.Join(t.TempDir(), "catalogue.db"), true)
	check(t, err)
	defer b.Close()
	random := rand.New(rand.NewPCG(5, 6))
	var rows []*Row
	for range 300 {
		r := busyRow(random)
		rows = append(rows, r)
		check(t, b.Put(t.Context(), r))
	}
	change := func() {
		i := random.IntN(len(rows))
		r := busyRow(random)
		r.ID, r.Start = rows[i].ID, rows[i].Start
		rows[i] = r
		check(t, b.Put(t.Context(), r))
	}
	check(t, b.renew(func(fresh *bbolt.DB) error {
		n := 0
		for _, bucket := range append(indexBuckets(), rowBucket) {
			for range 20 {
				change()
			}
			copied, err := b.copyBucket(t.Context(), fresh, bucket)
			check(t, err)
			n = copied
		}
		check(t, b.Delete(t.Context(), rows[0].ID))
		rows = rows[1:]
		return fresh.Update(func(tx *bbolt.Tx) error { return addCount(tx.Bucket([]byte(rootBucket)), n) })
	}))
	if n, err := b.Count(t.Context(), Query{}); n != len(rows) || err != nil {
		t.Errorf("%d rows, %v, want %d", n, err, len(rows))
	}
	// Every entry of the indexes is one of a row as it is now.
	want := make(map[entry]bool)
	for _, r := range rows {
		for _, e := range indexKeys(r) {
			want[e] = true
		}
	}
	check(t, b.view(t.Context(), func(root *bbolt.Bucket) error {
		for _, bucket := range indexBuckets() {
			check(t, root.Bucket([]byte(bucket)).ForEach(func(k, _ []byte) error {
				if !want[entry{bucket, string(k)}] {
					t.Errorf("%s: an entry %q of no row", bucket, k)
				}
				delete(want, entry{bucket, string(k)})
				return nil
			}))
		}
		return nil
	}))
	if len(want) > 0 {
		t.Errorf("%d entries are missing", len(want))
	}
}

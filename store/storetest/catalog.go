package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"siprecd/store"
)

// TestCatalog tests an engine. Each call of open returns an empty one, which
// the test closes.
func TestCatalog(t *testing.T, open func(t *testing.T) store.Catalog) {
	for name, test := range map[string]func(*testing.T, store.Catalog){
		"put, get, delete":              testPutGetDelete,
		"put replaces index entries":    testReplace,
		"queries":                       testQueries,
		"pages":                         testPages,
		"rows may be written in a Find": testWriteInFind,
		"hostile text":                  testHostileText,
		"many writers":                  testManyWriters,
	} {
		t.Run(name, func(t *testing.T) {
			c := open(t)
			test(t, c)
			check(t, c.Close())
			check(t, c.Close())
			if _, err := c.Get(t.Context(), store.NewID(noon)); err == nil || errors.Is(err, store.ErrNotFound) {
				t.Errorf("Get after Close: %v", err)
			}
		})
	}
}

var noon = time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC)

// rowAt returns the row of a call that began i minutes after noon.
func rowAt(i int, extension, other string) *store.Row {
	start := noon.Add(time.Duration(i) * time.Minute)
	return &store.Row{
		ID: store.NewID(start), State: store.Sealed, Start: start, Extension: extension, Other: other,
		Sessions: []string{fmt.Sprintf("cs-%d", i)},
		Participants: []store.Participant{
			{AOR: "sip:" + extension + "@192.0.2.1", Number: extension}, {Number: other},
		},
	}
}

func put(t *testing.T, c store.Catalog, rows ...*store.Row) {
	t.Helper()
	for _, r := range rows {
		check(t, c.Put(t.Context(), r))
	}
}

func find(t *testing.T, c store.Catalog, q store.Query) []*store.Row {
	t.Helper()
	var rows []*store.Row
	for r, err := range c.Find(t.Context(), q) {
		check(t, err)
		rows = append(rows, r)
	}
	return rows
}

func expectRows(t *testing.T, c store.Catalog, q store.Query, want ...*store.Row) {
	t.Helper()
	ids := func(rows []*store.Row) (ids []string) {
		for _, r := range rows {
			ids = append(ids, r.Start.Format("15:04 ")+r.ID)
		}
		return ids
	}
	if got := find(t, c, q); !slices.Equal(ids(got), ids(want)) {
		t.Errorf("%+v finds\n%v, want\n%v", q, ids(got), ids(want))
	}
}

func testPutGetDelete(t *testing.T, c store.Catalog) {
	ctx := t.Context()
	r := rowAt(0, "2001", "0105550101")
	r.Streams = []store.Stream{{Label: "1"}}
	if _, err := c.Get(ctx, r.ID); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Get: %v, want ErrNotFound", err)
	}
	check(t, c.Delete(ctx, r.ID))
	put(t, c, r)
	got, err := c.Get(ctx, r.ID)
	check(t, err)
	if got, want := asJSON(t, got), asJSON(t, r); got != want {
		t.Errorf("got %s, put %s", got, want)
	}
	if n, err := c.Count(ctx, store.Query{}); n != 1 || err != nil {
		t.Errorf("count %d, %v, want 1", n, err)
	}
	check(t, c.Delete(ctx, r.ID))
	expectRows(t, c, store.Query{})
	expectRows(t, c, store.Query{Number: "010*"})
	if n, err := c.Count(ctx, store.Query{}); n != 0 || err != nil {
		t.Errorf("count %d, %v, want 0", n, err)
	}
	if err := c.Put(ctx, &store.Row{ID: "../x", Start: noon}); err == nil {
		t.Error("an id that is none was accepted")
	}
	stopped, cancel := context.WithCancel(ctx)
	cancel()
	if err := c.Put(stopped, r); !errors.Is(err, context.Canceled) {
		t.Errorf("Put after cancellation: %v", err)
	}
}

func asJSON(t *testing.T, r *store.Row) string {
	t.Helper()
	b, err := json.Marshal(r)
	check(t, err)
	return string(b)
}

func testReplace(t *testing.T, c store.Catalog) {
	r := rowAt(0, "2001", "0105550101")
	r.State = store.Live
	put(t, c, r)
	moved := *r
	moved.State, moved.Extension, moved.Other, moved.Sessions = store.Sealed, "2002", "0105550102", []string{"x"}
	moved.Start = r.Start.Add(-time.Hour)
	moved.Participants = nil
	put(t, c, &moved)
	for _, q := range []store.Query{
		{Number: "2001"}, {Number: "0105550101"}, {Number: "*101"}, {Extension: "2001"}, {CS: "cs-0"},
		{States: []store.State{store.Live}}, {Since: noon},
	} {
		expectRows(t, c, q)
	}
	for _, q := range []store.Query{
		{}, {Number: "2002"}, {Number: "0105*"}, {Number: "*102"}, {Extension: "2002"}, {CS: "x"},
		{States: []store.State{store.Sealed}}, {ID: r.ID},
	} {
		expectRows(t, c, q, &moved)
	}
}

func testQueries(t *testing.T, c store.Catalog) {
	a := rowAt(0, "2001", "0105550101")
	b := rowAt(1, "2002", "0105550202")
	d := rowAt(2, "2001", "025550101")
	e := rowAt(3, "alice", "2001") // an internal call
	e.State = store.Live
	put(t, c, d, a, e, b) // not in order
	minute := func(i int) time.Time { return noon.Add(time.Duration(i) * time.Minute) }
	for _, test := range []struct {
		q    store.Query
		want []*store.Row
	}{
		{store.Query{}, []*store.Row{e, d, b, a}},
		{store.Query{Number: "2001"}, []*store.Row{e, d, a}},
		{store.Query{Number: "200"}, nil},
		{store.Query{Number: "0105*"}, []*store.Row{b, a}},
		{store.Query{Number: "*50101"}, []*store.Row{d, a}},
		{store.Query{Number: "025*", Extension: "2001"}, []*store.Row{d}},
		{store.Query{Number: "0105550202", Extension: "2001"}, nil},
		{store.Query{Number: "0105550202", Extension: "2002"}, []*store.Row{b}},
		{store.Query{Number: "20*", Extension: "2001"}, []*store.Row{d, a}},
		{store.Query{Number: "20*", Extension: "alice"}, []*store.Row{e}},
		{store.Query{Number: "*0101", Extension: "2001", Until: minute(1)}, []*store.Row{a}},
		{store.Query{Extension: "2001"}, []*store.Row{d, a}},
		{store.Query{Extension: "20"}, nil},
		{store.Query{CS: "cs-1"}, []*store.Row{b}},
		{store.Query{CS: "cs"}, nil},
		{store.Query{Since: minute(1)}, []*store.Row{e, d, b}},
		{store.Query{Since: minute(1).Add(1)}, []*store.Row{e, d}},
		{store.Query{Until: minute(1)}, []*store.Row{a}},
		{store.Query{Until: minute(1).Add(1)}, []*store.Row{b, a}},
		{store.Query{Since: minute(1), Until: minute(3)}, []*store.Row{d, b}},
		{store.Query{Since: minute(3), Until: minute(1)}, nil},
		{store.Query{States: []store.State{store.Live}}, []*store.Row{e}},
		{store.Query{States: []store.State{store.Sealed, store.Live, store.Sealed}}, []*store.Row{e, d, b, a}},
		{store.Query{States: []store.State{store.Ending, store.Held}}, nil},
		{store.Query{States: []store.State{store.Live, store.Sealed}, Limit: 2}, []*store.Row{e, d}},
		{store.Query{ID: b.ID}, []*store.Row{b}},
		{store.Query{ID: strings.ToLower(b.ID)}, []*store.Row{b}},
		{store.Query{ID: b.ID[:20]}, []*store.Row{b}},
		{store.Query{ID: a.ID[:4]}, []*store.Row{e, d, b, a}},
		{store.Query{After: d.ID}, []*store.Row{b, a}},
		{store.Query{After: d.ID, Limit: 1}, []*store.Row{b}},
		{store.Query{After: e.ID, Number: "*01"}, []*store.Row{d, a}},
	} {
		expectRows(t, c, test.q, test.want...)
	}
	for _, q := range []store.Query{{ID: "01K"}, {After: "x"}, {Number: "*555*"}} {
		failed := false
		for _, err := range c.Find(t.Context(), q) {
			failed = err != nil
		}
		if !failed {
			t.Errorf("%+v is no error", q)
		}
	}
	e.Hold = &store.Hold{Reason: "dispute", Until: "2027-06-30"}
	e.Dies, d.Dies, b.Dies = "2026-05-30", "2026-05-30", "2026-05-31"
	b.State = store.Deleted
	put(t, c, e, d, b)
	expectRows(t, c, store.Query{Held: true}, e)
	expectRows(t, c, store.Query{Dies: "2026-05-30"}, e, d)
	for _, test := range []struct {
		q    store.Query
		want int
	}{
		{store.Query{}, 4}, {store.Query{Dies: "2026-05-30"}, 2}, {store.Query{Dies: "2026-05-29"}, 0}, {store.Query{Held: true}, 1},
		{store.Query{Dies: "2026-05-31", States: []store.State{store.Deleted}}, 1}, {store.Query{Number: "0105*"}, 2}, {store.Query{Limit: 3}, 3},
	} {
		if n, err := c.Count(t.Context(), test.q); n != test.want || err != nil {
			t.Errorf("%+v: counted %d, %v, want %d", test.q, n, err, test.want)
		}
	}
	e.Hold = nil
	put(t, c, e)
	expectRows(t, c, store.Query{Held: true})
	// A page after a row that has been deleted meanwhile goes on where it was.
	check(t, c.Delete(t.Context(), d.ID))
	expectRows(t, c, store.Query{After: d.ID}, b, a)
}

func testPages(t *testing.T, c store.Catalog) {
	var wg sync.WaitGroup
	for i := range 300 {
		r := rowAt(i/3, "2001", fmt.Sprintf("0105550%03d", i%10)) // three begin at once
		if i%2 == 0 {
			r.State = store.NotRecorded
		}
		wg.Go(func() {
			if err := c.Put(context.Background(), r); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	var want []string
	for _, r := range find(t, c, store.Query{}) {
		want = append(want, r.ID)
	}
	if len(want) != 300 {
		t.Fatalf("%d rows, want 300", len(want))
	}
	for _, q := range []store.Query{{}, {Number: "0105*"}, {Extension: "2001"}, {Number: "2001"}, {States: []store.State{store.Sealed, store.NotRecorded}}} {
		for _, limit := range []int{1, 7, 128, 299, 300, 301} {
			var got []string
			for q := (store.Query{Limit: limit, Number: q.Number, Extension: q.Extension, States: q.States}); ; q.After = got[len(got)-1] {
				page := find(t, c, q)
				for _, r := range page {
					got = append(got, r.ID)
				}
				if len(page) < limit || limit == 1 && len(got) > 20 {
					break
				}
			}
			if !slices.Equal(got, want[:len(got)]) || limit > 1 && len(got) != len(want) {
				t.Errorf("%+v in pages of %d: %d rows that differ from one page's", q, limit, len(got))
			}
		}
	}
	if n := len(find(t, c, store.Query{States: []store.State{store.NotRecorded}})); n != 150 {
		t.Errorf("%d not recorded, want 150", n)
	}
}

func testWriteInFind(t *testing.T, c store.Catalog) {
	for i := range 10 {
		put(t, c, rowAt(i, "2001", "0105550101"))
	}
	n := 0
	for r, err := range c.Find(t.Context(), store.Query{Extension: "2001"}) {
		check(t, err)
		r.Notes = []string{strings.Repeat("x", 100_000)}
		put(t, c, r)
		n++
	}
	if n != 10 {
		t.Errorf("%d rows, want 10", n)
	}
}

func testHostileText(t *testing.T, c store.Catalog) {
	long := strings.Repeat("9", 100_000)
	for i, text := range []string{"\x00", "2001\x00", "2\xff01", "*", "**", long, "'; --", "２００１", "\n"} {
		r := rowAt(i, text, text+"7")
		r.Sessions = []string{text}
		put(t, c, r)
		stored, err := c.Get(t.Context(), r.ID)
		check(t, err)
		expectRows(t, c, store.Query{Extension: stored.Extension}, r)
		expectRows(t, c, store.Query{CS: stored.Sessions[0]}, r)
		check(t, c.Delete(t.Context(), r.ID))
		expectRows(t, c, store.Query{})
		expectRows(t, c, store.Query{Number: "*7"})
	}
}

func testManyWriters(t *testing.T, c store.Catalog) {
	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			for j := range 4 {
				r := rowAt(i*4+j, "2001", "0105550101")
				if err := c.Put(context.Background(), r); err != nil {
					t.Error(err)
				}
				r.State = store.Held
				if err := c.Put(context.Background(), r); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n := len(find(t, c, store.Query{States: []store.State{store.Held}})); n != 128 {
		t.Errorf("%d rows, want 128", n)
	}
}

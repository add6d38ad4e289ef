package main

import (
	"context"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"siprecd/cmd/siprecd/config"
	"siprecd/policy"
	"siprecd/store"
)

// TestTwoYearsOfNights seals a recording a day and lets the nights pass. Each
// lives through its ninetieth day and is dead on the next.
func TestTwoYearsOfNights(t *testing.T) {
	s, _ := emptyStore(t)
	cfg, problems := config.Load("")
	if cfg == nil {
		t.Fatal(problems)
	}
	// Far ahead: the ledger, whose time is the real one, must not be ahead of it.
	now := time.Date(2126, 11, 23, 9, 0, 0, 0, cfg.Site.TimeZone)
	k := &keeper{
		store: s, config: func() *config.Config { return cfg }, now: func() time.Time { return now },
		proofs: func() []policy.Proof { return []policy.Proof{{Name: "ntp"}, {Name: "witness"}} },
		failed: func(what string, err error) { t.Errorf("%s: %v", what, err) },
	}
	begin := now
	k.running = func() time.Duration { return now.Sub(begin) }
	const nights, every = 731, 30 // a recording every so many days, each costs real seconds of disk
	type made struct {
		id   string
		dies store.Day
	}
	var alive []made
	for n := range nights {
		if n%every == 0 {
			row := &store.Row{ID: store.NewID(now), State: store.NotRecorded, Start: now, End: now, Extension: "2001",
				Dies: store.Day(policy.Dies(now, cfg.Retention.Days, cfg.Site.TimeZone))}
			if _, err := s.Keys.Recipient(row.Dies); err != nil {
				t.Fatal(err)
			}
			if err := s.Record(t.Context(), row); err != nil {
				t.Fatal(err)
			}
			alive = append(alive, made{row.ID, row.Dies})
		}
		now = now.AddDate(0, 0, 1)
		if _, err := k.night(context.Background()); err != nil {
			t.Fatal(err)
		}
		for _, m := range alive {
			row, err := s.Catalog.Get(t.Context(), m.id)
			if err != nil {
				t.Fatal(err)
			}
			if dead := row.State == store.Deleted; dead != (m.dies <= k.today()) {
				t.Fatalf("on %s the recording that dies on %s is %s", k.today(), m.dies, row.State)
			}
		}
	}
}

// TestAHoldDoesNotStopTheNights keeps one recording where no clock proves this
// one's: each day after it dies all the same, one a night.
func TestAHoldDoesNotStopTheNights(t *testing.T) {
	s, _ := emptyStore(t)
	cfg, _ := config.Load("")
	now := time.Date(2126, 11, 23, 0, 5, 0, 0, cfg.Site.TimeZone)
	k := &keeper{
		store: s, config: func() *config.Config { return cfg }, now: func() time.Time { return now },
		proofs: func() []policy.Proof { return nil }, failed: func(what string, err error) { t.Errorf("%s: %v", what, err) },
	}
	begin := now
	k.running = func() time.Duration { return now.Sub(begin) }
	var rows []*store.Row
	for day := range 3 {
		end := now.AddDate(0, 0, day)
		row := &store.Row{ID: store.NewID(end), State: store.Sealed, Start: end, End: end, Extension: "2001",
			Dies: store.Day(policy.Dies(end, 1, cfg.Site.TimeZone))}
		if err := s.Seal(t.Context(), row, "wav", func(w io.Writer) error { _, err := io.WriteString(w, "RIFF"); return err }); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, row)
	}
	order := store.Hold{Reason: "dispute", Document: "감사-17", By: "kim", Until: "2126-12-20"}
	if _, err := s.Hold(t.Context(), rows[0].ID, order, k.today()); err != nil {
		t.Fatal(err)
	}
	if _, err := k.night(t.Context()); err != nil || !strings.HasPrefix(k.heldWarning(), "1 of 3 recordings are held") {
		t.Errorf("held: %q %v", k.heldWarning(), err)
	}
	found := 0
	for row, err := range s.Catalog.Find(t.Context(), store.Query{States: []store.State{store.Held, store.Sealed}}) {
		if err != nil || row.State != store.Sealed {
			t.Errorf("%+v %v", row, err)
		}
		found++
	}
	if found != 3 {
		t.Errorf("%d of 3 recordings are held or sealed", found)
	}
	for range 30 {
		now = now.AddDate(0, 0, 1)
		if _, err := k.night(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, made := range rows {
			row, err := s.Catalog.Get(t.Context(), made.ID)
			if err != nil {
				t.Fatal(err)
			}
			end := made.Dies
			if made == rows[0] {
				end = order.Until
			}
			if dead := row.State == store.Deleted; dead != (end <= k.today()) {
				t.Fatalf("on %s the recording that is kept until %s is %s", k.today(), end, row.State)
			}
		}
		if k.warning() != "" {
			t.Errorf("on %s: %s", k.today(), k.warning())
		}
	}
}

// TestKeeperStops ends the keeper at once, whatever it waits for.
func TestKeeperStops(t *testing.T) {
	s, _ := emptyStore(t)
	cfg, _ := config.Load("")
	synctest.Test(t, func(t *testing.T) {
		k := &keeper{
			store: s, config: func() *config.Config { return cfg }, now: time.Now, running: func() time.Duration { return 0 },
			proofs: func() []policy.Proof { return nil }, failed: func(what string, err error) { t.Errorf("%s: %v", what, err) },
		}
		k.start()
		synctest.Wait()
		k.close()
	})
}

package main

import (
	"context"
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
	s, err := store.Open(store.Options{Dir: t.TempDir(), SyncEvery: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	cfg, problems := config.Load("")
	if cfg == nil {
		t.Fatal(problems)
	}
	now := time.Date(2026, 11, 23, 9, 0, 0, 0, cfg.Site.TimeZone)
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

// TestKeeperStops ends the keeper at once, whatever it waits for.
func TestKeeperStops(t *testing.T) {
	s, err := store.Open(store.Options{Dir: t.TempDir(), SyncEvery: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
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

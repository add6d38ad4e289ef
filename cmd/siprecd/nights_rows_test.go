package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"siprecd/cmd/siprecd/config"
	"siprecd/policy"
	"siprecd/store"
)

// TestRowsOutliveTheirMonths lets four years pass with rows kept for a year: each
// month's are there through the twelfth month after it, and gone on the first day
// of the next, or the day after where no clock proves this one's.
func TestRowsOutliveTheirMonths(t *testing.T) {
	agree := []policy.Proof{{Name: "ntp"}, {Name: "witness"}}
	for name, proofs := range map[string][]policy.Proof{"proved": agree, "not proved": nil} {
		t.Run(name, func(t *testing.T) {
			now := time.Date(2026, 1, 1, 0, 5, 0, 0, time.UTC)
			dir := filepath.Join(t.TempDir(), "ledger")
			l, k := keeperOfRows(t, dir, &now)
			end := now.AddDate(4, 0, 0)
			var made []string
			for ; now.Before(end); now = now.AddDate(0, 0, 1) {
				if now.Day() == 1 {
					if _, err := l.Append(store.Entry{Kind: store.EventHeld, Row: map[string]string{"by": "kim"}}); err != nil {
						t.Fatal(err)
					}
					made = append(made, now.Format(monthLayout))
				}
				if err := k.oldRows(policy.Clock{Wall: now, Zone: time.UTC, Newest: l.Last(), Proofs: proofs}); err != nil {
					t.Fatal(err)
				}
				months, err := l.RowMonths()
				if want := made[max(0, len(made)-13):]; err != nil || !slices.Equal(months, want) {
					t.Fatalf("%v: rows of %v, want %v (%v)", now, months, want, err)
				}
			}
			if r, err := store.VerifyLog(dir, nil); err != nil || len(r.Findings) > 0 || r.RowsGone != 35 {
				t.Errorf("%+v %v", r, err)
			}
		})
	}
}

// TestADoubtfulClockKeepsRows is one that jumped by ten years.
func TestADoubtfulClockKeepsRows(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 5, 0, 0, time.UTC)
	l, k := keeperOfRows(t, filepath.Join(t.TempDir(), "ledger"), &now)
	if _, err := l.Append(store.Entry{Kind: store.EventHeld, Row: map[string]string{"by": "kim"}}); err != nil {
		t.Fatal(err)
	}
	now = now.AddDate(10, 0, 0)
	if _, err := l.Append(store.Entry{Kind: store.EventStarted}); err != nil {
		t.Fatal(err)
	}
	clock := policy.Clock{Wall: now, Zone: time.UTC, Newest: l.Last(), Jumped: 10 * 365 * 24 * time.Hour}
	if err := k.oldRows(clock); err != nil {
		t.Fatal(err)
	}
	if months, err := l.RowMonths(); err != nil || len(months) != 1 {
		t.Errorf("rows of %v are left, %v", months, err)
	}
	clock.Jumped = 0
	if err := k.oldRows(clock); err != nil {
		t.Fatal(err)
	}
	if months, err := l.RowMonths(); err != nil || len(months) != 0 {
		t.Errorf("rows of %v are left, %v", months, err)
	}
}

func keeperOfRows(t *testing.T, dir string, now *time.Time) (*store.Ledger, *keeper) {
	t.Helper()
	begin := now.AddDate(0, 0, -1)
	l, err := store.OpenLedger(dir, store.System{Sync: func(*os.File) error { return nil }}, slog.New(slog.DiscardHandler), func() time.Time { return *now })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	cfg := &config.Config{Ledger: config.Ledger{RowsMonths: 12}}
	return l, &keeper{
		store: &store.Store{Ledger: l}, config: func() *config.Config { return cfg },
		running: func() time.Duration { return now.Sub(begin) },
	}
}

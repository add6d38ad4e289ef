package main

import (
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"siprecd/cmd/siprecd/config"
	"siprecd/policy"
	"siprecd/store"
)

// keeperAt is one whose clock others prove.
func keeperAt(t *testing.T, s *store.Store, now *time.Time) *keeper {
	t.Helper()
	cfg, problems := config.Load("")
	if cfg == nil {
		t.Fatal(problems)
	}
	begin := now.AddDate(0, 0, -1)
	return &keeper{
		store: s, config: func() *config.Config { return cfg }, now: func() time.Time { return *now },
		running: func() time.Duration { return now.Sub(begin) },
		proofs:  func() []policy.Proof { return []policy.Proof{{Name: "ntp"}, {Name: "witness"}} },
		failed:  func(what string, err error) { t.Errorf("%s: %v", what, err) },
	}
}

func sealedThrough(t *testing.T, s *store.Store, now time.Time, dies store.Day) *store.Row {
	t.Helper()
	row := &store.Row{ID: store.NewID(now), State: store.Sealed, Start: now, End: now, Extension: "2001", Dies: dies}
	if err := s.Seal(t.Context(), row, "wav", func(w io.Writer) error { _, err := io.WriteString(w, "RIFF"); return err }); err != nil {
		t.Fatal(err)
	}
	return row
}

// TestConfirmedIsWhatHasCome: who confirms days to come would switch the guards
// off for the rest of the run.
func TestConfirmedIsWhatHasCome(t *testing.T) {
	s, _ := emptyStore(t)
	now := time.Date(2126, 11, 23, 10, 5, 0, 0, time.UTC)
	k := keeperAt(t, s, &now)
	if err := k.confirm("2199-12-31"); err == nil || !strings.Contains(err.Error(), "has not come") {
		t.Errorf("a day far ahead: %v", err)
	}
	leaves := s.Ledger.Size()
	if err := k.confirm(k.today()); err != nil || s.Ledger.Size() != leaves+1 {
		t.Errorf("today: %v, %d leaves more", err, s.Ledger.Size()-leaves)
	}
}

// TestReleasedDiesTheNextNight is released at ten in the morning, long after its
// day.
func TestReleasedDiesTheNextNight(t *testing.T) {
	s, _ := emptyStore(t)
	now := time.Date(2126, 11, 23, 10, 5, 0, 0, time.UTC)
	k := keeperAt(t, s, &now)
	row := sealedThrough(t, s, now, "2126-11-25")
	order := store.Hold{Reason: "dispute", Document: "17", By: "kim", Until: "2127-12-20"}
	if _, err := s.Hold(t.Context(), row.ID, order, k.today()); err != nil {
		t.Fatal(err)
	}
	state := func() store.State {
		t.Helper()
		if _, err := k.night(t.Context()); err != nil {
			t.Fatal(err)
		}
		row, err := s.Catalog.Get(t.Context(), row.ID)
		if err != nil {
			t.Fatal(err)
		}
		return row.State
	}
	now = now.AddDate(0, 0, 10)
	if got := state(); got != store.Sealed {
		t.Fatalf("held, it is %s", got)
	}
	if _, err := s.Release(t.Context(), row.ID, k.today()); err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Minute)
	if got := state(); got != store.Sealed {
		t.Errorf("a minute after its release it is %s", got)
	}
	now = now.Add(14 * time.Hour)
	if got := state(); got != store.Deleted {
		t.Errorf("in the next night it is %s", got)
	}
	if v, err := s.Verify(t.Context(), store.VerifyOptions{}); err != nil || len(v.Findings) > 0 {
		t.Errorf("%+v %v", v.Findings, err)
	}
}

// TestAHoldThatIsOverKeepsNobodyFromDeleting
func TestAHoldThatIsOverKeepsNobodyFromDeleting(t *testing.T) {
	s, _ := emptyStore(t)
	now := time.Date(2126, 11, 23, 10, 5, 0, 0, time.UTC)
	k := keeperAt(t, s, &now)
	row := sealedThrough(t, s, now, "2126-11-25")
	if _, err := s.Hold(t.Context(), row.ID, store.Hold{Reason: "dispute", Document: "17", By: "kim", Until: "2126-11-28"}, k.today()); err != nil {
		t.Fatal(err)
	}
	remove := func() error {
		r := httptest.NewRequest("POST", "/delete/"+row.ID+"?why=error", nil)
		r.SetPathValue("id", row.ID)
		_, err := (&desk{store: s, keeper: k}).delete(r)
		return err
	}
	if err := remove(); err == nil || !strings.Contains(err.Error(), "held until 2126-11-28 (17)") {
		t.Errorf("held: %v", err)
	}
	now = now.AddDate(0, 0, 5)
	if err := remove(); err != nil {
		t.Errorf("its hold is over: %v", err)
	}
}

// TestThePlanShowsAllThatDies has a row of a day of which no keys are here, as
// after a restore without them.
func TestThePlanShowsAllThatDies(t *testing.T) {
	s, _ := emptyStore(t)
	now := time.Date(2126, 11, 23, 10, 5, 0, 0, time.UTC)
	k := keeperAt(t, s, &now)
	row := &store.Row{ID: store.NewID(now), State: store.NotRecorded, Start: now, End: now, Extension: "2001", Dies: k.today()}
	if err := s.Record(t.Context(), row); err != nil {
		t.Fatal(err)
	}
	held := sealedThrough(t, s, now, "2126-11-25")
	if _, err := s.Hold(t.Context(), held.ID, store.Hold{Reason: "dispute", Document: "17", By: "kim", Until: "2127-11-28"}, k.today()); err != nil {
		t.Fatal(err)
	}
	plan, err := (&desk{store: s, keeper: k}).retentionPlan(httptest.NewRequest("GET", "/retention?days=30", nil))
	if err != nil {
		t.Fatal(err)
	}
	var days []store.Day
	for _, n := range plan.(retentionPlan).Nights {
		days = append(days, n.Day)
	}
	if len(days) != 2 || days[0] != k.today() || days[1] != "2126-11-25" {
		t.Errorf("the plan has %v", days)
	}
	deaths, err := k.night(t.Context())
	if err != nil || len(deaths) != 1 || deaths[0].Day != days[0] {
		t.Errorf("died: %+v %v", deaths, err)
	}
}

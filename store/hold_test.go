package store

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

var order = Hold{Reason: "dispute", Document: "감사-17", By: "kim", Until: "2027-03-01"}

// someDay is one on which nothing of these tests is over.
const someDay Day = "2026-12-01"

// TestHoldOnTheLastDay is placed a moment before a day dies, and ends by itself.
func TestHoldOnTheLastDay(t *testing.T) {
	s := openStore(t, t.TempDir(), unsyncedSystem())
	held, other := sealedOn(t, s, "2027-02-22"), sealedOn(t, s, "2027-02-22")
	row, err := s.Hold(t.Context(), held.ID, order, "2027-02-21")
	check(t, err)
	if row.Hold.Until != "2027-03-01" {
		t.Errorf("held: %+v", row.Hold)
	}
	deaths, err := s.RetireDay(t.Context(), "2027-02-22", "2027-02-22")
	check(t, err)
	if !slices.Equal(deaths.Retired, []string{other.ID}) || !slices.Equal(deaths.Held, []string{held.ID}) {
		t.Errorf("deaths %+v", deaths)
	}
	for day, due := range map[Day]bool{"2027-02-22": false, "2027-02-28": false, "2027-03-01": true} {
		days, err := s.DueDays(t.Context(), day)
		check(t, err)
		if due != slices.Contains(days, "2027-02-22") {
			t.Errorf("on %s due are %v", day, days)
		}
	}
	// Released before, it dies the next night, and not on the day itself.
	_, err = s.Release(t.Context(), held.ID, "2027-02-22")
	check(t, err)
	if days, err := s.DueDays(t.Context(), "2027-02-22"); err != nil || len(days) != 0 {
		t.Errorf("released today, due are %v %v", days, err)
	}
	if days, err := s.DueDays(t.Context(), "2027-02-23"); err != nil || len(days) != 1 {
		t.Errorf("released, due are %v %v", days, err)
	}
	deaths, err = s.RetireDay(t.Context(), "2027-02-22", "2027-02-23")
	check(t, err)
	if !deaths.Gone || !slices.Equal(deaths.Retired, []string{held.ID}) {
		t.Errorf("deaths %+v", deaths)
	}
}

func TestHoldsThatKeepNothingAreRefused(t *testing.T) {
	s := openStore(t, t.TempDir(), unsyncedSystem())
	gone, ended, half, alive := sealedOn(t, s, "2027-02-22"), sealedOn(t, s, "2027-02-25"), sealedOn(t, s, "2027-02-25"), sealedOn(t, s, "2027-02-25")
	_, err := s.RetireDay(t.Context(), "2027-02-22", "2027-02-22")
	check(t, err)
	check(t, s.Retire(t.Context(), ended, "consent refused", someDay))
	check(t, s.Keys.DestroyHeader(half.Dies, half.ID)) // as a crash in a death leaves it
	for name, id := range map[string]string{"a dead day": gone.ID, "ended": ended.ID, "its header is gone": half.ID} {
		if _, err := s.Hold(t.Context(), id, order, "2027-02-22"); !errors.Is(err, ErrDead) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, tc := range map[string]struct{ until, today Day }{
		"not beyond its day": {"2027-02-25", "2027-02-22"},
		"over already":       {"2027-02-26", "2027-02-26"},
		"no day":             {"2027-2-30", "2027-02-22"},
	} {
		h := order
		h.Until = tc.until
		if _, err := s.Hold(t.Context(), alive.ID, h, tc.today); err == nil {
			t.Errorf("%s: held", name)
		}
	}
	if _, err := s.Hold(t.Context(), alive.ID, Hold{Until: "2027-03-01"}, "2027-02-22"); err == nil {
		t.Error("held without a reason")
	}
}

// TestWhatHappensWhileARecordingIsRendered holds one waiting recording and ends
// another while they are rendered: the hold stays, the dead stays dead.
func TestWhatHappensWhileARecordingIsRendered(t *testing.T) {
	s := openStore(t, t.TempDir(), unsyncedSystem())
	waiting := func() *Row {
		row := sealedOn(t, s, "2027-02-22")
		row.State, row.File = Waiting, ""
		check(t, s.Catalog.Put(t.Context(), row))
		rendered := *row
		rendered.State = Sealed
		return &rendered
	}
	held := waiting()
	check(t, s.Seal(t.Context(), held, "wav", func(w io.Writer) error {
		_, err := s.Hold(t.Context(), held.ID, order, "2026-12-01")
		return errors.Join(err, writeBody(w))
	}))
	if now, err := s.Catalog.Get(t.Context(), held.ID); err != nil || now.Hold == nil || now.State != Sealed {
		t.Errorf("the hold is lost: %+v %v", now, err)
	}
	ended := waiting()
	err := s.Seal(t.Context(), ended, "wav", func(w io.Writer) error {
		now, err := s.Catalog.Get(t.Context(), ended.ID)
		check(t, err)
		return errors.Join(err, s.Retire(t.Context(), now, "consent refused", someDay), writeBody(w))
	})
	if !errors.Is(err, ErrDead) {
		t.Errorf("sealed after its end: %v", err)
	}
	if _, err := s.Keys.Header(ended.Dies, ended.ID); !errors.Is(err, ErrDead) {
		t.Errorf("its header is there again: %v", err)
	}
	if now, err := s.Catalog.Get(t.Context(), ended.ID); err != nil || now.State != Deleted {
		t.Errorf("its row: %+v %v", now, err)
	}
}

// TestRowsWithoutKeysDieToo are of a backup that was restored without its keys:
// no day's secret is there, their numbers and names are.
func TestRowsWithoutKeysDieToo(t *testing.T) {
	s := openStore(t, t.TempDir(), unsyncedSystem())
	row := &Row{ID: NewID(noon), State: NotRecorded, Start: noon, Extension: "2003", Other: "0105550101", Dies: "2027-02-22"}
	check(t, s.Record(t.Context(), row))
	if days, err := s.DueDays(t.Context(), "2027-02-21"); err != nil || len(days) != 0 {
		t.Errorf("due the day before: %v %v", days, err)
	}
	days, err := s.DueDays(t.Context(), "2027-03-05")
	check(t, err)
	if !slices.Equal(days, []Day{"2027-02-22"}) {
		t.Fatalf("due: %v", days)
	}
	_, err = s.RetireDay(t.Context(), days[0], "2027-03-05")
	check(t, err)
	if now, err := s.Catalog.Get(t.Context(), row.ID); err != nil || now.State != Deleted || now.Other != "" {
		t.Errorf("%+v %v", now, err)
	}
	if days, err := s.DueDays(t.Context(), "2027-03-05"); err != nil || len(days) != 0 {
		t.Errorf("due again: %v %v", days, err)
	}
}

// TestNothingHeldIsEnded places a hold behind the back of who looked before, and
// takes one out of the catalogue, as an editor of its file would.
func TestNothingHeldIsEnded(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, unsyncedSystem())
	looked, edited := sealedOn(t, s, "2027-02-22"), sealedOn(t, s, "2027-02-22")
	for _, row := range []*Row{looked, edited} {
		_, err := s.Hold(t.Context(), row.ID, order, someDay)
		check(t, err)
	}
	if err := s.Retire(t.Context(), looked, "error", someDay); !errors.Is(err, ErrHeld) {
		t.Errorf("ended while it was held: %v", err)
	}
	row, err := s.Catalog.Get(t.Context(), edited.ID)
	check(t, err)
	row.Hold = nil
	check(t, s.Catalog.Put(t.Context(), row))
	deaths, err := s.RetireDay(t.Context(), "2027-02-22", "2027-02-22")
	check(t, err)
	if len(deaths.Held) != 2 || len(deaths.Retired) != 0 {
		t.Errorf("deaths %+v", deaths)
	}
	if row, err = s.Catalog.Get(t.Context(), edited.ID); err != nil || row.Hold == nil {
		t.Errorf("its row: %+v %v", row, err)
	}
	// The hold over, nothing stands against it.
	check(t, s.Retire(t.Context(), looked, "error", order.Until))
}

// TestReasonsAreNotInLeaves ends a recording for a reason that names somebody.
func TestReasonsAreNotInLeaves(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, unsyncedSystem())
	check(t, s.Retire(t.Context(), sealedOn(t, s, "2027-02-22"), "consent refused by 0105550101", someDay))
	check(t, s.Close())
	leaves, err := os.ReadFile(filepath.Join(dir, ledgerDir, leavesFile))
	check(t, err)
	if bytes.Contains(leaves, []byte("0105550101")) || !bytes.Contains(leaves, []byte(EventDeleted)) {
		t.Error("the leaf names somebody, or there is none")
	}
	rows, err := filepath.Glob(filepath.Join(dir, ledgerDir, rowsDir, "*"))
	check(t, err)
	readable, err := os.ReadFile(rows[0])
	check(t, err)
	if !bytes.Contains(readable, []byte("0105550101")) {
		t.Error("the reason is not beside it")
	}
}

package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// ending is what a daemon did to recordings until the power went: one is held
// while its day dies, and released; one dies with the day; one is ended before it.
type ending struct {
	dir               string
	r                 *recorder
	held, dies, ended *Row
	day               Day
	begun             map[string]int // at which operation each thing was begun
}

func (e *ending) does(what string, do func() error) error {
	e.begun[what] = len(e.r.log)
	if err := do(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	e.r.done(what)
	return nil
}

func endings(t *testing.T) *ending {
	e := &ending{dir: filepath.Join(t.TempDir(), "data"), r: newRecorder(), day: "2027-02-22", begun: make(map[string]int)}
	s, err := Open(Options{Dir: e.dir, SyncEvery: time.Hour, System: e.r.system(), unsynced: true})
	check(t, err)
	defer s.Close()
	check(t, s.Recover(t.Context()))
	e.held, e.dies, e.ended = sealedOn(t, s, e.day), sealedOn(t, s, e.day), sealedOn(t, s, "2027-02-25")
	_, err = s.Ledger.Checkpoint()
	check(t, err)
	check(t, e.does("hold", func() error { _, err := s.Hold(t.Context(), e.held.ID, order, "2027-02-21"); return err }))
	check(t, e.does("end", func() error { return s.Retire(t.Context(), e.ended, "consent refused", someDay) }))
	check(t, e.does("death", func() error { _, err := s.RetireDay(t.Context(), e.day, e.day); return err }))
	check(t, e.does("release", func() error { _, err := s.Release(t.Context(), e.held.ID, "2027-02-22"); return err }))
	check(t, e.does("second death", func() error { _, err := s.RetireDay(t.Context(), e.day, "2027-02-23"); return err }))
	return e
}

// TestPowerCutInHoldsAndDeaths has the power go at every point of these. What was
// done is done, what was not begun has not happened, and what was under way is
// brought to its end by the next night, or by being asked for again.
func TestPowerCutInHoldsAndDeaths(t *testing.T) {
	withoutRaces(t)
	t.Parallel()
	e := endings(t)
	first := e.begun["hold"]
	if len(e.r.log)-first < 60 {
		t.Fatalf("only %d operations recorded", len(e.r.log)-first)
	}
	for n := first; n < len(e.r.log); n++ {
		for name, fate := range fates(uint64(n)) {
			if !e.r.log[n].differs(name) {
				continue
			}
			dir := scratch(t)
			cut{e.r.log[:n+1], fate}.lay(t, dir)
			s, err := Open(Options{Dir: filepath.Join(dir, e.dir), SyncEvery: time.Hour, System: unsyncedSystem(), unsynced: true})
			check(t, err)
			check(t, s.Recover(t.Context()))
			if err := e.check(t, s, n); err != nil {
				t.Fatalf("cut after operation %d (%s %s), unsynced %s: %v", n, e.r.log[n].kind, e.r.log[n].path, name, err)
			}
			check(t, s.Close())
			check(t, os.RemoveAll(dir))
		}
	}
}

// check looks at what is left after a cut behind operation n.
func (e *ending) check(t *testing.T, s *Store, n int) error {
	done := make(map[string]bool)
	for _, op := range e.r.log[:n+1] {
		done[op.path] = done[op.path] || op.kind == "done"
	}
	begun := func(what string) bool { return e.begun[what] <= n }
	opens := func(row *Row) bool { _, err := s.Keys.Header(row.Dies, row.ID); return err == nil }
	kept := func(row *Row) bool {
		now, err := s.Catalog.Get(t.Context(), row.ID)
		return err == nil && now.State == Sealed && opens(row)
	}
	for _, c := range []struct {
		wrong bool
		what  string
	}{
		{!begun("death") && !kept(e.dies), "the recording of a day that had not died is gone"},
		{!begun("end") && !kept(e.ended), "the recording that nobody had ended is gone"},
		{!begun("second death") && !kept(e.held), "the held recording is gone"},
		{done["death"] && opens(e.dies), "what died with its day opens"},
		{done["end"] && opens(e.ended), "what was ended opens"},
		{done["second death"] && (opens(e.held) || !s.Keys.over(e.day)), "what was released opens, or the day's secret is there"},
	} {
		if c.wrong {
			return errors.New(c.what)
		}
	}
	if done["hold"] && !begun("release") {
		if now, err := s.Catalog.Get(t.Context(), e.held.ID); err != nil || now.Hold == nil {
			return fmt.Errorf("the hold is lost: %+v %w", now, err)
		}
	}
	return e.goOn(t, s, begun, done)
}

// goOn does again what was under way, and verifies.
func (e *ending) goOn(t *testing.T, s *Store, begun func(string) bool, done map[string]bool) error {
	if begun("end") && !done["end"] {
		row, err := s.Catalog.Get(t.Context(), e.ended.ID)
		if errors.Is(err, ErrNotFound) {
			row, err = e.ended, nil
		}
		check(t, errors.Join(err, s.Retire(t.Context(), row, "consent refused", someDay)))
	}
	if begun("death") {
		today := e.day
		if begun("second death") {
			today = "2027-02-23"
		}
		due, err := s.DueDays(t.Context(), today)
		check(t, err)
		for _, d := range due {
			_, err := s.RetireDay(t.Context(), d, today)
			check(t, err)
		}
	}
	_, err := s.Ledger.Checkpoint()
	check(t, err)
	v, err := s.Verify(t.Context(), VerifyOptions{})
	check(t, err)
	for _, f := range v.Findings {
		if f.Subject != "" {
			return fmt.Errorf("verify: %+v", f)
		}
	}
	return nil
}

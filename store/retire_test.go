package store

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// sealed seals one recording that dies on d.
func sealedOn(t testing.TB, s *Store, d Day) *Row {
	t.Helper()
	row := sealRow(NewID(noon))
	row.Dies = d
	row.Participants = []Participant{{AOR: "sip:0105550101@example.org", Number: "0105550101", Name: "홍길동"}}
	check(t, s.Seal(t.Context(), row, "wav", writeBody))
	return row
}

func TestADayDies(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, unsyncedSystem())
	first, held, later := sealedOn(t, s, "2027-02-22"), sealedOn(t, s, "2027-02-22"), sealedOn(t, s, "2027-02-23")
	unrecorded := &Row{ID: NewID(noon), State: NotRecorded, Start: noon, Extension: "2003", Other: "0105550101", Dies: "2027-02-22"}
	check(t, s.Record(t.Context(), unrecorded))
	held.Hold = &Hold{Reason: "dispute", Document: "감사-17", By: "kim", Until: "2027-03-01"}
	check(t, s.Record(t.Context(), held))

	if days, err := s.DueDays(t.Context(), "2027-02-21"); err != nil || len(days) != 0 {
		t.Errorf("due on the 21st: %v %v", days, err)
	}
	days, err := s.DueDays(t.Context(), "2027-02-22")
	check(t, err)
	if !slices.Equal(days, []Day{"2027-02-22"}) {
		t.Fatalf("due %v", days)
	}
	deaths, err := s.RetireDay(t.Context(), "2027-02-22", "2027-02-22")
	check(t, err)
	if len(deaths.Retired) != 2 || !slices.Equal(deaths.Held, []string{held.ID}) || deaths.Gone {
		t.Errorf("deaths %+v", deaths)
	}
	if _, err := s.OpenAudio(t.Context(), first); !errors.Is(err, ErrNotFound) && !errors.Is(err, ErrDead) {
		t.Errorf("a dead recording: %v", err)
	}
	for _, row := range []*Row{held, later} {
		a, err := s.OpenAudio(t.Context(), row)
		check(t, err)
		a.Close()
	}
	rest, err := s.Catalog.Get(t.Context(), first.ID)
	check(t, err)
	if rest.State != Deleted || rest.SHA256 != first.SHA256 || rest.Other != "" || len(rest.Participants) != 0 {
		t.Errorf("what is left of the row: %+v", rest)
	}
	// The hold ends by itself.
	deaths, err = s.RetireDay(t.Context(), "2027-02-22", "2027-03-01")
	check(t, err)
	if !deaths.Gone || !slices.Equal(deaths.Retired, []string{held.ID}) {
		t.Errorf("deaths %+v", deaths)
	}
	if days, err := s.DueDays(t.Context(), "2027-02-22"); err != nil || len(days) != 0 {
		t.Errorf("still due: %v %v", days, err)
	}
	check(t, s.Retire(t.Context(), later, "consent refused", someDay))
	if _, err := s.OpenAudio(t.Context(), later); err == nil {
		t.Error("a recording that was ended early opens")
	}
	for row, err := range s.Catalog.Find(t.Context(), Query{Number: "0105550101"}) {
		t.Errorf("found by number: %+v %v", row, err)
	}
	for _, name := range filesOf(t, filepath.Join(dir, vaultDir)) {
		t.Errorf("left in the vault: %s", name)
	}
}

// TestBackupOfTheVaultDoesNotOpen copies everything but the keys the day before,
// and puts it back the day after.
func TestBackupOfTheVaultDoesNotOpen(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, unsyncedSystem())
	row := sealedOn(t, s, "2027-02-22")
	ids, err := s.Keys.Identity("first", nil)
	check(t, err)
	body, err := os.ReadFile(filepath.Join(dir, row.File))
	check(t, err)
	before := *row

	_, err = s.RetireDay(t.Context(), "2027-02-22", "2027-02-22")
	check(t, err)
	check(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, before.File)), 0o700))
	check(t, os.WriteFile(filepath.Join(dir, before.File), body, 0o600))
	check(t, s.Keys.Unlock(ids, noon.AddDate(10, 0, 0)))
	if _, err := s.OpenAudio(t.Context(), &before); !errors.Is(err, ErrDead) {
		t.Errorf("restored with every custodian's identity in hand: %v", err)
	}
	if bytes.Contains(body, []byte("sealedsealed")) {
		t.Error("the backup itself is in clear")
	}
}

// TestDeathIsCompletedAfterACrash lets every operation of a day's death fail
// once; the next night completes it.
func TestDeathIsCompletedAfterACrash(t *testing.T) {
	for n := int64(1); ; n++ {
		dir := t.TempDir()
		f := &faults{err: errors.New("cut")}
		s := openStore(t, dir, f.system())
		s.Catalog = faultyCatalog{s.Catalog, f}
		row := sealedOn(t, s, "2027-02-22")
		f.left.Store(n)
		_, err := s.RetireDay(t.Context(), "2027-02-22", "2027-02-22")
		over := f.left.Load() > 0
		f.left.Store(0)
		s.Close()
		if over {
			check(t, err)
		}
		s = openStore(t, dir, unsyncedSystem())
		check(t, s.Recover(t.Context()))
		days, err := s.DueDays(t.Context(), "2027-02-22")
		check(t, err)
		for _, d := range days {
			if _, err := s.RetireDay(t.Context(), d, "2027-02-22"); err != nil {
				t.Errorf("operation %d: %v", n, err)
			}
		}
		rest, err := s.Catalog.Get(t.Context(), row.ID)
		if err != nil || rest.State != Deleted || rest.Other != "" {
			t.Errorf("operation %d: the row is %+v, %v", n, rest, err)
		}
		for _, name := range filesOf(t, dir) {
			if strings.HasSuffix(name, ".body") || strings.Contains(name, headersDir+"/") {
				t.Errorf("operation %d: left: %s", n, name)
			}
		}
		check(t, s.Close())
		if over {
			if n < 12 {
				t.Errorf("a death of %d operations: are they counted?", n-1)
			}
			return
		}
	}
}

// TestCompactForgets searches the catalogue's file for the numbers of a
// recording that was ended.
func TestCompactForgets(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, unsyncedSystem())
	row, stays := sealedOn(t, s, "2027-02-22"), sealedOn(t, s, "2027-02-23")
	check(t, s.Retire(t.Context(), row, "consent refused", someDay))
	stays.Participants = nil
	stays.Other, stays.Extension = "0105550199", "2044"
	check(t, s.Record(t.Context(), stays))
	check(t, s.Compact(t.Context()))
	b, err := os.ReadFile(filepath.Join(dir, "catalogue.db"))
	check(t, err)
	for _, gone := range []string{"0105550101", "홍길동"} {
		if bytes.Contains(b, []byte(gone)) {
			t.Errorf("the catalogue's file still holds %s", gone)
		}
	}
	if n, err := s.Catalog.Count(t.Context(), Query{}); err != nil || n != 2 {
		t.Errorf("%d rows, %v", n, err)
	}
	if !bytes.Contains(b, []byte("0105550199")) {
		t.Error("and it lost what lives")
	}
}

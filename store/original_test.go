package store

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// sealedWithOriginal seals a recording and keeps a tape of three records.
func sealedWithOriginal(t testing.TB, s *Store, d Day) *Row {
	t.Helper()
	row := sealRow(NewID(noon))
	row.Dies = d
	tape, err := s.NewTape(row.ID, "", false)
	check(t, err)
	for i := range 3 {
		tape.Append(uint8(2+i), noon.UnixNano()+int64(i), 7, bytes.Repeat([]byte{'p'}, 3000*i))
	}
	check(t, tape.Close())
	check(t, s.KeepOriginal(t.Context(), row))
	check(t, s.Seal(t.Context(), row, "wav", writeBody))
	return row
}

func TestOriginalIsKeptAndDiesWithItsRecording(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, unsyncedSystem())
	first, held, early := sealedWithOriginal(t, s, "2027-02-22"), sealedWithOriginal(t, s, "2027-02-22"), sealedWithOriginal(t, s, "2027-02-23")
	open, kept, err := s.OpenOriginal(t.Context(), first)
	check(t, err)
	for range 2 {
		n := 0
		for rec, err := range open() {
			check(t, err)
			if rec.Kind != uint8(2+n) || rec.Line != 7 || rec.At != noon.UnixNano()+int64(n) || len(rec.Data) != 3000*n {
				t.Errorf("record %d: %d %d %d, %d bytes", n, rec.Kind, rec.Line, rec.At, len(rec.Data))
			}
			n++
		}
		if n != 3 {
			t.Errorf("%d records", n)
		}
	}
	check(t, kept.Close())
	b, err := os.ReadFile(filepath.Join(dir, first.Original.File))
	check(t, err)
	if bytes.Contains(b, []byte("pppp")) || int64(len(b)) != first.Original.SealedBytes {
		t.Errorf("the original of %d bytes: in clear?", len(b))
	}

	held.Hold = &Hold{Reason: "dispute", Document: "17", By: "kim", Until: "2027-03-01"}
	check(t, s.Record(t.Context(), held))
	check(t, s.Retire(t.Context(), early, "consent refused", someDay))
	_, err = s.RetireDay(t.Context(), "2027-02-22", "2027-02-22")
	check(t, err)
	for _, row := range []*Row{first, early} {
		if _, _, err := s.OpenOriginal(t.Context(), &Row{ID: row.ID, Dies: row.Dies, Original: first.Original}); !errors.Is(err, ErrNotFound) && !errors.Is(err, ErrDead) {
			t.Errorf("of a dead recording: %v", err)
		}
	}
	_, kept, err = s.OpenOriginal(t.Context(), held)
	check(t, err)
	check(t, kept.Close())
	if n := len(filesOf(t, filepath.Join(dir, originalsDir))); n != 1 {
		t.Errorf("%d originals are left", n)
	}
	deaths, err := s.RetireDay(t.Context(), "2027-02-22", "2027-03-01")
	check(t, err)
	if left := filesOf(t, filepath.Join(dir, originalsDir)); !deaths.Gone || len(left) != 0 {
		t.Errorf("%+v, left %v", deaths, left)
	}
}

func TestVerifyLooksAtOriginals(t *testing.T) {
	for what, do := range map[string]func(path string) error{
		"":        func(string) error { return nil },
		"missing": os.Remove,
		"altered": func(path string) error { return os.Truncate(path, 100) },
	} {
		dir := t.TempDir()
		s := openStore(t, dir, unsyncedSystem())
		row := sealedWithOriginal(t, s, "2027-02-22")
		check(t, s.Close())
		check(t, do(filepath.Join(dir, row.Original.File)))
		v := verified(t, dir)
		if want := min(len(what), 1); len(v.Findings) != want || want == 1 && v.Findings[0].What != what {
			t.Errorf("%q: %+v", what, v.Findings)
		}
	}
}

package store

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestRecoverMakesARowForABodyWithoutFacts(t *testing.T) {
	for name, spoil := range map[string]func(path string) error{
		"gone":       os.Remove,
		"half":       func(path string) error { return os.Truncate(path, 20) },
		"of another": func(path string) error { return os.WriteFile(path, []byte(`{"id":"x"}`), 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := openStore(t, dir, System{})
			row := sealRow(NewID(noon))
			check(t, s.Seal(t.Context(), row, "wav", writeBody))
			check(t, s.Close())
			check(t, spoil(filepath.Join(dir, "vault/2026/03/01", row.ID+".json")))
			check(t, os.Remove(filepath.Join(dir, "catalogue.db")))
			s = openStore(t, dir, System{})
			check(t, s.Recover(t.Context()))
			got, err := s.Catalog.Get(t.Context(), row.ID)
			check(t, err)
			if got.SealedSHA256 != row.SealedSHA256 || got.SealedSHA256 == "" || got.Dies != row.Dies || got.File != row.File || !got.Start.Equal(noon) || len(got.Notes) != 1 {
				t.Errorf("row %+v", got)
			}
		})
	}
}

func TestRecoverLooksOnlyAtDaysThatChanged(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, System{})
	row := sealRow(NewID(noon))
	check(t, s.Seal(t.Context(), row, "wav", writeBody))
	check(t, s.Recover(t.Context()))
	day := filepath.Join(dir, "vault/2026/03/01")
	forgotten := func(changed time.Time) error {
		check(t, s.Catalog.Delete(t.Context(), row.ID))
		check(t, os.Chtimes(day, changed, changed))
		check(t, s.Recover(t.Context()))
		_, err := s.Catalog.Get(t.Context(), row.ID)
		return err
	}
	if err := forgotten(time.Now().Add(-time.Hour)); err != nil {
		t.Errorf("changed an hour ago: %v", err)
	}
	if err := forgotten(time.Now().Add(-48 * time.Hour)); err == nil {
		t.Error("changed long before the last Recover: looked at again")
	}
}

package store

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"
)

func TestSealAndFind(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, System{})
	tape := newTape(t, s, false)
	check(t, tape.Close())
	row := &Row{ID: tape.id, State: Sealed, Start: noon, Extension: "2001", Participants: []Participant{}, Dies: "2026-05-31"}
	body := func(w io.Writer) error { _, err := io.WriteString(w, "RIFF"); return err }
	check(t, s.Seal(t.Context(), row, "wav", body))
	again := &Row{ID: tape.id, State: Sealed, Start: noon, Extension: "2001", Dies: "2026-05-31"}
	check(t, s.Seal(t.Context(), again, "wav", body))
	if row.File != "vault/2026/03/01/"+row.ID+".body" || row.Bytes != 4 || len(row.SHA256) != 64 {
		t.Errorf("row %+v", row)
	}
	if again.SHA256 != row.SHA256 {
		t.Error("sealed again with another sum")
	}
	left, err := s.Leftovers()
	check(t, err)
	if len(left) != 0 {
		t.Errorf("leftovers %v", left)
	}
	none := &Row{ID: NewID(noon), State: NotRecorded, Start: noon, Extension: "2003"}
	check(t, s.Record(t.Context(), none))
	check(t, s.Close())

	check(t, os.WriteFile(filepath.Join(dir, "catalogue.db"), bytes.Repeat([]byte("rot"), 20_000), 0o600))
	s = openStore(t, dir, System{})
	for _, id := range []string{row.ID, none.ID} {
		if _, err := s.Catalog.Get(t.Context(), id); err != nil {
			t.Errorf("after the rebuild: %v", err)
		}
	}
}

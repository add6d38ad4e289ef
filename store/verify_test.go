package store

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// verified runs Verify on a store that is not open to writers.
func verified(t testing.TB, dir string) Verification {
	t.Helper()
	s := openStore(t, dir, unsyncedSystem())
	defer s.Close()
	_, err := s.Ledger.Checkpoint()
	check(t, err)
	v, err := s.Verify(t.Context(), VerifyOptions{})
	check(t, err)
	return v
}

func TestVerifyFindsWhatWasDone(t *testing.T) {
	for name, tc := range map[string]struct {
		do   func(path string) error
		what string
	}{
		"nothing": {func(string) error { return nil }, ""},
		"altered": {func(path string) error {
			b, err := os.ReadFile(path)
			b[len(b)/2] ^= 1
			return firstError(err, os.WriteFile(path, b, 0o600))
		}, "altered"},
		"cut":     {func(path string) error { return os.Truncate(path, 100) }, "altered"},
		"removed": {os.Remove, "missing"},
		"put in": {func(path string) error {
			b, err := os.ReadFile(path)
			return firstError(err, os.WriteFile(filepath.Join(filepath.Dir(path), NewID(noon)+".body"), b, 0o600))
		}, "added"},
		"other facts": {func(path string) error {
			path = path[:len(path)-len(".body")] + ".json"
			b, err := os.ReadFile(path)
			return firstError(err, os.WriteFile(path, bytes.Replace(b, []byte("0105550101"), []byte("0105550102"), 1), 0o600))
		}, "altered"},
		"facts of another call": {func(path string) error {
			path = path[:len(path)-len(".body")] + ".json"
			b, err := os.ReadFile(path)
			id := strings.TrimSuffix(filepath.Base(path), ".json")
			another := NewID(noon)
			return firstError(err, os.WriteFile(filepath.Join(filepath.Dir(path), another+".json"), bytes.ReplaceAll(b, []byte(id), []byte(another)), 0o600))
		}, "added"},
		"without header": {func(path string) error { return os.Remove(headerBeside(path)) }, "missing"},
		"header altered": {func(path string) error {
			b, err := os.ReadFile(headerBeside(path))
			b[len(b)-1] ^= 1
			return firstError(err, os.WriteFile(headerBeside(path), b, 0o600))
		}, "altered"},
		"without facts": {func(path string) error { return os.Remove(path[:len(path)-len(".body")] + ".json") }, "missing"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := openStore(t, dir, unsyncedSystem())
			var rows []*Row
			for range 3 {
				rows = append(rows, sealedOn(t, s, "2027-02-22"))
			}
			ended := sealedOn(t, s, "2027-02-23")
			check(t, s.Retire(t.Context(), ended, "error", someDay))
			check(t, s.Close())
			check(t, tc.do(filepath.Join(dir, rows[1].File)))
			v := verified(t, dir)
			if tc.what == "" {
				if len(v.Findings) != 0 || v.Recordings != 3 || v.Gone != 1 || v.Rows == 0 {
					t.Errorf("%+v", v)
				}
				return
			}
			if len(v.Findings) != 1 || v.Findings[0].What != tc.what {
				t.Errorf("findings %+v", v.Findings)
			}
		})
	}
}

// headerBeside is where the header of a body lies that dies on 2027-02-22.
func headerBeside(path string) string {
	data := filepath.Join(filepath.Dir(path), "../../../..")
	return filepath.Join(data, keysDir, headersDir, "2027-02-22", strings.TrimSuffix(filepath.Base(path), ".body"))
}

// TestVerifyMissesWhatIsHeld removes one of two held recordings whose day has
// died but for them.
func TestVerifyMissesWhatIsHeld(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, unsyncedSystem())
	held, removed := sealedOn(t, s, "2026-02-22"), sealedOn(t, s, "2026-02-22")
	sealedOn(t, s, "2026-02-22")
	order := order
	order.Until = "2999-01-01"
	for _, row := range []*Row{held, removed} {
		_, err := s.Hold(t.Context(), row.ID, order, "2026-02-21")
		check(t, err)
	}
	_, err := s.RetireDay(t.Context(), "2026-02-22", "2026-02-22")
	check(t, err)
	check(t, s.Close())
	if v := verified(t, dir); len(v.Findings) != 0 || v.Gone != 1 || v.Recordings != 2 {
		t.Errorf("%+v", v)
	}
	check(t, os.Remove(filepath.Join(dir, removed.File)))
	check(t, os.Remove(filepath.Join(dir, strings.TrimSuffix(removed.File, ".body")+".json")))
	if v := verified(t, dir); len(v.Findings) != 1 || v.Findings[0].What != "missing" || v.Findings[0].Subject != removed.ID {
		t.Errorf("findings %+v", v.Findings)
	}
}

// TestEveryFlippedBitOfFactsAndHeaderIsFound changes each bit of what lies beside
// a body, of a call that was not recorded and of one that is held too.
func TestEveryFlippedBitOfFactsAndHeaderIsFound(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, unsyncedSystem())
	row := sealRow(NewID(noon))
	check(t, s.Seal(t.Context(), row, "wav", func(w io.Writer) error {
		_, err := w.Write([]byte("RIFF a small recording"))
		return err
	}))
	_, err := s.Hold(t.Context(), row.ID, order, "2026-05-30")
	check(t, err)
	unrecorded := &Row{ID: NewID(noon), State: NotRecorded, Start: noon, Extension: "2003", Other: "0105550101", Dies: "2026-05-31"}
	check(t, s.Record(t.Context(), unrecorded))
	_, err = s.Ledger.Checkpoint()
	check(t, err)
	_, facts, err := s.Blobs.(*Vault).file(row.File)
	check(t, err)
	day, err := began(unrecorded.ID)
	check(t, err)
	alone, err := s.Blobs.Name(unrecorded.ID, "", day)
	check(t, err)
	_, alone, err = s.Blobs.(*Vault).file(alone)
	check(t, err)
	told := newStatement()
	_, err = VerifyLog(filepath.Join(dir, ledgerDir), told.take)
	check(t, err)
	for path, id := range map[string]string{facts: row.ID, alone: unrecorded.ID, s.Keys.header(row.Dies, row.ID): ""} {
		whole, err := os.ReadFile(path)
		check(t, err)
		for i := range len(whole) * 8 {
			bad := slices.Clone(whole)
			bad[i/8] ^= 1 << (i % 8)
			if id != "" && told.of(id).factsHold(Stored{ID: id, Facts: bad}) == "" {
				t.Errorf("bit %d of byte %d of %s: nothing found", i%8, i/8, path)
			}
			if i%501 != 0 {
				continue
			}
			check(t, os.WriteFile(path, bad, 0o600)) // and as the command looks
			v, err := s.Verify(t.Context(), VerifyOptions{})
			check(t, err)
			if len(v.Findings) == 0 {
				t.Errorf("bit %d of byte %d of %s: nothing found", i%8, i/8, path)
			}
		}
		check(t, os.WriteFile(path, whole, 0o600))
	}
	if v, err := s.Verify(t.Context(), VerifyOptions{}); err != nil || len(v.Findings) != 0 {
		t.Errorf("unharmed: %+v %v", v.Findings, err)
	}
}

func firstError(errs ...error) error {
	i := slices.IndexFunc(errs, func(err error) bool { return err != nil })
	if i < 0 {
		return nil
	}
	return errs[i]
}

// TestEveryFlippedByteOfARecordingIsFound changes each byte of a sealed body and
// of its header, one at a time.
func TestEveryFlippedByteOfARecordingIsFound(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, unsyncedSystem())
	row := sealRow(NewID(noon))
	check(t, s.Seal(t.Context(), row, "wav", func(w io.Writer) error {
		_, err := w.Write([]byte("RIFF a small recording"))
		return err
	}))
	_, err := s.Ledger.Checkpoint()
	check(t, err)
	path := filepath.Join(dir, row.File)
	whole, err := os.ReadFile(path)
	check(t, err)
	for i := range whole {
		bad := slices.Clone(whole)
		bad[i] ^= 0x80
		check(t, os.WriteFile(path, bad, 0o600))
		v, err := s.Verify(t.Context(), VerifyOptions{})
		check(t, err)
		if len(v.Findings) == 0 {
			t.Errorf("byte %d of the body: nothing found", i)
		}
		if a, err := s.OpenAudio(t.Context(), row); err == nil {
			b := make([]byte, a.Size())
			if _, err := a.ReadAt(b, 0); err == nil {
				t.Errorf("byte %d of the body: it plays", i)
			}
			a.Close()
		}
	}
	check(t, os.WriteFile(path, whole, 0o600))
	header := s.Keys.header(row.Dies, row.ID)
	whole, err = os.ReadFile(header)
	check(t, err)
	for i := range whole {
		bad := slices.Clone(whole)
		bad[i] ^= 0x01
		check(t, os.WriteFile(header, bad, 0o600))
		if a, err := s.OpenAudio(t.Context(), row); err == nil {
			a.Close()
			t.Errorf("byte %d of the header: it opens", i)
		}
	}
}

// TestVerifyReadsWhatAHoldKept alters a body that outlived its day, beside one
// that did not.
func TestVerifyReadsWhatAHoldKept(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, unsyncedSystem())
	held, dead := sealedOn(t, s, "2027-02-22"), sealedOn(t, s, "2027-02-22")
	_, err := s.Hold(t.Context(), held.ID, Hold{Reason: "dispute", Document: "2027-3", By: "audit", Until: "2027-06-30"}, "2027-02-21")
	check(t, err)
	died, err := s.RetireDay(t.Context(), "2027-02-22", "2027-02-22")
	check(t, err)
	if died.Gone || !slices.Equal(died.Retired, []string{dead.ID}) {
		t.Fatalf("%+v", died)
	}
	check(t, s.Close())
	if v := verified(t, dir); len(v.Findings) != 0 || v.Recordings != 1 || v.Gone != 1 {
		t.Errorf("%+v", v)
	}
	path := filepath.Join(dir, held.File)
	b, err := os.ReadFile(path)
	check(t, err)
	b[len(b)-1] ^= 1
	check(t, os.WriteFile(path, b, 0o600))
	if v := verified(t, dir); len(v.Findings) != 1 || v.Findings[0].What != "altered" || v.Findings[0].Subject != held.ID {
		t.Errorf("%+v", v)
	}
}

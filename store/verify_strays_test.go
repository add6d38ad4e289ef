package store

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestVerifyFindsWhatDoesNotBelong puts things where none should be, or takes them
// elsewhere, in a store at rest. Before and after, all else holds.
func TestVerifyFindsWhatDoesNotBelong(t *testing.T) {
	type place struct{ dir, body, facts, original string }
	elsewhere := func(name string) string { return strings.Replace(name, "/03/01/", "/03/02/", 1) }
	for name, tc := range map[string]struct {
		do   func(at place) error
		want []string // what and the beginning of where, with * for an id of no matter
	}{
		"nothing": {func(place) error { return nil }, nil},
		"a body twice": {
			func(at place) error { return copyFile(at.body, elsewhere(at.body)) },
			[]string{"added vault/2026/03/02/ID.body"},
		},
		"body and facts in another day": {
			func(at place) error {
				return firstError(moveFile(at.body, elsewhere(at.body)), moveFile(at.facts, elsewhere(at.facts)))
			},
			[]string{"added vault/2026/03/02/ID.body", "missing leaf"},
		},
		"a body under another extension": {
			func(at place) error { return copyFile(at.body, strings.TrimSuffix(at.body, "body")+"wav") },
			[]string{"added vault/2026/03/01/ID.wav"},
		},
		"a body that is a link": {
			func(at place) error {
				return firstError(moveFile(at.body, filepath.Join(at.dir, "elsewhere")), os.Symlink(filepath.Join(at.dir, "elsewhere"), at.body))
			},
			[]string{"altered vault/2026/03/01/ID.body"},
		},
		"spaces behind the facts": {
			func(at place) error { return rewrite(at.facts, func(b []byte) []byte { return append(b, " \n"...) }) },
			[]string{"altered vault/2026/03/01/ID.body"},
		},
		"a field of the facts twice": {
			func(at place) error {
				return rewrite(at.facts, func(b []byte) []byte { return append([]byte(`{"other":"0109999999",`), b[1:]...) })
			},
			[]string{"altered vault/2026/03/01/ID.body"},
		},
		"a text in the vault": {
			func(at place) error {
				return os.WriteFile(filepath.Join(filepath.Dir(at.body), "hello.txt"), nil, 0o600)
			},
			[]string{"added vault/2026/03/01/hello.txt"},
		},
		"a file above the days": {
			func(at place) error { return os.WriteFile(filepath.Join(at.dir, vaultDir, "evil.wav"), nil, 0o600) },
			[]string{"added vault/evil.wav"},
		},
		"a directory in the vault": {
			func(at place) error { return os.MkdirAll(filepath.Join(at.dir, vaultDir, "2026", "spare", "x"), 0o700) },
			[]string{"added vault/2026/spare"},
		},
		"what was begun before the start": {
			func(at place) error {
				part := at.body + partSuffix
				return firstError(os.WriteFile(part, nil, 0o600), os.Chtimes(part, noon, noon))
			},
			[]string{"added vault/2026/03/01/ID.body.part"},
		},
		"what was begun since": {
			func(at place) error {
				later := time.Now().Add(time.Minute)
				return firstError(os.WriteFile(at.body+partSuffix, nil, 0o600), os.Chtimes(at.body+partSuffix, later, later))
			},
			nil,
		},
		"an original of nobody": {
			func(at place) error {
				return copyFile(at.original, filepath.Join(filepath.Dir(at.original), NewID(noon)+".body"))
			},
			[]string{"added originals/vault/2026/03/01/*.body"},
		},
		"an original twice": {
			func(at place) error { return copyFile(at.original, elsewhere(at.original)) },
			[]string{"added originals/vault/2026/03/02/*.body"},
		},
		"an original in another day": {
			func(at place) error { return moveFile(at.original, elsewhere(at.original)) },
			[]string{"added originals/vault/2026/03/02/*.body", "missing leaf"},
		},
		"a text among the originals": {
			func(at place) error {
				return os.WriteFile(filepath.Join(filepath.Dir(at.original), "x.txt"), nil, 0o600)
			},
			[]string{"added originals/vault/2026/03/01/x.txt"},
		},
		"facts of an original": {
			func(at place) error { return copyFile(at.facts, strings.TrimSuffix(at.original, "body")+"json") },
			[]string{"added originals/vault/2026/03/01/*.body"},
		},
		"a tape that is none": {
			func(at place) error {
				return os.WriteFile(filepath.Join(at.dir, "tapes", NewID(noon)+tapeSuffix), bytes.Repeat([]byte("x"), 5000), 0o600)
			},
			[]string{"altered tapes/*.tape"},
		},
		"a tape of what is sealed": {
			func(at place) error {
				id := strings.TrimSuffix(filepath.Base(at.body), ".body")
				later := time.Now().Add(time.Hour) // the newest start
				return firstError(os.WriteFile(filepath.Join(at.dir, "tapes", id+tapeSuffix), newHeader(id), 0o600), os.Chtimes(filepath.Join(at.dir, "lock"), later, later))
			},
			[]string{"added tapes/ID.tape"},
		},
		"another file among the tapes": {
			func(at place) error { return os.WriteFile(filepath.Join(at.dir, "tapes", "x.wav"), nil, 0o600) },
			[]string{"added tapes/x.wav"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := openStore(t, dir, unsyncedSystem())
			row := sealedWithOriginal(t, s, "2027-02-22")
			sealedWithOriginal(t, s, "2027-02-22")
			check(t, os.MkdirAll(filepath.Join(dir, vaultDir, "2026/03/02"), 0o700))
			check(t, os.MkdirAll(filepath.Join(dir, originalsDir, vaultDir, "2026/03/02"), 0o700))
			check(t, s.Recover(t.Context()))
			check(t, s.Close())
			body := filepath.Join(dir, row.File)
			check(t, tc.do(place{dir, body, strings.TrimSuffix(body, "body") + "json", filepath.Join(dir, row.Original.File)}))
			v := verified(t, dir)
			found := len(v.Findings) == len(tc.want)
			for i, want := range tc.want {
				pattern := strings.Replace(want, "ID", row.ID, 1) + "*"
				ok, err := filepath.Match(pattern, "none")
				if found {
					ok, err = filepath.Match(pattern, v.Findings[i].What+" "+v.Findings[i].Where)
				}
				check(t, err)
				found = found && ok
			}
			if !found {
				t.Errorf("found %+v, want %q", v.Findings, tc.want)
			}
		})
	}
}

// TestVerifyFindsWhatCameBack puts body and original of an ended recording and of
// a dead day back to where they lay.
func TestVerifyFindsWhatCameBack(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, unsyncedSystem())
	ended, dead := sealedWithOriginal(t, s, "2027-02-25"), sealedWithOriginal(t, s, "2027-02-22")
	sealedWithOriginal(t, s, "2027-02-25")
	var files []string
	for _, row := range []*Row{ended, dead} {
		files = append(files, row.File, row.Original.File)
	}
	kept := t.TempDir()
	for _, name := range files {
		check(t, copyFile(filepath.Join(dir, name), filepath.Join(kept, filepath.Base(name))))
	}
	check(t, s.Retire(t.Context(), ended, "error", someDay))
	_, err := s.RetireDay(t.Context(), "2027-02-22", "2027-02-22")
	check(t, err)
	check(t, s.Close())
	if v := verified(t, dir); len(v.Findings) != 0 {
		t.Errorf("before: %+v", v.Findings)
	}
	for _, name := range files {
		check(t, copyFile(filepath.Join(kept, filepath.Base(name)), filepath.Join(dir, name)))
	}
	v := verified(t, dir)
	for _, f := range v.Findings {
		if f.What != "added" {
			t.Errorf("%+v", f)
		}
	}
	if len(v.Findings) != len(files) {
		t.Errorf("%d found, %d were put back: %+v", len(v.Findings), len(files), v.Findings)
	}
}

// TestVerifyHoldsTheCatalogueAgainstTheFacts takes a hold out of the catalogue
// alone, and a whole row.
func TestVerifyHoldsTheCatalogueAgainstTheFacts(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, unsyncedSystem())
	held, lost := sealedOn(t, s, "2026-02-22"), sealedOn(t, s, "2026-02-22")
	o := order
	o.Until = "2999-01-01"
	row, err := s.Hold(t.Context(), held.ID, o, "2026-02-21")
	check(t, err)
	check(t, s.Close())
	if v := verified(t, dir); len(v.Findings) != 0 {
		t.Errorf("before: %+v", v.Findings)
	}
	s = openStore(t, dir, unsyncedSystem())
	row.Hold, row.Dies, row.File = nil, "2026-02-23", ""
	check(t, s.Catalog.Put(t.Context(), row))
	check(t, s.Catalog.Delete(t.Context(), lost.ID))
	check(t, s.Close())
	v := verified(t, dir)
	if len(v.Findings) != 2 || v.Findings[0].What != "altered" || v.Findings[0].Subject != held.ID ||
		!strings.Contains(v.Findings[0].Detail, "dies, file, hold differ") ||
		v.Findings[1].What != "missing" || v.Findings[1].Subject != lost.ID {
		t.Errorf("%+v", v.Findings)
	}
	s = openStore(t, dir, unsyncedSystem())
	_, err = s.Reindex(t.Context())
	check(t, err)
	check(t, s.Close())
	if v := verified(t, dir); len(v.Findings) != 0 {
		t.Errorf("rebuilt: %+v", v.Findings)
	}
}

// TestVerifyFindsADeathInSpiteOfAHold has the ledger say of held recordings that
// their day's secret is destroyed, or that they were ended.
func TestVerifyFindsADeathInSpiteOfAHold(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, unsyncedSystem())
	held, ended, waits, released := sealedOn(t, s, "2026-02-22"), sealedOn(t, s, "2026-02-22"), sealRow(NewID(noon)), sealedOn(t, s, "2026-02-22")
	waits.Dies = "2026-02-22"
	for _, row := range []*Row{held, ended, waits, released} {
		s.Tell(Entry{Kind: EventHeld, Subject: row.ID, Public: map[string]string{"until": "2999-01-01"}})
	}
	check(t, s.Seal(t.Context(), waits, "wav", writeBody)) // held before it was sealed
	s.Tell(Entry{Kind: EventReleased, Subject: released.ID})
	s.Tell(Entry{Kind: EventDeleted, Subject: ended.ID})
	s.Tell(Entry{Kind: EventDayDestroyed, Subject: "2026-02-22", Public: map[string]string{"secret-destroyed": "true"}})
	for _, row := range []*Row{held, ended, waits, released} {
		check(t, s.Blobs.Remove(t.Context(), row.File))
	}
	check(t, s.Close())
	lost := make(map[string]bool)
	for _, f := range verified(t, dir).Findings {
		if strings.HasPrefix(f.Where, keysDir+"/") {
			continue // of which nothing was destroyed here
		}
		if f.What != "missing" || !strings.Contains(f.Detail, "held until 2999-01-01") {
			t.Errorf("%+v", f)
		}
		lost[f.Subject] = true
	}
	if len(lost) != 3 || !lost[held.ID] || !lost[ended.ID] || !lost[waits.ID] {
		t.Errorf("found lost: %v, want %s, %s and %s", lost, held.ID, ended.ID, waits.ID)
	}
}

func copyFile(from, to string) error {
	b, err := os.ReadFile(from)
	return firstError(err, os.MkdirAll(filepath.Dir(to), 0o700), os.WriteFile(to, b, 0o600))
}

func moveFile(from, to string) error { return firstError(copyFile(from, to), os.Remove(from)) }

func rewrite(name string, change func([]byte) []byte) error {
	b, err := os.ReadFile(name)
	return firstError(err, os.WriteFile(name, change(b), 0o600))
}

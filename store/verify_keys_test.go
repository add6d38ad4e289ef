package store

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"filippo.io/age"
)

// tamperedKeys is one change of keys while the recorder is down, and what Verify
// finds of it: what, and where below keys/. ID stands for the recording.
var tamperedKeys = map[string]struct {
	do   func(t *testing.T, keys, id string)
	want []string
}{
	"nothing":              {func(*testing.T, string, string) {}, nil},
	"a header is gone":     {func(t *testing.T, keys, id string) { check(t, os.Remove(headerIn(keys, id))) }, []string{"missing vault/2026/03/01/ID.body"}},
	"all headers are gone": {func(t *testing.T, keys, _ string) { check(t, os.RemoveAll(filepath.Join(keys, headersDir))) }, []string{"missing vault/2026/03/01/ID.body"}},
	"a header is no recording's": {func(t *testing.T, keys, _ string) { putFile(t, headerIn(keys, strangeID), "x") },
		[]string{"added keys/headers/2027-02-22/" + strangeID}},
	"a file is no header": {func(t *testing.T, keys, _ string) { putFile(t, headerIn(keys, "notes.txt"), "x") },
		[]string{"added keys/headers/2027-02-22/notes.txt"}},
	"a header twice": {func(t *testing.T, keys, id string) {
		b, err := os.ReadFile(headerIn(keys, id))
		check(t, err)
		putFile(t, filepath.Join(keys, "headers/2030-01-01", id), string(b))
	}, []string{"added keys/headers/2030-01-01/ID"}},
	"a custodian more": {func(t *testing.T, keys, _ string) {
		id, err := age.GenerateHybridIdentity()
		check(t, err)
		putFile(t, filepath.Join(keys, "custodians/evil.pub"), id.Recipient().String())
	}, []string{"added keys/custodians/evil.pub"}},
	"another in the place of a custodian": {func(t *testing.T, keys, _ string) {
		id, err := age.GenerateHybridIdentity()
		check(t, err)
		putFile(t, filepath.Join(keys, "custodians/first.pub"), id.Recipient().String())
	}, []string{"added keys/custodians/first.pub", "missing keys/custodians"}},
	"no custodian any more": {func(t *testing.T, keys, _ string) { check(t, os.RemoveAll(filepath.Join(keys, custodiansDir))) },
		[]string{"missing keys/custodians"}},
	"the public half of a day flipped": {func(t *testing.T, keys, _ string) { alter(t, ofDay(keys, recipientFile)) },
		[]string{"altered keys/days/2027-02-22", "altered keys/days/2027-02-22/recipient"}},
	"the public half of a day gone": {func(t *testing.T, keys, _ string) { check(t, os.Remove(ofDay(keys, recipientFile))) },
		[]string{"altered keys/days/2027-02-22", "missing keys/days/2027-02-22/recipient"}},
	"the secret of a day flipped": {func(t *testing.T, keys, _ string) { alter(t, ofDay(keys, "first.age")) },
		[]string{"altered keys/days/2027-02-22/first.age"}},
	"the secret of a day cut off": {func(t *testing.T, keys, _ string) { check(t, os.Truncate(ofDay(keys, "first.age"), 100)) },
		[]string{"altered keys/days/2027-02-22/first.age"}},
	"the secret of a day gone": {func(t *testing.T, keys, _ string) { check(t, os.Remove(ofDay(keys, "first.age"))) },
		[]string{"missing keys/days/2027-02-22/recipient"}},
	"a day gone": {func(t *testing.T, keys, _ string) { check(t, os.RemoveAll(ofDay(keys, ""))) },
		[]string{"missing keys/days/2027-02-22"}},
	"a day of another": {func(t *testing.T, keys, _ string) {
		other := filepath.Join(t.TempDir(), "keys")
		openKeys(t, other)
		pub, err := os.ReadFile(filepath.Join(keys, "custodians/first.pub"))
		check(t, err)
		putFile(t, filepath.Join(other, "custodians/first.pub"), string(pub))
		check(t, os.Remove(filepath.Join(other, "custodians/first.identity")))
		_, err = openKeys(t, other).Recipient(dies)
		check(t, err)
		for _, name := range []string{recipientFile, "first.age"} {
			b, err := os.ReadFile(ofDay(other, name))
			check(t, err)
			putFile(t, ofDay(keys, name), string(b))
		}
	}, []string{"altered keys/days/2027-02-22"}},
	"a day said to be over": {func(t *testing.T, keys, _ string) { putFile(t, ofDay(keys, destroyedFile), "2027-02-22T00:00:00Z") },
		[]string{"added keys/days/2027-02-22/destroyed"}},
}

const strangeID = "01KJMMA2G0000000000000000Z"

func headerIn(keys, id string) string { return filepath.Join(keys, headersDir, string(dies), id) }

func putFile(t *testing.T, path, text string) {
	t.Helper()
	check(t, os.MkdirAll(filepath.Dir(path), 0o700))
	check(t, os.WriteFile(path, []byte(text), 0o600))
}

// TestVerifyFindsChangedKeys changes keys in every way. The identity of the first
// custodian lies in clear.
func TestVerifyFindsChangedKeys(t *testing.T) {
	for name, tc := range tamperedKeys {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := openStore(t, dir, unsyncedSystem())
			row := sealedOn(t, s, dies)
			check(t, s.Close())
			tc.do(t, filepath.Join(dir, keysDir), row.ID)
			s = openStore(t, dir, unsyncedSystem())
			v, err := s.Verify(t.Context(), VerifyOptions{})
			check(t, err)
			var found []string
			for _, f := range v.Findings {
				found = append(found, strings.ReplaceAll(f.What+" "+f.Where, row.ID, "ID"))
			}
			slices.Sort(found)
			if !slices.Equal(found, tc.want) {
				t.Errorf("found %+v\nwant %q", v.Findings, tc.want)
			}
		})
	}
}

// TestDayThatComesBack puts headers and secrets of a dead day back: that is found,
// the day is due again, and dies again.
func TestDayThatComesBack(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, unsyncedSystem())
	row := sealedOn(t, s, dies)
	kept := make(map[string][]byte)
	check(t, filepath.WalkDir(filepath.Join(dir, keysDir), func(p string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && strings.Contains(p, string(dies)) {
			kept[p], err = os.ReadFile(p)
		}
		return err
	}))
	_, err := s.RetireDay(t.Context(), dies, dies)
	check(t, err)
	check(t, s.Close())
	for p, b := range kept {
		putFile(t, p, string(b))
	}
	s = openStore(t, dir, unsyncedSystem())
	v, err := s.Verify(t.Context(), VerifyOptions{})
	check(t, err)
	if len(v.Findings) != 2 || v.Findings[0].Where != "keys/days/2027-02-22/first.age" || v.Findings[1].Where != "keys/headers/2027-02-22/"+row.ID {
		t.Errorf("found %+v", v.Findings)
	}
	due, err := s.DueDays(t.Context(), "2027-02-23")
	check(t, err)
	if !slices.Equal(due, []Day{dies}) {
		t.Errorf("due %v", due)
	}
	d, err := s.RetireDay(t.Context(), dies, "2027-02-23")
	check(t, err)
	if !d.Gone {
		t.Errorf("%+v", d)
	}
	if due, err := s.DueDays(t.Context(), "2027-02-23"); err != nil || len(due) > 0 {
		t.Errorf("due still: %v %v", due, err)
	}
	if v := verifyOf(t, s); len(v.Findings) > 0 {
		t.Errorf("found still: %+v", v.Findings)
	}
	for p := range kept {
		if !isGone(p) {
			t.Errorf("there still: %s", p)
		}
	}
}

func verifyOf(t *testing.T, s *Store) Verification {
	t.Helper()
	v, err := s.Verify(t.Context(), VerifyOptions{})
	check(t, err)
	return v
}

// TestKeyCopiesOfTheLedger removes the list of copies: the receipts count them all
// the same, and Verify misses it.
func TestKeyCopiesOfTheLedger(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, unsyncedSystem())
	sealedOn(t, s, dies)
	for range 2 {
		place := t.TempDir()
		_, err := s.Backup(t.Context(), filepath.Join(place, "audio"), filepath.Join(place, "keys"))
		check(t, err)
	}
	if copies, err := s.Keys.Copies(); err != nil || len(copies) != 2 || copies[0].Dir == "" || copies[1].Dir == "" {
		t.Errorf("copies %+v %v", copies, err)
	}
	check(t, os.Remove(filepath.Join(dir, keysDir, backupKeysFile)))
	for range 2 {
		copies, err := s.Keys.Copies()
		check(t, err)
		if len(copies) != 2 || copies[0].Time.IsZero() || copies[0].Dir != "" {
			t.Errorf("copies %+v", copies)
		}
		if said := strings.Join(s.Keys.Trouble(), "; "); said != "the ledger knows of 2 copies of keys, copies.jsonl lists 0 of them" {
			t.Errorf("trouble %q", said)
		}
		if v := verifyOf(t, s); len(v.Findings) != 1 || v.Findings[0].What != "missing" || v.Findings[0].Where != "keys/copies.jsonl" {
			t.Errorf("found %+v", v.Findings)
		}
		check(t, s.Close())
		s = openStore(t, dir, unsyncedSystem())
	}
	if got := s.receipt(map[string]string{})["key-copies"]; got != "2" {
		t.Errorf("the receipt counts %q", got)
	}
}

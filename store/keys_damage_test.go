package store

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
)

// damagedKeys are what may befall keys, and what becomes of a call of before and
// of one after it. Keys lie in clear here unless a case protects them.
var damagedKeys = map[string]struct {
	do      func(t *testing.T, keys string)
	protect bool // before
	before  bool // the call of before can still be heard
	trouble bool // that an administrator must see to
	who     []string
}{
	"nothing": {do: func(*testing.T, string) {}, before: true, who: []string{"first"}},
	"identity flipped": {do: func(t *testing.T, keys string) {
		path := filepath.Join(keys, "custodians/first.identity")
		b, err := os.ReadFile(path)
		check(t, err)
		b[len(b)-20] ^= 1
		check(t, os.WriteFile(path, b, 0o600))
	},
		trouble: true, who: []string{"emergency", "first"}},
	"identity emptied": {do: func(t *testing.T, keys string) {
		check(t, os.Truncate(filepath.Join(keys, "custodians/first.identity"), 0))
	}, trouble: true, who: []string{"emergency", "first"}},
	"identity unreadable": {do: func(t *testing.T, keys string) { blocked(t, filepath.Join(keys, "custodians/first.identity")) },
		trouble: true, who: []string{"emergency", "first"}},
	"protected identity cut off": {do: func(t *testing.T, keys string) {
		check(t, os.Truncate(filepath.Join(keys, "custodians/first.identity"), 60))
	}, protect: true, trouble: true, who: []string{"emergency", "first"}},
	"pub flipped, its identity is there": {do: func(t *testing.T, keys string) { alter(t, filepath.Join(keys, "custodians/first.pub")) },
		before: true, who: []string{"first"}},
	"pub gone, its identity is there": {do: func(t *testing.T, keys string) { check(t, os.Remove(filepath.Join(keys, "custodians/first.pub"))) },
		before: true, who: []string{"first"}},
	"pub flipped, its identity is protected": {do: func(t *testing.T, keys string) { alter(t, filepath.Join(keys, "custodians/first.pub")) },
		protect: true, before: true, trouble: true, who: []string{"emergency", "first"}},
	"pub unreadable": {do: func(t *testing.T, keys string) { blocked(t, filepath.Join(keys, "custodians/first.pub")) },
		trouble: true, before: true, who: []string{"emergency", "first"}},
	"pub of a second custodian flipped": {do: func(t *testing.T, keys string) {
		check(t, os.WriteFile(filepath.Join(keys, "custodians/kim.pub"), []byte("age1pq1kim\n"), 0o600))
	}, before: true, trouble: true, who: []string{"first", "kim"}},
	"custodians emptied": {do: func(t *testing.T, keys string) {
		for _, name := range filesOf(t, filepath.Join(keys, "custodians")) {
			check(t, os.Remove(filepath.Join(keys, "custodians", name)))
		}
	}, trouble: true, who: []string{"emergency"}},
	"public half of the day flipped": {do: func(t *testing.T, keys string) { alter(t, ofDay(keys, "recipient")) },
		before: true, who: []string{"first"}},
	"public half of the day gone": {do: func(t *testing.T, keys string) { check(t, os.Remove(ofDay(keys, "recipient"))) },
		before: true, who: []string{"first"}},
	"public half of the day flipped, keys are locked": {do: func(t *testing.T, keys string) { alter(t, ofDay(keys, "recipient")) },
		protect: true, trouble: true, before: true, who: []string{"first"}},
	"sealed secret of the day gone": {do: func(t *testing.T, keys string) { check(t, os.Remove(ofDay(keys, "first.age"))) },
		trouble: true, who: []string{"first"}},
	"sealed secret of the day cut off": {do: func(t *testing.T, keys string) { check(t, os.Truncate(ofDay(keys, "first.age"), 100)) },
		trouble: true, who: []string{"first"}},
}

func ofDay(keys, name string) string { return filepath.Join(keys, "days", string(dies), name) }

// blocked puts a directory in the place of a file, which nobody reads: the tests
// may run as root, who may read everything else.
func blocked(t *testing.T, path string) {
	t.Helper()
	check(t, os.Remove(path))
	check(t, os.Mkdir(path, 0o700))
}

// protect seals an identity file, as a passphrase does, but at once.
func protect(t *testing.T, path string) {
	t.Helper()
	to, err := age.GenerateX25519Identity()
	check(t, err)
	clear, err := os.ReadFile(path)
	check(t, err)
	var b bytes.Buffer
	w, err := age.Encrypt(&b, to.Recipient())
	check(t, err)
	_, err = w.Write(clear)
	check(t, err)
	check(t, w.Close())
	check(t, os.WriteFile(path, b.Bytes(), 0o600))
}

// TestDamagedKeysStopNothing damages keys in every way. The daemon starts, calls
// are taped and sealed, never in clear and never to a key that nobody has; what
// cannot be opened says so; and all of it dies with the day.
func TestDamagedKeysStopNothing(t *testing.T) {
	for name, tc := range damagedKeys {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			keys := filepath.Join(dir, keysDir)
			s := openStore(t, dir, unsyncedSystem())
			before := sealedOn(t, s, dies)
			ids, err := s.Keys.Identity(firstCustodian, nil)
			check(t, err)
			if tc.protect {
				protect(t, filepath.Join(keys, "custodians/first.identity"))
			}
			if trouble := s.Keys.Trouble(); len(trouble) > 0 {
				t.Errorf("before: %q", trouble)
			}
			check(t, s.Close())
			tc.do(t, keys)

			s = openStore(t, dir, unsyncedSystem())
			tape, err := s.NewTape(NewID(noon), dies, false)
			check(t, err)
			appendAll(tape, someRecs()[:4])
			check(t, tape.Close())
			after := sealRow(tape.id)
			after.Dies = dies
			check(t, s.Seal(t.Context(), after, "", writeBody))
			later := sealedOn(t, s, "2027-02-23")
			trouble := s.Keys.Trouble()
			if (len(trouble) > 0) != tc.trouble {
				t.Errorf("trouble %q", trouble)
			}
			var who []string
			custodians, err := s.Keys.Custodians()
			check(t, err)
			for _, c := range custodians {
				who = append(who, c.Name)
			}
			if !slices.Equal(who, tc.who) {
				t.Errorf("custodians %q, want %q", who, tc.who)
			}
			check(t, s.Close())

			s = openStore(t, dir, unsyncedSystem())
			if tc.before {
				_ = s.Keys.Unlock(ids, time.Time{}) // the custodian comes
			}
			for _, row := range []*Row{after, later} {
				if err := plays(t, s, row); err != nil {
					t.Errorf("a call of after it does not play: %v", err)
				}
			}
			if err := plays(t, s, before); (err == nil) != tc.before {
				t.Errorf("the call of before: %v", err)
			} else if err != nil && !errors.Is(err, ErrLocked) && !errors.Is(err, ErrDamaged) {
				t.Errorf("the call of before does not say why: %v", err)
			}
			nothingInClear(t, dir)
			_, err = s.RetireDay(t.Context(), dies, dies)
			check(t, err)
			for _, file := range filesOf(t, keys) {
				if strings.Contains(file, string(dies)) && !strings.HasSuffix(file, destroyedFile) && !strings.HasSuffix(file, finishedFile) {
					t.Errorf("left of the day: %s", file)
				}
			}
			check(t, plays(t, s, later))
		})
	}
}

func plays(t *testing.T, s *Store, row *Row) error {
	t.Helper()
	a, err := s.OpenAudio(t.Context(), row)
	if err != nil {
		return err
	}
	defer a.Close()
	b, err := io.ReadAll(a)
	if err == nil && !bytes.Equal(b, sealedBody) {
		err = errors.New("another text")
	}
	return err
}

func nothingInClear(t *testing.T, dir string) {
	t.Helper()
	for _, name := range filesOf(t, dir) {
		b, err := os.ReadFile(filepath.Join(dir, name))
		check(t, err)
		if bytes.Contains(b, []byte("sealedsealed")) {
			t.Errorf("%s holds the audio in clear", name)
		}
	}
}

// TestUnreadableKeysWait takes a whole directory of keys away. Calls go on their
// tapes, and are sealed when it is back.
func TestUnreadableKeysWait(t *testing.T) {
	for _, sub := range []string{custodiansDir, daysDir, headersDir} {
		t.Run(sub, func(t *testing.T) {
			dir := t.TempDir()
			place := filepath.Join(dir, keysDir, sub)
			s := openStore(t, dir, unsyncedSystem())
			before := sealedOn(t, s, dies)
			check(t, s.Close())
			check(t, os.Rename(place, place+".away"))
			check(t, os.WriteFile(place, nil, 0o600)) // no directory

			s = openStore(t, dir, unsyncedSystem())
			tape, err := s.NewTape(NewID(noon), dies, false)
			check(t, err)
			appendAll(tape, someRecs()[:4])
			check(t, tape.Close())
			row := sealRow(tape.id)
			row.Dies = dies
			if err := s.Seal(t.Context(), row, "", writeBody); err == nil {
				t.Error("sealed without a place for keys")
			}
			if left, err := s.Leftovers(); err != nil || !slices.Contains(left, tape.id) {
				t.Errorf("its tape is not there: %v %v", left, err)
			}
			if trouble := s.Keys.Trouble(); len(trouble) == 0 {
				t.Error("nobody is told")
			}
			nothingInClear(t, dir)

			check(t, os.Remove(place))
			check(t, os.Rename(place+".away", place))
			check(t, s.Seal(t.Context(), row, "", writeBody))
			check(t, s.Close())
			s = openStore(t, dir, unsyncedSystem())
			check(t, plays(t, s, row))
			check(t, plays(t, s, before))
			if trouble := s.Keys.Trouble(); len(trouble) > 0 {
				t.Errorf("afterwards: %q", trouble)
			}
		})
	}
}

// TestEmergencyEnds puts a custodian's identity back and removes the one that was
// made meanwhile: nothing that was sealed to it is lost, and all is well again.
func TestEmergencyEnds(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, keysDir, "custodians/first.identity")
	s := openStore(t, dir, unsyncedSystem())
	before := sealedOn(t, s, dies)
	check(t, s.Close())
	whole, err := os.ReadFile(file)
	check(t, err)
	check(t, os.Truncate(file, 0))
	s = openStore(t, dir, unsyncedSystem())
	during := sealedOn(t, s, dies)
	check(t, s.Close())
	check(t, os.WriteFile(file, whole, 0o600))

	s = openStore(t, dir, unsyncedSystem())
	s.Keys.Lock()
	if err := s.Keys.RemoveCustodian("emergency"); err == nil {
		t.Error("the only one who can open a day is removed while keys are locked")
	}
	check(t, s.Close())
	s = openStore(t, dir, unsyncedSystem())
	check(t, s.Keys.RemoveCustodian("emergency"))
	check(t, s.Close())
	s = openStore(t, dir, unsyncedSystem())
	for _, row := range []*Row{before, during, sealedOn(t, s, dies)} {
		check(t, plays(t, s, row))
	}
	if trouble := s.Keys.Trouble(); len(trouble) > 0 {
		t.Errorf("trouble %q", trouble)
	}
	days, err := s.Keys.Check(t.Context())
	check(t, err)
	if len(days) != 1 || !days[0].Opens || len(days[0].Lacks) > 0 {
		t.Errorf("checked: %+v", days)
	}
}

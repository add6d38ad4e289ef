package store

import (
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
)

// TestKeysThatGoWhileItRecords takes keys away from a recorder that goes on, at
// once and a while later. A call is sealed so that somebody opens it, or its tape
// stays; and status says who that is.
func TestKeysThatGoWhileItRecords(t *testing.T) {
	of := func(name string) func(t *testing.T, keys string) {
		return func(t *testing.T, keys string) { check(t, os.RemoveAll(filepath.Join(keys, name))) }
	}
	for name, tc := range map[string]struct {
		do      func(t *testing.T, keys string)
		trouble string
	}{
		"all":                {of(""), "custodian emergency was made"},
		"custodians":         {of(custodiansDir), "custodian emergency was made"},
		"days":               {of(daysDir), "keys"},
		"the day":            {of("days/" + string(dies)), "those of 1 are damaged or missing"},
		"its secret":         {of("days/" + string(dies) + "/first.age"), "those of 1 are damaged or missing"},
		"its public half":    {of("days/" + string(dies) + "/recipient"), ""},
		"headers":            {of(headersDir), ""},
		"an empty custodian": {func(t *testing.T, keys string) { check(t, os.Truncate(filepath.Join(keys, "custodians/first.pub"), 0)) }, "custodian first"},
	} {
		for when, later := range map[string]time.Duration{"at once": 0, "later": 2 * custodiansLook} {
			t.Run(name+" "+when, func(t *testing.T) {
				dir := t.TempDir()
				s := openStore(t, dir, unsyncedSystem())
				sealedOn(t, s, dies)
				tape, err := s.NewTape(NewID(noon), dies, false)
				check(t, err)
				appendAll(tape, someRecs()[:4])
				check(t, tape.Close())
				tc.do(t, filepath.Join(dir, keysDir))
				s.Keys.mu.Lock()
				s.Keys.looked = s.Keys.looked.Add(-later)
				s.Keys.mu.Unlock()
				row := sealRow(tape.id)
				row.Dies = dies
				err = s.Seal(t.Context(), row, "", writeBody)
				left, errLeft := s.Leftovers()
				check(t, errLeft)
				if kept := slices.Contains(left, tape.id); kept != (err != nil) {
					t.Errorf("seal: %v; the tape is kept: %v", err, kept)
				}
				if err != nil {
					if later > 0 {
						t.Errorf("not sealed: %v", err)
					}
					check(t, s.Seal(t.Context(), row, "", writeBody))
				}
				if said := strings.Join(s.Keys.Trouble(), "; "); !strings.Contains(said, tc.trouble) {
					t.Errorf("trouble %q, want %q", said, tc.trouble)
				}
				check(t, s.Close())
				s = openStore(t, dir, unsyncedSystem())
				if err := plays(t, s, row); err != nil {
					t.Errorf("sealed, and then: %v", err)
				}
			})
		}
	}
}

// TestKeysThatGoWhileACallIsSealed takes them away between the look at them and
// the end of the body.
func TestKeysThatGoWhileACallIsSealed(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, unsyncedSystem())
	sealedOn(t, s, dies)
	row := sealRow(NewID(noon))
	row.Dies = dies
	err := s.Seal(t.Context(), row, "", func(w io.Writer) error {
		check(t, os.RemoveAll(filepath.Join(dir, keysDir)))
		return writeBody(w)
	})
	if !errors.Is(err, ErrDamaged) {
		t.Errorf("sealed to nobody: %v", err)
	}
	if rows := filesOf(t, filepath.Join(dir, vaultDir)); slices.ContainsFunc(rows, func(name string) bool { return strings.Contains(name, row.ID) }) {
		t.Errorf("in the vault: %q", rows)
	}
	check(t, s.Seal(t.Context(), row, "", writeBody))
	check(t, s.Close())
	check(t, plays(t, openStore(t, dir, unsyncedSystem()), row))
}

// TestKeysPutBack puts lost keys back over those that were made meanwhile: what
// was sealed to either opens.
func TestKeysPutBack(t *testing.T) {
	dir := t.TempDir()
	keys := filepath.Join(dir, keysDir)
	s := openStore(t, dir, unsyncedSystem())
	before := sealedOn(t, s, dies)
	old := copyOf(t, keys)
	check(t, os.RemoveAll(keys))
	during := sealedOn(t, s, dies)
	for _, name := range filesOf(t, old) {
		b, err := os.ReadFile(filepath.Join(old, name))
		check(t, err)
		check(t, os.MkdirAll(filepath.Dir(filepath.Join(keys, name)), 0o700))
		check(t, os.WriteFile(filepath.Join(keys, name), b, 0o600))
	}
	check(t, s.Close())
	s = openStore(t, dir, unsyncedSystem())
	check(t, plays(t, s, before))
	check(t, plays(t, s, during))
}

// TestCustodianTheLedgerWasNotToldOf drops a public half among those of the
// custodians while the recorder is down: it gets no key, and that is told.
func TestCustodianTheLedgerWasNotToldOf(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, unsyncedSystem())
	sealedOn(t, s, dies)
	check(t, s.Close())
	evil, err := age.GenerateHybridIdentity()
	check(t, err)
	check(t, os.WriteFile(filepath.Join(dir, keysDir, "custodians/evil.pub"), []byte(evil.Recipient().String()+"\n"), 0o600))

	s = openStore(t, dir, unsyncedSystem())
	check(t, s.Keys.Ahead(t.Context(), dies, 3))
	sealedOn(t, s, dies)
	for _, name := range filesOf(t, dir) {
		if strings.HasSuffix(name, "evil.age") {
			t.Errorf("sealed to it: %s", name)
		}
	}
	if said := strings.Join(s.Keys.Trouble(), "; "); !strings.HasPrefix(said, "custodian evil: the ledger was never told of it") {
		t.Errorf("trouble %q", said)
	}
	if err := s.Keys.Unlock([]age.Identity{evil}, time.Time{}); !errors.Is(err, ErrWrongIdentity) {
		t.Errorf("it unlocks: %v", err)
	}
	v, err := s.Verify(t.Context(), VerifyOptions{})
	check(t, err)
	if len(v.Findings) != 1 || v.Findings[0].What != "added" || v.Findings[0].Where != "keys/custodians/evil.pub" {
		t.Errorf("verify: %+v", v.Findings)
	}

	// Whoever may, lets it stay.
	check(t, s.Keys.AddCustodian("evil", evil.Recipient().String()))
	newest, err := s.Ledger.Newest()
	check(t, err)
	if p := newest.Public; newest.Kind != EventCustodians || p["what"] != "added" || p["recipient-sha256"] != recipientDigest(evil.Recipient().String()) || p["custodians"] != "2" {
		t.Errorf("told: %+v", newest)
	}
	check(t, s.Close())
	s = openStore(t, dir, unsyncedSystem())
	if trouble := s.Keys.Trouble(); len(trouble) > 0 {
		t.Errorf("trouble %q", trouble)
	}
	check(t, s.Keys.Unlock([]age.Identity{evil}, time.Time{}))

	// And one who is taken away comes back by no file.
	pub, err := os.ReadFile(filepath.Join(dir, keysDir, "custodians/evil.pub"))
	check(t, err)
	check(t, s.Keys.RemoveCustodian("evil"))
	check(t, s.Close())
	check(t, os.WriteFile(filepath.Join(dir, keysDir, "custodians/evil.pub"), pub, 0o600))
	s = openStore(t, dir, unsyncedSystem())
	check(t, s.Keys.Ahead(t.Context(), dies, 3))
	if _, err := os.Lstat(filepath.Join(dir, keysDir, "days", string(dies), "evil.age")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("sealed to it again: %v", err)
	}
}

// TestLogThatDoesNotKnowTheCustodians begins a log anew beside keys: nothing is
// sealed to custodians it was not told of, now and after a restart, and calls are
// kept.
func TestLogThatDoesNotKnowTheCustodians(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, unsyncedSystem())
	sealedOn(t, s, dies)
	check(t, s.Close())
	check(t, os.RemoveAll(filepath.Join(dir, ledgerDir)))
	check(t, os.Remove(filepath.Join(dir, checkpointFile)))
	for range 2 {
		s = openStore(t, dir, unsyncedSystem())
		all, err := s.Keys.Custodians()
		check(t, err)
		for _, c := range all {
			if known := c.Damaged == ""; known == (c.Name == "first") {
				t.Errorf("%+v", c)
			}
		}
		row := sealedOn(t, s, "2027-02-23")
		check(t, s.Close())
		s = openStore(t, dir, unsyncedSystem())
		check(t, plays(t, s, row))
		check(t, s.Close())
	}
	s = openStore(t, dir, unsyncedSystem())
	if _, err := os.Lstat(filepath.Join(dir, keysDir, "days/2027-02-23/first.age")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("sealed to one that the log does not know: %v", err)
	}
	all, err := s.Keys.Custodians()
	check(t, err)
	check(t, s.Keys.AddCustodian("first", all[slices.IndexFunc(all, func(c Custodian) bool { return c.Name == "first" })].Recipient))
	check(t, s.Keys.RemoveCustodian("emergency"))
	if trouble := s.Keys.Trouble(); len(trouble) > 0 {
		t.Errorf("trouble %q", trouble)
	}
}

// TestCustodiansOfAnOlderVersion opens a store whose log states none yet: those
// who are there stay.
func TestCustodiansOfAnOlderVersion(t *testing.T) {
	dir := t.TempDir()
	l, err := OpenLedger(filepath.Join(dir, ledgerDir), unsyncedSystem(), slog.New(slog.DiscardHandler), time.Now)
	check(t, err)
	_, err = l.Append(Entry{Kind: EventStarted})
	check(t, err)
	check(t, l.Close())
	openKeys(t, filepath.Join(dir, keysDir))
	for range 2 {
		s := openStore(t, dir, unsyncedSystem())
		if n := s.Ledger.Size(); n != 2 {
			t.Errorf("%d leaves", n)
		}
		if trouble := s.Keys.Trouble(); len(trouble) > 0 {
			t.Errorf("trouble %q", trouble)
		}
		check(t, s.Close())
	}
}

// TestCustodianMadeWhileTheLedgerIsFull makes one that the ledger cannot be told
// of: calls are sealed to it, and it is told of when that is possible.
func TestCustodianMadeWhileTheLedgerIsFull(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, unsyncedSystem())
	tell := s.Keys.tell
	s.Keys.tell = func(Entry) int64 { return -1 }
	check(t, os.RemoveAll(filepath.Join(dir, keysDir, custodiansDir)))
	row := sealedOn(t, s, dies)
	s.Keys.tell = tell
	check(t, s.Keys.Ahead(t.Context(), dies, 1))
	newest, err := s.Ledger.Newest()
	check(t, err)
	if newest.Public["what"] != "emergency" || newest.Public["custodians"] != "2" {
		t.Errorf("told: %+v", newest)
	}
	check(t, s.Close())
	s = openStore(t, dir, unsyncedSystem())
	check(t, plays(t, s, row))
	check(t, s.Keys.RemoveCustodian("first")) // whose public half is gone
	if said := strings.Join(s.Keys.Trouble(), "; "); strings.Contains(said, "is not here") {
		t.Errorf("trouble %q", said)
	}
}

// TestCustodiansStatedAgain reads back no farther than to the newest statement.
func TestCustodiansStatedAgain(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, unsyncedSystem())
	for range toldFar {
		_, err := s.Ledger.Append(Entry{Kind: EventHeard})
		check(t, err)
	}
	newest := func() Leaf {
		check(t, s.Keys.Ahead(t.Context(), dies, 1))
		leaf, err := s.Ledger.Newest()
		check(t, err)
		return leaf
	}
	if leaf := newest(); leaf.Kind != EventHeard {
		t.Errorf("%d leaves behind it: %+v", toldFar, leaf)
	}
	_, err := s.Ledger.Append(Entry{Kind: EventHeard})
	check(t, err)
	if leaf := newest(); leaf.Public["what"] != "again" || leaf.Public["custodians"] != "1" {
		t.Errorf("told: %+v", leaf)
	}
	size := s.Ledger.Size()
	check(t, s.Close())
	if s = openStore(t, dir, unsyncedSystem()); s.Ledger.Size() != size || len(s.Keys.Trouble()) > 0 {
		t.Errorf("%d leaves of %d, trouble %q", s.Ledger.Size(), size, s.Keys.Trouble())
	}
}

// TestOneRecipientOneCustodian refuses what could not be taken away again.
func TestOneRecipientOneCustodian(t *testing.T) {
	k := openKeys(t, filepath.Join(t.TempDir(), "keys"))
	sealVoice(t, k, dies)
	kim, err := age.GenerateHybridIdentity()
	check(t, err)
	check(t, k.AddCustodian("kim", kim.Recipient().String()))
	if err := k.AddCustodian("lee", kim.Recipient().String()); err == nil {
		t.Error("added with the recipient of another")
	}
	if err := k.ReplaceCustodian("first", kim.Recipient().String()); err == nil {
		t.Error("rotated to the recipient of another")
	}
	check(t, k.RemoveCustodian("kim"))
	if err := k.Unlock([]age.Identity{kim}, time.Time{}); !errors.Is(err, ErrWrongIdentity) {
		t.Errorf("taken away, it unlocks: %v", err)
	}
}

// TestUnlockedForAsLongAsTheLongest lets a second custodian come.
func TestUnlockedForAsLongAsTheLongest(t *testing.T) {
	k := openKeys(t, filepath.Join(t.TempDir(), "keys"))
	sealVoice(t, k, dies)
	ids, err := k.Identity("first", nil)
	check(t, err)
	k.Lock()
	long, short := time.Now().Add(744*time.Hour), time.Now().Add(time.Hour)
	for _, tc := range []struct{ until, want time.Time }{{short, short}, {long, long}, {short, long}, {time.Time{}, time.Time{}}, {short, time.Time{}}} {
		check(t, k.Unlock(ids, tc.until))
		if on, until := k.Unlocked(); !on || !until.Equal(tc.want) {
			t.Errorf("until %v: %v", tc.until, until)
		}
	}
}

// TestCheckOpensRecordings puts another identity in the place of a day's: its
// secret opens, and no recording does.
func TestCheckOpensRecordings(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, unsyncedSystem())
	row := sealedOn(t, s, dies)
	sealedOn(t, s, "2027-02-23")
	all, err := s.Keys.Check(t.Context())
	check(t, err)
	if len(all) != 2 || !all[0].Opens || all[0].Recordings != 1 || len(all[0].Closed) > 0 {
		t.Errorf("checked: %+v", all)
	}
	for _, name := range []string{recipientFile, "first.age"} {
		b, err := os.ReadFile(filepath.Join(dir, keysDir, "days/2027-02-23", name))
		check(t, err)
		check(t, os.WriteFile(ofDay(filepath.Join(dir, keysDir), name), b, 0o600))
	}
	all, err = s.Keys.Check(t.Context())
	check(t, err)
	if c := all[0]; c.Opens || !slices.Equal(c.Closed, []string{row.ID}) || c.Reason != "its key opens, but not 1 of the 1 recordings that are sealed to the day" || !all[1].Opens {
		t.Errorf("checked: %+v", all)
	}
	check(t, os.Remove(ofDay(filepath.Join(dir, keysDir), "first.age")))
	if lacks, err := s.Keys.Lacking(); err != nil || !slices.Equal(lacks, []Lack{{"first", 1, dies, false}}) {
		t.Errorf("lacking: %v %v", lacks, err)
	}
	check(t, os.RemoveAll(ofDay(filepath.Join(dir, keysDir), "")))
	all, err = s.Keys.Check(t.Context())
	check(t, err)
	if c := all[0]; c.Day != dies || c.Opens || c.Recordings != 1 || !strings.HasSuffix(c.Reason, "nothing of the day's keys is there") {
		t.Errorf("checked: %+v", all)
	}
}

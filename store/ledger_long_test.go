package store

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestSignaturesAreKeptNowAndThen signs every ten seconds for an hour, as a
// daemon does; the file of all checkpoints must not grow by each.
func TestSignaturesAreKeptNowAndThen(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ledger")
	at := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	var l *Ledger
	open := func() {
		var err error
		l, err = OpenLedger(dir, unsyncedSystem(), nil, func() time.Time { return at })
		check(t, err)
	}
	kept := func() int {
		b, err := os.ReadFile(filepath.Join(dir, checkpointsFile))
		check(t, err)
		return bytes.Count(b, []byte("\n\n")) / 2
	}
	open()
	for i := range 360 {
		at = at.Add(10 * time.Second)
		fillOne(t, l)
		c, err := l.sign(keepPeriod)
		check(t, err)
		if c.Size != int64(i+1) {
			t.Fatalf("signed %d leaves of %d", c.Size, i+1)
		}
		if i == 100 { // a restart, which keeps the newest
			check(t, l.Close())
			open()
		}
	}
	if n := kept(); n != 7 {
		t.Errorf("%d checkpoints kept of an hour, want 7, one of them of the restart", n)
	}
	_, err := l.Checkpoint() // handed out: kept
	check(t, err)
	check(t, l.Close())
	if n := kept(); n != 8 {
		t.Errorf("%d checkpoints kept, want one more", n)
	}
	r, err := VerifyLog(dir, nil)
	check(t, err)
	if r.Leaves != 360 || r.Checkpoints != 9 || r.Newest.Size != 360 || len(r.Findings) != 0 {
		t.Errorf("%+v", r)
	}
	// A note before one that states less is not where it was written.
	path := filepath.Join(dir, checkpointsFile)
	b, err := os.ReadFile(path)
	check(t, err)
	first := strings.Index(string(b), "\n\n")
	first += 4 + strings.Index(string(b[first+2:]), "\n\n")
	check(t, os.WriteFile(path, append(bytes.Clone(b[first:]), b[:first]...), 0o600))
	if r, err = VerifyLog(dir, nil); err != nil || len(r.Findings) != 1 || r.Findings[0].What != "out-of-order" {
		t.Errorf("%v, %+v", err, r.Findings)
	}
}

func fillOne(t *testing.T, l *Ledger) {
	t.Helper()
	_, err := l.Append(Entry{Kind: EventLocked, Row: call{Extension: "2001", Other: "0105550101"}})
	check(t, err)
}

// TestTornCheckpointIsCutOff tears the last note at every byte.
func TestTornCheckpointIsCutOff(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ledger")
	l := openLedger(t, dir, unsyncedSystem())
	for range 3 {
		fillOne(t, l)
		_, err := l.Checkpoint()
		check(t, err)
	}
	check(t, l.Close())
	path := filepath.Join(dir, checkpointsFile)
	whole, err := os.ReadFile(path)
	check(t, err)
	for cut := len(whole) - 1; cut > len(whole)-len(whole)/3; cut -= 7 {
		check(t, os.WriteFile(path, whole[:cut], 0o600))
		l := openLedger(t, dir, unsyncedSystem())
		if l.kept.Size != 2 {
			t.Errorf("cut at %d: the last kept is of %d leaves, want 2", cut, l.kept.Size)
		}
		check(t, l.Close())
		got, err := os.ReadFile(path)
		check(t, err)
		if !bytes.Equal(got, whole) { // signed anew by Close: the same note
			t.Errorf("cut at %d: %q", cut, got)
		}
	}
}

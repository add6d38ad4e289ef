package store

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// life is what a daemon did until the power went: some tapes, one of each fate.
type life struct {
	dir  string
	r    *recorder
	want []rec // what every tape gets, packet by packet

	plain, confirmed, forgotten, sealed string // ids
	unrecorded                          string
}

// live plays the life. The syncer never ticks: the test says when it syncs.
func live(t *testing.T) *life {
	l := &life{dir: filepath.Join(t.TempDir(), "data"), r: newRecorder()}
	s, err := Open(Options{Dir: l.dir, SyncEvery: time.Hour, System: l.r.system(), unsynced: true})
	check(t, err)
	defer s.Close()
	check(t, s.Recover(t.Context()))
	for i := range 12 {
		l.want = append(l.want, rec{kind: 1, at: noon.UnixNano() + int64(i)*20e6, line: 1, data: fmt.Sprintf("packet %d %s", i, bytes.Repeat([]byte{'x'}, i*100))})
	}
	tapes := []*Tape{newTape(t, s, false), newTape(t, s, true), newTape(t, s, true), newTape(t, s, false)}
	l.plain, l.confirmed, l.forgotten, l.sealed = tapes[0].id, tapes[1].id, tapes[2].id, tapes[3].id
	for i, r := range l.want {
		for _, tape := range tapes {
			if tape.id == l.forgotten && i >= 4 || tape.id == l.sealed && i >= 6 {
				continue
			}
			appendAll(tape, []rec{r})
			check(t, tape.Flush())
			l.r.done(fmt.Sprintf("%s has %d", tape.id, i+1))
		}
		switch i {
		case 2:
			check(t, tapes[1].Confirm())
			l.r.done("confirmed")
		case 3:
			check(t, tapes[2].Destroy())
			unrecorded := &Row{ID: NewID(noon), State: NotRecorded, Start: noon, Extension: "2003"}
			check(t, s.Record(t.Context(), unrecorded))
			l.unrecorded = unrecorded.ID
			l.r.done("unrecorded")
		case 5:
			check(t, tapes[3].Close())
			check(t, s.Seal(t.Context(), sealRow(l.sealed), "wav", writeBody))
			l.r.done("sealed")
		}
		if i%4 == 1 {
			s.sync.syncDirty()
		}
	}
	check(t, tapes[0].Close())
	check(t, tapes[1].Close())
	return l
}

// promises are what had been made durable when the power went.
func promises(log []operation) map[string]bool {
	durable := map[string]bool{}
	var waiting []string
	for _, op := range log {
		switch {
		case op.kind == "done" && (op.path == "sealed" || op.path == "unrecorded"):
			durable[op.path] = true // these sync for themselves
		case op.kind == "done":
			waiting = append(waiting, op.path)
		case op.kind == "syncfs":
			for _, what := range waiting {
				durable[what] = true
			}
			waiting = nil
		}
	}
	return durable
}

// withoutRaces leaves a test that has each operation in turn cut or refused to the
// run without the race detector.
func withoutRaces(t *testing.T) {
	t.Helper()
	if raceDetector {
		t.Skip("left to the run without the race detector (make test)")
	}
}

func TestPowerCutAtEveryPoint(t *testing.T) {
	withoutRaces(t)
	t.Parallel()
	l := live(t)
	if len(l.r.log) < 80 {
		t.Fatalf("only %d operations recorded", len(l.r.log))
	}
	for n := range l.r.log {
		for name, fate := range fates(uint64(n)) {
			if !l.r.log[n].differs(name) {
				continue
			}
			log := l.r.log[:n+1]
			dir := scratch(t)
			cut{log, fate}.lay(t, dir)
			s, err := Open(Options{Dir: filepath.Join(dir, l.dir), SyncEvery: time.Hour, System: unsyncedSystem(), unsynced: true})
			check(t, err)
			check(t, s.Recover(t.Context()))
			if !l.check(t, s, promises(log)) {
				t.Fatalf("cut after operation %d (%s %s), unsynced %s", n, log[n].kind, log[n].path, name)
			}
			check(t, s.Close())
			check(t, os.RemoveAll(dir))
		}
	}
}

func (l *life) check(t *testing.T, s *Store, promised map[string]bool) bool {
	has := func(id string) (n int) {
		for n < len(l.want) && promised[fmt.Sprintf("%s has %d", id, n+1)] {
			n++
		}
		return n
	}
	ok := l.checkTape(t, s, l.plain, has(l.plain))
	atLeast := 0
	if promised["confirmed"] {
		atLeast = has(l.confirmed)
	}
	ok = l.checkTape(t, s, l.confirmed, atLeast) && ok
	if _, err := s.ReadTape(l.forgotten); !errors.Is(err, ErrForgotten) && !errors.Is(err, ErrNotFound) {
		t.Errorf("a tape that was to be forgotten: %v", err)
		ok = false
	}
	if _, err := s.Catalog.Get(t.Context(), l.unrecorded); promised["unrecorded"] && err != nil {
		t.Errorf("the call that was not recorded: %v", err)
		ok = false
	}
	ok = l.checkSealed(t, s, promised["sealed"], has(l.sealed)) && ok
	var unfinished []string // the loom finishes these at its start, and the ledger is told once more
	if !promised["unrecorded"] {
		unfinished = append(unfinished, l.unrecorded)
	}
	if _, err := s.ReadTape(l.sealed); err == nil {
		unfinished = append(unfinished, l.sealed)
	}
	return checkVerified(t, s, unfinished) && ok
}

// checkVerified checks that the ledger speaks of what is there: what a cut took
// from it is told again. A readable row beside a leaf may be lost with its second.
func checkVerified(t *testing.T, s *Store, unfinished []string) bool {
	_, err := s.Ledger.Checkpoint()
	check(t, err)
	v, err := s.Verify(t.Context(), VerifyOptions{})
	check(t, err)
	aside, err := s.SetAside()
	check(t, err)
	ok := len(aside) == 0
	if !ok {
		t.Errorf("the cut raised an alarm: %+v", aside)
	}
	for _, f := range v.Findings {
		if f.Subject != "" && !slices.Contains(unfinished, f.Subject) {
			t.Errorf("verify: %+v", f)
			ok = false
		}
	}
	return ok
}

// checkTape checks that a tape reads as a prefix of what was written, of
// atLeast so many records.
func (l *life) checkTape(t *testing.T, s *Store, id string, atLeast int) bool {
	read, err := s.ReadTape(id)
	if errors.Is(err, ErrNotFound) || errors.Is(err, ErrForgotten) {
		if atLeast > 0 {
			t.Errorf("tape %s: %v, %d records were durable", id, err, atLeast)
		}
		return atLeast == 0
	}
	if err != nil {
		t.Errorf("tape %s: %v", id, err)
		return false
	}
	recs, errs := collect(read())
	if len(recs) < atLeast || !isPrefix(recs[:atLeast], l.want) || !isSubsequence(recs, l.want) {
		t.Errorf("tape %s: %s and %v, %d records were durable", id, describe(recs), errs, atLeast)
		return false
	}
	return true
}

// checkSealed checks that the sealed recording is whole or not there.
func (l *life) checkSealed(t *testing.T, s *Store, sealed bool, atLeast int) bool {
	row, err := s.Catalog.Get(t.Context(), l.sealed)
	if errors.Is(err, ErrNotFound) {
		if sealed {
			t.Error("the sealed recording is gone")
			return false
		}
		return l.checkTape(t, s, l.sealed, atLeast)
	}
	check(t, err)
	if want := sealRow(l.sealed); row.State != want.State || row.Extension != want.Extension || len(row.Notes) > 0 {
		t.Errorf("of the sealed recording's facts is left: %+v", row)
		return false
	}
	body, err := s.OpenAudio(t.Context(), row)
	if err != nil {
		t.Errorf("a row, but its body: %v", err)
		return false
	}
	defer body.Close()
	b, err := io.ReadAll(body)
	if err != nil || !bytes.Equal(b, sealedBody) {
		t.Errorf("a sealed body of %d bytes, want %d; %v", len(b), len(sealedBody), err)
		return false
	}
	if _, err := s.ReadTape(l.sealed); !errors.Is(err, ErrNotFound) {
		t.Errorf("the tape of a sealed recording, after Recover: %v", err)
		return false
	}
	return true
}

// unsyncedSystem spares the test the waiting.
func unsyncedSystem() System {
	f := &faults{}
	return f.system()
}

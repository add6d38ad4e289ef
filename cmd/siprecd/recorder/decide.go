package recorder

import (
	"encoding/json"
	"slices"
	"time"

	"siprecd/media"
	"siprecd/policy"
	"siprecd/store"
)

// decide takes the decision for the parties as they are now, for the first
// time or again.
func (rec *recording) decide(at time.Time) {
	d := rec.rs.settings.Rules.Decide(rec.facts())
	if !d.Known && rec.undecided {
		if rec.deadline.IsZero() {
			rec.deadline = at.Add(rec.rs.holdLimit())
		}
		rec.describe(at)
		return
	}
	if !d.Known && rec.provisional {
		rec.describe(at)
		return
	}
	was, first := rec.decision, rec.undecided
	wasProvisional := rec.provisional
	rec.undecided, rec.provisional = false, false
	// A party that leaves takes the gate with it, not what was decided for
	// the part that is recorded.
	rec.adopt(at, d, first || wasProvisional || d.Mode != policy.Off)
	switch {
	case first:
		rec.open(at, false)
	case wasProvisional:
		rec.named(at, was)
	case d.Mode != was.Mode, rec.another(was):
		rec.change(at, was.Mode)
	default:
		rec.describe(at)
	}
}

// another reports whether selective recording passed from one employee to
// another: the key of the one is not the key of the other.
func (rec *recording) another(was policy.Decision) bool {
	return rec.decision.Mode == policy.Selective && was.Mode == policy.Selective && rec.decision.Extension != was.Extension
}

// expire applies the default when nobody was named in time, on a provisional
// tape.
func (rec *recording) expire(at time.Time) {
	d := rec.rs.settings.Rules.Decide(rec.facts())
	rec.undecided, rec.provisional = false, true
	rec.adopt(at, d, true)
	if len(rec.rs.lines) == 0 && d.Known {
		return // refused: whose call it was is all there is to say
	}
	if rec.deadline.IsZero() {
		rec.note("the session ended before a party was named: the default applies (%s, %s)", d.Mode, d.By)
	} else {
		rec.note("no party of ours was named within %v: the default applies (%s, %s)",
			rec.deadline.Sub(rec.start).Round(10*time.Millisecond), d.Mode, d.By)
	}
	rec.open(at, true)
}

// adopt makes d the call's decision and enters it in the row; with headline it
// is the one the row is known by.
func (rec *recording) adopt(at time.Time, d policy.Decision, headline bool) {
	rec.decision = d
	rec.track.SetCommands(d.Start, d.Stop)
	for _, n := range d.Notes {
		rec.note("%s", n)
	}
	rec.mu.Lock()
	defer rec.mu.Unlock()
	if headline {
		rec.row.Policy, rec.row.DecidedBy = d.Mode.String(), d.By.String()
	}
	if d.Extension != "" || rec.row.Extension == "" {
		rec.row.Extension, rec.row.Other, rec.row.Direction = d.Extension, d.Other, d.Direction
	}
	rec.row.Decisions = append(rec.row.Decisions, store.Decision{
		At: at.UTC(), Policy: d.Mode.String(), DecidedBy: d.By.String(), Why: d.Why,
	})
}

// open opens the tape a first decision asks for, and the gate.
func (rec *recording) open(at time.Time, provisional bool) {
	if rec.decision.Mode != policy.Off {
		rec.openTape(provisional)
	}
	rec.describe(at)
	rec.track.SetMode(rec.start.UnixNano(), mode(rec.decision.Mode), rec.decision.Mode.String())
	rec.logDecision(at)
}

// named settles a provisional tape once our party is known: its key is written,
// or forgotten before the file is unlinked, and then what it held never was
// readable on disk.
func (rec *recording) named(at time.Time, was policy.Decision) {
	guessed := rec.ourLines()
	rec.describe(at)
	switch {
	case rec.decision.Mode == policy.Full && was.Mode != policy.Off:
		rec.confirm()
		rec.note("our party was named late, full applies: %s", map[bool]string{
			true: "everything was kept", false: "until then a key was awaited"}[was.Mode == policy.Full])
	case rec.decision.Mode == policy.Selective && was.Mode == policy.Selective && slices.Equal(guessed, rec.ourLines()):
		// A key that was obeyed was our own.
		rec.confirm()
	default:
		rec.track.SetMode(at.UnixNano(), media.ModeOff, "named")
		rec.destroy()
		if rec.decision.Mode != policy.Off {
			rec.openTape(false)
			rec.describe(at)
		}
	}
	rec.track.SetMode(at.UnixNano(), mode(rec.decision.Mode), "named")
	rec.logDecision(at)
}

// confirm writes the key of a provisional tape.
func (rec *recording) confirm() {
	t := rec.tape.Load()
	if t == nil {
		return
	}
	if err := t.Confirm(); err != nil {
		rec.note("tape: %v", err)
	}
}

// destroy makes a provisional tape unreadable, and removes it.
func (rec *recording) destroy() {
	t := rec.tape.Swap(nil)
	if t == nil {
		return
	}
	if err := t.Destroy(); err != nil {
		rec.note("provisional tape: %v", err)
	}
	rec.note("our party was named late, %s applies: what was kept until then was destroyed unread", rec.decision.Mode)
}

// settle keeps what stands on a provisional tape when the session ends and
// nobody was named: the default applied, and it is the last word.
func (rec *recording) settle() {
	if rec.provisional {
		rec.confirm()
	}
}

// change carries out another decision in mid-call: a transfer. An open gate
// stays open under full alone: the mark of one employee is not that of another.
func (rec *recording) change(at time.Time, was policy.Mode) {
	if rec.of.idle.IsZero() || rec.decision.Mode != policy.Off { // else the call has ended, and everyone with it
		rec.note("parties changed: %s → %s (%s)", was, rec.decision.Mode, rec.decision.Why)
	}
	if rec.decision.Mode != policy.Full {
		rec.track.SetMode(at.UnixNano(), media.ModeOff, "transfer")
	}
	if rec.decision.Mode != policy.Off && rec.tape.Load() == nil {
		rec.openTape(false)
	}
	rec.describe(at)
	if rec.decision.Mode != policy.Off {
		rec.track.SetMode(at.UnixNano(), mode(rec.decision.Mode), "transfer")
	}
	rec.logDecision(at)
}

// openTape makes the tape and writes what every tape begins with.
func (rec *recording) openTape(provisional bool) {
	rec.mu.Lock()
	dies := rec.rs.settings.dies(&store.Row{Extension: rec.row.Extension, End: rec.start})
	rec.mu.Unlock()
	t, err := rec.rs.r.Store.NewTape(rec.id, dies, provisional)
	if err != nil {
		rec.note("no tape could be opened: %v", err)
		rec.rs.r.Log.Error("no tape: the call is not recorded", "call", rec.id, "side", "srs", "reason", err)
		return
	}
	rec.tape.Store(t)
	if b, err := json.Marshal(media.Start{Version: 1}); err == nil {
		rec.track.Append(media.KindStart, rec.start.UnixNano(), 0, b)
	}
	for _, d := range rec.documents {
		rec.track.Append(kindMetadata, d.at.UnixNano(), 0, d.data)
	}
}

func (rec *recording) logDecision(at time.Time) {
	rec.mu.Lock()
	n := len(rec.row.Decisions)
	d := rec.row.Decisions[n-1]
	rec.mu.Unlock()
	if b, err := json.Marshal(d); err == nil {
		rec.track.Append(kindDecision, at.UnixNano(), 0, b)
	}
}

func mode(m policy.Mode) media.Mode {
	switch m {
	case policy.Full:
		return media.ModeFull
	case policy.Selective:
		return media.ModeSelective
	default:
		return media.ModeOff
	}
}

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
func (c *Call) decide(at time.Time) {
	d := c.settings.Rules.Decide(c.facts())
	if !d.Known && c.undecided {
		if c.deadline.IsZero() {
			c.deadline = at.Add(c.holdLimit())
			c.ports.Hold(true)
		}
		c.describe(at)
		return
	}
	if !d.Known && c.provisional {
		c.describe(at)
		return
	}
	was, first := c.decision, c.undecided
	wasProvisional := c.provisional
	c.undecided, c.provisional = false, false
	// A party that leaves takes the gate with it, not what was decided for
	// the part that is recorded.
	c.adopt(at, d, first || wasProvisional || d.Mode != policy.Off)
	switch {
	case first:
		c.begin(at, false)
		c.ports.Hold(false)
	case wasProvisional:
		c.named(at, was)
	case d.Mode != was.Mode, c.another(was):
		c.change(at, was.Mode)
	default:
		c.describe(at)
	}
}

// another reports whether selective recording passed from one employee to
// another: the key of the one is not the key of the other.
func (c *Call) another(was policy.Decision) bool {
	return c.decision.Mode == policy.Selective && was.Mode == policy.Selective && c.decision.Extension != was.Extension
}

// expire applies the default when nobody was named in time, on a provisional
// tape.
func (c *Call) expire(at time.Time) {
	d := c.settings.Rules.Decide(c.facts())
	c.undecided, c.provisional = false, true
	c.adopt(at, d, true)
	if len(c.lines) == 0 && d.Known {
		return // refused: whose call it was is all there is to say
	}
	if c.deadline.IsZero() {
		c.note("the session ended before a party was named: the default applies (%s, %s)", d.Mode, d.By)
	} else {
		c.note("no party of ours was named within %v: the default applies (%s, %s)",
			c.deadline.Sub(c.start).Round(10*time.Millisecond), d.Mode, d.By)
	}
	c.begin(at, true)
	c.ports.Hold(false)
}

// adopt makes d the call's decision and enters it in the row; with headline it
// is the one the row is known by.
func (c *Call) adopt(at time.Time, d policy.Decision, headline bool) {
	c.decision = d
	c.track.SetCommands(d.Start, d.Stop)
	for _, n := range d.Notes {
		c.note("%s", n)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if headline {
		c.row.Policy, c.row.DecidedBy = d.Mode.String(), d.By.String()
	}
	if d.Extension != "" || c.row.Extension == "" {
		c.row.Extension, c.row.Other, c.row.Direction = d.Extension, d.Other, d.Direction
	}
	c.row.Decisions = append(c.row.Decisions, store.Decision{
		At: at.UTC(), Policy: d.Mode.String(), DecidedBy: d.By.String(), Why: d.Why,
	})
}

// begin opens the tape a first decision asks for, and the gate.
func (c *Call) begin(at time.Time, provisional bool) {
	if c.decision.Mode != policy.Off {
		c.openTape(provisional)
	}
	c.describe(at)
	c.track.SetMode(c.start.UnixNano(), mode(c.decision.Mode), c.decision.Mode.String())
	c.logDecision(at)
}

// named settles a provisional tape once our party is known: its key is written,
// or forgotten before the file is unlinked, and then what it held never was
// readable on disk.
func (c *Call) named(at time.Time, was policy.Decision) {
	guessed := c.ourLines()
	c.describe(at)
	switch {
	case c.decision.Mode == policy.Full && was.Mode != policy.Off:
		c.confirm()
		c.note("our party was named late, full applies: %s", map[bool]string{
			true: "everything was kept", false: "until then a key was awaited"}[was.Mode == policy.Full])
	case c.decision.Mode == policy.Selective && was.Mode == policy.Selective && slices.Equal(guessed, c.ourLines()):
		// A key that was obeyed was our own.
		c.confirm()
	default:
		c.track.SetMode(at.UnixNano(), media.ModeOff, "named")
		c.destroy()
		if c.decision.Mode != policy.Off {
			c.openTape(false)
			c.describe(at)
		}
	}
	c.track.SetMode(at.UnixNano(), mode(c.decision.Mode), "named")
	c.logDecision(at)
}

// confirm writes the key of a provisional tape.
func (c *Call) confirm() {
	t := c.tape.Load()
	if t == nil {
		return
	}
	if err := t.Confirm(); err != nil {
		c.note("tape: %v", err)
	}
}

// destroy makes a provisional tape unreadable, and removes it.
func (c *Call) destroy() {
	t := c.tape.Swap(nil)
	if t == nil {
		return
	}
	if err := t.Destroy(); err != nil {
		c.note("provisional tape: %v", err)
	}
	c.note("our party was named late, %s applies: what was kept until then was destroyed unread", c.decision.Mode)
}

// settle keeps what stands on a provisional tape when the session ends and
// nobody was named: the default applied, and it is the last word.
func (c *Call) settle() {
	if c.provisional {
		c.confirm()
	}
}

// change carries out another decision in mid-call: a transfer. An open gate
// stays open under full alone: the mark of one employee is not that of another.
func (c *Call) change(at time.Time, was policy.Mode) {
	c.note("parties changed: %s → %s (%s)", was, c.decision.Mode, c.decision.Why)
	if c.decision.Mode != policy.Full {
		c.track.SetMode(at.UnixNano(), media.ModeOff, "transfer")
	}
	if c.decision.Mode != policy.Off && c.tape.Load() == nil {
		c.openTape(false)
	}
	c.describe(at)
	if c.decision.Mode != policy.Off {
		c.track.SetMode(at.UnixNano(), mode(c.decision.Mode), "transfer")
	}
	c.logDecision(at)
}

// openTape makes the tape and writes what every tape begins with.
func (c *Call) openTape(provisional bool) {
	c.mu.Lock()
	dies := c.settings.dies(&store.Row{Extension: c.row.Extension, End: c.start})
	c.mu.Unlock()
	t, err := c.r.Store.NewTape(c.id, dies, provisional)
	if err != nil {
		c.note("no tape could be opened: %v", err)
		c.r.Log.Error("no tape: the call is not recorded", "call", c.id, "side", "srs", "reason", err)
		return
	}
	c.tape.Store(t)
	if b, err := json.Marshal(media.Start{Version: 1}); err == nil {
		c.track.Append(media.KindStart, c.start.UnixNano(), 0, b)
	}
	for _, d := range c.documents {
		c.track.Append(kindMetadata, d.at.UnixNano(), 0, d.data)
	}
}

func (c *Call) logDecision(at time.Time) {
	c.mu.Lock()
	n := len(c.row.Decisions)
	d := c.row.Decisions[n-1]
	c.mu.Unlock()
	if b, err := json.Marshal(d); err == nil {
		c.track.Append(kindDecision, at.UnixNano(), 0, b)
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

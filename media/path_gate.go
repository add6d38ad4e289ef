package media

import "strings"

// gate is shut at first. It moves by SetMode and by keys.
type gate struct {
	open        bool
	from        int64 // Unix nanoseconds: what was spoken earlier does not pass
	strict      bool  // not a sample from before from passes
	moved       bool  // it has been open before
	decidedShut bool  // a decision other than full was taken
	openings    int   // how often it opened
}

// passes tells whether a packet that ends at at and lasts length nanoseconds
// passes. The opening at the beginning of a call asks only for its arrival;
// after a key or a later opening the whole packet must have been spoken since.
func (g *gate) passes(at, length int64) bool {
	if !g.strict {
		length = 0
	}
	return g.open && at-length >= g.from
}

// moveGate moves the gate, tells the tape and whoever listens to events.
// line is -1 when no line moved it.
func (t *Track) moveGate(at int64, line int, open bool, why string) {
	g := &t.gate
	g.strict = open && line >= 0 || g.moved || g.decidedShut
	g.open = open
	if open {
		g.from, g.moved = at, true
		g.openings++
	}
	t.sayMove(at, line, GateMove{Open: open, Why: why})
}

// sayGate puts on tape that the gate was open from the beginning, now that a
// time is known.
func (t *Track) sayGate(at int64) {
	if t.unsaid == nil {
		return
	}
	move := *t.unsaid
	t.unsaid = nil
	t.sayMove(at, -1, move)
}

func (t *Track) sayMove(at int64, line int, move GateMove) {
	t.appendJSON(KindGate, at, max(line, 0), move)
	if t.onEvent != nil {
		t.onEvent(Event{At: at, Line: line, Gate: &move})
	}
}

// command carries out a whole command pressed on a line, or says why not.
func (x *trackLine) command(at int64, command, via string) {
	t := x.track
	key := KeyPress{Command: command, Via: via}
	open := command == t.start
	if open && command == t.stop { // one command for both: it toggles
		open = !t.gate.open
	}
	switch {
	case !x.spec.Ours:
		key.Why = "foreign"
	case t.mode != ModeSelective:
		key.Why = "not-selective"
	case open && t.gate.open:
		key.Why = "already-open"
	case !open && !t.gate.open:
		key.Why = "already-shut"
	default:
		key.Obeyed = true
	}
	t.appendJSON(KindKey, at, x.as, key)
	if t.onEvent != nil {
		t.onEvent(Event{At: at, Line: x.as, Key: &key})
	}
	switch {
	case key.Obeyed && open:
		t.moveGate(at, x.as, true, "key")
	case key.Obeyed:
		t.moveGate(at, x.as, false, "stop-key")
	}
}

func (t *Track) setCommands(start, stop string) {
	t.start, t.stop = strings.ToUpper(start), strings.ToUpper(stop)
	for _, x := range t.lines {
		if x != nil {
			x.keys.pending = ""
		}
	}
}

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
func (p *Path) moveGate(at int64, line int, open bool, why string) {
	g := &p.gate
	g.strict = open && line >= 0 || g.moved || g.decidedShut
	g.open = open
	if open {
		g.from, g.moved = at, true
		g.openings++
	}
	p.sayMove(at, line, GateMove{Open: open, Why: why})
}

// sayGate puts on tape that NewPath opened the gate, now that a time is known.
func (p *Path) sayGate(at int64) {
	if p.unsaid == nil {
		return
	}
	move := *p.unsaid
	p.unsaid = nil
	p.sayMove(at, -1, move)
}

func (p *Path) sayMove(at int64, line int, move GateMove) {
	p.appendJSON(KindGate, at, max(line, 0), move)
	if p.onEvent != nil {
		p.onEvent(Event{At: at, Line: line, Gate: &move})
	}
}

// Cut ends what is on the tape, for another recording of the same RS to begin
// on another one: the gate is shut, counts are from zero, a command half
// pressed is forgotten. The lines go on, and are to be told anew by SetLine.
// It returns the sink's first error.
func (p *Path) Cut(at int64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.finished {
		return p.err
	}
	p.sayGate(at)
	p.appendJSON(KindCounts, at, 0, p.counts())
	p.append(KindEnd, at, 0, nil)
	err := p.flush()
	p.deafen()
	p.mode, p.gate, p.err = ModeOff, gate{moved: true}, nil
	for i, l := range p.lines {
		if l != nil {
			l.counts, l.keys = LineCounts{Line: i}, keypad{}
		}
	}
	return err
}

// command carries out a whole command pressed on line i, or says why not.
func (p *Path) command(l *line, i int, at int64, command, via string) {
	key := KeyPress{Command: command, Via: via}
	open := command == p.start
	if open && command == p.stop { // one command for both: it toggles
		open = !p.gate.open
	}
	switch {
	case !l.spec.Ours:
		key.Why = "foreign"
	case p.mode != ModeSelective:
		key.Why = "not-selective"
	case open && p.gate.open:
		key.Why = "already-open"
	case !open && !p.gate.open:
		key.Why = "already-shut"
	default:
		key.Obeyed = true
	}
	p.appendJSON(KindKey, at, i, key)
	if p.onEvent != nil {
		p.onEvent(Event{At: at, Line: i, Key: &key})
	}
	switch {
	case key.Obeyed && open:
		p.moveGate(at, i, true, "key")
	case key.Obeyed:
		p.moveGate(at, i, false, "stop-key")
	}
}

func (p *Path) setCommands(start, stop string) {
	p.start, p.stop = strings.ToUpper(start), strings.ToUpper(stop)
	for _, l := range p.lines {
		if l != nil {
			l.keys.pending = ""
		}
	}
}

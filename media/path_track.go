package media

import (
	"cmp"
	"encoding/json"
	"math"
	"slices"
	"time"
)

// Track is one recording of a Path: a decision, a gate, the keys that move it,
// and the tape behind it. Its lines have numbers of their own on that tape. The
// Path's lock guards it.
type Track struct {
	path    *Path
	sink    Sink
	onEvent func(Event)
	lines   []*trackLine // by their numbers on the tape; nil until Take
	start   string
	stop    string
	mode    Mode
	gate    gate
	unsaid  *GateMove // opened when it was made, which knows no time: not on tape yet
	dirty   bool      // something was appended since the last flush
	over    bool
	err     error // the sink's first
}

// trackLine is a line as one Track has it.
type trackLine struct {
	track   *Track
	line    *line
	as      int // its number on the tape
	spec    LineSpec
	keys    keypad
	sound   *earshot // nil: its sound is not listened to
	opening int      // of the gate, the last in which audio was kept
	has     bool     // the track has it now
	base    LineCounts
	counted LineCounts // before base, and Kept, Paused and Unheard
}

// SetLine is Take for a line that has the same number on the tape.
func (t *Track) SetLine(i int, at int64, s LineSpec) { t.Take(i, i, at, s) }

// Take tells what line i is from at on, and has the Track record it. It is line
// as of the tape; both are in 0..65535, others do not exist.
func (t *Track) Take(i, as int, at int64, s LineSpec) {
	t.path.mu.Lock()
	defer t.path.mu.Unlock()
	if t.over || as < 0 || as > math.MaxUint16 {
		return
	}
	t.sayGate(at)
	l := t.path.negotiate(i, at, &s)
	if l == nil {
		return
	}
	for len(t.lines) <= as {
		t.lines = append(t.lines, nil)
	}
	x := t.lines[as]
	if x == nil {
		x = &trackLine{track: t, as: as}
		t.lines[as] = x
	}
	if !x.has {
		x.has, x.line, x.base = true, l, l.counts
		l.on = append(l.on, x)
	}
	x.spec = s
	t.appendJSON(KindLine, at, as, s)
}

// Leave ends from at on what Take began: line as of the tape goes on without
// this Track.
func (t *Track) Leave(as int, at int64) {
	t.path.mu.Lock()
	defer t.path.mu.Unlock()
	if as < 0 || as >= len(t.lines) || t.lines[as] == nil || !t.lines[as].has || t.over {
		return
	}
	t.sayGate(at)
	x := t.lines[as]
	x.leave()
	x.spec.Receiving = false
	t.appendJSON(KindLine, at, as, x.spec)
}

func (x *trackLine) leave() {
	if !x.has {
		return
	}
	x.deafen()
	x.counted, x.has, x.keys = x.counts(), false, keypad{}
	x.line.on = slices.DeleteFunc(x.line.on, func(other *trackLine) bool { return other == x })
}

// SetCommands changes the commands that open and shut a selective gate. A
// command half entered is forgotten.
func (t *Track) SetCommands(start, stop string) {
	t.path.mu.Lock()
	defer t.path.mu.Unlock()
	t.setCommands(start, stop)
}

// SetMode applies a decision. Full opens the gate or leaves it open, off shuts
// it, selective shuts it unless the start key was pressed under this very
// decision. Packets that came before at do not pass an opening gate.
func (t *Track) SetMode(at int64, m Mode, why string) {
	t.path.mu.Lock()
	defer t.path.mu.Unlock()
	if t.over {
		return
	}
	t.sayGate(at)
	marked := t.mode == ModeSelective && m == ModeSelective
	t.mode = m
	switch {
	case m == ModeFull && !t.gate.open:
		t.moveGate(at, -1, true, why)
	case m != ModeFull && t.gate.open && !marked:
		t.moveGate(at, -1, false, why)
	}
	if m != ModeFull {
		t.gate.decidedShut = true
	}
	if m != ModeSelective {
		t.deafen()
	}
}

// Press takes a key that came by signalling ("info") or from a detector
// ("inband") on a line as of the tape. digit is one of 0-9, *, #, A-D.
func (t *Track) Press(as int, at int64, digit byte, via string) {
	t.path.mu.Lock()
	defer t.path.mu.Unlock()
	if as < 0 || as >= len(t.lines) || t.lines[as] == nil || !t.lines[as].has || t.over {
		return
	}
	t.sayGate(at)
	t.lines[as].press(at, upperDigit(digit), via)
}

// Append puts a record of the driver's own on the tape, in order with the rest.
func (t *Track) Append(kind Kind, at int64, as uint16, data []byte) {
	t.path.mu.Lock()
	defer t.path.mu.Unlock()
	if t.over {
		return
	}
	if kind != KindStart {
		t.sayGate(at)
	}
	t.append(kind, at, int(as), data)
}

// Flush ends a batch: the sink is flushed if anything was appended. It returns
// the sink's first error.
func (t *Track) Flush() error {
	t.path.mu.Lock()
	defer t.path.mu.Unlock()
	return t.flush()
}

// Counts returns what was counted so far, by line as of the tape.
func (t *Track) Counts() []LineCounts {
	t.path.mu.Lock()
	defer t.path.mu.Unlock()
	return t.counts()
}

// Open reports whether the gate is open.
func (t *Track) Open() bool {
	t.path.mu.Lock()
	defer t.path.mu.Unlock()
	return t.gate.open
}

// Finish writes KindCounts and KindEnd and flushes. Later packets are
// forgotten; the Path and its other Tracks go on. It returns the sink's first
// error.
func (t *Track) Finish(at int64) error {
	p := t.path
	p.mu.Lock()
	defer p.mu.Unlock()
	if t.over {
		return t.err
	}
	t.sayGate(at)
	t.appendJSON(KindCounts, at, 0, t.counts())
	t.append(KindEnd, at, 0, nil)
	for _, x := range t.lines {
		if x != nil {
			x.leave()
		}
	}
	t.over = true
	p.tracks = slices.DeleteFunc(p.tracks, func(other *Track) bool { return other == t })
	return t.flush()
}

func (t *Track) counts() []LineCounts {
	all := make([]LineCounts, 0, len(t.lines))
	for _, x := range t.lines {
		if x != nil {
			all = append(all, x.counts())
		}
	}
	return all
}

// counts are those of the line while the track has had it.
func (x *trackLine) counts() LineCounts {
	c := x.counted
	c.Line = x.as
	if !x.has {
		return c
	}
	now, base := &x.line.counts, &x.base
	c.Received += now.Received - base.Received
	c.Refused += now.Refused - base.Refused
	c.Foreign += now.Foreign - base.Foreign
	c.Crowded += now.Crowded - base.Crowded
	c.Unannounced += now.Unannounced - base.Unannounced
	c.RefusedSound += now.RefusedSound - base.RefusedSound
	c.KernelDrops += now.KernelDrops - base.KernelDrops
	c.RTCP += now.RTCP - base.RTCP
	c.Unauthenticated += now.Unauthenticated - base.Unauthenticated
	c.Replayed += now.Replayed - base.Replayed
	c.Lost, c.Jitter = x.line.reports.fared()
	if x.line.last != 0 {
		c.LastPacket = time.Unix(0, x.line.last)
	}
	return c
}

func (t *Track) append(kind Kind, at int64, as int, data []byte) {
	t.sink.Append(kind, at, uint16(as), data)
	t.dirty = true
}

func (t *Track) appendJSON(kind Kind, at int64, as int, v any) {
	b, err := json.Marshal(v)
	if err != nil { // none of our records can be unmarshallable; the tape goes on
		t.err = cmp.Or(t.err, err)
		return
	}
	t.append(kind, at, as, b)
}

func (t *Track) flush() error {
	if !t.dirty || t.sink.Flush == nil {
		return t.err
	}
	t.dirty = false
	if err := t.sink.Flush(); err != nil && t.err == nil {
		t.err = err
	}
	return t.err
}

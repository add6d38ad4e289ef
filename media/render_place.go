package media

import (
	"math"
	"slices"
)

const (
	writeLag   = 25 * nanos // how long a packet may come after its place and still be heard, and writeAhead
	writeAhead = 5 * nanos  // how long a hole may be that is filled from both sides, and what a correction may move a packet by

	quietError = 500_000   // ns; a clock error corrected where it is quiet
	loudError  = 1_000_000 // ns; one corrected anywhere
	clockError = 2_000_000 // ns; closer no clock is known
	quietPeak  = 300       // of 32,768
)

// player places the packets of a tape on the call's clock, line by line in the
// order of their audio, up to a lag behind the tape's own time.
type player struct {
	tapeReader
	plan   *plan
	rate   int64 // frames a second
	voices [maxTapeLines]*placedLine
	done   int64 // frames that have been handed to flush
	free   []*placed

	// sound is given audio of n frames from pos on, without its first skip, its
	// first sample repeated before it stretch times. Its seat's cursor is still
	// behind what was placed there before it.
	sound func(v *placedLine, p *placed, pos, skip, n, stretch int64)
	flush func(upTo int64) error // nothing will be placed before upTo any more
}

// placed is a packet waiting for its turn.
type placed struct {
	key     int64 // the frame it belongs to, but for corrections
	chain   *chain
	seat    *seat
	run     *run
	format  *lineFormat
	content content
	seq     int64
	stamp   int64
	units   int64
	opening int64
	marked  bool // by its sender, as the first of a talkspurt
	hole    bool // between the audio before and its own, while the gate was open
	lost    bool // and packets that belong there never came
	payload []byte
}

// placedLine is one line while it is placed.
type placedLine struct {
	index    int
	plan     *linePlan
	queue    []*placed // by key
	seats    []*seat   // as the plan counts them
	cursor   int64     // frame after the last audio of any seat
	covered  int64     // frame up to which key presses explain that there is none
	quiet    bool      // the sender said last that it has nothing to send
	broken   bool      // what came since the last audio is no payload of its format
	applied  map[*run]int64
	facts    StreamFacts
	fixes    []Correction
	dropped  int64 // samples that corrections and overlaps cost
	together int64 // frames in which several seats sound
}

// seat is where senders of a line sound one after another.
type seat struct {
	index   int
	cursor  int64   // frame after the last audio
	last    placed  // audio
	between []int64 // sequence numbers without audio since then
}

func newPlayer(p *plan, rate int) *player {
	pl := &player{plan: p, rate: int64(rate)}
	pl.outside = p.outside
	pl.onPacket = pl.packet
	pl.onClock = pl.clock
	return pl
}

// play reads the tape and places everything up to the last frame.
func (pl *player) play(t Tape) error {
	if err := pl.read(t); err != nil {
		return err
	}
	return pl.advance(pl.plan.frames(int(pl.rate)), math.MaxInt64)
}

func (pl *player) frame(ns int64) int64 { return stampFrames(ns, nanos, pl.rate) }

// stampFrames converts units of clock Hz to frames, rounding down.
func stampFrames(units, clock, rate int64) int64 {
	whole, rest := units/clock, units%clock
	if rest < 0 {
		whole, rest = whole-1, rest+clock
	}
	return whole*rate + rest*rate/clock
}

func (pl *player) clock(now int64) error {
	if to := pl.frame(now - writeLag); to >= pl.done+pl.rate {
		return pl.advance(to, to+pl.frame(writeAhead))
	}
	return nil
}

// advance places what belongs before the frame until, and flushes up to to.
func (pl *player) advance(to, until int64) error {
	to = min(to, pl.plan.frames(int(pl.rate)))
	for _, v := range pl.voices {
		if v == nil {
			continue
		}
		n := 0
		for n < len(v.queue) && v.queue[n].key < until {
			pl.place(v, v.queue[n])
			pl.free = append(pl.free, v.queue[n])
			n++
		}
		v.queue = v.queue[:copy(v.queue, v.queue[n:])]
	}
	if pl.flush != nil && to > pl.done {
		if err := pl.flush(to); err != nil {
			return err
		}
	}
	pl.done = max(pl.done, to)
	return nil
}

func (pl *player) voice(l *tapeLine) *placedLine {
	v := pl.voices[l.index]
	if v == nil {
		v = &placedLine{
			index: l.index, plan: pl.plan.lines[l.index], applied: map[*run]int64{},
		}
		for i := range v.plan.seatCount() {
			v.seats = append(v.seats, &seat{index: i})
		}
		pl.voices[l.index] = v
	}
	return v
}

// packet queues a packet by its place.
func (pl *player) packet(p *tapePacket) error {
	v := pl.voice(p.line)
	c := p.chain
	if c.runs == nil {
		c.runs = v.plan.runs[c.index]
	}
	if p.content == audio && p.units > 0 {
		for c.run+1 < len(c.runs) && c.sounds >= c.runs[c.run+1].first {
			c.run++
		}
		c.sounds++
	}
	seat := v.seats[v.plan.seats[c.index]]
	if p.content == nothing || len(c.runs) == 0 {
		seat.pass(p.seq)
		return nil
	}
	r := &c.runs[c.run]
	if p.content == event && int64(p.format.Clock) != r.clock {
		seat.pass(p.seq)
		return nil
	}
	q := &placed{}
	if n := len(pl.free); n > 0 {
		q, pl.free = pl.free[n-1], pl.free[:n-1]
	}
	*q = placed{
		key: pl.base(r, p.stamp) + pl.drift(r, p.stamp), chain: c, seat: seat, run: r, format: p.format, content: p.content,
		seq: p.seq, stamp: p.stamp, units: p.units, opening: p.opening, marked: p.marked,
		payload: append(q.payload[:0], p.payload...),
	}
	i := len(v.queue)
	for i > 0 && v.queue[i-1].key > q.key {
		i--
	}
	v.queue = slices.Insert(v.queue, i, q)
	return nil
}

// base is the frame of a timestamp on the sender's clock.
func (pl *player) base(r *run, stamp int64) int64 {
	return pl.frame(r.anchor+nanos/(2*pl.rate)) + stampFrames(stamp-r.origin, r.clock, pl.rate)
}

// drift is what the sender's clock has gained or lost, in frames.
func (pl *player) drift(r *run, stamp int64) int64 {
	return int64(math.Round(r.driftAt(stamp) * float64(pl.rate) / nanos))
}

// place gives one packet its final place.
func (pl *player) place(v *placedLine, p *placed) {
	n := stampFrames(p.stamp+p.units-p.run.origin, p.run.clock, pl.rate) - stampFrames(p.stamp-p.run.origin, p.run.clock, pl.rate)
	switch {
	case p.content == event:
		pos := pl.base(p.run, p.stamp) + v.applied[p.run]
		if reach := max(v.cursor, v.covered) + pl.frame(unsentSpan); pos <= reach {
			v.covered = max(v.covered, pos+n)
		}
	case p.content == noise:
		v.quiet = true
	case n == 0:
		v.broken = v.broken || p.units == 0
	default:
		pl.speak(v, p, n)
		return
	}
	p.seat.pass(p.seq)
}

// speak places n frames of audio.
func (pl *player) speak(v *placedLine, p *placed, n int64) {
	s := p.seat
	pl.join(v, p)
	fix := pl.correct(v, p)
	pos := pl.base(p.run, p.stamp) + v.applied[p.run]
	early := pl.early(pos, n)
	if early == n {
		s.pass(p.seq)
		return
	}
	skip := max(early, s.cursor-pos, -pos)
	end := pl.plan.frames(int(pl.rate))
	if skip >= n || pos >= end {
		v.facts.Late++
		v.dropped += n
		s.pass(p.seq)
		return
	}
	if cut := skip - early - max(0, -fix); cut > 0 { // what was left out for the clock is listed already
		v.fixes = append(v.fixes, Correction{At: float64(pos+skip) / float64(pl.rate), Line: v.index, Samples: int(-cut)})
	}
	v.dropped += skip - early + max(0, pos+n-end)
	stretch := int64(0)
	switch {
	case fix > 0 && pos == s.cursor+fix:
		stretch = fix
	case pos > s.cursor:
		p.hole = s.cursor > 0 && pl.open(s.cursor, pos)
		p.lost = v.missing(p) > 0
		from := v.cursor
		if p.lost {
			from = s.cursor
		}
		pl.hole(v, p, from, pos)
	}
	v.overlap(s, pos+skip, pos+n)
	pl.sound(v, p, pos, skip, n, stretch)
	s.cursor = pos + n
	v.cursor = max(v.cursor, s.cursor)
	v.quiet, v.broken = p.format.rests(p.payload), false
	payload := s.last.payload[:0]
	s.last = *p
	s.last.payload = payload
	s.between = s.between[:0]
}

// overlap counts what of a seat's audio others have something to say in.
func (v *placedLine) overlap(s *seat, from, to int64) {
	reach := int64(0)
	for _, other := range v.seats {
		if other != s {
			reach = max(reach, other.cursor)
		}
	}
	v.together += max(0, min(to, reach)-from)
}

// early is how many of n frames from pos on were spoken before a segment began:
// a packet held up on its way comes after a key that its audio belongs before.
// No key comes before the call.
func (pl *player) early(pos, n int64) int64 {
	for _, s := range pl.plan.segments {
		if s.from == 0 {
			if pos < pl.frame(s.to+clockError) {
				return 0
			}
			continue
		}
		from := pl.frame(s.from - clockError)
		switch {
		case pos+n <= from:
			return n
		case pos < pl.frame(s.to+clockError):
			return max(0, from-pos)
		}
	}
	return 0
}

// join puts the first packet of a run that goes on where another ended exactly
// there: two clocks tell the same time only roughly.
func (pl *player) join(v *placedLine, p *placed) {
	if _, known := v.applied[p.run]; known || !p.run.joined || p.seat.last.chain != p.chain || p.seq != p.seat.last.seq+1 {
		return
	}
	off := p.seat.cursor - pl.base(p.run, p.stamp)
	if reach := pl.frame(shiftSpan); off <= reach && off >= -reach {
		v.applied[p.run] = off
	}
}

// correct follows the sender's clock by single samples, in quiet places if they
// come in time, and by all it takes where there is no audio before the packet.
// It returns the samples inserted.
func (pl *player) correct(v *placedLine, p *placed) int64 {
	if p.run.drift == nil {
		return 0
	}
	applied := v.applied[p.run]
	off := pl.drift(p.run, p.stamp) - applied
	size := max(off, -off) * nanos / pl.rate
	pos := pl.base(p.run, p.stamp) + applied
	step := int64(0)
	switch {
	case off == 0:
	case pos > p.seat.cursor && pos+off > p.seat.cursor:
		step = off
	case size >= loudError, size >= quietError && v.isQuiet(p):
		step = off / max(off, -off)
	}
	if step == 0 {
		return 0
	}
	v.applied[p.run] = applied + step
	v.fixes = append(v.fixes, Correction{At: float64(pos) / float64(pl.rate), Line: v.index, Samples: int(step)})
	return step
}

// isQuiet reports whether nobody would hear a sample more or less.
func (v *placedLine) isQuiet(p *placed) bool {
	switch {
	case !p.format.decodes():
		return true
	case !p.format.codec.plain:
		return false
	}
	var scratch [1024]int16
	for _, s := range p.format.codec.open(p.format.Format)(scratch[:0], p.payload) {
		if s > quietPeak || s < -quietPeak {
			return false
		}
	}
	return true
}

// pass notes a packet without audio, so that it counts as no loss.
func (s *seat) pass(seq int64) {
	if len(s.between) == maxReorder {
		s.between = s.between[:copy(s.between, s.between[1:])]
	}
	s.between = append(s.between, seq)
}

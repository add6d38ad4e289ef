package media

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// plan is what a first reading of a tape says about it as a whole.
type plan struct {
	outside     *FFmpeg
	length      int64 // ns
	interrupted bool
	segments    []span
	lines       [maxTapeLines]*linePlan
	layouts     []layout
	mono        bool
	mixed       bool // several lines sound on one channel at once
	keys        []Key
	counts      []LineCounts
	moved       []move
	odd         oddities
}

// move is a run put earlier than it came, by sender reports.
type move struct {
	line int
	by   int64 // ns
}

// linePlan is the plan of one line.
type linePlan struct {
	label  string
	runs   [][]run        // by chain
	seats  []int          // by chain: where it sounds
	quiet  []span         // paused or held
	long   map[int64]bool // frames where holes begin whose ends are not at hand then, and whether packets were lost in it
	specs  []lineChange
	codecs []codecCount
	chains []*chain
	packet float64 // seconds one packet lasts, of the latest
}

// lineChange is what a line is from a time on.
type lineChange struct {
	at                    int64
	ours, receiving, held bool
}

// codecCount is how much came in one format.
type codecCount struct {
	format  *lineFormat // one of that name and fate
	decodes bool
	name    string
	packets int64
	broken  int64 // others, that are no payload of the format
}

// survey reads the tape for its length, its segments and its clocks.
func survey(t Tape, x *FFmpeg) (*plan, error) {
	s := surveyor{plan: &plan{outside: x}, reader: tapeReader{outside: x}}
	p, r := s.plan, &s.reader
	s.begin()
	if err := r.read(t); err != nil {
		return nil, err
	}
	p.length, p.interrupted, p.odd = r.now, !r.ended, r.odd
	p.segments = s.segments(p.length)
	s.chains()
	for _, l := range p.lines {
		if l == nil {
			continue
		}
		l.seat()
		for _, c := range l.chains {
			c.bins = nil
		}
		l.rest(p.length)
	}
	p.agree()
	p.lay()
	return p, nil
}

// surveyor makes a plan while a tape is read.
type surveyor struct {
	plan   *plan
	reader tapeReader

	gates   int // how often the tape speaks of one
	packets int
	open    bool
	opened  int64
}

// begin tells the reader what is wanted of it.
func (s *surveyor) begin() {
	p, r := s.plan, &s.reader
	r.onLine = func(l *tapeLine, at int64) { s.line(l).change(l.spec, at) }
	r.onKey = func(k Key) { p.keys = append(p.keys, k) }
	r.onCounts = func(c []LineCounts) { p.counts = c }
	r.onRTCP = (*tapeLine).heard
	r.onGate = func(now bool, at int64) {
		if s.gates++; now == s.open {
			return
		}
		if s.open = now; now {
			s.opened = at
		} else if at > s.opened {
			p.segments = append(p.segments, span{from: s.opened, to: at})
		}
	}
	r.onPacket = s.packet
}

func (s *surveyor) line(l *tapeLine) *linePlan {
	if s.plan.lines[l.index] == nil {
		s.plan.lines[l.index] = &linePlan{label: l.spec.Label}
	}
	return s.plan.lines[l.index]
}

func (s *surveyor) packet(q *tapePacket) error {
	s.packets++
	l := s.line(q.line)
	if q.content == audio {
		l.count(q)
	}
	if q.content == audio && q.units > 0 {
		q.chain.observe(q)
		q.chain.sounds++
	}
	return nil
}

// segments are those up to length. Packets without a word about a gate passed an
// open one; nothing without a word is a selective call that nobody marked.
func (s *surveyor) segments(length int64) []span {
	all := s.plan.segments
	if s.open && length > s.opened || s.gates == 0 && s.packets > 0 {
		all = append(slices.Clip(all), span{from: s.opened, to: length})
	}
	return all
}

// chains gives every line its senders, and their runs so far.
func (s *surveyor) chains() {
	for i, l := range s.reader.lines {
		if s.plan.lines[i] == nil || l == nil {
			continue
		}
		s.plan.lines[i].chains, s.plan.lines[i].runs = l.order, nil
		for _, c := range l.order {
			s.plan.lines[i].runs = append(s.plan.lines[i].runs, findRuns(c.bins))
		}
	}
}

func (l *linePlan) change(s LineSpec, at int64) {
	if s.Label != "" {
		l.label = s.Label
	}
	l.specs = append(l.specs, lineChange{at: at, ours: s.Ours, receiving: s.Receiving, held: s.Held})
}

func (l *linePlan) count(p *tapePacket) {
	c := l.codec(p.format)
	if p.units == 0 {
		c.broken++
		return
	}
	c.packets++
	l.packet = seconds(stampTime(p.units, int64(p.format.Clock)))
}

func (l *linePlan) codec(f *lineFormat) *codecCount {
	for i := range l.codecs {
		if c := &l.codecs[i]; c.format == f || c.name == f.Name && c.decodes == f.decodes() {
			return c
		}
	}
	l.codecs = append(l.codecs, codecCount{format: f, decodes: f.decodes(), name: f.Name})
	return &l.codecs[len(l.codecs)-1]
}

// rest notes when the line was paused or on hold.
func (l *linePlan) rest(end int64) {
	for i, s := range l.specs {
		until, cause := end, "paused"
		if i+1 < len(l.specs) {
			until = l.specs[i+1].at
		}
		if s.held {
			cause = "held"
		}
		if s.receiving && !s.held || until <= s.at {
			continue
		}
		if n := len(l.quiet); n > 0 && l.quiet[n-1].to == s.at && l.quiet[n-1].cause == cause {
			l.quiet[n-1].to = until
			continue
		}
		l.quiet = append(l.quiet, span{s.at, until, cause})
	}
}

// frames is the length at a rate, rounded to whole frames.
func (p *plan) frames(rate int) int64 {
	return stampFrames(p.length+nanos/int64(2*rate), nanos, int64(rate))
}

// raw returns the codec whose payloads can be written as they came: G.711 of
// one law on every line and no two lines at once on a channel. Otherwise nil.
func (p *plan) raw() *codec {
	var only *codec
	for _, l := range p.lines {
		if l == nil {
			continue
		}
		for _, c := range l.codecs {
			if !c.decodes || c.format.codec.tag == 0 || only != nil && only.tag != c.format.codec.tag {
				return nil
			}
			only = c.format.codec
		}
	}
	if p.mixed {
		return nil
	}
	return only
}

// state says what was found.
func (p *plan) state(pl *player) Facts {
	f := Facts{
		Duration: seconds(p.length), Interrupted: p.interrupted, Empty: true,
		Container: "flac", Encoding: "flac", Rate: 2 * placeRate, Channels: p.channels(),
		Frames: 2 * p.frames(placeRate), Lossy: true, Keys: p.keys,
	}
	if c := p.raw(); c != nil {
		f.Container, f.Encoding, f.Rate, f.Frames, f.Lossy = "wav", "pcmu", placeRate, p.frames(placeRate), false
		if c.tag == tagALaw {
			f.Encoding = "pcma"
		}
	}
	for _, s := range p.segments {
		f.Segments = append(f.Segments, Segment{seconds(s.from), seconds(s.to)})
	}
	for i, l := range p.lines {
		if l != nil {
			p.stateLine(&f, pl, i, l)
		}
	}
	slices.SortStableFunc(f.Corrections, func(a, b Correction) int { return cmp.Compare(a.At, b.At) })
	p.note(&f)
	if f.Empty {
		f.judge(judgedFrom)
	}
	return f
}

func (p *plan) stateLine(f *Facts, pl *player, i int, l *linePlan) {
	v := pl.voices[i]
	if v == nil {
		v = &placedLine{index: i, plan: l}
	}
	pl.hole(v, nil, v.cursor, p.frames(placeRate))
	s := v.facts
	s.Line, s.Label, s.Sides = i, l.label, p.sidesOf(i)
	s.Channel = s.Sides[len(s.Sides)-1].Channel
	most := int64(0)
	for _, c := range l.codecs {
		f.Empty = false
		if c.packets > most {
			s.Codec, most = c.name, c.packets
		}
		if !c.decodes {
			f.lack(c)
		}
		if c.broken > 0 {
			f.Notes = append(f.Notes, fmt.Sprintf("line %d: %d packets are not valid %s: silent in the recording", i, c.broken, c.name))
		}
	}
	s.expected = l.expected(p)
	l.stateChains(&s)
	for _, c := range p.counts {
		if c.Line == i {
			s.Refused, s.Unauthenticated = c.Refused, c.Unauthenticated
			s.Duplicates += c.Replayed
			f.Notes = append(f.Notes, s.blame(&c, max(l.packet, 0.001))...)
		}
	}
	slices.SortStableFunc(s.Gaps, func(a, b Gap) int { return cmp.Compare(a.Start, b.Start) })
	if len(s.Gaps) == maxGaps {
		f.Notes = append(f.Notes, fmt.Sprintf("line %d: only the first %d gaps are listed", i, maxGaps))
	}
	if v.together > 0 {
		f.Notes = append(f.Notes, fmt.Sprintf("line %d: %d senders spoke at once on it, for %.1f s in all: they are mixed",
			i, len(v.seats), float64(v.together)/placeRate))
	}
	f.Lossy = f.Lossy || v.dropped > 0 || v.together > 0
	f.Corrections = append(f.Corrections, v.fixes...)
	f.Streams = append(f.Streams, s)
}

// lack names a codec without a decoder. Of what is no payload of its format,
// nothing is expected from one.
func (f *Facts) lack(c codecCount) {
	list := &f.Undecodable
	if Outside(c.format.Format) {
		if c.packets == 0 {
			return
		}
		list = &f.Waiting
	}
	if !slices.Contains(*list, c.name) {
		*list = append(*list, c.name)
	}
}

const expectedSpan = 2 * nanos

// expected reports whether packets should have come, and been kept.
func (l *linePlan) expected(p *plan) bool {
	kept := int64(0)
	for _, s := range p.segments {
		for _, rest := range without(l.quiet, s.from, s.to) {
			if len(l.specs) > 0 {
				kept += max(0, rest.to-max(rest.from, l.specs[0].at))
			}
		}
	}
	return kept >= expectedSpan
}

// stateChains says how many packets came and how their times were.
func (l *linePlan) stateChains(s *StreamFacts) {
	packets, jitter := int64(0), 0.0
	for _, c := range l.chains {
		s.Packets += c.packets + c.duplicates
		s.Duplicates += c.duplicates
		s.Lost += c.missing()
		packets, jitter = packets+c.sounds, jitter+c.jitterSum
		s.JitterMax = max(s.JitterMax, c.jitterMax/1e6)
	}
	if packets > 0 {
		s.Jitter = jitter / float64(packets) / 1e6
	}
	gain, span := 0.0, 0.0
	for _, runs := range l.runs {
		for _, r := range runs {
			if r.gain != 0 {
				gain, span = gain+r.gain*r.span, span+r.span
			}
		}
	}
	if span > 0 {
		s.Drift = gain / span * 1e6
	}
}

// note says in words what could not be used.
func (p *plan) note(f *Facts) {
	say := func(format string, args ...any) { f.Notes = append(f.Notes, fmt.Sprintf(format, args...)) }
	for _, name := range slices.Concat(f.Waiting, f.Undecodable) {
		say("no decoder for %s here: that audio is silent in the recording", name)
	}
	for i := range p.odd.unknown {
		if n := p.odd.unknown[i]; n > 0 {
			f.Lossy = true
			say("payload type %d was never announced: %d packets are only on the tape", i, n)
		}
		if n := p.odd.guessed[i]; n > 0 {
			say("payload type %d was never announced: %d packets taken for what RFC 3551 says it is", i, n)
		}
	}
	for _, m := range p.moved {
		say("line %d: its packets came %d ms late as a whole; it lies where its sender reports put it", m.line, m.by/1e6)
	}
	if p.odd.damaged > 0 {
		f.Lossy = true
		say("the tape is damaged in %d places: what could be read around them is here", p.odd.damaged)
	}
	if p.odd.notRTP > 0 {
		say("%d packets on the tape are not RTP", p.odd.notRTP)
	}
	if p.odd.lines+p.odd.chains > 0 {
		f.Lossy = true
		say("%d packets are only on the tape: more than %d lines, or %d senders on one line",
			p.odd.lines+p.odd.chains, maxTapeLines, maxLineChains)
	}
	if math.Abs(f.Duration) > 0 && f.Interrupted {
		say("the tape ends without the end of the call: the recording ends with what was received last")
	}
}

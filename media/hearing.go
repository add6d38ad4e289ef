package media

// liveFrom is how long one side speaks, or everybody is silent, before a call
// that goes on is said to be one-way or silent: who announces something is not
// answered within 5 s. When it is over, judgedFrom holds.
const liveFrom = 10.0 // s

// Hearing follows the tape of a call that goes on: what Measure and WriteTo
// would say of it as far as it goes, without the recording. It is given every
// record once, by whoever asks and away from whoever receives, and it keeps no
// sound: what a decoder remembers of the last packet, and counts. What only a
// program decodes is not heard. Not safe for concurrent use.
type Hearing struct {
	survey   surveyor
	lines    [maxTapeLines]*overheard
	decoders map[who]decoder
	linear   []int16 // of one packet
	counts   []LineCounts
	err      error // the tape's, after which nothing more is heard
}

// overheard is one line of a Hearing.
type overheard struct {
	heard meters
	late  int64
	least []int64 // by chain: the earliest arrival as bin.offset has it
}

// NewHearing makes one that has heard nothing.
func NewHearing() *Hearing {
	h := &Hearing{survey: surveyor{plan: &plan{}}, decoders: map[who]decoder{}}
	h.survey.begin()
	h.survey.reader.onPacket = h.packet
	return h
}

// Take hears the next record of the tape.
func (h *Hearing) Take(rec Record) {
	if r := &h.survey.reader; h.err == nil && !r.ended {
		h.err = r.take(&rec)
	}
}

// Count tells what never reached the tape, as a Track counts it.
func (h *Hearing) Count(now []LineCounts) { h.counts = now }

// Reached returns up to which second of the call the tape was heard.
func (h *Hearing) Reached() float64 { return seconds(h.survey.reader.now) }

func (h *Hearing) packet(p *tapePacket) error {
	if err := h.survey.packet(p); err != nil {
		return err
	}
	if p.content != audio || p.units == 0 {
		return nil
	}
	l := h.lines[p.line.index]
	if l == nil {
		l = &overheard{}
		h.lines[p.line.index] = l
	}
	l.time(p)
	if !p.format.decodes() {
		return nil
	}
	w := who{p.line.index, p.chain.index, p.format.Format}
	decode := h.decoders[w]
	if decode == nil {
		decode = p.format.codec.open(p.format.Format)
		h.decoders[w] = decode
	}
	h.linear = decode(h.linear[:0], p.payload)
	l.heard.of(p.format.codec.rate(p.format.Format)).add(h.linear)
	clear(h.linear)
	return nil
}

// time counts what comes too late for its place in the recording.
func (l *overheard) time(p *tapePacket) {
	offset := p.at - stampTime(p.stamp+p.units, int64(p.format.Clock))
	for len(l.least) <= p.chain.index {
		l.least = append(l.least, offset)
	}
	least := &l.least[p.chain.index]
	newest := &p.chain.bins[len(p.chain.bins)-1]
	anew := newest.first == p.chain.sounds-1 && (newest.anew || newest.jumped)
	if anew || offset < *least {
		*least = offset
	}
	if offset-*least > writeLag {
		l.late++
	}
}

// Facts says how the call fares at a time, Unix nanoseconds: Duration, Segments,
// Quality with its Notes, and of every line the counts, jitter, drift and Level.
// Where things lie in the recording is not known yet, so there are no Gaps, Sides,
// Keys nor Corrections. Refused is what Count said last.
func (h *Hearing) Facts(at int64) Facts {
	r := &h.survey.reader
	now := r.now
	if r.started && !r.ended {
		now = max(now, at-r.start)
	}
	p := *h.survey.plan
	p.segments = h.survey.segments(now)
	h.survey.chains()
	f := Facts{Duration: seconds(now), Empty: true, Interrupted: !r.ended}
	for _, s := range p.segments {
		f.Segments = append(f.Segments, Segment{seconds(s.from), seconds(s.to)})
	}
	for i, l := range p.lines {
		if l == nil {
			continue
		}
		l.quiet = nil
		l.rest(now)
		s := StreamFacts{Line: i, Label: l.label, expected: l.expected(&p)}
		most := int64(0)
		for _, c := range l.codecs {
			f.Empty = false
			if c.packets > most {
				s.Codec, most = c.name, c.packets
			}
		}
		l.stateChains(&s)
		for _, c := range h.counts {
			if c.Line == i {
				s.Refused, s.Unauthenticated = c.Refused, c.Unauthenticated
			}
		}
		if o := h.lines[i]; o != nil {
			s.Late, s.Level = o.late, levelOf(o.heard)
		}
		f.Streams = append(f.Streams, s)
	}
	f.judge(liveFrom)
	return f
}

package media

import "slices"

// voiceOutput is the decoded audio of one line that is still to be mixed.
type voiceOutput struct {
	strands []*strand // one for each rate of a seat
	buf     []int16
	heard   meters
}

// strand is audio of one rate, numbered in samples of it from call time 0.
type strand struct {
	seat   int
	rate   int
	from   *resampler
	lane   lane[int16]
	cursor int64 // frame after the last audio
	next   int64 // sample after it
}

// place is where a payload belongs, in frames of placeRate.
type place struct {
	pos, skip, n, stretch int64 // as player.sound has them
	done                  int64 // what has been written
	after                 int64 // the frame after the audio before a hole; 0: no hole
}

// put decodes a payload into the strand of its rate.
func (l *voiceOutput) put(p *placed, decode decoder, from *resampler, rate int, at place) {
	l.buf = decode(l.buf[:0], p.payload)
	l.heard.of(rate).add(l.buf)
	s := l.strand(p.seat.index, from, rate, at.done)
	for _, o := range l.strands {
		if o != s && o.seat == s.seat && at.after > 0 && o.cursor == at.after {
			o.lane.fade(o.next, p.lost)
		}
	}
	s.put(l.buf, at, p.lost)
}

func (l *voiceOutput) strand(seat int, from *resampler, rate int, done int64) *strand {
	for _, s := range l.strands {
		if s.seat == seat && s.rate == rate {
			return s
		}
	}
	s := &strand{seat: seat, rate: rate, from: from}
	first, _ := from.span(2*done, 1)
	s.lane = lane[int16]{
		base: max(0, first), written: max(0, first), rate: rate,
		linear: func(dst, src []int16) []int16 { return append(dst, src...) },
		coded:  func(s int16) int16 { return s },
	}
	l.strands = append(l.strands, s)
	return s
}

func (s *strand) sample(frame int64) int64 { return stampFrames(frame, placeRate, int64(s.rate)) }

// put places samples. Where no frame is missing none of their own is, even if
// its rate does not divide into frames.
func (s *strand) put(samples []int16, at place, lost bool) {
	begin := at.pos + at.skip
	to, stretch := s.sample(begin), int64(0)
	if s.next > 0 && begin-at.stretch == s.cursor {
		if off := s.next + s.sample(at.stretch) - to; off*off <= s.sample(2)*s.sample(2) {
			to += off
		}
		stretch = to - s.next
	}
	samples = samples[min(s.sample(at.skip), int64(len(samples))):]
	s.lane.put(to, samples, max(0, stretch))
	switch {
	case at.after == 0 || at.skip > 0:
	case s.cursor == at.after:
		s.lane.mend(s.next, to, lost)
	default:
		s.lane.lead(s.sample(at.after), to)
	}
	s.cursor, s.next = at.pos+at.n, to+int64(len(samples))
}

// add adds the line's audio to mix, from an output sample on.
func (l *voiceOutput) add(mix []int, from int64) {
	if l == nil || len(mix) == 0 {
		return
	}
	for _, s := range l.strands {
		first, n := s.from.span(from, len(mix))
		l.buf = slices.Grow(l.buf[:0], n)[:n]
		s.lane.read(first, l.buf)
		if slices.ContainsFunc(l.buf, func(s int16) bool { return s != 0 }) {
			s.from.add(mix, from, l.buf)
		}
	}
}

// drop forgets what no output sample from the given one on is made of.
func (l *voiceOutput) drop(from int64) {
	for _, s := range l.strands {
		first, _ := s.from.span(from, 1)
		s.lane.drop(first)
	}
}

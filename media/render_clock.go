package media

import (
	"cmp"
	"math"
	"slices"
)

const (
	binSpan   = 1 * nanos   // of RTP time in one bin
	shiftSpan = 150_000_000 // ns; arrivals off by more than this are no jitter
	stallSpan = 6 * nanos   // how long after a stall arrivals may take to be on time again
	tailSpan  = 1 * nanos   // a shift so near the end says nothing

	jitterSpan = 1 * nanos // packets farther from each other than that tell of a restart, not of jitter
)

// bin is the earliest arrival among neighbouring packets of a chain: how their
// sender's clock stood to ours. Delay only ever makes packets later, so that
// the earliest tells most.
type bin struct {
	first   int64 // which packet of audio, counted from the chain's first
	clock   int64 // Hz
	from    int64 // timestamp of its first packet
	stamp   int64 // timestamp at the end of the earliest one's audio
	offset  int64 // its arrival minus that timestamp, ns
	arrived int64 // ns since call time 0, of its first packet
	least   int64 // the timestamps between which its audio lies
	most    int64
	filled  int64 // ns of audio
	rise    int64 // ns, the most by which a packet's offset is more than that of the one before
	risen   int64 // which packet of audio that is
	jumped  bool  // its timestamps do not go on where sequence numbers do
	anew    bool  // its sequence numbers have nothing to do with those before
	joined  bool  // its clock is another one, and its audio goes on where that of the bin before ends
}

// stampTime converts RTP clock units to ns without overflow.
func stampTime(stamp, clock int64) int64 {
	return stamp/clock*nanos + stamp%clock*nanos/clock
}

// observe adds a packet of audio to the bins.
func (c *chain) observe(p *tapePacket) {
	clock := int64(p.format.Clock)
	end := p.stamp + p.units
	follows := p.step == 1 && p.stamp == c.ended
	astray := p.stamp - c.ended - (p.step-1)*p.units
	c.ended = end
	offset := p.at - stampTime(end, clock)
	rise := offset - c.transit
	c.tremble(offset, p)
	jumped := p.step > 0 && (astray > 2*p.units || astray < -2*p.units)
	if n := len(c.bins); n > 0 {
		b := &c.bins[n-1]
		off := offset - b.offset
		inside := p.stamp - b.from
		leaps := jumped && (rise > leastShift || rise < -leastShift)
		if !p.anew && !leaps && b.clock == clock && off < shiftSpan && off > -shiftSpan &&
			inside < clock*binSpan/nanos && inside > -clock*binSpan/nanos {
			b.add(c.sounds, p, offset, rise)
			return
		}
	}
	c.bins = append(c.bins, bin{
		first: c.sounds, clock: clock, from: p.stamp, stamp: end, offset: offset, arrived: p.at,
		least: p.stamp, most: end, anew: p.anew, jumped: jumped || p.anew,
		joined: follows && len(c.bins) > 0 && c.bins[len(c.bins)-1].clock != clock,
	})
	if len(c.bins) == 1 || jumped || p.anew {
		rise = 0
	}
	c.bins[len(c.bins)-1].add(c.sounds, p, offset, rise)
}

func (b *bin) add(sounds int64, p *tapePacket, offset, rise int64) {
	end := p.stamp + p.units
	if offset < b.offset {
		b.offset, b.stamp = offset, end
	}
	if rise > b.rise {
		b.rise, b.risen = rise, sounds
	}
	b.least, b.most = min(b.least, p.stamp), max(b.most, end)
	b.filled += stampTime(p.units, b.clock)
}

// tremble follows the jitter of arrivals (RFC 3550 6.4.1).
func (c *chain) tremble(transit int64, p *tapePacket) {
	if off := float64(transit - c.transit); c.sounds > 0 && !p.anew && off < jitterSpan && off > -jitterSpan {
		c.jitter += (math.Abs(off) - c.jitter) / 16
	}
	c.transit = transit
	c.jitterSum += c.jitter
	c.jitterMax = max(c.jitterMax, c.jitter)
}

// run is a stretch of a chain on one clock: where each timestamp lies in the
// call.
type run struct {
	first  int64     // packet of audio with which it begins
	clock  int64     // Hz
	origin int64     // a timestamp
	anchor int64     // where its audio lies, ns since call time 0
	joined bool      // nothing is missing before it: the codec changed and with it the clock
	gain   float64   // what the sender's clock gains on ours, of one
	span   float64   // ns, how long it was watched
	drift  []float64 // what to add for the sender's clock, ns, at each driftStep from origin; nil: nothing
}

// findRuns cuts a chain's bins where the sender's timestamps and the arrivals
// part for good.
func findRuns(bins []bin) []run {
	var runs []run
	for _, one := range leaps(bins) {
		for _, part := range shifts(one) {
			runs = append(runs, part.run())
		}
	}
	return runs
}

// leaps cuts where they part by more than shiftSpan. A stall, after which
// everything comes at once, is no cut; nor is it one that packets come sooner
// than those before, whose timestamps they continue: those were late.
func leaps(bins []bin) [][]bin {
	var all [][]bin
	begin, pending := 0, -1 // first bin of this run; first of those that came late
	level, known, torn := int64(0), false, false
	for i, b := range bins {
		torn = torn || b.jumped
		if i > 0 && (b.clock != bins[i-1].clock || b.anew && i-begin > 1 && settled(bins[i:])) {
			all = append(all, bins[begin:i])
			begin, pending, known = i, -1, false
		}
		if b.offset > soon(bins[i:])+shiftSpan {
			if pending < 0 || b.jumped {
				pending = i
			}
			continue
		}
		shift := b.offset - level
		if known && (torn && shift < -shiftSpan || shift > shiftSpan && !trailing(bins[i:], shift)) {
			cut := i
			if pending >= 0 {
				cut = pending
			}
			all = append(all, bins[begin:cut])
			begin, known = cut, false
		}
		if !known || shift <= shiftSpan {
			level, known, torn = b.offset, true, false
		}
		pending = -1
	}
	if begin < len(bins) {
		all = append(all, bins[begin:])
	}
	return all
}

// settled reports whether a sender that begins anew then goes on for a while:
// from one packet's arrival no clock can be told.
func settled(bins []bin) bool {
	return len(bins) > 2 && !bins[1].anew && !bins[2].anew
}

// soon returns the least offset that the sender's clock shows again within
// stallSpan: what a stalled packet's should have been.
func soon(bins []bin) int64 {
	least := bins[0].offset
	for _, b := range bins[1:] {
		if b.clock != bins[0].clock || b.arrived > bins[0].arrived+stallSpan ||
			b.jumped && b.offset < least-shiftSpan {
			break
		}
		least = min(least, b.offset)
	}
	return least
}

// trailing reports whether the chain ends too soon to tell a late packet from a
// clock that stood still.
func trailing(bins []bin, shift int64) bool {
	return shift < tailSpan && bins[len(bins)-1].arrived-bins[0].arrived < tailSpan
}

// run puts a stretch of at least one bin on a clock fitted to what of it came in
// time.
func (s *stretch) run() run {
	bins := s.bins
	r := run{first: s.first, clock: bins[0].clock, origin: bins[0].from, joined: bins[0].joined}
	zero := stampTime(r.origin, r.clock)
	points := make([]point, 0, len(bins))
	base := bins[0].offset
	for i, b := range bins {
		if !s.late[i] {
			points = append(points, point{
				at:     float64(stampTime(b.stamp, r.clock) - zero),
				offset: float64(b.offset - base),
			})
		}
	}
	slices.SortFunc(points, func(a, b point) int { return cmp.Compare(a.at, b.at) })
	start, drift, loss := fitClock(points)
	r.anchor = zero + base + int64(start)
	r.drift, r.gain, r.span = drift, -loss, points[len(points)-1].at
	if r.anchor < 0 && r.anchor > -shiftSpan {
		r.anchor = 0 // a stream that began with the call, not before it
	}
	return r
}

// timeOf returns where a timestamp lies, ns since call time 0.
func (r *run) timeOf(stamp int64) int64 {
	return r.anchor + stampTime(stamp-r.origin, r.clock) + int64(r.driftAt(stamp))
}

// driftAt returns what to add to a timestamp's place for the sender's clock, ns.
func (r *run) driftAt(stamp int64) float64 {
	if len(r.drift) == 0 {
		return 0
	}
	return along(r.drift, float64(stampTime(stamp-r.origin, r.clock))/driftStep)
}

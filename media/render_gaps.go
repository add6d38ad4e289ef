package media

import (
	"fmt"
	"math"
	"slices"
	"sort"
)

const (
	unsentSpan = 200_000_000 // ns; a shorter one before the first packet, after the last or beside a pause explains itself
	dtxSpan    = 20_000_000
	holeSpan   = 10_000_000 // ns, or half a packet if that is shorter; less between two packets is their clock's
	lostSpan   = 1_000_000
	maxGaps    = 20_000 // of one stream that are listed
)

// span is a period of the call, ns since call time 0.
type span struct {
	from, to int64
	cause    string // why nothing comes in it, where that is what it is about
}

// clip returns what of the spans, which are in order, lies between from and to.
func clip(spans []span, from, to int64) []span {
	var out []span
	first := sort.Search(len(spans), func(i int) bool { return spans[i].to > from })
	for _, s := range spans[first:] {
		if s.from >= to {
			break
		}
		out = append(out, span{max(s.from, from), min(s.to, to), s.cause})
	}
	return out
}

// without returns what of from..to lies in none of the spans.
func without(spans []span, from, to int64) []span {
	var out []span
	for _, s := range clip(spans, from, to) {
		if s.from > from {
			out = append(out, span{from: from, to: s.from})
		}
		from = max(from, s.to)
	}
	if from < to {
		out = append(out, span{from: from, to: to})
	}
	return out
}

// hole lists why there is no audio between from and pos, where p goes on; nil:
// nothing does. Where the gate was shut there is nothing to explain.
func (pl *player) hole(v *placedLine, p *placed, from, pos int64) {
	from = max(from, v.covered)
	if from >= pos {
		return
	}
	missing := v.missing(p)
	lost, cause, least := missing*packetSpan(p), "not-sent", int64(unsentSpan)
	measured := p != nil && p.format.measured() && p.seat.last.format.measured()
	if missing > 0 && !measured {
		lost = pos * nanos
	}
	switch {
	case v.broken:
		cause, least = "undecodable", lostSpan
	case v.quiet, announces(p):
		cause, least = "dtx", dtxSpan
	}
	if measured && pl.open(from, pos) {
		least = min(least, holeSpan, packetSpan(p)/2)
	}
	for _, open := range clip(pl.plan.segments, from*nanos/pl.rate, pos*nanos/pl.rate) {
		if lost > 0 {
			until := min(open.to, open.from+lost)
			if open.to-until < min(holeSpan, packetSpan(p)/2) {
				until = open.to
			}
			pl.gap(v, span{open.from, until, "lost"}, lostSpan)
			open.from, lost = until, 0
		}
		for _, s := range v.plan.explain(open.from, open.to) {
			if s.cause != "" {
				pl.gap(v, s, lostSpan)
				continue
			}
			s.cause = cause
			pl.gap(v, s, least)
		}
	}
}

// explain divides a stretch by what was said of the line, in order. What is on
// its way when a line is paused does not come any more, and whoever goes on needs
// a moment: both are of the pause.
func (l *linePlan) explain(from, to int64) []span {
	var out []span
	for _, q := range clip(l.quiet, from, to) {
		switch {
		case q.from-from < unsentSpan:
			q.from = from
		default:
			out = append(out, span{from: from, to: q.from})
		}
		out, from = append(out, q), q.to
	}
	switch {
	case from >= to:
	case len(out) > 0 && to-from < unsentSpan:
		out[len(out)-1].to = to
	default:
		out = append(out, span{from: from, to: to})
	}
	return out
}

func (pl *player) gap(v *placedLine, s span, least int64) {
	if s.to-s.from < least || len(v.facts.Gaps) == maxGaps {
		return
	}
	v.facts.Gaps = append(v.facts.Gaps, Gap{Start: seconds(s.from), End: seconds(s.to), Cause: s.cause})
}

// open reports whether the gate was open from one frame to another.
func (pl *player) open(from, to int64) bool {
	begin, end := from*nanos/pl.rate, to*nanos/pl.rate
	i := sort.Search(len(pl.plan.segments), func(i int) bool { return pl.plan.segments[i].to+clockError >= end })
	return i < len(pl.plan.segments) && pl.plan.segments[i].from-clockError <= begin
}

// follows reports whether p is from the sender of the last audio, and numbered
// after it.
func follows(p *placed) bool {
	if p == nil || p.seat.last.chain != p.chain || p.seat.last.opening != p.opening {
		return false
	}
	n := p.seq - p.seat.last.seq - 1
	return n >= 0 && n <= maxDropout
}

// announces reports whether p is marked as the first after a silence that its
// sender left out (RFC 3551 section 4.1).
func announces(p *placed) bool { return follows(p) && p.marked }

// missing is how many packets never came between the last audio and p.
func (v *placedLine) missing(p *placed) int64 {
	if !follows(p) {
		return 0
	}
	between := func(seq int64) bool { return seq > p.seat.last.seq && seq < p.seq }
	n := p.seq - p.seat.last.seq - 1
	for _, seq := range p.seat.between {
		if between(seq) {
			n--
		}
	}
	if n == 0 {
		return 0
	}
	// One that lies elsewhere, on another clock, has come too.
	for _, q := range v.queue {
		if n == 0 {
			break
		}
		if q.chain == p.chain && between(q.seq) && !slices.Contains(p.seat.between, q.seq) {
			n--
		}
	}
	return n
}

// packetSpan is how long a packet is beside the hole before p, ns.
func packetSpan(p *placed) int64 {
	if p == nil {
		return 0
	}
	longest, last := stampTime(p.units, p.run.clock), &p.seat.last
	if last.run != nil {
		longest = max(longest, stampTime(last.units, last.run.clock))
	}
	return longest
}

// blameKernel gives losses to our own socket buffer. The kernel says how many
// packets it dropped there, and not which: a gap is its own when most of it must
// be, whatever else was lost. It returns how many drops are left that may be
// anywhere.
func blameKernel(gaps []Gap, drops int64, packet float64) (anywhere int64) {
	packets := func(g Gap) int64 { return max(1, int64(math.Round((g.End-g.Start)/packet))) }
	all := int64(0)
	for _, g := range gaps {
		if g.Cause == "lost" {
			all += packets(g)
		}
	}
	anywhere = min(drops, all)
	others := all - anywhere // at least so many were lost elsewhere
	for i, g := range gaps {
		if n := packets(g); g.Cause == "lost" && n > 2*others {
			gaps[i].Cause = "kernel"
			anywhere -= n - others
		}
	}
	return max(0, anywhere)
}

// blame gives gaps to what never reached the tape, which only its end tells.
func (s *StreamFacts) blame(c *LineCounts, packet float64) (notes []string) {
	for i := range s.Gaps {
		// When they came is not known: it is certain where none was taken.
		if g := &s.Gaps[i]; s.Packets == 0 && c.Refused > 0 && g.Cause == "not-sent" {
			g.Cause = "refused"
		}
	}
	if left := blameKernel(s.Gaps, c.KernelDrops, packet); left > 0 {
		notes = append(notes, fmt.Sprintf("line %d: up to %d of the packets listed as lost were dropped in this host's own socket buffer; which of them is not known", s.Line, left))
	}
	return notes
}

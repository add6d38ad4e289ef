package media

import "slices"

const (
	unsentSpan = 200_000_000 // ns; a shorter pause of the sender is no gap
	dtxSpan    = 20_000_000
	lostSpan   = 1_000_000
	maxGaps    = 20_000 // of one stream that are listed
)

// span is a period of the call, ns since call time 0.
type span struct {
	from, to int64
	cause    string // why nothing comes in it, where that is what it is about
}

// clip returns what of the spans lies between from and to.
func clip(spans []span, from, to int64) []span {
	var out []span
	for _, s := range spans {
		if s.from < to && s.to > from {
			out = append(out, span{max(s.from, from), min(s.to, to), s.cause})
		}
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

// hole lists why there is no audio between two frames. Where the gate was shut
// there is nothing to explain.
func (pl *player) hole(v *placedLine, from, to, missing int64) {
	from = max(from, v.covered)
	if from >= to {
		return
	}
	begin, end := from*nanos/pl.rate, to*nanos/pl.rate
	for _, open := range clip(pl.plan.segments, begin, end) {
		if missing > 0 {
			pl.gap(v, open, "lost", lostSpan)
			continue
		}
		for _, quiet := range clip(v.plan.quiet, open.from, open.to) {
			pl.gap(v, quiet, quiet.cause, lostSpan)
		}
		for _, rest := range without(v.plan.quiet, open.from, open.to) {
			switch {
			case v.broken:
				pl.gap(v, rest, "undecodable", lostSpan)
			case v.quiet:
				pl.gap(v, rest, "dtx", dtxSpan)
			default:
				pl.gap(v, rest, "not-sent", unsentSpan)
			}
		}
	}
}

func (pl *player) gap(v *placedLine, s span, cause string, least int64) {
	if s.to-s.from < least || len(v.facts.Gaps) == maxGaps {
		return
	}
	v.facts.Gaps = append(v.facts.Gaps, Gap{Start: seconds(s.from), End: seconds(s.to), Cause: cause})
}

// blameKernel gives the largest losses to our own socket buffer, as far as the
// kernel says that it dropped packets there.
func blameKernel(gaps []Gap, drops int64, packet float64) {
	var lost []int
	for i, g := range gaps {
		if g.Cause == "lost" {
			lost = append(lost, i)
		}
	}
	slices.SortStableFunc(lost, func(a, b int) int {
		la, lb := gaps[a].End-gaps[a].Start, gaps[b].End-gaps[b].Start
		switch {
		case la > lb:
			return -1
		case la < lb:
			return 1
		}
		return 0
	})
	for _, i := range lost {
		if drops <= 0 {
			return
		}
		gaps[i].Cause = "kernel"
		drops -= max(1, int64((gaps[i].End-gaps[i].Start)/packet))
	}
}

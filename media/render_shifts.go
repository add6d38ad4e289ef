package media

import (
	"cmp"
	"math"
	"slices"
)

const (
	leastShift = 20_000_000  // ns; arrivals off by less than this for good are jitter or drift
	shiftWatch = 4 * nanos   // how long they must be off, and longer where arrivals scatter
	shiftCount = 50          // packets that must be, on either side of a jump of the timestamps
	nearBins   = 100         // how many are looked at for shiftWatch at most: a sender gone wild makes one a packet
	shiftReach = 300 * nanos // how long a network may be late and then in time again
	slopeSlack = 300e-6      // how much farther than estimated a clock may be off
	nearSlope  = 4 * nanos   // how far from each other neighbours are of which a slope is made where there may be shifts
)

// stretch is bins on one clock.
type stretch struct {
	bins  []bin
	first int64  // packet of audio with which it begins
	late  []bool // by bin: for some time its packets were under way longer than others
}

// shifts cuts bins where timestamps and arrivals part for good by less than
// shiftSpan: where timestamps jump, and where a sender stood still for a moment.
// Jitter, and a network that is late for a while, are no cut.
func shifts(bins []bin) []stretch {
	var all []stretch
	begin := 0
	more := leastShift + certainty*scatterOf(bins)
	for i := 1; i < len(bins); i++ {
		if bins[i].jumped && jumps(bins[begin:i], bins[i:], more) {
			all = append(all, stalls(bins[begin:i], more)...)
			begin = i
		}
	}
	return append(all, stalls(bins[begin:], more)...)
}

// jumps reports whether what came before a jump of the timestamps and what came
// after stand differently to the arrivals.
func jumps(before, after []bin, more int64) bool {
	was, known := int64(math.MaxInt64), false
	last := after[0]
	for i := len(before) - 1; i >= max(0, len(before)-nearBins) && !known; i-- {
		was = min(was, before[i].offset)
		known = last.arrived-before[i].arrived >= shiftWatch && last.first-before[i].first >= shiftCount
	}
	if !known {
		return false
	}
	is, known := int64(math.MaxInt64), false
	for i := 0; i < min(len(after)-1, nearBins) && !known; i++ {
		is = min(is, after[i].offset)
		known = after[i+1].arrived-last.arrived >= shiftWatch && after[i+1].first-last.first >= shiftCount
	}
	return known && max(is-was, was-is) > more
}

// scatterOf is how far most bins' earliest arrivals at most are behind those
// around them, ns.
func scatterOf(bins []bin) int64 {
	off := make([]int64, 0, len(bins))
	for i, b := range bins {
		before, after := b.offset, b.offset
		for k := i - 1; k >= max(0, i-nearBins) && b.arrived-bins[k].arrived <= shiftWatch; k-- {
			before = min(before, bins[k].offset)
		}
		for k := i + 1; k < min(len(bins), i+nearBins) && bins[k].arrived-b.arrived <= shiftWatch; k++ {
			after = min(after, bins[k].offset)
		}
		off = append(off, b.offset-max(before, after))
	}
	slices.Sort(off)
	return off[len(off)*3/4]
}

// stalls cuts where arrivals become late by more than so much and stay so.
func stalls(bins []bin, more int64) []stretch {
	rest := detrend(bins)
	low := soonest(bins, rest)
	s := stretch{bins: bins, first: bins[0].first, late: make([]bool, len(bins))}
	w := waits{bins: bins}
	var all []stretch
	level, begin := low[0], 0
	for i := range bins {
		w.see(i, rest[i]-low[i], more, s.late)
		passed := int64(0)
		if i > 0 {
			passed = max(0, bins[i].arrived-bins[i-1].arrived)
		}
		left := bins[len(bins)-1].arrived - bins[i].arrived
		if shift := low[i] - level; shift > more && left >= shiftWatch/leastShift*more && !w.known(shift, left) {
			all = append(all, stretch{bins[begin:i], s.first, s.late[begin:i]})
			begin, s.first, level = i, stalled(&bins[i-1], &bins[i], s.first), low[i]
		}
		level = min(low[i], level+int64(slopeSlack*float64(passed)))
	}
	return append(all, stretch{bins[begin:], s.first, s.late[begin:]})
}

// stalled is the first packet after a stall, which lies between the first of one
// bin and that of the next.
func stalled(before, after *bin, begun int64) int64 {
	if before.risen > begun && (before.rise > after.rise || after.risen != after.first) {
		return before.risen
	}
	return after.first
}

// waits are the longest and the greatest times in which a network was late and
// then in time again.
type waits struct {
	bins         []bin
	since        int // the first bin of those late now; only if any
	any          bool
	most         int64
	length, late int64 // ns
}

// see takes the next bin, and marks those of a wait that lasts.
func (w *waits) see(i int, late, more int64, marks []bool) {
	if late <= more {
		w.any, w.most = false, 0
		return
	}
	if !w.any {
		w.any, w.since = true, i
	}
	length := w.bins[i].arrived - w.bins[w.since].arrived
	w.most = max(w.most, late)
	w.length, w.late = max(w.length, length), max(w.late, w.most)
	if length >= shiftWatch {
		for k := i; k >= w.since && !marks[k]; k-- {
			marks[k] = true
		}
	}
}

// known reports whether it was late before as it is now, and as long as is left.
func (w *waits) known(late, left int64) bool { return late <= w.late*3/2 && left <= w.length*3/2 }

// soonest is the least of what is left of the offsets from each bin on, as far
// as shiftReach.
func soonest(bins []bin, rest []int64) []int64 {
	low := make([]int64, len(bins))
	var queue []int // bins, each with less left than those before it
	to := len(bins) - 1
	for i := len(bins) - 1; i >= 0; i-- {
		for len(queue) > 0 && rest[queue[len(queue)-1]] >= rest[i] {
			queue = queue[:len(queue)-1]
		}
		queue = append(queue, i)
		for bins[to].arrived > bins[i].arrived+shiftReach && to > i {
			to--
		}
		for queue[0] > to {
			queue = queue[1:]
		}
		low[i] = rest[queue[0]]
	}
	return low
}

// detrend is what is left of the bins' offsets without what the sender's clock
// gains or loses, ns.
func detrend(bins []bin) []int64 {
	clock := bins[0].clock
	zero := stampTime(bins[0].stamp, clock)
	points := make([]point, len(bins))
	for i, b := range bins {
		points[i] = point{float64(stampTime(b.stamp, clock) - zero), float64(b.offset - bins[0].offset)}
	}
	inOrder := slices.Clone(points)
	slices.SortFunc(inOrder, func(a, b point) int { return cmp.Compare(a.at, b.at) })
	slope := slopeBetweenShifts(inOrder)
	rest := make([]int64, len(bins))
	for i, p := range points {
		rest[i] = int64(p.offset - slope*p.at)
	}
	return rest
}

// slopeBetweenShifts is the slope of all points, unless that of neighbours shows
// that it is made of shifts.
func slopeBetweenShifts(points []point) float64 {
	all, known := fitSlope(points)
	if !known {
		return 0
	}
	var near []float64
	far := 0
	for i, a := range points {
		for far = max(far, i); far+1 < len(points) && points[far+1].at-a.at <= nearSlope; {
			far++
		}
		if d := points[far].at - a.at; d >= nearSlope/2 {
			near = append(near, (points[far].offset-a.offset)/d)
		}
	}
	if len(near) == 0 {
		return all
	}
	slices.Sort(near)
	middle := near[len(near)/2]
	spread := middle - near[len(near)/4] // shifts only make slopes steeper
	if doubt := certainty * spread / math.Sqrt(float64(len(points))/3); math.Abs(all-middle) <= doubt {
		return all
	}
	return max(-driftLimit, min(driftLimit, middle))
}

package media

import (
	"cmp"
	"math"
	"slices"
	"sort"
)

const (
	driftStep   = 10 * nanos // between the points of a fitted clock
	leastDrift  = 1_000_000  // ns; less drift than this is not told from none
	deadBand    = 4_000_000  // ns; less drift than this is left alone
	driftLimit  = 1200e-6    // how much faster or slower than ours a fitted clock may be
	wanderLimit = 15e-6      // how fast a clock may leave its own slope
	slopeReach  = 300 * nanos
	slopeStep   = 6          // points of a fitted clock from one slope to the next
	fitGroups   = 100        // how many points a slope is estimated from
	shortestFit = 20 * nanos // less shows no slope
	certainty   = 3          // times what arrivals scatter by, which no drift is less than
)

// point is one bin of a run.
type point struct{ at, offset float64 } // ns

// fitClock fits the lower envelope of the points: first how fast the clock is,
// robustly and in each place, then the highest curve below all points that
// leaves that slope by no more than wanderLimit. A network that makes everything
// late for a while can lift the curve by no more than that. It returns the
// offset at the beginning, the drift from there, none when all of it lies within
// the dead band or is no more than the arrivals scatter by, and what of its time
// the clock loses all in all, 0 where it cannot be told.
func fitClock(points []point) (start float64, drift []float64, loss float64) {
	end := points[len(points)-1].at
	for _, p := range points {
		end = max(end, p.at)
	}
	clock := slopes(points, int(end/driftStep)+2)
	envelope := slices.Repeat([]float64{math.Inf(1)}, len(clock))
	rest := make([]float64, len(points))
	for k, p := range points {
		rest[k] = p.offset - along(clock, p.at/driftStep)
		i := int(max(0, p.at/driftStep))
		envelope[i], envelope[i+1] = min(envelope[i], rest[k]), min(envelope[i+1], rest[k])
	}
	const wander = wanderLimit * driftStep
	for i := 1; i < len(envelope); i++ {
		envelope[i] = min(envelope[i], envelope[i-1]+wander)
	}
	for i := len(envelope) - 2; i >= 0; i-- {
		envelope[i] = min(envelope[i], envelope[i+1]+wander)
	}
	for k, p := range points {
		rest[k] -= along(envelope, p.at/driftStep)
	}
	slices.Sort(rest)
	scatter := rest[len(rest)/2]
	for i := range envelope {
		envelope[i] += clock[i]
	}
	if end >= shortestFit {
		loss = (envelope[len(envelope)-1] - envelope[0]) / (float64(len(envelope)-1) * driftStep)
	}
	if math.Abs(loss)*end <= max(leastDrift, certainty*scatter) {
		loss = 0
	}
	least, most := slices.Min(envelope), slices.Max(envelope)
	if most-least <= max(deadBand, certainty*scatter) {
		return (least + most) / 2, nil, loss
	}
	start = envelope[0]
	for i := range envelope {
		envelope[i] -= start
	}
	return start, envelope, loss
}

// along reads a curve between its points.
func along(curve []float64, at float64) float64 {
	i := int(at)
	switch {
	case at <= 0:
		return curve[0]
	case i >= len(curve)-1:
		return curve[len(curve)-1]
	}
	return curve[i] + (at-float64(i))*(curve[i+1]-curve[i])
}

// slopes is what a clock gains by being too fast, at n points of driftStep: the
// sum of its slopes, each of which is estimated from all that came within
// slopeReach.
func slopes(points []point, n int) []float64 {
	gained := make([]float64, n)
	slope := 0.0
	for i := range n - 1 {
		if i%slopeStep == 0 {
			at := float64(i) * driftStep
			from := sort.Search(len(points), func(k int) bool { return points[k].at >= at-slopeReach })
			to := sort.Search(len(points), func(k int) bool { return points[k].at > at+slopeStep*driftStep+slopeReach })
			if s, known := fitSlope(points[from:max(from, to)]); known {
				slope = s
			}
		}
		gained[i+1] = gained[i] + slope*driftStep
	}
	return gained
}

// fitSlope is the median of the slopes between all pairs of the earliest
// arrivals of up to fitGroups groups (Theil and Sen).
func fitSlope(points []point) (slope float64, known bool) {
	if len(points) < 2 || points[len(points)-1].at-points[0].at < shortestFit {
		return 0, false
	}
	span := points[len(points)-1].at - points[0].at
	size := (len(points) + fitGroups - 1) / fitGroups
	var least []point
	for group := range slices.Chunk(points, size) {
		least = append(least, slices.MinFunc(group, func(a, b point) int { return cmp.Compare(a.offset, b.offset) }))
	}
	var slopes []float64
	for i, a := range least {
		for _, b := range least[i+1:] {
			if d := b.at - a.at; d > span/4 {
				slopes = append(slopes, (b.offset-a.offset)/d)
			}
		}
	}
	if len(slopes) == 0 {
		return 0, false
	}
	slices.Sort(slopes)
	return max(-driftLimit, min(driftLimit, slopes[len(slopes)/2])), true
}

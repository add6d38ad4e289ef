package media

import (
	"math"
	"slices"
)

const (
	driftStep   = 10 * nanos // between the points of a fitted clock
	driftReach  = 15 * nanos // arrivals to each side that a point is the least of
	deadBand    = 10_000_000 // ns; less drift than this is left alone
	driftLimit  = 300e-6     // how fast a fitted clock may differ from ours
	fitGroups   = 160        // how many points a slope is estimated from
	shortestFit = 20 * nanos // less shows no slope
)

// point is one bin of a run.
type point struct{ at, offset float64 } // ns

// fitClock fits the lower envelope of the points: first the slope, robustly,
// then what is left of it, in steps. It returns the offset at the beginning and
// the drift from there; none when all of it lies within the dead band.
func fitClock(points []point) (start float64, drift []float64) {
	slope := fitSlope(points)
	end := 0.0
	for _, p := range points {
		end = max(end, p.at)
	}
	n := int(end/driftStep) + 2
	rest := make([]float64, n)
	for i := range rest {
		rest[i] = math.Inf(1)
	}
	for _, p := range points {
		left := p.offset - slope*p.at
		from, to := int(math.Ceil((p.at-driftReach)/driftStep)), int((p.at+driftReach)/driftStep)
		for i := max(0, from); i <= min(to, n-1); i++ {
			rest[i] = min(rest[i], left)
		}
	}
	fillHoles(rest)
	rest = medianOf5(rest)
	for i := range rest {
		rest[i] += slope * float64(i) * driftStep
		if i > 0 {
			rest[i] = max(rest[i-1]-driftLimit*driftStep, min(rest[i-1]+driftLimit*driftStep, rest[i]))
		}
	}
	least, most := slices.Min(rest), slices.Max(rest)
	if most-least <= deadBand {
		return (least + most) / 2, nil
	}
	start = rest[0]
	for i := range rest {
		rest[i] -= start
	}
	return start, rest
}

// fitSlope is the median of the slopes between all pairs of the earliest
// arrivals of up to fitGroups groups (Theil and Sen).
func fitSlope(points []point) float64 {
	span := points[len(points)-1].at - points[0].at
	if span < shortestFit {
		return 0
	}
	size := (len(points) + fitGroups - 1) / fitGroups
	var least []point
	for group := range slices.Chunk(points, size) {
		least = append(least, slices.MinFunc(group, func(a, b point) int {
			switch {
			case a.offset < b.offset:
				return -1
			case a.offset > b.offset:
				return 1
			}
			return 0
		}))
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
		return 0
	}
	slices.Sort(slopes)
	return max(-driftLimit, min(driftLimit, slopes[len(slopes)/2]))
}

// fillHoles replaces infinities by a line between their neighbours.
func fillHoles(v []float64) {
	last := -1
	for i, x := range v {
		if math.IsInf(x, 1) {
			continue
		}
		for j := last + 1; j < i; j++ {
			v[j] = x
			if last >= 0 {
				v[j] = v[last] + (x-v[last])*float64(j-last)/float64(i-last)
			}
		}
		last = i
	}
	for j := last + 1; j < len(v); j++ {
		v[j] = 0
		if last >= 0 {
			v[j] = v[last]
		}
	}
}

func medianOf5(v []float64) []float64 {
	out := make([]float64, len(v))
	for i := range v {
		around := slices.Clone(v[max(0, i-2):min(len(v), i+3)])
		slices.Sort(around)
		out[i] = around[len(around)/2]
	}
	return out
}

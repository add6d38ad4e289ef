package media

import (
	"math/bits"
	"slices"

	"github.com/mewkiz/flac/frame"
)

const (
	flacParts   = 16 // stretches of a block with a parameter each, a power of two
	flacOrders  = 5  // polynomials of degree up to 4 that predict a sample (RFC 9639 section 9.2.5)
	riceLargest = 14 // of parameters of four bits; 15 escapes
)

// subframe predicts the samples of a block by the polynomial that misses least
// on the whole, and gives each stretch of it the parameter that its own misses
// ask for, by their sum (RFC 9639 section 9.2.7). An exhaustive search gains
// 1 % of the file and takes ten times as long.
func subframe(samples []int32) *frame.Subframe {
	s := &frame.Subframe{Samples: samples, NSamples: len(samples)}
	if len(samples)%flacParts != 0 || len(samples)/flacParts < flacOrders {
		s.Pred = frame.PredVerbatim
		return s
	}
	if !slices.ContainsFunc(samples, func(x int32) bool { return x != samples[0] }) {
		s.Pred = frame.PredConstant
		return s
	}
	var sums [flacOrders][flacParts]uint64
	for part := range flacParts {
		missed(samples, part, &sums)
	}
	least, order := ^uint64(0), 0
	for o := range sums {
		total := uint64(0)
		for _, sum := range sums[o] {
			total += sum
		}
		if total < least {
			least, order = total, o
		}
	}
	rice := &frame.RiceSubframe{PartOrder: bits.Len(flacParts) - 1, Partitions: make([]frame.RicePartition, flacParts)}
	for part := range rice.Partitions {
		// Misses are folded to twice their size, so that none is negative.
		mean := 2 * sums[order][part] / uint64(len(samples)/flacParts)
		rice.Partitions[part].Param = uint(min(riceLargest, max(0, bits.Len64(mean*7/10))))
	}
	s.SubHeader = frame.SubHeader{
		Pred: frame.PredFixed, Order: order, ResidualCodingMethod: frame.ResidualCodingMethodRice1, RiceSubframe: rice,
	}
	return s
}

// missed sums up what each polynomial misses in one stretch of a block. The
// first samples of a block, which nothing is known before, count for none but
// the constant.
func missed(samples []int32, part int, sums *[flacOrders][flacParts]uint64) {
	size := len(samples) / flacParts
	from := part * size
	var e0, e1, e2, e3 int32 // differences of the sample before
	begin := from
	if from == 0 {
		begin = flacOrders - 1
	}
	if begin >= 4 {
		a, b, c, d := samples[begin-1], samples[begin-2], samples[begin-3], samples[begin-4]
		e0, e1, e2, e3 = a, a-b, a-2*b+c, a-3*b+3*c-d
	}
	var m [flacOrders]uint64
	for _, x := range samples[begin : from+size] {
		d0 := x
		d1 := d0 - e0
		d2 := d1 - e1
		d3 := d2 - e2
		d4 := d3 - e3
		e0, e1, e2, e3 = d0, d1, d2, d3
		m[0] += magnitude(d0)
		m[1] += magnitude(d1)
		m[2] += magnitude(d2)
		m[3] += magnitude(d3)
		m[4] += magnitude(d4)
	}
	for o := range m {
		sums[o][part] = m[o]
	}
}

func magnitude(x int32) uint64 {
	if x < 0 {
		x = -x
	}
	return uint64(x)
}

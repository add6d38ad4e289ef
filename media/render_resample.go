package media

import "math"

const (
	outputRate = 2 * placeRate // Hz of what is decoded and mixed

	upHalf   = 32   // samples to each side that an interpolated one is made of
	downHalf = 48   // the same when the rate falls, in samples of the output
	downEdge = 7500 // Hz, the middle of what the low-pass cuts off
	tapsBits = 20   // fixed point, so that every machine gives the same bytes
)

// resampler makes samples of outputRate from those of another rate. It has no
// state: each sample is a function of those around its time.
type resampler struct {
	up, down int64     // outputRate and the other rate without common factors
	half     int       // samples to each side
	taps     [][]int32 // by phase; nil: computed when first needed
	cutoff   float64   // of the Nyquist frequency
}

func newResampler(rate int) *resampler {
	g := gcd(rate, outputRate)
	r := &resampler{up: int64(outputRate / g), down: int64(rate / g), half: upHalf, cutoff: 1}
	if rate > outputRate {
		r.half = (downHalf*rate + outputRate - 1) / outputRate
		r.cutoff = float64(2*downEdge) / float64(rate)
	}
	r.taps = make([][]int32, r.up)
	return r
}

// span returns which samples are needed for n output samples from one on.
func (r *resampler) span(from int64, n int) (first int64, count int) {
	first = from*r.down/r.up - int64(r.half) + 1
	last := (from+int64(n)-1)*r.down/r.up + int64(r.half)
	return first, int(last - first + 1)
}

// add adds output samples, the first of which is from, to mix. in is what span
// says.
func (r *resampler) add(mix []int, from int64, in []int16) {
	first, _ := r.span(from, 1)
	for i := range mix {
		at := (from + int64(i)) * r.down
		begin := int(at/r.up - int64(r.half) + 1 - first)
		phase := at % r.up
		if phase == 0 && r.cutoff == 1 {
			mix[i] += int(in[begin+r.half-1])
			continue
		}
		taps := r.phase(phase)
		sum := weigh(taps, in[begin:begin+len(taps)], 2*phase == r.up)
		mix[i] += int((sum + 1<<(tapsBits-1)) >> tapsBits)
	}
}

func (r *resampler) phase(phase int64) []int32 {
	if r.taps[phase] == nil {
		weights := sincTaps(r.half, float64(phase)/float64(r.up), r.cutoff)
		r.taps[phase] = make([]int32, len(weights))
		for k, w := range weights {
			r.taps[phase][k] = int32(math.Round(w * (1 << tapsBits)))
		}
	}
	return r.taps[phase]
}

// weigh sums up samples by their weights. Half-way between two samples the
// weights are the same on both sides.
func weigh(taps []int32, in []int16, halfWay bool) int64 {
	if !halfWay || len(taps) != 2*upHalf {
		a := int64(0)
		for k, s := range in[:len(taps)] {
			a += int64(taps[k]) * int64(s)
		}
		return a
	}
	// Arrays of a known length spare a check at every sample.
	w, x := (*[upHalf]int32)(taps), (*[2 * upHalf]int16)(in)
	var a, b, c, d int64
	for k := 0; k < upHalf; k += 4 {
		a += int64(w[k]) * int64(int32(x[k])+int32(x[2*upHalf-1-k]))
		b += int64(w[k+1]) * int64(int32(x[k+1])+int32(x[2*upHalf-2-k]))
		c += int64(w[k+2]) * int64(int32(x[k+2])+int32(x[2*upHalf-3-k]))
		d += int64(w[k+3]) * int64(int32(x[k+3])+int32(x[2*upHalf-4-k]))
	}
	return a + b + c + d
}

package media

import "math"

const (
	outputRate = 2 * placeRate // Hz of what is decoded and mixed

	upHalf   = 32   // samples to each side that an interpolated one is made of
	downHalf = 48   // the same when the rate falls, in samples of the output
	downEdge = 7500 // Hz, the middle of what the low-pass cuts off
	tapsBits = 20   // of a weight that is 1: all are whole numbers
)

// resampler makes samples of outputRate from those of another rate. It has no
// state: each sample is a function of those around its time. Weights and samples
// are whole numbers in floating point, which a processor multiplies faster than
// integers: as long as no sum reaches 2^53, every one is exact, in whatever order
// it is made, and every machine gives the same bytes.
type resampler struct {
	up, down int64       // outputRate and the other rate without common factors
	half     int         // samples to each side
	taps     [][]float64 // by phase; nil: computed when first needed
	cutoff   float64     // of the Nyquist frequency
	in       []float64   // what add is given
}

func newResampler(rate int) *resampler {
	g := gcd(rate, outputRate)
	r := &resampler{up: int64(outputRate / g), down: int64(rate / g), half: upHalf, cutoff: 1}
	if rate > outputRate {
		r.half = (downHalf*rate + outputRate - 1) / outputRate
		r.cutoff = float64(2*downEdge) / float64(rate)
	}
	r.taps = make([][]float64, r.up)
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
	if r.up == r.down {
		for i, s := range in[r.half-1:][:len(mix)] {
			mix[i] += int(s)
		}
		return
	}
	r.in = r.in[:0]
	for _, s := range in {
		r.in = append(r.in, float64(s))
	}
	if r.up == 2 && r.down == 1 && from%2 == 0 {
		r.double(mix)
		return
	}
	first, _ := r.span(from, 1)
	for i := range mix {
		at := (from + int64(i)) * r.down
		begin := int(at/r.up - int64(r.half) + 1 - first)
		phase := at % r.up
		if phase == 0 && r.cutoff == 1 {
			mix[i] += int(in[begin+r.half-1])
			continue
		}
		mix[i] += rounded(weigh(r.phase(phase), r.in[begin:]))
	}
}

// double is add for half the rate: every other sample is one that came, the
// others lie half-way between two.
func (r *resampler) double(mix []int) {
	for i := 0; i < len(mix); i += 2 {
		mix[i] += int(r.in[i/2+upHalf-1])
	}
	taps := r.phase(1)
	halfWay := (*[upHalf]float64)(taps)
	i := 1
	for ; i+6 < len(mix); i += 8 {
		a, b, c, d := weighFour(halfWay, (*[2*upHalf + 3]float64)(r.in[i/2:]))
		mix[i] += rounded(a)
		mix[i+2] += rounded(b)
		mix[i+4] += rounded(c)
		mix[i+6] += rounded(d)
	}
	for ; i < len(mix); i += 2 {
		mix[i] += rounded(weigh(taps, r.in[i/2:]))
	}
}

func rounded(sum float64) int { return (int(sum) + 1<<(tapsBits-1)) >> tapsBits }

func (r *resampler) phase(phase int64) []float64 {
	if r.taps[phase] == nil {
		r.taps[phase] = sincTaps(r.half, float64(phase)/float64(r.up), r.cutoff)
		for k, w := range r.taps[phase] {
			r.taps[phase][k] = math.Round(w * (1 << tapsBits))
		}
	}
	return r.taps[phase]
}

// weigh sums up samples by their weights.
func weigh(taps, in []float64) float64 {
	in = in[:len(taps)]
	var a, b, c, d float64
	for ; len(taps) >= 4 && len(in) >= 4; taps, in = taps[4:], in[4:] {
		a += taps[0] * in[0]
		b += taps[1] * in[1]
		c += taps[2] * in[2]
		d += taps[3] * in[3]
	}
	for k, w := range taps {
		a += w * in[k]
	}
	return a + b + c + d
}

// weighFour does so for four neighbours at once, each half-way between two
// samples, where the weights are the same on both sides: a weight is fetched
// once, and of the samples two for each.
func weighFour(w *[upHalf]float64, x *[2*upHalf + 3]float64) (a, b, c, d float64) {
	x0, x1, x2 := x[0], x[1], x[2]
	y1, y2, y3 := x[2*upHalf], x[2*upHalf+1], x[2*upHalf+2]
	for k, w := range w {
		x3, y0 := x[k+3], x[2*upHalf-1-k]
		a += w * (x0 + y0)
		b += w * (x1 + y1)
		c += w * (x2 + y2)
		d += w * (x3 + y3)
		x0, x1, x2 = x1, x2, x3
		y1, y2, y3 = y0, y1, y2
	}
	return a, b, c, d
}

package media

import "math"

// resample converts mono audio of rate Hz to one of to Hz with a windowed-sinc
// low-pass. The result is the same on every machine of one architecture.
func resample(in []int16, rate, to int) []int16 {
	if rate == to || len(in) == 0 {
		return in
	}
	g := gcd(rate, to)
	up, down := to/g, rate/g
	taps := make([][]float64, up) // by phase, computed when first needed
	half := 16 * max(rate, to) / to
	cutoff := 0.94 * min(1, float64(to)/float64(rate))

	out := make([]int16, int64(len(in))*int64(up)/int64(down))
	for i := range out {
		at := int64(i) * int64(down)
		centre, phase := int(at/int64(up)), int(at%int64(up))
		if taps[phase] == nil {
			taps[phase] = sincTaps(half, float64(phase)/float64(up), cutoff)
		}
		sum := 0.0
		for k, weight := range taps[phase] {
			if j := centre - half + 1 + k; j >= 0 && j < len(in) {
				sum += weight * float64(in[j])
			}
		}
		out[i] = int16(math.Round(max(math.MinInt16, min(math.MaxInt16, sum))))
	}
	return out
}

// sincTaps returns 2*half weights for the samples from half-1 before to half
// after a point that lies frac of a sample after the centre. They sum to 1.
func sincTaps(half int, frac, cutoff float64) []float64 {
	w := make([]float64, 2*half)
	total := 0.0
	for k := range w {
		x := float64(k-half+1) - frac
		w[k] = cutoff
		if x != 0 {
			w[k] = math.Sin(math.Pi*cutoff*x) / (math.Pi * x)
		}
		t := x / float64(half) // Blackman
		w[k] *= 0.42 + 0.5*math.Cos(math.Pi*t) + 0.08*math.Cos(2*math.Pi*t)
		total += w[k]
	}
	for k := range w {
		w[k] /= total
	}
	return w
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

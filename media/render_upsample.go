package media

import "math"

const upsampleHalf = 16 // samples to each side that an interpolated one is made of

// upsampleTaps interpolate half way between two samples; in 1/32768.
var upsampleTaps = halfwayTaps()

func halfwayTaps() (taps [2 * upsampleHalf]int) {
	for k, w := range sincTaps(upsampleHalf, 0.5, 1) {
		taps[k] = int(math.Round(w * 32768))
	}
	return taps
}

// upsampleInto adds samples of 8 kHz to mix of 16 kHz: every one as it is, and
// one between each two. in has upsampleHalf samples before the first and after
// the last that count.
func upsampleInto(mix []int, in []int16) {
	n := len(in) - 2*upsampleHalf
	for i := range n {
		around := in[i+1 : i+1+2*upsampleHalf]
		sum := 1 << 14
		for k, s := range around {
			sum += upsampleTaps[k] * int(s)
		}
		mix[2*i] += int(in[i+upsampleHalf])
		mix[2*i+1] += sum >> 15
	}
}

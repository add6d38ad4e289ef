package media

import "math"

// Where packets were lost, what the voice was doing goes on for a little, so
// that nobody hears a click: as in ITU-T G.711 Appendix I, the last pitch period
// is repeated and dies away. A short hole is filled from both sides; of a longer
// one the rest is silent. What came from the network is never changed for it.
const (
	concealSpan = 60 // ms that are filled at most
	concealHold = 10 // ms before what is repeated dies away
	concealBack = 5  // ms that lead up to what comes after a longer hole
	pitchMost   = 15 // ms, of a voice of 67 Hz
	pitchLeast  = 400
	concealPast = 2 * pitchMost // ms of what was heard that are looked at
)

// conceal fills the hole between two stretches of audio of one rate, each as
// much as there is up to concealPast; from both it takes only what lies next to
// the hole.
func conceal(hole, before, after []int16, rate int) {
	ms := rate / 1000
	back := make([]int16, len(after))
	for i, s := range after {
		back[len(after)-1-i] = s
	}
	if len(hole) > concealSpan*ms {
		clear(hole)
		extrapolate(hole[:(concealSpan-concealBack)*ms], before, rate)
		lead := hole[len(hole)-concealBack*ms:]
		led := make([]int16, len(lead))
		extrapolate(led, back, rate)
		for i := range lead {
			lead[len(lead)-1-i] = int16(int(led[i]) * (len(led) - i) / len(led))
		}
		return
	}
	backward := make([]int16, len(hole))
	extrapolate(hole, before, rate)
	extrapolate(backward, back, rate)
	for i := range hole {
		there, here := i+1, len(hole)-i
		hole[i] = int16((int(hole[i])*here + int(backward[len(hole)-1-i])*there) / (here + there))
	}
}

// extrapolate goes on with the last pitch period of past, at full strength for
// concealHold and then to nothing at concealSpan.
func extrapolate(dst, past []int16, rate int) {
	ms := rate / 1000
	period := pitch(past, rate)
	if period == 0 {
		clear(dst)
		return
	}
	last := past[len(past)-period:]
	// Between the end of a period and the beginning of the next lies a step,
	// spread over a few samples.
	step := 0
	if len(past) > period {
		step = int(past[len(past)-1]) - int(past[len(past)-period-1])
	}
	smooth := min(2*ms, period)
	for i := range dst {
		s := int(last[i%period])
		if j := i % period; j < smooth {
			s += step * (smooth - j) / smooth
		}
		if faded := i - concealHold*ms; faded > 0 {
			s = s * max(0, (concealSpan-concealHold)*ms-faded) / ((concealSpan - concealHold) * ms)
		}
		dst[i] = int16(max(math.MinInt16, min(math.MaxInt16, s)))
	}
}

// pitch is how many samples after which what is heard is most like itself; 0
// when too little is known to say.
func pitch(past []int16, rate int) int {
	stride := max(1, rate/8000)
	most := min(pitchMost*rate/1000, len(past)/2)
	best, likeness := 0, -1.0
	for lag := rate / pitchLeast; lag <= most; lag += stride {
		same, power := 0.0, 1.0
		for i := len(past) - most; i < len(past); i += stride {
			same += float64(past[i]) * float64(past[i-lag])
			power += float64(past[i-lag]) * float64(past[i-lag])
		}
		if l := same / math.Sqrt(power); l > likeness {
			best, likeness = lag, l
		}
	}
	return best
}

package media

import "math"

// Where packets were lost, what the voice was doing goes on for a little, so that
// nobody hears a click: as in ITU-T G.711 Appendix I, the last pitch period is
// repeated and dies away. A short hole, whoever made it, is filled from both sides;
// of a longer one the rest is silent, and where nothing was sent it is silent as
// soon as that makes no click. What came from the network is never changed for it.
const (
	concealSpan = 60 // ms that are filled at most
	concealHold = 10 // ms before what is repeated dies away
	concealEdge = 5  // ms that lead up to what comes after a longer hole, and out of what was before it
	pitchMost   = 15 // ms, of a voice of 67 Hz
	pitchLeast  = 400
	concealPast = 2 * pitchMost // ms of what was heard that are looked at
)

// mend fills what is not written yet of the hole between from and to, on both
// sides of which there is audio.
func (l *lane[T]) mend(from, to int64, lost bool) {
	ms := int64(l.rate / 1000)
	if to-from > concealSpan*ms || from < l.written {
		l.fade(from, lost)
		l.lead(from, to)
		return
	}
	hole := make([]int16, to-from)
	conceal(hole, l.heard(from-concealPast*ms, from), l.heard(to, to+concealPast*ms), l.rate)
	l.set(from, hole)
}

// fade lets what ends at from die away, slowly where it was lost.
func (l *lane[T]) fade(from int64, lost bool) {
	ms := int64(l.rate / 1000)
	if l.faded == from || from < l.written {
		return
	}
	l.faded = from
	hole := make([]int16, (concealSpan-concealEdge)*ms)
	if !lost {
		hole = hole[:concealEdge*ms]
	}
	extrapolate(hole, l.heard(from-concealPast*ms, from), l.rate)
	if !lost {
		dim(hole)
	}
	l.set(from, hole)
}

// lead leads up to what begins at to, after from.
func (l *lane[T]) lead(from, to int64) {
	ms := int64(l.rate / 1000)
	hole := make([]int16, max(0, min(concealEdge*ms, to-max(from, l.written))))
	extrapolate(hole, backward(l.heard(to, to+concealPast*ms)), l.rate)
	dim(hole)
	l.set(to-int64(len(hole)), backward(hole))
}

// heard is what sounds between two frames, as far as it is there.
func (l *lane[T]) heard(from, to int64) []int16 {
	from, to = max(from, l.base), min(to, l.base+int64(len(l.buf)))
	if from >= to {
		return nil
	}
	return l.linear(nil, l.buf[from-l.base:to-l.base])
}

// set puts what was made up where no audio is.
func (l *lane[T]) set(pos int64, samples []int16) {
	if len(samples) == 0 {
		return
	}
	for l.base+int64(len(l.buf)) < pos+int64(len(samples)) {
		l.buf = append(l.buf, l.fill)
	}
	for i, s := range samples {
		l.buf[pos-l.base+int64(i)] = l.coded(s)
	}
	l.made = append(l.made, [2]int64{pos, pos + int64(len(samples))})
}

// unmade blanks in what was read from pos on what was made up.
func (l *lane[T]) unmade(pos int64, dst []T) {
	for _, m := range l.made {
		for i := max(0, m[0]-pos); i < min(int64(len(dst)), m[1]-pos); i++ {
			dst[i] = l.fill
		}
	}
}

// rest lets die away what ends before upTo, where all that comes before it is
// there, if a hole begins then whose end is not.
func (l *voiceOutput) rest(p *linePlan, upTo int64) {
	if l == nil {
		return
	}
	for _, s := range l.strands {
		if lost, long := p.long[s.cursor]; long && s.cursor < upTo {
			s.lane.fade(s.next, lost)
		}
	}
}

// remember notes a hole if it is a long one.
func (l *linePlan) remember(from, to int64, lost bool) {
	if to-from > writeAhead/nanos*placeRate {
		if l.long == nil {
			l.long = map[int64]bool{}
		}
		l.long[from] = lost
	}
}

// dim brings samples down to nothing.
func dim(samples []int16) {
	for i := range samples {
		samples[i] = int16(int(samples[i]) * (len(samples) - i) / len(samples))
	}
}

func backward(samples []int16) []int16 {
	back := make([]int16, len(samples))
	for i, s := range samples {
		back[len(samples)-1-i] = s
	}
	return back
}

// conceal fills a hole of up to concealSpan between two stretches of audio of one
// rate, each as much as there is up to concealPast.
func conceal(hole, before, after []int16, rate int) {
	behind := make([]int16, len(hole))
	extrapolate(hole, before, rate)
	extrapolate(behind, backward(after), rate)
	for i := range hole {
		there, here := i+1, len(hole)-i
		hole[i] = int16((int(hole[i])*here + int(behind[len(hole)-1-i])*there) / (here + there))
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

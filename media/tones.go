package media

import "math"

// A key pressed in-band is two tones at once, one of each group (ITU-T Q.23).
var (
	toneRows    = [4]float64{697, 770, 852, 941}
	toneColumns = [4]float64{1209, 1336, 1477, 1633}
	toneDigits  = [4][4]byte{{'1', '2', '3', 'A'}, {'4', '5', '6', 'B'}, {'7', '8', '9', 'C'}, {'*', '0', '#', 'D'}}
)

const (
	toneHop     = 100 // hops in a second
	toneWindow  = 2   // hops that are looked at together: 20 ms
	toneWithin  = 4   // hops in which a key is sure: with the window it lasts 50 ms
	toneApart   = 4   // hops without it, after which the same key is another press
	toneLost    = 4   // hops of lost audio that a key goes on through: 40 ms
	toneSteps   = 3   // frequencies looked for around each nominal one
	toneStep    = 0.01
	tonePure    = 0.74 // share of all power that lies in the two tones: 15 dB of noise and a clock off by 1.5 % leave more
	toneRough   = 0.45 // the same at the nominal frequencies alone
	toneTwist   = 8.0  // one tone over the other; ±6 dB, and what noise makes of it
	toneClear   = 5.0  // a tone over the others of its group
	toneSteady  = 1.8  // power of a hop over that of the one before it
	toneLeast   = 60.0 // of 32,768, the root mean square of the quietest key
	toneRatesTo = 96000
)

// toneEar hears keys in the decoded audio of one leg. Whatever it was given is
// gone after a window of 20 ms: it holds no more, and wipes it when it forgets.
// It allocates nothing once it is made.
type toneEar struct {
	rate    int
	hop     int // samples, as good as a toneHop'th of a second
	window  []int16
	filled  int
	weights [8][toneSteps]float64 // 2 cos of each frequency, rows first

	digit  byte // that the latest window sounds like; 0: none
	step   [2]int
	power  float64
	run    int  // windows it has been heard in
	told   byte // the key that was told and is still held
	silent int  // windows without it since
}

// newToneEar hears audio of a rate; nil: none can be made.
func newToneEar(rate int) *toneEar {
	if rate < 8000 || rate > toneRatesTo {
		return nil
	}
	e := &toneEar{rate: rate, hop: rate / toneHop}
	e.window = make([]int16, toneWindow*e.hop)
	for i := range 8 {
		for s := range toneSteps {
			f := append(toneRows[:], toneColumns[:]...)[i] * (1 + toneStep*float64(s-toneSteps/2))
			e.weights[i][s] = 2 * math.Cos(2*math.Pi*f/float64(rate))
		}
	}
	return e
}

// hear takes what was said next, and returns the keys that became sure in it,
// in keys, which has room for a second's.
func (e *toneEar) hear(samples []int16, keys []byte) []byte {
	for len(samples) > 0 {
		n := copy(e.window[e.filled:], samples)
		samples = samples[n:]
		if e.filled += n; e.filled < len(e.window) {
			break
		}
		if key := e.judge(e.look()); key != 0 {
			keys = append(keys, key)
		}
		e.filled = copy(e.window, e.window[e.hop:])
	}
	return keys
}

// miss is told of audio that never came, in hops: a key goes on through a short
// hole, and ends in a long one.
func (e *toneEar) miss(hops int) {
	e.wipe()
	if hops > toneLost {
		e.digit, e.run = 0, 0
		e.silent += hops
		if e.silent >= toneApart {
			e.told = 0
		}
	}
}

// wipe forgets the window.
func (e *toneEar) wipe() {
	clear(e.window)
	e.filled = 0
}

// sight is what one window looks like.
type sight struct {
	digit byte
	step  [2]int // how far off each tone is, in toneSteps
	power float64
}

// look measures a window.
func (e *toneEar) look() sight {
	sum := 0.0
	for _, s := range e.window {
		sum += float64(s) * float64(s)
	}
	n := float64(len(e.window))
	s := sight{power: sum / n}
	if s.power < toneLeast*toneLeast {
		return s
	}
	// Most of what is said is nothing like a key even to the nominal frequencies.
	_, roughRow, _, _ := e.strongest(0, toneSteps/2, toneSteps/2+1)
	_, roughColumn, _, _ := e.strongest(4, toneSteps/2, toneSteps/2+1)
	if (roughRow+roughColumn)*2/n < toneRough*sum {
		return s
	}
	row, rowPower, rowOther, rowStep := e.strongest(0, 0, toneSteps)
	column, columnPower, columnOther, columnStep := e.strongest(4, 0, toneSteps)
	s.step = [2]int{rowStep, columnStep}
	// A pure tone of the amplitude a has the power a²/2 and a response of (a·n/2)².
	pure := (rowPower + columnPower) * 2 / n
	twist := 10 * math.Log10(rowPower/columnPower)
	if pure < tonePure*sum || math.Abs(twist) > toneTwist ||
		rowPower < math.Pow(10, toneClear/10)*rowOther || columnPower < math.Pow(10, toneClear/10)*columnOther {
		return s
	}
	s.digit = toneDigits[row][column]
	return s
}

// strongest returns which of four tones answers most, its response, the next
// best's, and in which step off its nominal frequency it was found.
func (e *toneEar) strongest(first, from, to int) (tone int, most, next float64, step int) {
	for i := range 4 {
		here, at := 0.0, 0
		for s, w := range e.weights[first+i][from:to] {
			if r := e.response(w); r > here {
				here, at = r, from+s
			}
		}
		if here > most {
			tone, most, next, step = i, here, most, at
		} else {
			next = max(next, here)
		}
	}
	return tone, most, next, step
}

// response is Goertzel's algorithm over the window.
func (e *toneEar) response(w float64) float64 {
	var s1, s2 float64
	for _, x := range e.window {
		s1, s2 = w*s1-s2+float64(x), s1
	}
	return s1*s1 + s2*s2 - w*s1*s2
}

// judge follows a key through its windows and returns it once, when it is sure.
// Speech may look like a key for a moment, but then neither its pitch nor its
// strength stays.
func (e *toneEar) judge(s sight) byte {
	steady := s.digit == e.digit && near(s.step[0], e.step[0]) && near(s.step[1], e.step[1]) &&
		s.power < e.power*toneSteady && e.power < s.power*toneSteady
	e.step, e.power = s.step, s.power
	switch {
	case s.digit == 0:
		e.run = 0
	case steady:
		e.run++
	default:
		e.run = 1
	}
	e.digit = s.digit
	if e.told != 0 && s.digit != e.told {
		if e.silent++; e.silent >= toneApart || e.run >= toneWithin {
			e.told = 0
		}
	} else {
		e.silent = 0
	}
	if e.run < toneWithin || s.digit == e.told {
		return 0
	}
	e.told, e.silent = s.digit, 0
	return s.digit
}

func near(a, b int) bool { return a-b <= 1 && b-a <= 1 }

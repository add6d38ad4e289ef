package media

import (
	"fmt"
	"math"
	"testing"
)

// sung is a 20 ms payload of a tone of 200 Hz and one an octave above.
func sung(law func(int16) byte) func(n int) []byte {
	return func(n int) []byte {
		b := make([]byte, 160)
		for i := range b {
			at := 2 * math.Pi * float64(160*n+i) / placeRate
			b[i] = law(int16(8000*math.Sin(200*at) + 3000*math.Sin(400*at+1)))
		}
		return b
	}
}

// TestLostIsConcealed: up to 60 ms go on as before, then there is silence, and
// nowhere a step that the voice would not make.
func TestLostIsConcealed(t *testing.T) {
	for _, lost := range []int{1, 2, 3, 10, 100} {
		for _, other := range []string{"one law", "two laws"} {
			t.Run(fmt.Sprint(20*lost, " ms, ", other), func(t *testing.T) {
				s := begin(2)
				a := &leg{s: s, ssrc: 1, code: sung(EncodeULaw)}
				for n := range 300 {
					if n >= 100 && n < 100+lost {
						a.skip()
						continue
					}
					a.packet(int64(n) * 20_000_000)
				}
				b := &leg{s: s, line: 1, ssrc: 2, code: sung(EncodeULaw)}
				if other == "two laws" {
					b.pt, b.code = 8, sung(EncodeALaw)
				}
				b.send(0, 300)
				checkConcealed(t, heardOf(t, s.end(6*nanos+100_000_000)), lost, false)
			})
		}
	}
}

// heardOf is the left side at placeRate.
func heardOf(t *testing.T, s *script) []int16 {
	f, err := Measure(s.tape())
	if err != nil {
		t.Fatal(err)
	}
	if f.Facts.Container == "wav" {
		_, sides := render(t, s)
		var out []int16
		for _, b := range sides[0] {
			out = append(out, DecodeULaw[b])
		}
		return out
	}
	_, samples := listen(t, s)
	var out []int16
	for i := 0; i < len(samples); i += 2 {
		out = append(out, samples[i])
	}
	return out
}

// checkConcealed checks a hole of packets after the hundredth; unsent tells that
// nobody sent them.
func checkConcealed(t *testing.T, heard []int16, lost int, unsent bool) {
	t.Helper()
	from, to := 160*100, 160*(100+lost)
	step := 0
	for i := 1000; i < from-10; i++ {
		step = max(step, distance(heard[i], heard[i-1]))
	}
	for i := from - 10; i < to+10; i++ {
		if d := distance(heard[i], heard[i-1]); d > step*5/4+200 {
			t.Errorf("a click of %d at %.1f ms of the hole; the voice makes no more than %d", d, float64(i-from)/8, step)
		}
	}
	voice := power(heard[from-480 : from])
	if first := power(heard[from : from+160]); !unsent && (first < voice/2 || first > 2*voice) {
		t.Errorf("the first 20 ms have the power %.0f, the voice %.0f", first, voice)
	}
	if rest := power(heard[from+40 : from+160]); unsent && lost > 3 && rest > 0 {
		t.Errorf("where nothing was sent there is no silence after 5 ms: power %.0f", rest)
	}
	if lost > 3 {
		if rest := power(heard[from+480 : to-40]); rest > 0 {
			t.Errorf("after 60 ms there is no silence: power %.0f", rest)
		}
	}
	if after := power(heard[to : to+160]); after < voice/2 || after > 2*voice {
		t.Errorf("what comes after the hole has the power %.0f, the voice %.0f", after, voice)
	}
}

func distance(a, b int16) int { return max(int(a)-int(b), int(b)-int(a)) }

func power(s []int16) float64 {
	sum := 0.0
	for _, x := range s {
		sum += float64(x) * float64(x)
	}
	return sum / float64(len(s))
}

// TestConcealNothingKnown: a hole at the very beginning of what is remembered,
// or between silences, is silent and takes no harm.
func TestConcealNothingKnown(t *testing.T) {
	for _, before := range []int{0, 1, 40, 240} {
		for _, after := range []int{0, 1, 160} {
			for _, n := range []int{0, 1, 79, 160, 480, 481, 4000} {
				hole := make([]int16, n)
				conceal(hole, make([]int16, before), make([]int16, after), 8000)
				if power(append(hole, 0)) != 0 {
					t.Errorf("silence before and after, %d samples between: not silent", n)
				}
			}
		}
	}
}

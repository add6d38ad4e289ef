package media

import (
	"math"
	"math/rand/v2"
	"testing"
)

// dialed is a key of so many ms with silence around it, its tones off by a
// share, the column over the row by twist dB, in noise snr dB below it.
type dialed struct {
	key             byte
	ms, rate        int
	off, twist, snr float64
	level           float64 // amplitude of both tones together, root mean square
}

func (d dialed) sound(r *rand.Rand) []int16 {
	row, column := 0, 0
	for i := range 4 {
		for j := range 4 {
			if toneDigits[i][j] == d.key {
				row, column = i, j
			}
		}
	}
	lead := d.rate/20 + r.IntN(d.rate/100)
	out := make([]int16, lead+d.ms*d.rate/1000+d.rate/10)
	ratio := math.Pow(10, d.twist/20)
	a := d.level * math.Sqrt(2/(1+ratio*ratio))
	b := a * ratio
	noise := d.level * math.Pow(10, -d.snr/20)
	p, q := 2*math.Pi*r.Float64(), 2*math.Pi*r.Float64()
	for i := range out {
		x := noise * r.NormFloat64()
		if n := i - lead; n >= 0 && n < d.ms*d.rate/1000 {
			t := 2 * math.Pi * float64(n) / float64(d.rate) * (1 + d.off)
			x += a*math.Sin(toneRows[row]*t+p) + b*math.Sin(toneColumns[column]*t+q)
		}
		out[i] = int16(max(-32768, min(32767, x)))
	}
	return out
}

// lawful passes samples through G.711.
func lawful(samples []int16, r *rand.Rand) []int16 {
	a := r.IntN(2) == 0
	for i, s := range samples {
		if a {
			samples[i] = DecodeALaw[EncodeALaw(s)]
		} else {
			samples[i] = DecodeULaw[EncodeULaw(s)]
		}
	}
	return samples
}

// TestKeysInBandAreHeard: of keys of 80 ms, 15 dB over the noise, with a twist
// of up to 6 dB and tones off by up to 1.5 % (ITU-T Q.24), 99.5 % and more.
func TestKeysInBandAreHeard(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	const tries = 4000
	heard, wrong := 0, 0
	e := newToneEar(8000)
	for n := range tries {
		d := dialed{
			key: digits[n%len(digits)], ms: 80, rate: 8000, snr: 15,
			off: (2*r.Float64() - 1) * 0.015, twist: (2*r.Float64() - 1) * 6, level: 300 * math.Pow(30, r.Float64()),
		}
		keys := e.hear(lawful(d.sound(r), r), nil)
		switch {
		case len(keys) == 1 && keys[0] == d.key:
			heard++
		case len(keys) > 0:
			wrong++
			t.Logf("%+v: %q", d, keys)
		}
	}
	t.Logf("%d of %d keys heard, %d heard wrong", heard, tries, wrong)
	if float64(heard) < 0.995*tries || wrong > 0 {
		t.Errorf("%d of %d keys heard, %d heard wrong", heard, tries, wrong)
	}
}

// TestKeysInBandAtEveryRate: of codecs that sound better, too.
func TestKeysInBandAtEveryRate(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, rate := range linearRates {
		e := newToneEar(rate)
		for _, key := range []byte(digits) {
			keys := e.hear(dialed{key: key, ms: 80, rate: rate, snr: 25, level: 3000}.sound(r), nil)
			if string(keys) != string(key) {
				t.Errorf("%d Hz: %q heard for %c", rate, keys, key)
			}
		}
	}
	for _, rate := range []int{0, 7000, 192000} {
		if newToneEar(rate) != nil {
			t.Errorf("an ear for %d Hz", rate)
		}
	}
}

// TestKeysHeldAndRepeated: a key is one press however long it is held and
// through a short hole, and two when it was let go.
func TestKeysHeldAndRepeated(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	e := newToneEar(8000)
	if keys := e.hear(dialed{key: '5', ms: 3000, rate: 8000, snr: 30, level: 3000}.sound(r), nil); string(keys) != "5" {
		t.Errorf("held for 3 s: %q", keys)
	}
	long := dialed{key: '*', ms: 300, rate: 8000, snr: 30, level: 3000}.sound(r)
	keys := e.hear(long[:1600], nil)
	e.miss(toneLost)
	if keys = e.hear(long[1920:], keys); string(keys) != "*" {
		t.Errorf("40 ms of it were lost: %q", keys)
	}
	keys = nil
	for range 3 {
		keys = e.hear(dialed{key: '1', ms: 60, rate: 8000, snr: 30, level: 3000}.sound(r), keys)
	}
	if string(keys) != "111" {
		t.Errorf("pressed three times: %q", keys)
	}
	keys = e.hear(long[:1600], nil)
	e.miss(20)
	if keys = e.hear(long[:1600], keys); string(keys) != "**" {
		t.Errorf("200 ms between them were lost: %q", keys)
	}
}

// TestNoKeysInBand: noise, single tones, the tones of a telephone network, tones
// too short, and two tones far from any key.
func TestNoKeysInBand(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	silence := func(x float64) []int16 { return make([]int16, int(x*8000)) }
	tones := func(seconds float64, f ...float64) []int16 {
		out := silence(seconds)
		for i := range out {
			for _, f := range f {
				out[i] += int16(6000 * math.Sin(2*math.Pi*f*float64(i)/8000))
			}
		}
		return out
	}
	noise := silence(600)
	for i := range noise {
		noise[i] = int16(4000 * r.NormFloat64())
	}
	for name, sound := range map[string][]int16{
		"noise": noise, "dial tone": tones(10, 350, 440), "ringing": tones(10, 440, 480), "a row": tones(5, 941),
		"a column": tones(5, 1209), "between keys": tones(5, 810, 1270), "fax": tones(5, 1100), "modem": tones(5, 2100),
		"30 ms": append(append(silence(1), tones(0.03, 941, 1209)...), silence(1)...),
	} {
		if keys := newToneEar(8000).hear(sound, nil); len(keys) > 0 {
			t.Errorf("%s: %q", name, keys)
		}
	}
}

// TestEarForgets: of what it was given no more than a window stays.
func TestEarForgets(t *testing.T) {
	e := newToneEar(8000)
	sound := make([]int16, 8000)
	for i := range sound {
		sound[i] = int16(i%1000 + 1)
	}
	e.hear(sound, nil)
	if len(e.window) != 160 {
		t.Errorf("%d samples are held", len(e.window))
	}
	e.wipe()
	for _, s := range e.window {
		if s != 0 {
			t.Fatal("a sample is left")
		}
	}
}

func BenchmarkToneEar(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	sound := make([]int16, 160)
	for i := range sound {
		sound[i] = int16(3000 * r.NormFloat64())
	}
	e, room := newToneEar(8000), make([]byte, 0, 8)
	b.ReportAllocs()
	for b.Loop() {
		e.hear(sound, room)
	}
}

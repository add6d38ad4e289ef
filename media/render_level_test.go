package media

import (
	"bytes"
	"math"
	"slices"
	"testing"
)

// speech is a payload of a tone at so many dBFS, alternating by the second with
// softer noise.
func speech(level float64, always bool) func(n int) []byte {
	amplitude := 32768 * math.Sqrt2 * math.Pow(10, level/20)
	return func(n int) []byte {
		b := make([]byte, 160)
		for i := range b {
			x := amplitude * math.Sin(2*math.Pi*float64(160*n+i)*440/placeRate)
			if !always && n/50%2 == 1 {
				x = float64((i*7919+n*31)%41 - 20)
			}
			b[i] = EncodeULaw(int16(max(-32768, min(32767, x))))
		}
		return b
	}
}

func filling(code byte) func(int) []byte {
	return func(int) []byte { return bytes.Repeat([]byte{code}, 160) }
}

// written is the facts of a tape once its recording is written.
func written(t *testing.T, s *script) Facts {
	t.Helper()
	r, err := Measure(s.tape())
	if err != nil {
		t.Fatal(err)
	}
	if r.Facts.Empty {
		return r.Facts
	}
	if _, err := r.WriteTo(&bytes.Buffer{}); err != nil {
		t.Fatal(err)
	}
	return r.Facts
}

func TestLevels(t *testing.T) {
	for _, second := range []uint8{0, 8} { // of one law and of two
		s := begin(2)
		(&leg{s: s, ssrc: 1, code: speech(-20, true)}).send(0, 500)
		law := &leg{s: s, line: 1, ssrc: 2, pt: second, code: speech(-23, false)}
		if second == 8 {
			law.code = func(n int) []byte {
				b := speech(-23, false)(n)
				for i := range b {
					b[i] = EncodeALaw(DecodeULaw[b[i]])
				}
				return b
			}
		}
		law.send(0, 500)
		f := written(t, s.end(10*nanos+100_000_000))
		a, b := f.Streams[0].Level, f.Streams[1].Level
		if a == nil || math.Abs(a.RMS+20) > 0.1 || math.Abs(a.Peak+17) > 0.3 || a.Clipped != 0 {
			t.Errorf("a tone of -20 dBFS: %+v", a)
		}
		if b == nil || math.Abs(b.RMS+26) > 0.2 || math.Abs(b.Speech-5) > 0.1 || math.Abs(b.Silence-5) > 0.1 {
			t.Errorf("a voice of -23 dBFS for half the time: %+v", b)
		}
		if len(f.Quality) > 0 {
			t.Errorf("nothing is wrong, and it says %v", f.Quality)
		}
	}
}

func TestClipping(t *testing.T) {
	s := begin(1)
	(&leg{s: s, ssrc: 1, code: speech(-1, true)}).send(0, 100)
	if l := written(t, s.end(2*nanos)).Streams[0].Level; l.Clipped < 0.2 || l.Clipped > 0.5 || l.Peak < -0.3 {
		t.Errorf("a tone cut at full scale: %+v", l)
	}
}

func TestQuality(t *testing.T) {
	for name, c := range map[string]struct {
		a, b func(int) []byte // nil: not a packet
		want []Quality
	}{
		"both":      {speech(-20, false), speech(-30, false), nil},
		"one way":   {speech(-20, false), filling(0xFE), []Quality{QualityBlank, QualityOneWay}},
		"no RTP":    {nil, speech(-20, false), []Quality{QualityNoRTP, QualityOneWay}},
		"silent":    {speech(-80, false), speech(-75, false), []Quality{QualitySilent}},
		"all zero":  {filling(0xFF), filling(0xFF), []Quality{QualityBlank, QualitySilent}},
		"zeros":     {speech(-20, false), filling(0x00), []Quality{QualityBlank, QualityOneWay}},
		"all zeros": {filling(0x00), filling(0x00), []Quality{QualityBlank, QualitySilent}},
		"no packet": {nil, nil, []Quality{QualityNoRTP}},
	} {
		t.Run(name, func(t *testing.T) {
			s := begin(2)
			for i, code := range []func(int) []byte{c.a, c.b} {
				if code != nil {
					(&leg{s: s, line: uint16(i), ssrc: uint32(i + 1), code: code}).send(0, 700)
				}
			}
			f := written(t, s.end(14*nanos+100_000_000))
			if !slices.Equal(f.Quality, c.want) {
				t.Errorf("%v, want %v; %q", f.Quality, c.want, f.Notes)
			}
			if len(f.Notes) < len(f.Quality) {
				t.Errorf("not said in words: %q", f.Notes)
			}
		})
	}
}

// TestNothingOfALineIsKept: why is what is wrong with the call, also while it goes
// on, and why there is a gap.
func TestNothingOfALineIsKept(t *testing.T) {
	for name, c := range map[string]struct {
		counts LineCounts
		want   Quality
		cause  string
	}{
		"nothing came":       {LineCounts{Line: 1}, QualityNoRTP, "not-sent"},
		"from elsewhere":     {LineCounts{Line: 1, Refused: 350}, QualityRefused, "refused"},
		"under another key":  {LineCounts{Line: 1, Refused: 1556, Unauthenticated: 1556}, QualityUndecryptable, "refused"},
		"of the other line":  {LineCounts{Line: 0, Refused: 350}, QualityNoRTP, "not-sent"},
		"dropped on the way": {LineCounts{Line: 1, KernelDrops: 3}, QualityNoRTP, "not-sent"},
	} {
		t.Run(name, func(t *testing.T) {
			s := begin(2)
			(&leg{s: s, ssrc: 1, code: speech(-20, false)}).send(0, 700)
			h := hear(s, 14*nanos)
			h.Count([]LineCounts{c.counts})
			live := h.Facts(testStart + 14*nanos)
			s.add(KindCounts, 14*nanos, 0, []LineCounts{c.counts})
			f := written(t, s.end(14*nanos+100_000_000))
			want := []Quality{c.want, QualityOneWay}
			if !slices.Equal(f.Quality, want) || !slices.Equal(live.Quality, want[:1]) || !slices.Equal(f.Notes[:1], live.Notes) {
				t.Errorf("%v %q, live %v %q", f.Quality, f.Notes, live.Quality, live.Notes)
			}
			if got := gapsOf(f, 1); got != "0-14.1 "+c.cause+"\n" || gapsOf(f, 0) != "" {
				t.Errorf("gaps:\n%s%s", gapsOf(f, 0), got)
			}
		})
	}
}

// TestNothingExpected: a line that was on hold all the time, and a selective
// call that nobody marked, lack nothing.
func TestNothingExpected(t *testing.T) {
	s := begin(2)
	s.add(KindLine, 1, 1, LineSpec{Label: "2"})
	(&leg{s: s, ssrc: 1, code: speech(-20, false)}).send(0, 700)
	if f := written(t, s.end(14*nanos)); len(f.Quality) > 0 {
		t.Errorf("a line on hold: %v", f.Quality)
	}
	s = begin(2)
	s.add(KindGate, 0, 0, GateMove{Why: "selective"})
	if f := written(t, s.end(14*nanos)); len(f.Quality) > 0 || !f.Empty {
		t.Errorf("nobody marked it: %v", f.Quality)
	}
}

func TestJitterAndDrift(t *testing.T) {
	s := begin(2)
	late := func(n int) int64 { return int64(n%2) * 10_000_000 }
	(&leg{s: s, ssrc: 1, delay: late}).send(0, 3000)
	(&leg{s: s, line: 1, ssrc: 2, ppm: 150}).send(0, 3000)
	f := written(t, s.end(61*nanos))
	if a := f.Streams[0]; math.Abs(a.Jitter-10) > 0.5 || math.Abs(a.JitterMax-10) > 0.1 || math.Abs(a.Drift) > 1 {
		t.Errorf("every second packet 10 ms late: jitter %.2f, at most %.2f, drift %.2f", a.Jitter, a.JitterMax, a.Drift)
	}
	if b := f.Streams[1]; b.Jitter > 0.1 || math.Abs(b.Drift-150) > 3 {
		t.Errorf("a clock fast by 150 ppm: jitter %.2f, drift %.2f", b.Jitter, b.Drift)
	}
}

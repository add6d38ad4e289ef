package media

import (
	"math"
	"math/rand/v2"
	"testing"
)

// within checks that packet n of a leg lies whole, and no farther from where it
// was said than so many ms.
func (s *spoken) within(t *testing.T, side []byte, ms float64) {
	t.Helper()
	for n, from := range s.at {
		want, whole := numbered(n), false
		for off := 0; off <= int(ms*8) && !whole; off++ {
			for _, at := range []int{int(from/125_000) - off, int(from/125_000) + off} {
				whole = whole || at >= 0 && at+160 <= len(side) && string(side[at:at+160]) == string(want)
			}
		}
		if !whole {
			t.Fatalf("packet %d, said at %.3f s, is not whole within %.0f ms of it", n, float64(from)/nanos, ms)
		}
	}
}

// spoken is a leg that notes when each packet was said.
type spoken struct {
	leg
	at []int64
}

func (s *spoken) send(from int64, count int) {
	for range count {
		s.at = append(s.at, from)
		s.packet(from)
		from += 20_000_000
	}
}

func jitter(most int64) func(int) int64 {
	r := rand.New(rand.NewPCG(1, 2))
	return func(int) int64 { return r.Int64N(most) }
}

// bursts are delays of up to 90 ms that stay for 0.8 s.
func bursts() func(int) int64 {
	r, late := rand.New(rand.NewPCG(3, 4)), int64(0)
	return func(n int) int64 {
		if n%40 == 0 {
			late = r.Int64N(90_000_000)
		}
		return late + r.Int64N(5_000_000)
	}
}

// A sender that stands still for a moment, again and again: what comes after is
// where it was said.
func TestSmallStallsAreFollowed(t *testing.T) {
	for _, c := range []struct {
		name         string
		stall, every int64 // ns
		times        int
		delay        func(int) int64
	}{
		{"140 ms every 10 s", 140_000_000, 10 * nanos, 12, jitter(2_000_000)},
		{"100 ms every 6 s", 100_000_000, 6 * nanos, 6, jitter(2_000_000)},
		{"30 ms every 8 s", 30_000_000, 8 * nanos, 20, jitter(2_000_000)},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := begin(1)
			a := &spoken{leg: leg{s: s, ssrc: 1, delay: c.delay}}
			at := int64(0)
			for range c.times {
				a.send(at, int(c.every/20_000_000))
				at += c.every + c.stall
			}
			f, sides := render(t, s.end(at))
			a.within(t, sides[0], 3)
			if f.Streams[0].Drift != 0 || f.Streams[0].Late != 0 {
				t.Errorf("stream %+v", f.Streams[0])
			}
		})
	}
}

// Timestamps that jump by less than jitter may be, while packets come as before.
func TestSmallTimestampJumps(t *testing.T) {
	for _, by := range []int32{1000, -1000, 400, -400} {
		s := begin(1)
		a := &spoken{leg: leg{s: s, ssrc: 1, delay: jitter(2_000_000)}}
		a.send(0, 400)
		a.stamp += uint32(by)
		a.send(8*nanos, 600)
		f, sides := render(t, s.end(20*nanos+50_000_000))
		left := 0
		for _, fix := range f.Corrections {
			left -= fix.Samples
		}
		if left > 16 || f.Streams[0].Late > 0 || gapsOf(f, 0) != "" {
			t.Errorf("by %d: %d samples left out, %d late, gaps %s", by, left, f.Streams[0].Late, gapsOf(f, 0))
		}
		a.at = a.at[:400] // the next one may be cut into
		a.within(t, sides[0], 3)
		wantNear(t, sides[0], 160*999, 999)
	}
}

func wantNear(t *testing.T, side []byte, frame, n int) {
	t.Helper()
	for off := -16; off <= 16; off++ {
		if frame+off+160 <= len(side) && string(side[frame+off:frame+off+160]) == string(numbered(n)) {
			return
		}
	}
	t.Errorf("packet %d is not near frame %d", n, frame)
}

// Jitter of any kind, and a network that is busy for a while, cut nothing and
// are no drift.
func TestJitterIsNoShift(t *testing.T) {
	for name, delay := range map[string]func(int) int64{
		"100 ms":    jitter(100_000_000),
		"in bursts": bursts(),
		"busy for a while": func(n int) int64 {
			if n >= 500 && n < 1000 {
				return 80_000_000
			}
			return 0
		},
		"busy at the beginning": func(n int) int64 {
			if n < 700 {
				return 140_000_000
			}
			return 0
		},
		"busy again, to the end": func(n int) int64 {
			if n >= 500 && n < 1000 || n > 2000 {
				return 60_000_000
			}
			return 0
		},
	} {
		for _, count := range []int{1250, 2500} {
			s := begin(1)
			(&leg{s: s, ssrc: 1, delay: delay}).send(nanos, count)
			p, err := survey(s.end(60*nanos).tape(), nil)
			if err != nil || len(p.lines[0].runs[0]) != 1 {
				t.Fatalf("%s: %d runs, %v", name, len(p.lines[0].runs[0]), err)
			}
			if r := p.lines[0].runs[0][0]; r.gain != 0 || r.drift != nil {
				t.Errorf("%s, %d packets: drift %.1f ppm", name, count, r.gain*1e6)
			}
		}
	}
}

// A clock that is off by 1000 ppm is followed, and nothing vanishes.
func TestClocksFarOff(t *testing.T) {
	for _, ppm := range []float64{500, -500, 1000, -1000} {
		s := begin(1)
		(&leg{s: s, ssrc: 1, ppm: ppm, delay: jitter(2_000_000)}).send(0, 30000)
		f, sides := render(t, s.end(int64(600e9/(1+ppm*1e-6))+50_000_000))
		st := f.Streams[0]
		if math.Abs(st.Drift-ppm) > 2 || st.Late > 0 || gapsOf(f, 0) != "" {
			t.Errorf("%.0f ppm: said to be %.1f, %d late, gaps %s", ppm, st.Drift, st.Late, gapsOf(f, 0))
		}
		sum := 0
		for _, fix := range f.Corrections {
			sum += fix.Samples
		}
		if want := -ppm * 1e-6 * 600 * 8000; math.Abs(float64(sum)-want) > 32 {
			t.Errorf("%.0f ppm: %d samples put in, want %.0f", ppm, sum, want)
		}
		end := len(sides[0])
		for end > 0 && sides[0][end-1] == 0xFF {
			end--
		}
		if at, want := float64(end)/8000, 600/(1+ppm*1e-6); math.Abs(at-want) > 0.002 {
			t.Errorf("%.0f ppm: the last packet ends at %.4f s, was said until %.4f", ppm, at, want)
		}
	}
}

// A delay that falls for good is no jump of the sender's clock: what came late
// lies where it was said.
func TestDelayThatFalls(t *testing.T) {
	s := begin(1)
	a := &spoken{leg: leg{s: s, ssrc: 1, delay: func(n int) int64 {
		if n < 700 {
			return 300_000_000
		}
		return 0
	}}}
	a.send(0, 1500)
	f, sides := render(t, s.end(30*nanos+100_000_000))
	a.within(t, sides[0], 0.25)
	if f.Streams[0].Drift != 0 || f.Lossy {
		t.Errorf("facts %+v", f)
	}
}

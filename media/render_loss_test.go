package media

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestEveryLossIsListed: of 5 % lost, at random and in bursts, under jitter that
// changes the order, the file is as long as the call, every packet that came is
// where it was, byte for byte, and the gaps are what is missing, no more and no
// less.
func TestEveryLossIsListed(t *testing.T) {
	const packets = 15000 // five minutes
	for name, lose := range map[string]func(*rand.Rand, bool) bool{
		"at random": func(r *rand.Rand, _ bool) bool { return r.Float64() < 0.05 },
		"in bursts": func(r *rand.Rand, before bool) bool {
			if before {
				return r.Float64() < 1-1.0/8
			}
			return r.Float64() < 0.05/8
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(8, 9))
			s := begin(2)
			a := &leg{s: s, ssrc: 1, delay: func(int) int64 { return max(0, r.Int64N(60_000_000)-5_000_000) }}
			lost := make([]bool, packets)
			for n := range packets {
				lost[n] = n > 0 && n < packets-1 && lose(r, lost[n-1])
				if lost[n] {
					a.skip()
					continue
				}
				a.packet(int64(n) * 20_000_000)
			}
			(&leg{s: s, line: 1, ssrc: 2}).send(0, packets)
			f, sides := render(t, s.end(packets*20_000_000+100_000_000))
			if got := len(sides[0]); got != packets*160+800 {
				t.Errorf("%d samples, want %d", got, packets*160+800)
			}
			total := int64(0)
			for n := range packets {
				if lost[n] {
					total++
				} else {
					wantAt(t, sides[0], 160*n, n)
				}
			}
			if f.Streams[0].Lost != total || len(f.Corrections) > 0 {
				t.Errorf("%d lost, want %d; corrections %v", f.Streams[0].Lost, total, f.Corrections)
			}
			at := 0
			for _, g := range f.Streams[0].Gaps {
				for at < packets && !lost[at] {
					at++
				}
				from := at
				for at < packets && lost[at] {
					at++
				}
				if g.Cause != "lost" || math.Abs(g.Start-float64(from)*0.02) > 0.0005 || math.Abs(g.End-float64(at)*0.02) > 0.0005 {
					t.Fatalf("gap %+v, lost are %.2f to %.2f", g, float64(from)*0.02, float64(at)*0.02)
				}
			}
			for ; at < packets; at++ {
				if lost[at] {
					t.Errorf("packet %d is missing, and no gap says so", at)
				}
			}
		})
	}
}

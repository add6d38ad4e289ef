package media

import (
	"slices"
	"strings"
	"testing"
)

// all is a payload of one code.
func all(code byte) func(int) []byte {
	return func(int) []byte { return slices.Repeat([]byte{code}, 160) }
}

func count(side []byte, code byte) int {
	n := 0
	for _, c := range side {
		if c == code {
			n++
		}
	}
	return n
}

// Two who speak at once on one line are both heard, each bit for bit where it
// speaks alone.
func TestTwoSendersAtOnceOnOneLine(t *testing.T) {
	s := begin(2)
	(&leg{s: s, ssrc: 1, code: all(0x20)}).send(0, 500)
	(&leg{s: s, ssrc: 9, seq: 700, stamp: 1 << 20, code: all(0x90)}).send(4_010_000_000, 500)
	(&leg{s: s, line: 1, ssrc: 2}).send(0, 700)
	f, sides := render(t, s.end(14_010_000_000))
	law := findCodec("PCMU")
	both := law.open(Format{})(nil, []byte{0x20, 0x90})
	sum := law.encode(both[0] + both[1])
	const alone, together = 32080, 80000 - 32080
	if !slices.Equal(sides[0], slices.Concat(slices.Repeat([]byte{0x20}, alone), slices.Repeat([]byte{sum}, together), slices.Repeat([]byte{0x90}, alone))) {
		t.Errorf("%d samples of the one, %d of the other, %d of both; want %d, %d and %d",
			count(sides[0], 0x20), count(sides[0], 0x90), count(sides[0], sum), alone, alone, together)
	}
	st := f.Streams[0]
	if !f.Lossy || len(f.Corrections) > 0 || st.Late != 0 || st.Lost != 0 || gapsOf(f, 0) != "" {
		t.Errorf("facts %+v", f)
	}
	if want := "line 0: 2 senders spoke at once on it, for 6.0 s in all: they are mixed"; !slices.Contains(f.Notes, want) {
		t.Errorf("notes %q, want %q", f.Notes, want)
	}
	for n := range 700 {
		wantAt(t, sides[1], 160*n, n)
	}
}

// What one of two loses is lost, whatever the other says.
func TestOneOfTwoAtOnceLoses(t *testing.T) {
	s := begin(1)
	(&leg{s: s, ssrc: 1, code: all(0x20)}).send(0, 500)
	b := &leg{s: s, ssrc: 9, code: all(0x90)}
	b.send(0, 250)
	b.skip()
	b.skip()
	b.send(252*20_000_000, 248)
	f, _ := render(t, s.end(10*nanos))
	if f.Streams[0].Lost != 2 || gapsOf(f, 0) != "5-5.04 lost\n" {
		t.Errorf("%d lost, gaps %s", f.Streams[0].Lost, gapsOf(f, 0))
	}
}

// Senders that follow each other, or take turns, are never at once.
func TestSendersInTurn(t *testing.T) {
	for name, c := range map[string]func(*script){
		"a packet of the old one is late": func(s *script) {
			a := &leg{s: s, ssrc: 1, delay: func(n int) int64 {
				if n == 199 {
					return 30_000_000
				}
				return 0
			}}
			a.send(0, 200)
			a.ssrc, a.seq, a.stamp = 9, 1, 2
			a.send(4*nanos, 200)
		},
		"packet by packet": func(s *script) {
			a := &leg{s: s, ssrc: 1}
			for n := range 400 {
				a.ssrc = uint32(1 + n%2)
				a.packet(int64(n) * 20_000_000)
			}
		},
		"every second": func(s *script) {
			a := &leg{s: s, ssrc: 1}
			for n := range 400 {
				a.ssrc = uint32(1 + n/50%2)
				a.packet(int64(n) * 20_000_000)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := begin(1)
			c(s)
			f, sides := render(t, s.end(8*nanos+40_000_000))
			for n := range 400 {
				wantAt(t, sides[0], 160*n, n)
			}
			if f.Lossy || len(f.Corrections) > 0 || strings.Contains(strings.Join(f.Notes, " "), "at once") {
				t.Errorf("facts %+v", f)
			}
		})
	}
}

// More than there are seats, and mixed where everything is decoded.
func TestManySendersAtOnce(t *testing.T) {
	s := begin(1)
	for i := range maxSeats + 2 {
		(&leg{s: s, ssrc: uint32(i + 1), pt: 96, code: func(int) []byte {
			return slices.Repeat([]byte{3, 232}, 320) // 1000
		}}).send(0, 100)
	}
	p, err := survey(s.end(2*nanos).tape(), nil)
	if err != nil || p.lines[0].seatCount() != maxSeats {
		t.Fatalf("%d seats, %v", p.lines[0].seatCount(), err)
	}
	f, mixed := listen(t, s)
	if at := len(mixed) / 2; mixed[at] < 7990 || mixed[at] > 8010 {
		t.Errorf("%d where %d senders say 1000", mixed[at], maxSeats)
	}
	if f.Streams[0].Late != 200 {
		t.Errorf("%d packets without a place, want 200", f.Streams[0].Late)
	}
}

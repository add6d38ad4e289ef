package media

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func lineOne(receiving, held bool) LineSpec {
	return LineSpec{Label: "1", Ours: true, Receiving: receiving, Held: held, Formats: g711Formats}
}

// marked sends one packet whose marker bit is set.
func (l *leg) marked(from int64) {
	l.pt |= 0x80
	l.packet(from)
	l.pt &^= 0x80
}

// TestWhyNothingCame: every hole between packets is listed, with what is known
// of its cause: what was paused or held, what numbers are missing and no more
// than those packets last, what the sender left out.
func TestWhyNothingCame(t *testing.T) {
	const ms = 1_000_000
	for name, c := range map[string]struct {
		send func(s *script, a *leg)
		lost int64
		want string
	}{
		"the sender goes on while it is paused": {func(s *script, a *leg) {
			a.send(0, 250)
			s.add(KindLine, 5*nanos, 0, lineOne(false, false))
			for range 250 {
				a.skip()
			}
			s.add(KindLine, 10*nanos, 0, lineOne(true, false))
			a.send(10*nanos, 250)
		}, 0, "5-10 paused\n"},
		"a packet is on its way when it is paused": {func(s *script, a *leg) {
			a.send(0, 249)
			a.skip()
			s.add(KindLine, 5*nanos, 0, lineOne(false, false))
			a.stamp += 5 * 8000
			s.add(KindLine, 10*nanos, 0, lineOne(true, false))
			a.send(10*nanos, 245)
		}, 0, "4.98-10 paused\n"},
		"the sender needs a moment after a pause": {func(s *script, a *leg) {
			a.send(0, 250)
			s.add(KindLine, 5*nanos, 0, lineOne(false, false))
			s.add(KindLine, 10*nanos, 0, lineOne(true, false))
			a.stamp += 41440
			a.send(10_180*ms, 240)
		}, 0, "5-10.18 paused\n"},
		"two pauses, and packets lost between": {func(s *script, a *leg) {
			for i := range int64(3) {
				at := i * 4 * nanos
				s.add(KindLine, at, 0, lineOne(true, false))
				a.send(at, 50)
				a.skip()
				a.send(at+1_020*ms, 49)
				s.add(KindLine, at+2*nanos, 0, lineOne(false, false))
				for range 100 {
					a.skip()
				}
			}
			s.add(KindLine, 12*nanos, 0, lineOne(true, false))
			a.send(12*nanos, 150)
		}, 3, "1-1.02 lost\n2-4 paused\n5-5.02 lost\n6-8 paused\n9-9.02 lost\n10-12 paused\n"},
		"one lost before it is held": {func(s *script, a *leg) {
			a.send(0, 249)
			a.skip()
			s.add(KindLine, 5*nanos, 0, lineOne(true, true))
			a.stamp += 5 * 8000
			s.add(KindLine, 10*nanos, 0, lineOne(true, false))
			a.send(10*nanos, 250)
		}, 1, "4.98-5 lost\n5-10 held\n"},
		"one lost of the music on hold": {func(s *script, a *leg) {
			s.add(KindLine, 5*nanos, 0, lineOne(true, true))
			a.send(0, 400)
			a.skip()
			a.send(8_020*ms, 349)
		}, 1, "8-8.02 lost\n"},
		"one lost before ten seconds of nothing": {func(s *script, a *leg) {
			a.send(0, 199)
			a.skip()
			a.stamp += 500 * 160
			a.send(14*nanos, 50)
		}, 1, "3.98-4 lost\n4-14 not-sent\n"},
		"one lost before a talkspurt that is marked": {func(s *script, a *leg) {
			a.send(0, 199)
			a.skip()
			a.stamp += 500 * 160
			a.marked(14 * nanos)
			a.send(14_020*ms, 49)
		}, 1, "3.98-4 lost\n4-14 dtx\n"},
		"talkspurts that are marked": {func(s *script, a *leg) {
			for i := range int64(3) {
				a.marked(i * nanos)
				a.send(i*nanos+20*ms, 24)
				a.stamp += 25 * 160
			}
			a.marked(3 * nanos)
			a.send(3_020*ms, 599)
		}, 0, "0.5-1 dtx\n1.5-2 dtx\n2.5-3 dtx\n"},
		"marked, and another sender": {func(s *script, a *leg) {
			a.send(0, 100)
			a.ssrc, a.seq = 9, 7000
			a.stamp += 8000
			a.marked(3 * nanos)
			a.send(3_020*ms, 599)
		}, 0, "2-3 not-sent\n"},
		"less than 200 ms, again and again": {func(s *script, a *leg) {
			for i := range int64(3) {
				a.send(i*nanos, 42)
				a.stamp += 8 * 160
			}
			a.send(3*nanos, 600)
		}, 0, "0.84-1 not-sent\n1.84-2 not-sent\n2.84-3 not-sent\n"},
		"one packet's time": {func(s *script, a *leg) {
			a.send(0, 100)
			a.stamp += 160
			a.send(2_020*ms, 600)
		}, 0, "2-2.02 not-sent\n"},
		"less than half a packet": {func(s *script, a *leg) {
			a.send(0, 100)
			a.stamp += 40
			a.send(2_005*ms, 600)
		}, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := begin(2)
			c.send(s, &leg{s: s, ssrc: 1})
			(&leg{s: s, line: 1, ssrc: 2}).send(0, 750)
			f, _ := render(t, s.end(15_050*ms))
			got := strings.Split(gapsOf(f, 0), "\n")
			got = slices.DeleteFunc(got, func(g string) bool { return strings.Contains(g, "-15.05 ") })
			if f.Streams[0].Lost != c.lost || strings.Join(got, "\n") != c.want {
				t.Errorf("lost %d, gaps:\n%s", f.Streams[0].Lost, strings.Join(got, "\n"))
			}
		})
	}
}

// TestElsewhereIsNotLost: packets that lie behind one with a later number, for
// the sender's clock began anew there, are not lost.
func TestElsewhereIsNotLost(t *testing.T) {
	s := begin(2)
	a := &leg{s: s, ssrc: 1, delay: func(n int) int64 {
		if n >= 398 && n < 400 {
			return 100_000_000
		}
		return int64(n*7%11) * 9_000_000
	}}
	a.send(0, 400)
	a.stamp = 0
	a.send(8*nanos, 30)
	(&leg{s: s, line: 1, ssrc: 2}).send(0, 450)
	f, _ := render(t, s.end(9_100_000_000))
	if f.Streams[0].Lost != 0 || strings.Contains(gapsOf(f, 0), "lost") {
		t.Errorf("lost %d, gaps:\n%s", f.Streams[0].Lost, gapsOf(f, 0))
	}
}

// TestBlameKernel: the kernel counts its drops and does not say which they were.
func TestBlameKernel(t *testing.T) {
	for _, c := range []struct {
		drops int64
		want  string
		note  bool
	}{
		{0, "lost lost dtx lost", false},
		{1, "lost lost dtx lost", true},
		{50, "lost lost dtx lost", true},
		{52, "lost kernel dtx lost", true}, // 2 of 54 were lost elsewhere
		{54, "kernel kernel dtx kernel", false},
		{900, "kernel kernel dtx kernel", false},
	} {
		s := StreamFacts{Gaps: []Gap{{1, 1.02, "lost"}, {2, 3, "lost"}, {3, 4, "dtx"}, {5, 5.06, "lost"}}}
		if c.drops == 50 {
			s.Gaps[1].End = 2.08 // 4 of 8
			c.drops = 4
		}
		notes := s.blame(&LineCounts{KernelDrops: c.drops}, 0.02)
		var causes []string
		for _, g := range s.Gaps {
			causes = append(causes, g.Cause)
		}
		if got := strings.Join(causes, " "); got != c.want || len(notes) > 0 != c.note {
			t.Errorf("%d drops: %s, notes %q", c.drops, got, notes)
		}
	}
}

// sing are the packets of a leg that sings, with holes of other lengths.
func sing(s *script, line uint16, holes map[int]int, marked bool, packets int) {
	a := &leg{s: s, line: line, ssrc: 7, code: sung(EncodeULaw)}
	for n := 0; n < packets; n++ {
		if silent := holes[n]; silent > 0 {
			a.n, a.stamp = a.n+silent, a.stamp+uint32(160*silent)
			n += silent
			if marked {
				a.marked(int64(n) * 20_000_000)
				continue
			}
		}
		a.packet(int64(n) * 20_000_000)
	}
}

// TestNoHoleClicks: whoever left it out, and however long it is, a hole begins
// and ends without a click.
func TestNoHoleClicks(t *testing.T) {
	for _, packets := range []int{1, 2, 3, 10, 100, 250, 500} {
		for _, marked := range []bool{false, true} {
			for _, other := range []string{"one law", "two laws"} {
				t.Run(fmt.Sprint(20*packets, " ms, marked: ", marked, ", ", other), func(t *testing.T) {
					s := begin(2)
					sing(s, 0, map[int]int{100: packets}, marked, 1000)
					b := &leg{s: s, line: 1, ssrc: 2, code: sung(EncodeULaw)}
					if other == "two laws" {
						b.pt, b.code = 8, sung(EncodeALaw)
					}
					b.send(0, 2000)
					heard := heardOf(t, s.end(40*nanos+100_000_000))
					checkConcealed(t, heard, packets, packets > 3)
				})
			}
		}
	}
}

// TestNothingIsMadeUpBehindTheGate: in a hole in which the gate was shut there is
// nothing but silence, and so there is after the last packet.
func TestNothingIsMadeUpBehindTheGate(t *testing.T) {
	for _, packets := range []int{100, 1000} {
		s := begin(1)
		sing(s, 0, map[int]int{100: packets}, false, 200+packets)
		s.add(KindGate, 2_020_000_000, 0, GateMove{Why: "stop-key"})
		s.add(KindGate, 3_900_000_000, 0, GateMove{Open: true, Why: "key"})
		end := int64(200+packets) * 20_000_000
		_, sides := render(t, s.end(end+nanos))
		silent := func(from, to int) {
			for i := from; i < to; i++ {
				if sides[0][i] != 0xFF {
					t.Fatalf("%d packets: frame %d is %#x", packets, i, sides[0][i])
				}
			}
		}
		silent(16000, 160*(100+packets))
		silent(160*(200+packets), len(sides[0]))
	}
}

// TestMadeUpCoversNothing: where one line goes on for another on the same channel,
// what dies away of the one changes no sample of the other.
func TestMadeUpCoversNothing(t *testing.T) {
	for _, first := range []uint16{1, 2} {
		s := begin(3)
		a, b := &leg{s: s, line: first, ssrc: 1, code: sung(EncodeULaw)}, &leg{s: s, line: 3 - first, ssrc: 2}
		(&leg{s: s, ssrc: 9}).send(0, 1000)
		a.send(0, 100)
		b.send(2*nanos, 700)
		a.stamp += 900 * 160
		a.send(18*nanos, 50)
		f, sides := render(t, s.end(20*nanos))
		if f.Container != "wav" || f.Channels != 2 {
			t.Fatalf("facts %+v", f)
		}
		for n := range 700 {
			want := numbered(n)
			if got := sides[1][16000+160*n:][:160]; !bytes.Equal(got, want) {
				t.Fatalf("line %d first: packet %d is not as it came", first, n)
			}
		}
	}
}

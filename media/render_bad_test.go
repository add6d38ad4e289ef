package media

import (
	"io"
	"slices"
	"strings"
	"testing"
)

// What goes wrong with sequence numbers and timestamps: each packet lies where
// it was spoken, and what is missing is said.
func TestSequencesGoneWrong(t *testing.T) {
	const ptime = int64(20_000_000)
	for name, c := range map[string]struct {
		send func(s *script, a *leg)
		lost int64
		gaps string
	}{
		"each packet a hundred times": {func(s *script, a *leg) {
			for n := range 100 {
				for i := range int64(99) {
					s.add(KindPacket, int64(n+1)*ptime+i*1000, 0, rtpOf(0, a.seq, a.stamp, 1, a.payload()))
				}
				a.packet(int64(n) * ptime)
			}
		}, 0, ""},
		"200 at once and shuffled": {func(_ *script, a *leg) {
			a.delay = func(n int) int64 {
				if n >= 100 && n < 300 {
					return int64(299-n)*ptime + int64(n*67%200)*1000
				}
				return 0
			}
			a.send(0, 400)
		}, 0, ""},
		"backwards for 20 packets": {func(_ *script, a *leg) {
			a.delay = func(n int) int64 {
				if n >= 40 && n < 60 {
					return int64(2*(59-n)) * ptime
				}
				return 0
			}
			a.send(0, 100)
		}, 0, ""},
		"the number leaps by 30,000": {func(_ *script, a *leg) {
			a.send(0, 100)
			a.seq += 30_000
			a.send(100*ptime, 100)
		}, 0, ""},
		"the number falls to 0": {func(_ *script, a *leg) {
			a.seq = 50_000
			a.send(0, 100)
			a.seq = 0
			a.send(100*ptime, 100)
		}, 0, ""},
		"the number and the timestamp wrap": {func(_ *script, a *leg) {
			a.seq, a.stamp = 65_500, 1<<32-160*50
			a.send(0, 200)
		}, 0, ""},
		"the timestamp leaps by 2^31": {func(_ *script, a *leg) {
			a.send(0, 100)
			a.stamp += 1 << 31
			a.send(100*ptime, 100)
			a.stamp -= 1 << 31
			a.send(200*ptime, 100)
		}, 0, ""},
		"both begin again at 0": {func(_ *script, a *leg) {
			a.seq, a.stamp = 40_000, 3_000_000_000
			a.send(0, 100)
			a.seq, a.stamp = 0, 0
			a.send(100*ptime, 100)
		}, 0, ""},
		"ten are missing": {func(_ *script, a *leg) {
			a.send(0, 100)
			for range 10 {
				a.skip()
			}
			a.send(110*ptime, 100)
		}, 10, "2-2.2 lost\n"},
	} {
		t.Run(name, func(t *testing.T) {
			s := begin(2)
			a := &leg{s: s, ssrc: 1}
			c.send(s, a)
			length := int64(a.n) * ptime
			(&leg{s: s, line: 1, ssrc: 2}).send(0, a.n)
			f, sides := render(t, s.end(length))
			for n := range a.n {
				if c.lost == 0 || n < 100 || n >= 110 {
					wantAt(t, sides[0], 160*n, n)
				}
			}
			if got := gapsOf(f, 0); f.Streams[0].Lost != c.lost || got != c.gaps {
				t.Errorf("%d lost, want %d; gaps %s", f.Streams[0].Lost, c.lost, got)
			}
		})
	}
}

// A packet, and then nothing for two hours: the file is two hours long.
func TestOnePacketInTwoHours(t *testing.T) {
	s := begin(2)
	(&leg{s: s, ssrc: 1}).send(0, 1)
	r, err := Measure(s.end(7200 * nanos).tape())
	if err != nil {
		t.Fatal(err)
	}
	n, err := r.WriteTo(io.Discard)
	if f := r.Facts; err != nil || f.Frames != 7200*8000 || n < 2*f.Frames || gapsOf(f, 0) != "0.02-7200 not-sent\n" {
		t.Errorf("%d frames in %d bytes, %v; gaps %s", f.Frames, n, err, gapsOf(f, 0))
	}
}

// 200 ms in a packet, and packets of changing length.
func TestJumboPackets(t *testing.T) {
	s := begin(2)
	a := &leg{s: s, ssrc: 1}
	for n := range 20 {
		from := int64(n) * 200_000_000
		s.add(KindPacket, from+200_000_000, 0, rtpOf(0, uint16(n), uint32(1600*n), 1, slices.Concat(numbered(n), make([]byte, 1440))))
	}
	for n := 20; n < 40; n++ {
		a.n, a.seq, a.stamp = n, uint16(n), uint32(1600*20+160*(n-20))
		a.packet(4*nanos + int64(n-20)*20_000_000)
	}
	(&leg{s: s, line: 1, ssrc: 2}).send(0, 220)
	f, sides := render(t, s.end(4_400_000_000))
	for n := range 20 {
		wantAt(t, sides[0], 1600*n, n)
		wantAt(t, sides[0], 1600*20+160*n, 20+n)
	}
	if gapsOf(f, 0) != "" || f.Streams[0].Lost != 0 {
		t.Errorf("stream %+v", f.Streams[0])
	}
}

// Audio that is not what its payload type says, or that nobody here decodes:
// the recording is whole in time and says what it lacks.
func TestAudioThatIsNotWhatItSays(t *testing.T) {
	for name, c := range map[string]struct {
		pt      uint8
		payload func(n int) []byte
		says    string // a note or a codec that waits; "": it is sound
	}{
		"a change to the other law": {8, numbered, ""},
		"G.711 labelled as Opus":    {97, numbered, "OPUS"},
		"Opus cut short":            {97, func(n int) []byte { return []byte{0x7B, 0xFF, byte(n)}[:1+n%3] }, "OPUS"},
		"AMR":                       {98, func(n int) []byte { return append([]byte{0xF0}, numbered(n)[:31]...) }, "AMR"},
		"G.729, never announced":    {18, func(n int) []byte { return numbered(n)[:20] }, "G729"},
		"L16 of an odd length":      {96, func(n int) []byte { return append(numbered(n), numbered(n + 1)[:159]...) }, ""},
		"a type nobody announced":   {77, numbered, "payload type 77"},
	} {
		t.Run(name, func(t *testing.T) {
			s := begin(2)
			s.add(KindLine, 0, 0, LineSpec{Label: "1", Ours: true, Receiving: true,
				Formats: append(slices.Clone(g711Formats), Format{Payload: 98, Name: "AMR", Clock: 8000})})
			a := &leg{s: s, ssrc: 1}
			a.send(0, 50)
			for n := 50; n < 100; n++ {
				stamp := a.stamp
				s.add(KindPacket, int64(n+1)*20_000_000, 0, rtpOf(c.pt, a.seq, stamp, 1, c.payload(n)))
				a.skip()
			}
			a.send(2*nanos, 50)
			(&leg{s: s, line: 1, ssrc: 2}).send(0, 150)
			r, err := Measure(s.end(3 * nanos).tape())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := r.WriteTo(io.Discard); err != nil {
				t.Fatal(err)
			}
			f := r.Facts
			if f.Duration != 3 || f.Streams[0].Packets != 150 && c.pt != 77 {
				t.Errorf("%.3f s, %+v", f.Duration, f.Streams[0])
			}
			said := strings.Join(append(slices.Clone(f.Waiting), f.Notes...), "; ")
			if c.says != "" && (!f.Lossy || !strings.Contains(said, c.says)) {
				t.Errorf("lossy %v, says %q", f.Lossy, said)
			}
		})
	}
}

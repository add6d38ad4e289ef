package media

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestPayloadsBitForBit(t *testing.T) {
	s := begin(2)
	a := &leg{s: s, line: 0, ssrc: 1, seq: 65500, stamp: 1<<32 - 3200}
	b := &leg{s: s, line: 1, ssrc: 2, seq: 7, stamp: 99}
	a.send(0, 500)
	b.send(100_000_000, 490)
	f, sides := render(t, s.end(10*nanos))
	for n := range 490 {
		wantAt(t, sides[0], 160*n, n)
		wantAt(t, sides[1], 800+160*n, n)
	}
	if f.Lossy || f.Container != "wav" || f.Encoding != "pcmu" || f.Frames != 80000 || len(f.Corrections) != 0 {
		t.Errorf("facts: %+v", f)
	}
	if len(sides[1]) != 80000 || sides[1][0] != 0xFF || sides[1][799] != 0xFF {
		t.Error("before the first packet there is no silence")
	}
}

func TestJitterMovesNothing(t *testing.T) {
	s := begin(1)
	r := rand.New(rand.NewPCG(1, 2))
	a := &leg{s: s, ssrc: 1, delay: func(n int) int64 {
		if n%50 == 20 {
			return 0
		}
		return r.Int64N(100_000_000)
	}}
	a.send(0, 1000)
	f, sides := render(t, s.end(20*nanos+150_000_000))
	for n := range 1000 {
		wantAt(t, sides[0], 160*n, n)
	}
	if f.Channels != 1 || f.Lossy || gapsOf(f, 0) != "" {
		t.Errorf("facts: %+v", f)
	}
}

func TestLossReorderDuplicates(t *testing.T) {
	s := begin(2)
	a := &leg{s: s, ssrc: 1, seq: 65530, delay: func(n int) int64 {
		if n == 60 {
			return 90_000_000
		}
		return 0
	}}
	for n := range 100 {
		if n >= 30 && n < 33 {
			a.skip()
			continue
		}
		if n == 80 {
			s.add(KindPacket, 1_600_000_001, 0, rtpOf(0, a.seq, a.stamp, 1, a.payload()))
			a.packet(int64(n) * 20_000_000)
			continue
		}
		a.packet(int64(n) * 20_000_000)
	}
	b := &leg{s: s, line: 1, ssrc: 2}
	b.send(0, 100)
	f, sides := render(t, s.end(2*nanos))
	for _, n := range []int{0, 29, 33, 59, 60, 61, 80, 99} {
		wantAt(t, sides[0], 160*n, n)
	}
	if st := f.Streams[0]; st.Lost != 3 || st.Duplicates != 1 || st.Late != 0 || st.Packets != 98 {
		t.Errorf("stream: %+v", st)
	}
	if got := gapsOf(f, 0); got != "0.6-0.66 lost\n" {
		t.Errorf("gaps: %s", got)
	}
}

func TestStallIsNoShift(t *testing.T) {
	s := begin(2)
	a := &leg{s: s, ssrc: 1, delay: func(n int) int64 {
		if n >= 100 && n < 250 {
			return int64(250-n) * 20_000_000
		}
		return 0
	}}
	a.send(0, 500)
	(&leg{s: s, line: 1, ssrc: 2}).send(0, 500)
	f, sides := render(t, s.end(10*nanos))
	for n := range 500 {
		wantAt(t, sides[0], 160*n, n)
	}
	if gapsOf(f, 0) != "" || f.Lossy {
		t.Errorf("facts: %+v", f)
	}
}

func TestStallAtTheBeginning(t *testing.T) {
	s := begin(2)
	a := &leg{s: s, ssrc: 1, delay: func(n int) int64 { return max(0, int64(100-n)*20_000_000) }}
	a.send(0, 500)
	(&leg{s: s, line: 1, ssrc: 2}).send(0, 500)
	_, sides := render(t, s.end(10*nanos))
	wantAt(t, sides[0], 0, 0)
	wantAt(t, sides[0], 160*499, 499)
}

func TestPauses(t *testing.T) {
	for name, c := range map[string]struct {
		stands, receiving, held bool
		cause                   string
	}{
		"the sender's clock goes on":     {cause: "paused"},
		"the sender's clock stands":      {stands: true, cause: "paused"},
		"on hold, nothing comes":         {held: true, cause: "held"},
		"on hold, something might come":  {held: true, receiving: true, cause: "held"},
		"nobody says why nothing comes":  {receiving: true, cause: "not-sent"},
		"nor does whoever's clock stood": {receiving: true, stands: true, cause: "not-sent"},
	} {
		t.Run(name, func(t *testing.T) {
			s := begin(2)
			a := &leg{s: s, ssrc: 1}
			a.send(0, 100)
			now := LineSpec{Label: "1", Ours: true, Formats: g711Formats, Receiving: c.receiving, Held: c.held}
			s.add(KindLine, 2*nanos, 0, now)
			if !c.stands {
				a.stamp += 3 * 8000
			}
			now.Receiving, now.Held = true, false
			s.add(KindLine, 5*nanos, 0, now)
			a.send(5*nanos, 100)
			(&leg{s: s, line: 1, ssrc: 2}).send(0, 350)
			f, sides := render(t, s.end(7*nanos))
			wantAt(t, sides[0], 99*160, 99)
			wantAt(t, sides[0], 40000, 100)
			wantAt(t, sides[0], 40000+99*160, 199)
			if got := gapsOf(f, 0); got != "2-5 "+c.cause+"\n" {
				t.Errorf("gaps: %s", got)
			}
		})
	}
}

func TestRestarts(t *testing.T) {
	s := begin(2)
	a := &leg{s: s, ssrc: 1, seq: 40000, stamp: 1 << 31}
	a.send(0, 100)
	a.ssrc, a.seq, a.stamp = 77, 0, 0 // another SSRC
	a.send(2*nanos, 100)
	a.seq, a.stamp = 0, 0 // the same one from 0
	a.send(4*nanos, 100)
	a.stamp += 1 << 31 // a leap
	a.send(6*nanos, 100)
	b := &leg{s: s, line: 1, ssrc: 2}
	b.send(12*nanos, 100) // joins late
	f, sides := render(t, s.end(14*nanos))
	for n := range 400 {
		wantAt(t, sides[0], 160*n, n)
	}
	wantAt(t, sides[1], 12*8000, 0)
	if f.Streams[0].Lost != 0 || gapsOf(f, 0) != "8-14 not-sent\n" || gapsOf(f, 1) != "0-12 not-sent\n" {
		t.Errorf("lost %d, gaps %s%s", f.Streams[0].Lost, gapsOf(f, 0), gapsOf(f, 1))
	}
}

func TestComfortNoiseAndKeys(t *testing.T) {
	s := begin(2)
	a := &leg{s: s, ssrc: 1}
	a.send(0, 50)
	s.add(KindPacket, 1_020_000_000, 0, rtpOf(13, a.seq, a.stamp, 1, []byte{60}))
	a.seq++
	a.stamp += 8000
	a.send(2*nanos, 50)
	for i := range 30 { // a key of 600 ms in place of audio
		data := []byte{5, 10, 0, 0}
		binary.BigEndian.PutUint16(data[2:], uint16(160*(i+1)))
		s.add(KindPacket, 3*nanos+int64(i+1)*20_000_000, 0, rtpOf(101, a.seq, a.stamp, 1, data))
		a.seq++
	}
	a.stamp += 30 * 160
	a.send(3_600_000_000, 20)
	(&leg{s: s, line: 1, ssrc: 2}).send(0, 200)
	f, sides := render(t, s.end(4*nanos))
	wantAt(t, sides[0], 16000, 50)
	wantAt(t, sides[0], 28800, 100)
	if got := gapsOf(f, 0); got != "1-2 dtx\n" || f.Streams[0].Lost != 0 {
		t.Errorf("lost %d, gaps: %s", f.Streams[0].Lost, got)
	}
}

func TestSelective(t *testing.T) {
	s := &script{}
	s.add(KindStart, 0, 0, Start{Version: 1})
	for i := range 2 {
		s.add(KindLine, 0, uint16(i), LineSpec{Label: "x", Ours: i == 1, Receiving: true, Formats: g711Formats})
	}
	a := &leg{s: s, ssrc: 1}
	for n := range 500 {
		if n >= 200 && n < 300 || n >= 400 && n < 450 {
			a.packet(int64(n) * 20_000_000)
		} else {
			a.skip()
		}
	}
	s.add(KindGate, 4*nanos, 0, GateMove{Open: true, Why: "key"})
	s.add(KindKey, 4*nanos, 1, KeyPress{Command: "*1", Via: "rfc4733", Obeyed: true})
	s.add(KindGate, 6*nanos, 0, GateMove{Why: "stop-key"})
	s.add(KindGate, 8*nanos, 0, GateMove{Open: true, Why: "key"})
	f, sides := render(t, s.end(10*nanos))
	wantAt(t, sides[1], 32000, 200)
	wantAt(t, sides[1], 64000, 400)
	if len(f.Segments) != 2 || f.Segments[0] != (Segment{4, 6}) || f.Segments[1] != (Segment{8, 10}) {
		t.Errorf("segments %v", f.Segments)
	}
	if f.Streams[0].Lost != 0 || gapsOf(f, 0) != "9-10 not-sent\n" || f.Streams[0].Channel != 1 || f.Lossy {
		t.Errorf("facts %+v", f)
	}
	if len(f.Keys) != 1 || f.Keys[0].At != 4 || f.Keys[0].Command != "*1" {
		t.Errorf("keys %v", f.Keys)
	}
}

// TestSpokenBeforeTheKey: packets that were held up on their way, so that they
// came after the key, carry what was said before it. That is not heard.
func TestSpokenBeforeTheKey(t *testing.T) {
	s := &script{}
	s.add(KindStart, 0, 0, Start{Version: 1})
	s.add(KindLine, 0, 0, LineSpec{Label: "x", Ours: true, Receiving: true, Formats: g711Formats})
	a := &leg{s: s, ssrc: 1, delay: func(n int) int64 {
		if n >= 190 && n < 200 {
			return 250_000_000
		}
		return 0
	}}
	for n := range 500 {
		if n >= 190 {
			a.packet(int64(n) * 20_000_000)
		} else {
			a.skip()
		}
	}
	s.add(KindGate, 4_010_000_000, 0, GateMove{Open: true, Why: "key"})
	f, sides := render(t, s.end(10*nanos))
	side := sides[0]
	first := slices.IndexFunc(side, func(c byte) bool { return c != 0xff })
	if first != 32064 { // 4.010 s, but for what no clock knows
		t.Errorf("the first sound is at sample %d, the key at 32080", first)
	}
	wantAt(t, side, 32160, 201)
	if f.Lossy || f.Streams[0].Lost != 0 || f.Streams[0].Late != 0 {
		t.Errorf("facts %+v", f)
	}
}

func TestEmptyAndInterrupted(t *testing.T) {
	r, err := Measure(begin(2).end(nanos).tape())
	if err != nil || !r.Facts.Empty || r.Facts.Duration != 1 {
		t.Errorf("facts %+v, %v", r.Facts, err)
	}
	if _, err := r.WriteTo(&bytes.Buffer{}); err == nil {
		t.Error("an empty recording was written")
	}
	s := begin(1)
	(&leg{s: s, ssrc: 1}).send(0, 50)
	if f, _ := render(t, s); !f.Interrupted || f.Duration != 1 {
		t.Errorf("facts %+v", f)
	}
	if _, err := Measure((&script{}).tape()); err == nil {
		t.Error("no tape at all was measured")
	}
}

// A sender, or a network, that is late with the first packets of a stream and
// then is not: the stream lies where it was sent, in one piece.
func TestLateBeginningIsNoJump(t *testing.T) {
	for _, late := range []int64{100, 200, 400, 900, 3000} { // ms
		s := begin(1)
		l := &leg{s: s, ssrc: 1, delay: func(n int) int64 { return max(0, late*1_000_000-int64(n)*15_000_000) }}
		l.send(nanos, 450)
		r, err := Measure(s.end(11 * nanos).tape())
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if _, err := r.WriteTo(&out); err != nil {
			t.Fatal(err)
		}
		var want []byte
		for n := range 450 {
			want = append(want, numbered(n)...)
		}
		at := bytes.Index(out.Bytes(), want)
		wav, err := ReadWAV(bytes.NewReader(out.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		if at < 0 {
			t.Errorf("%d ms late: the stream is not in one piece; gaps %v", late, r.Facts.Streams[0].Gaps)
			continue
		}
		if begins := float64(at-int(wav.DataStart)) / 8000; math.Abs(begins-1) > 0.02 {
			t.Errorf("%d ms late: it begins at %.3f s, it was sent from 1 s on", late, begins)
		}
	}
}

// A stall in which a stream ends: its last packets come all at once, late, and
// lie where they were sent.
func TestStallAtTheEndIsNoJump(t *testing.T) {
	for _, stall := range []int64{300, 900, 1100, 2500} { // ms before the stream's end
		s := begin(1)
		first := 450 - int(stall/20)
		l := &leg{s: s, ssrc: 1, delay: func(n int) int64 {
			if n < first {
				return 0
			}
			return int64(450-n)*20_000_000 + 400_000_000
		}}
		l.send(nanos, 450)
		r, err := Measure(s.end(14 * nanos).tape())
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if _, err := r.WriteTo(&out); err != nil {
			t.Fatal(err)
		}
		var want []byte
		for n := range 450 {
			want = append(want, numbered(n)...)
		}
		if !bytes.Contains(out.Bytes(), want) {
			t.Errorf("a stall of %d ms at the end: the stream is not in one piece; gaps %v", stall, r.Facts.Streams[0].Gaps)
		}
	}
}

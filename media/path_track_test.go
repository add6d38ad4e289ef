package media

import (
	"testing"
)

// branch adds a track with a tape of its own.
func branch(p *Path, m Mode, start, stop string) (*Track, *testTape) {
	t := &testTape{}
	b := p.Branch(PathConfig{Sink: t.sink(), Mode: m, Start: start, Stop: stop})
	b.Append(KindStart, callAt, 0, []byte(`{"version":1}`))
	return b, t
}

// Each track keeps its own lines, under its own numbers, and a line of both is
// kept by both.
func TestTracksKeepTheirOwnLines(t *testing.T) {
	p, first := newTestPath(ModeFull)
	other, second := branch(p, ModeOff, "*1", "*2")
	spec := LineSpec{Label: "3", Ours: true, Source: srcAddr, Receiving: true, Formats: g711}
	other.Take(2, 0, callAt, spec)
	spec.Label = "2"
	other.Take(1, 1, callAt, spec)
	other.SetMode(callAt, ModeFull, "decided")
	for i := range 10 {
		for line := range 3 {
			p.Packet(line, false, callAt+int64(20+i)*20*ms, srcAddr, voice(i))
		}
	}
	if a, b := first.count(KindPacket), second.count(KindPacket); a != 20 || b != 20 {
		t.Errorf("kept %d and %d", a, b)
	}
	for _, r := range second.records {
		if r.Kind == KindPacket && r.Line > 1 {
			t.Fatalf("line %d on the second tape", r.Line)
		}
	}
	// A line that leaves is counted until then, and from its return on.
	other.Leave(0, callAt+nsPerSec)
	p.Packet(2, false, callAt+nsPerSec+20*ms, srcAddr, voice(10))
	other.Take(2, 0, callAt+2*nsPerSec, spec)
	p.Packet(2, false, callAt+2*nsPerSec+20*ms, srcAddr, voice(11))
	if c := other.Counts(); len(c) != 2 || c[0].Received != 11 || c[0].Kept != 11 || c[1].Kept != 10 {
		t.Errorf("counts %+v", c)
	}
	// The end of one is not the end of the other.
	if err := p.Finish(callAt + 3*nsPerSec); err != nil {
		t.Fatal(err)
	}
	p.Packet(1, false, callAt+3*nsPerSec+40*ms, srcAddr, voice(12))
	if a, b := first.count(KindPacket), second.count(KindPacket); a != 20 || b != 22 {
		t.Errorf("kept %d and %d", a, b)
	}
	if c := p.Counts(); c[1].Received != 10 {
		t.Errorf("counts after the end %+v", c)
	}
}

// A gate is moved by the keys of our own side on its own lines alone, and what is
// a command of one recording is blanked on the tape of the other.
func TestTracksHaveTheirOwnKeys(t *testing.T) {
	p, first := newTestPath(ModeSelective)
	other, second := branch(p, ModeSelective, "*7", "*8")
	spec := LineSpec{Label: "3", Ours: true, Source: srcAddr, Receiving: true, Formats: g711}
	other.Take(2, 0, callAt, spec)
	pressKey(p, 0, callAt+nsPerSec, 10)
	pressKey(p, 0, callAt+2*nsPerSec, 1)
	if !p.Open() || other.Open() {
		t.Fatalf("after *1 on line 0: %v %v", p.Open(), other.Open())
	}
	pressKey(p, 2, callAt+3*nsPerSec, 10)
	pressKey(p, 2, callAt+4*nsPerSec, 7)
	if !p.Open() || !other.Open() {
		t.Fatalf("after *7 on line 2: %v %v", p.Open(), other.Open())
	}
	// On a line of both, each reads its own.
	spec.Label, spec.Ours = "1", true
	other.Take(0, 1, callAt+5*nsPerSec, spec)
	pressKey(p, 0, callAt+6*nsPerSec, 10)
	pressKey(p, 0, callAt+7*nsPerSec, 8)
	if !p.Open() || other.Open() {
		t.Fatalf("after *8 on line 0: %v %v", p.Open(), other.Open())
	}
	pressKey(p, 0, callAt+8*nsPerSec, 10)
	pressKey(p, 0, callAt+9*nsPerSec, 2)
	if p.Open() || other.Open() {
		t.Fatalf("after *2 on line 0: %v %v", p.Open(), other.Open())
	}
	for _, r := range first.records {
		if r.Kind == KindPacket && r.Line == 0 && r.Data[1]&0x7f == dtmf && r.Data[12] == 8 {
			t.Fatal("a digit that is no command is on the first tape")
		}
	}
	if a, b := len(first.keys(t)), len(second.keys(t)); a != 2 || b != 2 {
		t.Errorf("%d and %d commands", a, b)
	}
}

func TestTracksAllocateNothing(t *testing.T) {
	p := NewPath(PathConfig{Sink: Sink{Append: func(Kind, int64, uint16, []byte) {}}, Mode: ModeFull, Start: "*1", Stop: "*2"})
	b := p.Branch(PathConfig{Sink: Sink{Append: func(Kind, int64, uint16, []byte) {}}, Start: "*1", Stop: "*2"})
	spec := LineSpec{Label: "1", Ours: true, Source: srcAddr, Receiving: true, Formats: g711}
	p.SetLine(0, callAt, spec)
	b.Take(0, 0, callAt, spec)
	b.SetMode(callAt, ModeFull, "decided")
	packets := [][]byte{voice(0), eventBytes(0, 5, false, 160)}
	at := callAt
	for _, packet := range packets {
		p.Packet(0, false, at, srcAddr, packet)
		if n := testing.AllocsPerRun(200, func() {
			at += 20 * ms
			p.Packet(0, false, at, srcAddr, packet)
		}); n > 0 {
			t.Errorf("%.1f allocations a packet", n)
		}
	}
}

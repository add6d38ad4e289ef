package media

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// talker sends PCMU of 20 ms, and keys in it.
type talker struct {
	p     *Path
	line  int
	ssrc  uint32
	seq   uint16
	stamp uint32
	at    int64
	skip  func(packet int) bool // those that are lost
	sent  int
}

func newTalker(p *Path, line int) *talker {
	return &talker{p: p, line: line, ssrc: uint32(line + 1), at: callAt}
}

// say sends so many packets, of a key or, with none, of a murmur.
func (k *talker) say(key byte, packets int) {
	row, column := 0, 0
	for i := range 4 {
		if j := slices.Index(toneDigits[i][:], key); j >= 0 {
			row, column = i, j
		}
	}
	for range packets {
		b := make([]byte, 160)
		for i := range b {
			at := 2 * math.Pi * float64(int(k.stamp)+i) / placeRate
			x := 900 * math.Sin(190*at)
			if key != 0 {
				x = 3000*math.Sin(toneRows[row]*at) + 3000*math.Sin(toneColumns[column]*at)
			}
			b[i] = EncodeULaw(int16(x))
		}
		k.at += 20 * ms
		if k.skip == nil || !k.skip(k.sent) {
			k.p.Packet(k.line, false, k.at, srcAddr, rtpBytes(pcmu, k.seq, k.stamp, k.ssrc, b))
		}
		k.seq++
		k.stamp += 160
		k.sent++
	}
}

// dial presses keys of 80 ms, 80 ms apart.
func (k *talker) dial(keys string) {
	for _, key := range []byte(keys) {
		k.say(key, 4)
		k.say(0, 4)
	}
}

// newSoundPath is a selective call that listens for tones; line 0 is ours.
func newSoundPath(inband bool) (*Path, *testTape) {
	tape := &testTape{}
	p := NewPath(PathConfig{Mode: ModeOff, Start: "*1", Stop: "*2", InBand: inband, Sink: tape.sink(), OnEvent: func(e Event) { tape.events = append(tape.events, e) }})
	for i := range 2 {
		p.SetLine(i, callAt, LineSpec{Ours: i == 0, Receiving: true, Formats: g711})
	}
	p.SetMode(callAt, ModeSelective, "test")
	return p, tape
}

// TestInBandKeyOpensTheGate: from the key on, and not a packet before it.
func TestInBandKeyOpensTheGate(t *testing.T) {
	p, tape := newSoundPath(true)
	k := newTalker(p, 0)
	k.say(0, 50)
	k.dial("*1")
	opened := slices.IndexFunc(tape.events, func(e Event) bool { return e.Gate != nil && e.Gate.Open })
	if opened < 0 || !p.Open() {
		t.Fatalf("the gate is shut: %+v", tape.events)
	}
	pressed := callAt + (50+8)*20*ms // when the second key began
	if late := tape.events[opened].At - pressed; late < 40*ms || late > 100*ms {
		t.Errorf("it opened %d ms after the key began", late/ms)
	}
	k.say(0, 50)
	k.dial("*2")
	if keys := tape.keys(t); p.Open() || len(keys) != 2 || keys[0].Via != "inband" || !keys[1].Obeyed {
		t.Errorf("open %v, keys %+v", p.Open(), tape.keys(t))
	}
	kept := tape.count(KindPacket)
	if kept < 50 || kept > 75 {
		t.Errorf("%d packets are kept", kept)
	}
	for _, r := range tape.records {
		if r.Kind == KindPacket && r.At <= tape.events[opened].At {
			t.Error("a packet from before the key is kept")
		}
	}
}

func TestInBandKeysThatDoNotCount(t *testing.T) {
	for name, set := range map[string]func(p *Path, k *talker){
		"the other side's": func(p *Path, k *talker) { k.line = 1 },
		"of a mixed line": func(p *Path, k *talker) {
			p.SetLine(0, callAt, LineSpec{Ours: true, Mixed: true, Receiving: true, Formats: g711})
		},
		"of a paused line":       func(p *Path, k *talker) { p.SetLine(0, callAt, LineSpec{Ours: true, Formats: g711}) },
		"of a phone with events": func(p *Path, k *talker) { pressKey(p, 0, callAt, 7) },
		"of a call that is off":  func(p *Path, k *talker) { p.SetMode(callAt, ModeOff, "test") },
	} {
		t.Run(name, func(t *testing.T) {
			p, tape := newSoundPath(true)
			k := newTalker(p, 0)
			set(p, k)
			k.say(0, 10)
			k.dial("*1")
			if len(tape.keys(t)) > 0 || p.Open() {
				t.Errorf("keys %+v", tape.keys(t))
			}
			for _, l := range p.Track.lines {
				if l.sound != nil {
					t.Error("it is listened to")
				}
			}
		})
	}
	p, tape := newSoundPath(false)
	newTalker(p, 0).dial("*1")
	if len(tape.keys(t)) > 0 {
		t.Error("in-band keys are switched off, and count")
	}
}

// TestKeysInBothForms: a phone that sends the tones and the events counts once.
func TestKeysInBothForms(t *testing.T) {
	p, tape := newSoundPath(true)
	p.SetCommands("11", "99")
	k := newTalker(p, 0)
	k.say(0, 5)
	k.say('1', 4)
	pressKey(p, 0, k.at, 1)
	k.say(0, 10)
	if p.Open() {
		t.Fatal("one key in both forms counted twice")
	}
	k.say('1', 4)
	pressKey(p, 0, k.at, 1)
	if !p.Open() || len(tape.keys(t)) != 1 {
		t.Errorf("open %v, keys %+v", p.Open(), tape.keys(t))
	}
}

// TestInBandKeysThroughLoss: one packet in the middle of a key that is lost
// neither hides nor doubles it.
func TestInBandKeysThroughLoss(t *testing.T) {
	p, tape := newSoundPath(true)
	p.SetCommands("55", "99")
	k := newTalker(p, 0)
	k.skip = func(n int) bool { return n == 14 }
	k.say(0, 10)
	k.say('5', 12)
	k.say(0, 10)
	if p.Open() {
		t.Error("one key counted twice")
	}
	k.say('5', 5)
	if !p.Open() {
		t.Errorf("keys %+v", tape.keys(t))
	}
}

// TestInBandKeysOfASenderThatBeginsAnew: with other sequence numbers under the
// same SSRC, its timestamps others too or not.
func TestInBandKeysOfASenderThatBeginsAnew(t *testing.T) {
	for name, renew := range map[string]func(k *talker){
		"at 0":                   func(k *talker) { k.seq = 0 },
		"at 0, its clock too":    func(k *talker) { k.seq, k.stamp = 0, 0 },
		"103 back":               func(k *talker) { k.seq -= 103 },
		"5,000 back":             func(k *talker) { k.seq -= 5000 },
		"5,000 ahead":            func(k *talker) { k.seq += 5000 },
		"40,000 on":              func(k *talker) { k.seq, k.stamp = k.seq+40_000, k.stamp+1<<31 },
		"at 0, five seconds on":  func(k *talker) { k.seq, k.at = 0, k.at+5000*ms },
		"its clock alone, at 0":  func(k *talker) { k.stamp = 0 },
		"another clock, forward": func(k *talker) { k.seq, k.stamp = 0, k.stamp+1<<30 },
	} {
		p, tape := newSoundPath(true)
		k := newTalker(p, 0)
		k.seq, k.stamp = 30_000, 1000
		k.say(0, 50)
		renew(k)
		k.say(0, 3)
		k.dial("*1")
		if keys := tape.keys(t); len(keys) != 1 || !p.Open() {
			t.Errorf("%s: keys %+v", name, keys)
		}
		k.dial("*2")
		if keys := tape.keys(t); len(keys) != 2 || p.Open() {
			t.Errorf("%s: keys %+v", name, keys)
		}
	}
}

// TestInBandKeyHeldWhileTheSenderBeginsAnew is one key.
func TestInBandKeyHeldWhileTheSenderBeginsAnew(t *testing.T) {
	p, tape := newSoundPath(true)
	p.SetCommands("55", "99")
	k := newTalker(p, 0)
	k.seq = 30_000
	k.say('5', 10)
	k.seq = 0
	k.say('5', 10)
	if p.Open() {
		t.Error("one key counted twice")
	}
	k.say(0, 10)
	k.say('5', 5)
	if !p.Open() {
		t.Errorf("keys %+v", tape.keys(t))
	}
}

// TestOldPacketsAgainAreNoKeys: those of a key that come once more, all at once
// or between newer ones, press nothing and hide nothing.
func TestOldPacketsAgainAreNoKeys(t *testing.T) {
	for name, again := range map[string]func(k, old *talker){
		"at once": func(k, old *talker) {
			for range 12 {
				old.at = k.at - 20*ms
				old.say('5', 1)
			}
		},
		"between newer ones": func(k, old *talker) {
			for range 12 {
				old.at = k.at - 20*ms
				old.say('5', 1)
				k.say(0, 1)
			}
		},
	} {
		p, tape := newSoundPath(true)
		p.SetCommands("55", "99")
		k := newTalker(p, 0)
		k.seq = 30_000
		k.say(0, 10)
		old := *k
		k.say('5', 12)
		k.say(0, 200)
		again(k, &old)
		k.say(0, 20)
		if p.Open() {
			t.Errorf("%s: a key counted again", name)
		}
		k.say(0, 300)
		k.dial("55")
		if keys := tape.keys(t); !p.Open() || len(keys) != 1 {
			t.Errorf("%s: keys %+v", name, keys)
		}
	}
}

// TestInBandKeysOfL16: at the rates that are no round ones too.
func TestInBandKeysOfL16(t *testing.T) {
	for _, rate := range linearRates {
		p, tape := newSoundPath(true)
		p.SetLine(0, callAt, LineSpec{Ours: true, Receiving: true, Formats: []Format{{Payload: 96, Name: "L16", Clock: rate}}})
		seq, stamp, at := uint16(0), uint32(0), callAt
		for _, key := range []byte("*1") {
			samples := dialed{key: key, ms: 80, rate: rate, snr: 30, level: 3000}.sound(rand.New(rand.NewPCG(1, 2)))
			for part := range slices.Chunk(samples, rate/50) {
				b := make([]byte, 0, 2*len(part))
				for _, x := range part {
					b = binary.BigEndian.AppendUint16(b, uint16(x))
				}
				at += 20 * ms
				p.Packet(0, false, at, srcAddr, rtpBytes(96, seq, stamp, 1, b))
				seq, stamp = seq+1, stamp+uint32(len(part))
			}
		}
		if keys := tape.keys(t); len(keys) != 1 || !p.Open() {
			t.Errorf("%d Hz: keys %+v", rate, keys)
		}
	}
}

// TestCodecsThatAreNotListenedTo: packets in which no key can be heard count,
// unless keys come, or may come, as telephone-events.
func TestCodecsThatAreNotListenedTo(t *testing.T) {
	g729, events := Format{Payload: 18, Name: "G729", Clock: 8000}, Format{Payload: dtmf, Name: "TELEPHONE-EVENT", Clock: 8000}
	for name, c := range map[string]struct {
		formats []Format
		pressed bool
		mode    Mode
		want    int64
	}{
		"alone":                   {[]Format{g729}, false, ModeSelective, 10},
		"full":                    {[]Format{g729}, false, ModeFull, 0},
		"events offered":          {[]Format{g729, events}, false, ModeSelective, 0},
		"events that nobody said": {[]Format{g729}, true, ModeSelective, 0},
	} {
		p, _ := newSoundPath(true)
		p.SetLine(2, callAt, LineSpec{Ours: true, Receiving: true, Formats: c.formats})
		p.SetMode(callAt, c.mode, "test")
		for n := range 10 {
			p.Packet(2, false, callAt+int64(n)*20*ms, srcAddr, rtpBytes(18, uint16(n), uint32(n*160), 1, make([]byte, 20)))
			if c.pressed && n == 5 {
				pressKey(p, 2, callAt+int64(n)*20*ms, 7)
			}
		}
		if n := p.Counts()[2].Unheard; n != c.want {
			t.Errorf("%s: %d", name, n)
		}
	}
}

// TestNothingOverheardStays: of what was decoded to hear keys, nothing is in
// memory that Path holds once listening ends, and 20 ms before.
func TestNothingOverheardStays(t *testing.T) {
	p, _ := newSoundPath(true)
	k := newTalker(p, 0)
	k.say(0, 100)
	s := p.Track.lines[0].sound
	if s == nil || len(s.ear.window) != 160 {
		t.Fatal("it is not listened to")
	}
	for _, x := range s.linear[:cap(s.linear)] {
		if x != 0 {
			t.Fatal("a decoded packet is left")
		}
	}
	p.SetMode(k.at, ModeOff, "test")
	if p.Track.lines[0].sound != nil || slices.ContainsFunc(s.ear.window, func(x int16) bool { return x != 0 }) {
		t.Error("what was heard last is left")
	}
}

func TestOverhearingAllocatesNothing(t *testing.T) {
	p, _ := newSoundPath(true)
	k := newTalker(p, 0)
	k.say(0, 50)
	b := rtpBytes(pcmu, 0, 0, k.ssrc, make([]byte, 160))
	if n := testing.AllocsPerRun(200, func() {
		k.at += 20 * ms
		b[2], b[3] = byte(k.seq>>8), byte(k.seq)
		b[4], b[5], b[6], b[7] = byte(k.stamp>>24), byte(k.stamp>>16), byte(k.stamp>>8), byte(k.stamp)
		p.Packet(0, false, k.at, srcAddr, b)
		k.seq++
		k.stamp += 160
	}); n > 0 {
		t.Errorf("%.1f allocations a packet", n)
	}
}

package media

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"
)

func TestOneEventIsOneKey(t *testing.T) {
	p, tape := newTestPath(ModeSelective)
	p.SetCommands("11", "9")
	for range 50 { // a key held for a second, then its ends again and again
		p.Packet(0, false, callAt, srcAddr, eventBytes(8000, 1, false, 160))
		p.Packet(0, false, callAt+300*ms, srcAddr, eventBytes(8000, 1, true, 800))
	}
	if len(tape.keys(t)) != 0 {
		t.Fatal("retransmissions counted")
	}
	p.Packet(0, false, callAt+400*ms, srcAddr, eventBytes(12000, 1, true, 800))
	if keys := tape.keys(t); len(keys) != 1 || !p.Open() {
		t.Errorf("keys %+v", keys)
	}
}

// TestKeysOfOneTimestamp: a sender that plays a file for each key sends it with
// the same SSRC, numbers and timestamp each time.
func TestKeysOfOneTimestamp(t *testing.T) {
	file := func(p *Path, at, packet int64, code uint8) {
		for i := range 6 { // the end three times
			p.Packet(0, false, at+int64(i)*packet, srcAddr, eventBytes(0, code, i >= 3, uint16(packet/ms*8*int64(min(i+1, 4)))))
		}
	}
	for _, packet := range []int64{10 * ms, 20 * ms, 60 * ms, 200 * ms} {
		p, tape := newTestPath(ModeSelective)
		at := callAt
		for _, command := range [][]uint8{{10, 1}, {10, 2}, {10, 1}} {
			file(p, at, packet, command[0])
			file(p, at+1500*ms, packet, command[1])
			at += 5000 * ms
		}
		keys := tape.keys(t)
		if len(keys) != 3 || !keys[0].Obeyed || !keys[1].Obeyed || !keys[2].Obeyed || !p.Open() {
			t.Errorf("packets of %d ms: keys %+v", packet/ms, keys)
		}
	}
}

// TestKeyOfOneTimestampWhoseEndIsLost falls back to its beginning when it is
// pressed again, and not while it is held.
func TestKeyOfOneTimestampWhoseEndIsLost(t *testing.T) {
	p, tape := newTestPath(ModeSelective)
	p.SetCommands("11", "9")
	report := func(at int64, duration uint16) {
		p.Packet(0, false, at, srcAddr, eventBytes(0, 1, false, duration))
	}
	report(callAt, 160)
	report(callAt+1500*ms, 12_000) // held, and nothing said of it for more than a second
	report(callAt+1520*ms, 11_840) // out of turn
	if len(tape.keys(t)) != 0 {
		t.Fatalf("a key held counted twice: %+v", tape.keys(t))
	}
	report(callAt+3000*ms, 160)
	if len(tape.keys(t)) != 1 || !p.Open() {
		t.Errorf("keys %+v", tape.keys(t))
	}
}

func TestEventsThatAreNoKeys(t *testing.T) {
	p, tape := newTestPath(ModeSelective)
	p.SetCommands("1", "2")
	p.Packet(0, false, callAt, srcAddr, eventBytes(8000, 1, false, 0))
	p.Packet(0, false, callAt, srcAddr, eventBytes(9000, 16, false, 160))
	p.Packet(0, false, callAt, srcAddr, eventBytes(9100, 255, false, 160))
	if len(tape.keys(t)) != 0 {
		t.Fatalf("keys %+v", tape.keys(t))
	}
	p.Packet(0, false, callAt+20*ms, srcAddr, eventBytes(8000, 1, false, 160))
	if len(tape.keys(t)) != 1 {
		t.Error("an event that began with duration 0 never became a key")
	}
}

func TestSeveralEventsInOnePacket(t *testing.T) {
	p, tape := newTestPath(ModeSelective)
	b := rtpBytes(dtmf, 1, 8000, voiceID, []byte{10, 0x8a, 3, 32, 1, 0x8a, 3, 32})
	for range 3 {
		p.Packet(0, false, callAt, srcAddr, bytes.Clone(b))
	}
	if keys := tape.keys(t); len(keys) != 1 || !keys[0].Obeyed {
		t.Errorf("keys %+v", keys)
	}
}

func TestLongKeyInSegmentsIsOneKey(t *testing.T) {
	p, tape := newTestPath(ModeSelective)
	p.SetCommands("11", "2")
	stamp := uint32(8000)
	for range 3 {
		p.Packet(0, false, callAt, srcAddr, eventBytes(stamp, 1, false, 0xFFFF))
		stamp += 0xFFFF
	}
	p.Packet(0, false, callAt, srcAddr, eventBytes(stamp, 1, true, 500))
	if len(tape.keys(t)) != 0 {
		t.Error("segments of one key counted as several")
	}
}

func TestEventsOnATypeNeverNegotiated(t *testing.T) {
	p, _ := newTestPath(ModeSelective)
	p.SetCommands("1", "2")
	p.Packet(0, false, callAt, srcAddr, rtpBytes(100, 1, 8000, voiceID, []byte{1, 10, 0, 160}))
	if !p.Open() {
		t.Error("not read as a telephone-event")
	}
}

func TestRedundantEvents(t *testing.T) {
	p, tape := newTestPath(ModeOff)
	p.SetLine(0, callAt, LineSpec{Ours: true, Source: srcAddr, Receiving: true,
		Formats: append([]Format{{Payload: 121, Name: "RED", Clock: 8000}}, g711...)})
	p.SetMode(callAt, ModeSelective, "")
	// The event of * again, 1600 before that of 1 (RFC 2198 3).
	red := []byte{0x80 | dtmf, 1600 >> 6, 1600 & 63 << 2, 4, dtmf, 10, 0x8a, 3, 32, 1, 0x0a, 0, 160}
	p.Packet(0, false, callAt, srcAddr, rtpBytes(121, 1, 8000, voiceID, red))
	if keys := tape.keys(t); len(keys) != 1 || keys[0].Command != "*1" {
		t.Errorf("keys %+v", keys)
	}
	// The * of before once more, as what was first said 1.5 s ago, and a 1.
	p.Packet(0, false, callAt+1500*ms, srcAddr, rtpBytes(121, 1, 18400, voiceID,
		[]byte{0x80 | dtmf, 12000 >> 6, 12000 & 63 << 2, 4, dtmf, 10, 0x8a, 3, 32, 1, 0x0a, 0, 160}))
	if keys := tape.keys(t); len(keys) != 1 {
		t.Errorf("a redundant key counted: %+v", keys)
	}
	p.Packet(0, false, callAt+1520*ms, srcAddr, rtpBytes(121, 2, 36000, voiceID, []byte{dtmf, 7, 0x0a, 0, 160}))
	last := tape.records[len(tape.records)-1]
	if last.Kind != KindPacket || last.Data[13] != blanked {
		t.Errorf("a digit that is no command reached the tape: %+v", last)
	}
	n := tape.count(KindPacket)
	p.Packet(0, false, callAt+1540*ms, srcAddr, rtpBytes(121, 3, 36160, voiceID, []byte{0x80 | dtmf, 0, 3, 255, dtmf, 7, 10, 0, 160}))
	if tape.count(KindPacket) != n {
		t.Error("blocks that do not fit their packet reached the tape")
	}
}

func TestDigitsThatAreNoCommandAreBlanked(t *testing.T) {
	p, tape := newTestPath(ModeFull)
	at := callAt
	for _, code := range []uint8{10, 1, 4, 7, 1, 1, 10, 5, 2} { // *1 4 7 1 1 *5 2
		pressKey(p, 1, at, code)
		at += 200 * ms
	}
	var got []byte
	for i, r := range tape.records {
		if r.Kind != KindPacket {
			continue
		}
		if d := r.Data[12]; len(got) == 0 || tape.records[i-1].Kind != KindPacket ||
			!bytes.Equal(tape.records[i-1].Data[4:8], r.Data[4:8]) {
			got = append(got, d)
		} else if d != got[len(got)-1] {
			t.Error("packets of one event differ")
		}
		if len(r.Data) != 16 || r.Data[13]&0x3f != 10 {
			t.Error("more than the digit was changed")
		}
	}
	b := byte(blanked)
	if want := []byte{10, 1, b, b, b, b, 10, b, b}; !bytes.Equal(got, want) {
		t.Errorf("digits on tape %v, want %v", got, want)
	}
}

// TestGateProperty: no packet is on tape between a shut gate and its next
// opening, under selective none before a key obeyed, and none that began
// before the key.
func TestGateProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, tape := newTestPath(ModeOff)
		at := callAt
		steps := rapid.IntRange(1, 120).Draw(t, "steps")
		for i := range steps {
			at += rapid.Int64Range(0, 60).Draw(t, "gap") * ms
			line := rapid.IntRange(0, 1).Draw(t, "line")
			switch rapid.IntRange(0, 9).Draw(t, "what") {
			case 0:
				p.SetMode(at, Mode(rapid.IntRange(0, 2).Draw(t, "mode")), "drawn")
			case 1, 2:
				p.Press(line, at, rapid.SampledFrom([]byte("*12")).Draw(t, "key"), "info")
			case 3, 4:
				code := rapid.SampledFrom([]uint8{10, 1, 2, 7}).Draw(t, "code")
				p.Packet(line, false, at, srcAddr, eventBytes(uint32(at/ms*8), code, false, 160))
			case 5:
				p.Packet(line, true, at, srcAddr, []byte{0x80, 200, 0, 1, 0, 0, 0, 1})
			default:
				p.Packet(line, false, at, srcAddr, voice(i))
			}
		}
		checkGate(t, tape)
	})
}

func checkGate(t *rapid.T, tape *testTape) {
	moves := 0
	open, strict, from := false, false, int64(0)
	for i, r := range tape.records {
		switch r.Kind {
		case KindGate:
			gate := tape.gate(moves)
			moves++
			if gate.Open == open {
				t.Fatal("a gate move that moved nothing")
			}
			if gate.Open && gate.Why == "key" && tape.records[i-1].Kind != KindKey {
				t.Fatal("opened by a key that is not on tape")
			}
			strict = gate.Open && (moves > 1 || gate.Why == "key")
			open, from = gate.Open, r.At
		case KindRTCP, KindPacket:
			length := int64(0)
			if strict && r.Kind == KindPacket && r.Data[1] == pcmu {
				length = 20 * ms
			}
			if !open || r.At-length < from {
				t.Fatalf("record %d is on tape: open %v, %d ms after the opening", i, open, (r.At-from)/ms)
			}
		}
	}
}

// gate returns the n-th gate move as told by events, which must be those on tape.
func (t *testTape) gate(n int) GateMove {
	for _, e := range t.events {
		if e.Gate != nil {
			if n == 0 {
				return *e.Gate
			}
			n--
		}
	}
	return GateMove{}
}

func FuzzRTP(f *testing.F) {
	f.Add(voice(1), false)
	f.Add(eventBytes(8000, 5, true, 800), false)
	f.Add([]byte{0x80, 200, 0, 1, 0, 0, 0, 1}, true)
	f.Add([]byte{0xbf, 0x80, 0, 0}, false)
	f.Fuzz(func(t *testing.T, b []byte, rtcp bool) {
		p, tape := newTestPath(ModeFull)
		p.Packet(0, rtcp, callAt, srcAddr, bytes.Clone(b))
		c := p.Counts()[0]
		if c.Received+c.Refused+c.RTCP != 1 {
			t.Fatalf("one packet counted as %+v", c)
		}
		if tape.count(KindPacket) != int(c.Kept) || tape.count(KindRTCP) != int(c.RTCP) {
			t.Fatalf("on tape %v for %+v", tape.records, c)
		}
		// Whatever it was, it costs those that follow nothing.
		for n := range 5 {
			p.Packet(0, false, callAt+int64(n)*20*ms, srcAddr, voice(n))
		}
		if after := p.Counts()[0]; after.Received != c.Received+5 || after.Kept != c.Kept+5 {
			t.Fatalf("of five packets after it, %+v became %+v", c, after)
		}
	})
}

// FuzzTelephoneEvent: no digit but those of commands is ever on tape.
func FuzzTelephoneEvent(f *testing.F) {
	f.Add([]byte{10, 10, 0, 160, 1, 0x8a, 0, 160}, uint32(0))
	f.Add([]byte{4, 10, 255, 255, 4, 10, 0, 0, 7}, uint32(1<<31))
	f.Fuzz(func(t *testing.T, payload []byte, stamp uint32) {
		p, tape := newTestPath(ModeFull)
		p.Packet(0, false, callAt, srcAddr, rtpBytes(dtmf, 1, stamp, voiceID, bytes.Clone(payload)))
		for _, r := range tape.records {
			if r.Kind != KindPacket {
				continue
			}
			star := false
			for i := 12; i < len(r.Data); i += 4 {
				d := r.Data[i]
				if star = star || d == 10; d < 10 && (!star || d != 1 && d != 2) || d > 10 && d < 16 {
					t.Fatalf("digit %d on tape of %x", d, payload)
				}
			}
			if len(r.Data) != 12+len(payload) {
				t.Fatal("length changed")
			}
		}
	})
}

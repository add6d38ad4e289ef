package media

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"net/netip"
	"testing"
	"time"
)

const (
	ms      = int64(time.Millisecond)
	callAt  = int64(1_700_000_000) * nsPerSec
	pcmu    = 0
	dtmf    = 101
	voiceID = 0x1111
)

var (
	srcAddr = netip.MustParseAddrPort("192.0.2.10:30000")
	g711    = []Format{{Payload: pcmu, Name: "PCMU", Clock: 8000}, {Payload: dtmf, Name: "TELEPHONE-EVENT", Clock: 8000}}
)

type taped struct {
	Kind Kind
	At   int64
	Line int
	Data []byte
}

// testTape is a sink that keeps everything.
type testTape struct {
	records []taped
	events  []Event
	flushed int
	err     error
}

func (t *testTape) sink() Sink {
	return Sink{
		Append: func(k Kind, at int64, line uint16, b []byte) {
			t.records = append(t.records, taped{k, at, int(line), append([]byte(nil), b...)})
		},
		Flush: func() error { t.flushed++; return t.err },
	}
}

func (t *testTape) count(k Kind) (n int) {
	for _, r := range t.records {
		if r.Kind == k {
			n++
		}
	}
	return n
}

func (t *testTape) keys(tb testing.TB) (keys []KeyPress) {
	tb.Helper()
	for _, r := range t.records {
		if r.Kind == KindKey {
			var k KeyPress
			if err := json.Unmarshal(r.Data, &k); err != nil {
				tb.Fatal(err)
			}
			keys = append(keys, k)
		}
	}
	return keys
}

// newTestPath is a call with our side on line 0 and the other on line 1.
func newTestPath(m Mode) (*Path, *testTape) {
	t := &testTape{}
	p := NewPath(PathConfig{Sink: t.sink(), Mode: m, Start: "*1", Stop: "*2",
		OnEvent: func(e Event) { t.events = append(t.events, e) }})
	p.Append(KindStart, callAt, 0, []byte(`{"version":1}`))
	p.SetLine(0, callAt, LineSpec{Label: "1", Ours: true, Source: srcAddr, Receiving: true, Formats: g711})
	p.SetLine(1, callAt, LineSpec{Label: "2", Source: srcAddr, Receiving: true, Formats: g711})
	return p, t
}

func rtpBytes(payloadType uint8, seq uint16, stamp, ssrc uint32, payload []byte) []byte {
	b := make([]byte, 12, 12+len(payload))
	b[0], b[1] = 0x80, payloadType
	binary.BigEndian.PutUint16(b[2:], seq)
	binary.BigEndian.PutUint32(b[4:], stamp)
	binary.BigEndian.PutUint32(b[8:], ssrc)
	return append(b, payload...)
}

func voice(seq int) []byte {
	return rtpBytes(pcmu, uint16(seq), uint32(seq*160), voiceID, make([]byte, 160))
}

func eventBytes(stamp uint32, code uint8, end bool, duration uint16) []byte {
	p := []byte{code, 10, byte(duration >> 8), byte(duration)}
	if end {
		p[1] |= 0x80
	}
	return rtpBytes(dtmf, uint16(stamp), stamp, voiceID, p)
}

// pressKey sends one key as an SRC does: three reports, three ends.
func pressKey(p *Path, line int, at int64, code uint8) {
	stamp := uint32(at / ms * 8)
	for i := range 6 {
		d := uint16(160 * min(i+1, 4))
		p.Packet(line, false, at+int64(i)*20*ms, srcAddr, eventBytes(stamp, code, i >= 3, d))
	}
}

func TestGateByMode(t *testing.T) {
	for _, c := range []struct {
		mode Mode
		kept int
	}{{ModeOff, 0}, {ModeSelective, 0}, {ModeFull, 10}} {
		p, tape := newTestPath(ModeOff)
		p.SetMode(callAt, c.mode, "decided")
		for i := range 10 {
			p.Packet(i%2, false, callAt+int64(i)*10*ms, srcAddr, voice(i))
		}
		if n := tape.count(KindPacket); n != c.kept {
			t.Errorf("mode %d kept %d packets, want %d", c.mode, n, c.kept)
		}
		if p.Open() != (c.mode == ModeFull) {
			t.Errorf("mode %d: open %v", c.mode, p.Open())
		}
	}
}

func TestFullFromTheBeginningSaysSoAfterTheStart(t *testing.T) {
	p, tape := newTestPath(ModeFull)
	p.Packet(0, false, callAt, srcAddr, voice(0))
	var kinds []Kind
	for _, r := range tape.records {
		kinds = append(kinds, r.Kind)
	}
	want := []Kind{KindStart, KindGate, KindLine, KindLine, KindPacket}
	if string(bytesOf(kinds)) != string(bytesOf(want)) {
		t.Errorf("tape %v, want %v", kinds, want)
	}
}

func bytesOf(kinds []Kind) (b []byte) {
	for _, k := range kinds {
		b = append(b, byte(k))
	}
	return b
}

func TestPacketsBeforeAnOpeningAreForgotten(t *testing.T) {
	p, tape := newTestPath(ModeOff)
	p.SetMode(callAt+50*ms, ModeFull, "full")
	p.Packet(0, false, callAt+49*ms, srcAddr, voice(0))
	p.Packet(0, false, callAt+50*ms, srcAddr, voice(1)) // a call's first opening cuts no packet
	p.SetMode(callAt+100*ms, ModeOff, "nobody-of-ours")
	p.Packet(0, false, callAt+110*ms, srcAddr, voice(2))
	p.SetMode(callAt+200*ms, ModeFull, "full")
	p.Packet(0, false, callAt+219*ms, srcAddr, voice(3)) // begins before the opening
	p.Packet(0, false, callAt+220*ms, srcAddr, voice(4))
	var seqs []uint16
	for _, r := range tape.records {
		if r.Kind == KindPacket {
			seqs = append(seqs, binary.BigEndian.Uint16(r.Data[2:]))
		}
	}
	if len(seqs) != 2 || seqs[0] != 1 || seqs[1] != 4 {
		t.Errorf("kept packets %v, want 1 and 4", seqs)
	}
	if n := tape.count(KindGate); n != 3 {
		t.Errorf("%d gate moves on tape, want 3", n)
	}
}

func TestSelectiveOpensAtTheKey(t *testing.T) {
	p, tape := newTestPath(ModeOff)
	p.SetMode(callAt, ModeSelective, "selective")
	for i := range 100 {
		at := callAt + int64(i)*20*ms
		switch i {
		case 10:
			pressKey(p, 0, at, 10) // *
		case 30:
			pressKey(p, 0, at, 1)
		case 60:
			pressKey(p, 0, at, 10)
		case 70:
			pressKey(p, 0, at, 2)
		}
		p.Packet(1, false, at+ms, srcAddr, voice(i))
	}
	opened, shut := callAt+600*ms, callAt+1400*ms
	for _, r := range tape.records {
		if r.Kind == KindPacket && r.Line == 1 && (r.At-20*ms < opened || r.At >= shut) {
			t.Errorf("a packet of %d ms is on tape", (r.At-callAt)/ms)
		}
	}
	if n := tape.count(KindPacket); n < 39 {
		t.Errorf("%d packets on tape", n)
	}
	keys := tape.keys(t)
	if len(keys) != 2 || !keys[0].Obeyed || keys[0].Command != "*1" || !keys[1].Obeyed || keys[1].Command != "*2" {
		t.Fatalf("keys %+v", keys)
	}
	if e := tape.events; len(e) != 4 || e[1].Gate == nil || e[1].At != opened || e[3].At != shut || e[3].Gate.Why != "stop-key" {
		t.Errorf("events %+v", e)
	}
}

func TestSelectiveAgainLeavesAMarkedCallOpen(t *testing.T) {
	p, _ := newTestPath(ModeSelective)
	p.Press(0, callAt, '*', "info")
	p.Press(0, callAt+ms, '1', "info")
	p.SetMode(callAt+2*ms, ModeSelective, "selective")
	if !p.Open() {
		t.Error("the same decision again shut the gate")
	}
	p.SetMode(callAt+3*ms, ModeOff, "off")
	p.SetMode(callAt+4*ms, ModeSelective, "selective")
	if p.Open() {
		t.Error("a new selective decision opened the gate without a key")
	}
}

func TestKeysNotObeyed(t *testing.T) {
	press := func(p *Path, line int, at int64, s string) {
		for i := range len(s) {
			p.Press(line, at+int64(i)*100*ms, s[i], "info")
		}
	}
	for _, c := range []struct {
		name string
		mode Mode
		line int
		keys string
		why  string
	}{
		{"other side", ModeSelective, 1, "*1", "foreign"},
		{"full", ModeFull, 0, "*2", "not-selective"},
		{"off", ModeOff, 0, "*1", "not-selective"},
		{"twice", ModeSelective, 0, "*1*1", "already-open"},
		{"stop first", ModeSelective, 0, "*2", "already-shut"},
	} {
		p, tape := newTestPath(c.mode)
		press(p, c.line, callAt, c.keys)
		keys := tape.keys(t)
		if len(keys) == 0 || keys[len(keys)-1].Why != c.why || keys[len(keys)-1].Obeyed {
			t.Errorf("%s: keys %+v, want %q", c.name, keys, c.why)
		}
	}
}

func TestCommandsAreFoundAmongOtherDigits(t *testing.T) {
	for _, c := range []struct {
		keys    string
		gap     int64
		obeyed  int
		started bool
	}{
		{"*1", 100 * ms, 1, true},
		{"**1", 100 * ms, 1, true},
		{"5*1", 100 * ms, 1, true},
		{"*51", 100 * ms, 0, false},
		{"1*", 100 * ms, 0, false},
		{"*1", 4900 * ms, 1, true},
		{"*1", 5100 * ms, 0, false},
		{"*1*2*1", 100 * ms, 3, true},
	} {
		p, tape := newTestPath(ModeSelective)
		for i := range len(c.keys) {
			p.Press(0, callAt+int64(i)*c.gap, c.keys[i], "info")
		}
		if n := len(tape.keys(t)); n != c.obeyed || p.Open() != c.started {
			t.Errorf("%s every %d ms: %d commands, open %v", c.keys, c.gap/ms, n, p.Open())
		}
	}
}

func TestSameKeyByTwoWaysCountsOnce(t *testing.T) {
	p, tape := newTestPath(ModeSelective)
	p.SetCommands("11", "99")
	pressKey(p, 0, callAt, 1)
	p.Press(0, callAt+150*ms, '1', "info")
	if p.Open() {
		t.Fatal("one key by two ways counted twice")
	}
	pressKey(p, 0, callAt+300*ms, 1)
	p.Press(0, callAt+450*ms, '1', "info")
	p.Press(0, callAt+460*ms, '1', "inband")
	if !p.Open() || len(tape.keys(t)) != 1 {
		t.Errorf("open %v, keys %+v", p.Open(), tape.keys(t))
	}
	p.Press(0, callAt+2000*ms, '9', "info")
	p.Press(0, callAt+2100*ms, '9', "info")
	if p.Open() {
		t.Error("the same key twice by one way counted once")
	}
}

func TestFinishIsTheEnd(t *testing.T) {
	p, tape := newTestPath(ModeFull)
	p.Packet(0, false, callAt+ms, srcAddr, voice(1))
	p.KernelDrops(1, 7)
	tape.err = errors.New("no space")
	if err := p.Finish(callAt + 2*ms); err == nil || err.Error() != "no space" {
		t.Errorf("Finish: %v", err)
	}
	n := len(tape.records)
	if tape.records[n-1].Kind != KindEnd || tape.records[n-2].Kind != KindCounts {
		t.Errorf("the tape ends with %v", tape.records[n-2:])
	}
	var counts []LineCounts
	if err := json.Unmarshal(tape.records[n-2].Data, &counts); err != nil || len(counts) != 2 ||
		counts[0].Kept != 1 || counts[0].Received != 1 || counts[1].KernelDrops != 7 {
		t.Errorf("counts %+v, %v", counts, err)
	}
	p.Packet(0, false, callAt+3*ms, srcAddr, voice(2))
	p.SetLine(0, callAt+3*ms, LineSpec{})
	p.SetMode(callAt+3*ms, ModeOff, "")
	p.Append(KindLoom, callAt, 0, nil)
	p.Finish(callAt + 4*ms)
	if len(tape.records) != n {
		t.Errorf("%d records after the end", len(tape.records)-n)
	}
}

func TestFlushOnlyWhatWasAppended(t *testing.T) {
	p, tape := newTestPath(ModeOff)
	for range 3 {
		if err := p.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if tape.flushed != 1 {
		t.Errorf("flushed %d times", tape.flushed)
	}
}

func TestPacketAllocatesNothing(t *testing.T) {
	p := NewPath(PathConfig{Sink: Sink{Append: func(Kind, int64, uint16, []byte) {}}, Mode: ModeFull, Start: "*1", Stop: "*2"})
	p.SetLine(0, callAt, LineSpec{Ours: true, Source: srcAddr, Receiving: true, Formats: g711})
	packets := [][]byte{voice(1), eventBytes(8000, 5, false, 160), {0x80, 200, 0, 1, 0, 0, 0, 0}, voice(2)[:7]}
	at, stamp := callAt, uint32(0)
	n := testing.AllocsPerRun(1000, func() {
		stamp += 160
		binary.BigEndian.PutUint32(packets[1][4:], stamp) // a new digit each time
		packets[1][12] = 5
		for i, b := range packets {
			at += 20 * ms
			from := srcAddr
			if i == 3 {
				from = netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 51, 100, 1}), 9)
			}
			p.Packet(0, false, at, from, b)
		}
	})
	if n != 0 {
		t.Errorf("%v allocations for four packets", n)
	}
}

func BenchmarkPath(b *testing.B) {
	p := NewPath(PathConfig{Sink: Sink{Append: func(Kind, int64, uint16, []byte) {}}, Mode: ModeFull, Start: "*1", Stop: "*2"})
	p.SetLine(0, callAt, LineSpec{Ours: true, Source: srcAddr, Receiving: true, Formats: g711})
	packet := voice(1)
	b.ReportAllocs()
	at := callAt
	for b.Loop() {
		at += 20 * ms
		p.Packet(0, false, at, srcAddr, packet)
	}
}

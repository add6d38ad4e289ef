package media

import (
	"net/netip"
	"testing"
)

func addr(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

func TestSourceLock(t *testing.T) {
	other, mapped := "198.51.100.7:30000", "[::ffff:192.0.2.10]:30000"
	for _, c := range []struct {
		name   string
		source netip.AddrPort
		latch  bool
		from   []string
		kept   string // per packet, y or n
	}{
		{"as said", srcAddr, false, []string{"192.0.2.10:30000", mapped, other}, "yyn"},
		{"another port", srcAddr, false, []string{"192.0.2.10:4000", "192.0.2.10:4001", "192.0.2.10:4000"}, "yny"},
		{"own port later, once", srcAddr, false,
			[]string{"192.0.2.10:4000", "192.0.2.10:30000", "192.0.2.10:4000", "192.0.2.10:30000"}, "yyny"},
		{"nothing said", netip.AddrPort{}, false, []string{other, "192.0.2.10:30000", other}, "yny"},
		{"held by 0.0.0.0", addr("0.0.0.0:30000"), false, []string{other, "192.0.2.10:30000"}, "yn"},
		{"latch", srcAddr, true, []string{other, "198.51.100.8:30000", other}, "yny"},
		{"latch, own address later", srcAddr, true, []string{other, "192.0.2.10:30000", other}, "yyn"},
	} {
		p, tape := newTestPath(ModeFull)
		p.SetLine(0, callAt, LineSpec{Source: c.source, Latch: c.latch, Receiving: true, Formats: g711})
		got := ""
		for i, from := range c.from {
			before := tape.count(KindPacket)
			p.Packet(0, false, callAt+int64(i)*20*ms, addr(from), voice(i))
			got += map[bool]string{true: "y", false: "n"}[tape.count(KindPacket) > before]
		}
		if got != c.kept {
			t.Errorf("%s: kept %s, want %s", c.name, got, c.kept)
		}
	}
}

func TestSourceLockOutlivesARepeatedSDP(t *testing.T) {
	p, tape := newTestPath(ModeFull)
	spec := LineSpec{Source: srcAddr, Receiving: true, Formats: g711}
	p.Packet(0, false, callAt, addr("192.0.2.10:4000"), voice(0))
	p.SetLine(0, callAt, spec)
	p.Packet(0, false, callAt, addr("192.0.2.10:4001"), voice(1))
	if tape.count(KindPacket) != 1 {
		t.Error("the same SDP again unlocked the source")
	}
	spec.Source = addr("192.0.2.11:5000")
	p.SetLine(0, callAt, spec)
	p.Packet(0, false, callAt, addr("192.0.2.11:5000"), voice(2))
	if tape.count(KindPacket) != 2 {
		t.Error("the source a new SDP names was refused")
	}
}

func TestInvalidPacketsAreRefusedAndDoNotLock(t *testing.T) {
	change := func(f func(b []byte) []byte) []byte { return f(voice(1)) }
	bad := map[string][]byte{
		"empty":             {},
		"short":             voice(1)[:11],
		"version 1":         change(func(b []byte) []byte { b[0] = 0x40; return b }),
		"15 CSRC":           change(func(b []byte) []byte { b[0] |= 15; return b[:60] }),
		"long extension":    change(func(b []byte) []byte { b[0] |= 0x10; b[14], b[15] = 255, 255; return b }),
		"cut extension":     change(func(b []byte) []byte { b[0] |= 0x10; return b[:14] }),
		"padding too long":  change(func(b []byte) []byte { b[0] |= 0x20; b[len(b)-1] = 161; return b }),
		"padding of 0":      change(func(b []byte) []byte { b[0] |= 0x20; return b }),
		"padding, no bytes": change(func(b []byte) []byte { b[0] |= 0x20; return b[:12] }),
		"other codec":       rtpBytes(77, 1, 1, 1, make([]byte, 20)),
	}
	for name, b := range bad {
		p, tape := newTestPath(ModeFull)
		p.Packet(0, false, callAt, addr("192.0.2.10:666"), b)
		p.Packet(0, false, callAt, addr("192.0.2.10:4000"), voice(2))
		if c := p.Counts()[0]; c.Refused != 1 || c.Received != 1 || tape.count(KindPacket) != 1 {
			t.Errorf("%s: %+v", name, c)
		}
	}
}

func TestRTCP(t *testing.T) {
	sr := []byte{0x80, 200, 0, 1, 0, 0, 0, 1}
	p, tape := newTestPath(ModeOff)
	p.Packet(0, true, callAt, srcAddr, sr)
	if tape.count(KindRTCP) != 0 {
		t.Error("RTCP on tape while shut")
	}
	p.SetMode(callAt, ModeFull, "full")
	p.Packet(0, true, callAt, addr("192.0.2.10:30001"), sr)
	p.Packet(0, false, callAt, srcAddr, sr)                               // on the RTP port
	p.Packet(0, true, callAt, addr("198.51.100.1:30001"), sr)             // foreign
	p.Packet(0, true, callAt, srcAddr, []byte{0x80, 207, 255, 255, 0})    // cut
	p.Packet(0, true, callAt, srcAddr, []byte{0x80, 0, 0, 1, 0, 0, 0, 0}) // no RTCP
	if c := p.Counts()[0]; c.RTCP != 3 || c.Refused != 3 || tape.count(KindRTCP) != 2 {
		t.Errorf("%+v, %d on tape", c, tape.count(KindRTCP))
	}
}

func TestPayloadTypesNobodyAnnouncedAreCounted(t *testing.T) {
	p, _ := newTestPath(ModeFull)
	for i := range 10 {
		p.Packet(0, false, callAt, srcAddr, rtpBytes(97, uint16(i), 1, voiceID, make([]byte, 160)))
	}
	if c := p.Counts()[0]; c.Unannounced != 10 || c.Refused != 10 || c.Received != 0 {
		t.Errorf("%+v", c)
	}
}

func TestTooManySSRCs(t *testing.T) {
	p, tape := newTestPath(ModeFull)
	for i := range 1000 {
		p.Packet(0, false, callAt+int64(i)*20*ms, srcAddr, rtpBytes(pcmu, 1, 1, uint32(i), make([]byte, 160)))
	}
	if n := tape.count(KindPacket); n != maxSSRCs {
		t.Errorf("%d SSRCs on tape", n)
	}
	p.Packet(0, false, callAt+100*nsPerSec, srcAddr, voice(1))
	if n := tape.count(KindPacket); n != maxSSRCs+1 {
		t.Error("places idle for long were not freed")
	}
}

func TestRateCap(t *testing.T) {
	p, tape := newTestPath(ModeFull)
	for i := range 50_000 { // 10,000 a second for five seconds
		p.Packet(0, false, callAt+int64(i)*ms/10, srcAddr, voice(i))
	}
	if n := tape.count(KindPacket); n < 11_900 || n > 12_100 {
		t.Errorf("%d packets passed, want 2,000 a second and a second's burst", n)
	}
	p.Packet(0, false, callAt-3600*nsPerSec, srcAddr, voice(1)) // the clock was set back
	if c := p.Counts()[0]; c.Received < 12_000 {
		t.Errorf("%+v", c)
	}
	p.Packet(1, false, callAt, srcAddr, voice(1))
	if p.Counts()[1].Received != 1 {
		t.Error("one line's flood shut the other")
	}
}

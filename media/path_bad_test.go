package media

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"
)

// Others than the SRC send into a live port, before it does and between its
// packets: none of it is kept, all of it is counted, and what the SRC sends is
// on the tape byte for byte.
func TestForeignPacketsCostNothing(t *testing.T) {
	bothReceivers(t, func(t *testing.T, c ReceiverConfig) {
		r := newTestReceiver(t, c)
		p, tape := newLivePath(ModeFull)
		in := r.Open(p, loopback)
		src, otherPort := testSender(t), testSender(t)
		otherHost, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 2)})
		if err != nil {
			t.Skipf("no second address here: %v", err)
		}
		defer otherHost.Close()
		to := addLine(t, p, in, 0, src)
		send(t, otherHost, to, voice(9000))
		send(t, src, to, voice(0))
		in.Drain()
		for i := 1; i < 200; i++ {
			send(t, otherHost, to, voice(9000+i))
			send(t, otherPort, to, rtpBytes(pcmu, uint16(i), uint32(i*160), voiceID, bytes.Repeat([]byte{7}, 160)))
			send(t, src, to, voice(i))
		}
		in.Close()
		all := tape.packets()
		for i, got := range all {
			if i >= 200 || !bytes.Equal(got.Data, voice(i)) {
				t.Fatalf("packet %d of %d on the tape is not the SRC's", i, len(all))
			}
		}
		if n := p.Counts()[0]; len(all) != 200 || n.Refused != 399 {
			t.Errorf("%d packets on the tape, %+v", len(all), n)
		}
	})
}

// What a flood of RTCP, or of SSRCs, does to the voice of the line: nothing.
func TestFloodBesideTheVoice(t *testing.T) {
	rtcp := []byte{0x80, 200, 0, 1, 0, 0, 0, 1}
	for name, flood := range map[string]func(p *Path, at int64, n int){
		"RTCP":             func(p *Path, at int64, _ int) { p.Packet(0, true, at, srcAddr, rtcp) },
		"RTCP on RTP port": func(p *Path, at int64, _ int) { p.Packet(0, false, at, srcAddr, rtcp) },
		"SSRC each packet": func(p *Path, at int64, n int) {
			p.Packet(0, false, at, srcAddr, rtpBytes(pcmu, 1, 1, uint32(n), make([]byte, 160)))
		},
		"foreign": func(p *Path, at int64, n int) {
			p.Packet(0, false, at, addr("198.51.100.1:30000"), voice(n))
		},
		"unknown payload type": func(p *Path, at int64, n int) {
			p.Packet(0, false, at, srcAddr, rtpBytes(77, uint16(n), 1, voiceID, make([]byte, 160)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			p, tape := newTestPath(ModeFull)
			rate := 20_000 // a second
			if name == "SSRC each packet" || name == "unknown payload type" {
				rate = 1000 // they are the SRC's own, and count to its rate
			}
			voices := 0
			for i := range 50 {
				at := callAt + int64(i)*20*ms
				p.Packet(0, false, at, srcAddr, voice(i))
				for n := range rate / 50 {
					flood(p, at+int64(n)*20*ms/int64(rate/50), i*rate/50+n)
				}
			}
			for _, r := range tape.records {
				if r.Kind == KindPacket && bytes.Equal(r.Data[8:12], voice(0)[8:12]) {
					voices++
				}
			}
			if n := tape.count(KindPacket); voices != 50 || n > 50+maxSSRCs {
				t.Errorf("%d of 50 packets of voice and %d others were kept", voices, n-voices)
			}
			if c := p.Counts()[0]; name != "RTCP" && name != "RTCP on RTP port" && c.Refused < 900 {
				t.Errorf("%+v", c)
			}
		})
	}
}

// Twenty times the usual rate passes whole, jumbo packets do, and a line may be
// silent for two hours after its first packet.
func TestOddPacing(t *testing.T) {
	p, tape := newTestPath(ModeFull)
	for i := range 5000 { // 1,000 a second
		p.Packet(0, false, callAt+int64(i)*ms, srcAddr, voice(i))
	}
	p.Packet(1, false, callAt+20*ms, srcAddr, rtpBytes(pcmu, 1, 1, voiceID, make([]byte, 1600)))
	p.Packet(1, false, callAt+7200*nsPerSec, srcAddr, rtpBytes(pcmu, 2, 2, voiceID, make([]byte, 1600)))
	if n := tape.count(KindPacket); n != 5002 {
		t.Errorf("%d of 5002 packets were kept", n)
	}
}

// RTCP never ends anything, however it is forged: it is kept as it came where
// it is RTCP, and counted where it is not.
func TestOddRTCPChangesNothing(t *testing.T) {
	long := binary.BigEndian.AppendUint16([]byte{0x80, 207}, 65532/4)
	compound := []byte{}
	for range 900 {
		compound = append(compound, 0x80, 201, 0, 1, 0, 0, 0, 1)
	}
	for name, c := range map[string]struct {
		packet  []byte
		refused int64
	}{
		"BYE":                  {[]byte{0x81, 203, 0, 1, 0, 0, 0x11, 0x11}, 0},
		"BYE with a reason":    {append([]byte{0x81, 203, 0, 3, 0, 0, 0x11, 0x11, 6}, "<b>\x1b\x00\n\x00"...), 0},
		"SDES with controls":   {append([]byte{0x81, 202, 0, 4, 0, 0, 0x11, 0x11, 1, 8}, "\x1b[2J\x00\n\r\x07\x00\x00"...), 0},
		"compound of 900":      {compound, 0},
		"XR longer than it is": {append(long, 0, 0, 0, 1), 1},
		"XR of 64 kB":          {append(long, make([]byte, 65532)...), 0},
		"version 1":            {[]byte{0x40, 200, 0, 1, 0, 0, 0, 1}, 1},
		"half a header":        {[]byte{0x80, 200}, 1},
		"nothing":              {nil, 1},
	} {
		for _, onRTCP := range []bool{true, false} {
			if !onRTCP && len(c.packet) < 2 {
				continue // no RTCP on the RTP port, and refused as no RTP
			}
			p, tape := newTestPath(ModeFull)
			p.Packet(0, false, callAt, srcAddr, voice(0))
			p.Packet(0, onRTCP, callAt+ms, srcAddr, bytes.Clone(c.packet))
			p.Packet(0, false, callAt+20*ms, srcAddr, voice(1))
			if n := p.Counts()[0]; n.Refused != c.refused || n.Kept != 2 || tape.count(KindPacket) != 2 || !p.Open() {
				t.Errorf("%s, RTCP port %v: %+v", name, onRTCP, n)
			}
		}
	}
}

// Telephone-events as no telephone sends them.
func TestOddEvents(t *testing.T) {
	open := func(p *Path) { pressKey(p, 0, callAt+500*ms, 10); pressKey(p, 0, callAt+700*ms, 1) }
	for name, c := range map[string]struct {
		press func(p *Path)
		opens bool
	}{
		"never ending": {func(p *Path) {
			for i := range 3000 { // a * held for a minute, its duration long at its end
				p.Packet(0, false, callAt+int64(i)*20*ms, srcAddr, eventBytes(8000, 10, false, uint16(min(160*(i+1), 0xFFFF))))
			}
		}, false},
		"end bit lost": {func(p *Path) {
			for i := range 5 {
				p.Packet(0, false, callAt+int64(i)*20*ms, srcAddr, eventBytes(8000, 10, false, uint16(160*(i+1))))
			}
			p.Packet(0, false, callAt+200*ms, srcAddr, eventBytes(9600, 1, false, 160))
		}, true},
		"only ends": {func(p *Path) {
			p.Packet(0, false, callAt, srcAddr, eventBytes(8000, 10, true, 800))
			p.Packet(0, false, callAt+200*ms, srcAddr, eventBytes(9600, 1, true, 800))
		}, true},
		"reserved bit, loudest and softest": {func(p *Path) {
			for i, code := range []byte{10, 1} {
				p.Packet(0, false, callAt+int64(i)*200*ms, srcAddr, rtpBytes(dtmf, uint16(i), uint32(8000+1600*i), voiceID, []byte{code, byte(0xC0 | 63*i), 3, 32}))
			}
		}, true},
		"events of no key between": {func(p *Path) {
			pressKey(p, 0, callAt, 10)
			for code := 16; code < 256; code++ {
				p.Packet(0, false, callAt+150*ms, srcAddr, eventBytes(uint32(code), byte(code), true, 800))
			}
			pressKey(p, 0, callAt+200*ms, 1)
		}, true},
		"10,000 digits in a second before": {func(p *Path) {
			for i := range 10_000 {
				p.Packet(0, false, callAt-nsPerSec+int64(i)*ms/10, srcAddr, eventBytes(uint32(160*i), byte(i%9), true, 160))
			}
			open(p)
		}, true},
		"from outside":        {func(p *Path) { pressKey(p, 1, callAt, 10); pressKey(p, 1, callAt+200*ms, 1) }, false},
		"half from each side": {func(p *Path) { pressKey(p, 0, callAt, 10); pressKey(p, 1, callAt+200*ms, 1) }, false},
		"half a payload": {func(p *Path) {
			p.Packet(0, false, callAt, srcAddr, rtpBytes(dtmf, 1, 8000, voiceID, []byte{10, 0x80}))
			pressKey(p, 0, callAt+200*ms, 1)
		}, false},
	} {
		p, tape := newTestPath(ModeSelective)
		c.press(p)
		if p.Open() != c.opens {
			t.Errorf("%s: open %v, keys %+v", name, p.Open(), tape.keys(t))
		}
		if n := tape.count(KindPacket); !c.opens && n > 0 {
			t.Errorf("%s: %d packets on the tape", name, n)
		}
	}
}

// The start key on a line that is paused counts from when the line goes on.
func TestKeyDuringAPause(t *testing.T) {
	p, tape := newTestPath(ModeSelective)
	held := LineSpec{Label: "1", Ours: true, Source: srcAddr, Formats: g711}
	p.SetLine(0, callAt, held)
	pressKey(p, 0, callAt, 10)
	pressKey(p, 0, callAt+200*ms, 1)
	p.Packet(0, false, callAt+500*ms, srcAddr, voice(1))
	if n := tape.count(KindPacket); !p.Open() || n != 0 {
		t.Errorf("open %v, %d packets of a paused line", p.Open(), n)
	}
	held.Receiving = true
	p.SetLine(0, callAt+nsPerSec, held)
	p.Packet(0, false, callAt+1200*ms, srcAddr, voice(2))
	if n := tape.count(KindPacket); n != 1 {
		t.Errorf("%d packets after the pause", n)
	}
}

// Codecs change without a word: what everybody knows is kept, and so is what
// was offered; the rest is refused and counted.
func TestCodecChangesWithoutAWord(t *testing.T) {
	p, tape := newTestPath(ModeFull)
	p.SetLine(0, callAt, LineSpec{Source: srcAddr, Receiving: true,
		Formats: append(slices.Clone(g711), Format{Payload: 111, Name: "OPUS", Clock: 48000, Channels: 2})})
	types := []uint8{pcmu, 8, 9, 13, 18, 19, 111, 96, 77, 127}
	for i, pt := range types {
		p.Packet(0, false, callAt+int64(i)*20*ms, srcAddr, rtpBytes(pt, uint16(i), uint32(i*160), voiceID, make([]byte, 33)))
	}
	var kept []uint8
	for _, r := range tape.records {
		if r.Kind == KindPacket {
			kept = append(kept, r.Data[1])
		}
	}
	if !slices.Equal(kept, types[:7]) || p.Counts()[0].Refused != 3 {
		t.Errorf("payload types %v were kept, %+v", kept, p.Counts()[0])
	}
}

// Datagrams of every size and first byte: nothing is kept but RTP.
func TestAnyDatagram(t *testing.T) {
	p, tape := newTestPath(ModeFull)
	from := netip.AddrPortFrom(srcAddr.Addr(), 4000)
	at := callAt
	for first := range 256 {
		for _, n := range []int{0, 1, 2, 11, 12, 13, 16, 100, 1500, 65507} {
			b := bytes.Repeat([]byte{byte(first)}, n)
			if n > 1 {
				b[1] = pcmu
			}
			at += int64(time.Millisecond)
			p.Packet(0, false, at, from, b)
		}
	}
	for _, r := range tape.records {
		if _, ok := parseRTP(r.Data); r.Kind == KindPacket && !ok {
			t.Fatalf("on the tape, and no RTP: % .20x", r.Data)
		}
	}
	if c := p.Counts()[0]; c.Received+c.Refused != 2560 || c.Refused < 1900 {
		t.Errorf("%+v", c)
	}
}

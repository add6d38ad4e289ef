package media

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"
)

// ported is a source that sends PCMU of 20 ms into line 0 from ports of one
// address.
type ported struct {
	p    *Path
	seal func(b []byte) []byte // nil: in clear
	ssrc map[string]uint32     // by port; none: that of the others
	seq  int
	at   int64
}

func (s *ported) send(from string, packets int) {
	for range packets {
		s.at += 20 * ms
		s.once(from)
	}
}

// once sends the next packet without waiting for its time.
func (s *ported) once(from string) {
	b := voice(s.seq)
	s.seq++
	if ssrc, ok := s.ssrc[from]; ok {
		binary.BigEndian.PutUint32(b[8:], ssrc)
	}
	if s.seal != nil {
		b = s.seal(b)
	}
	s.p.Packet(0, false, s.at, addr(from), b)
}

const (
	oldPort   = "192.0.2.10:30000"
	newPort   = "192.0.2.10:30100"
	elsewhere = "198.51.100.7:30000"
)

// TestSenderThatMovesToAnotherPort: under an unchanged SDP it is followed when
// the old port has been silent for two seconds, and what was refused is counted.
func TestSenderThatMovesToAnotherPort(t *testing.T) {
	for name, set := range map[string]func(s *ported){
		"in clear": func(*ported) {},
		"encrypted": func(s *ported) {
			src := newPeer(t, "AEAD_AES_128_GCM")
			secureLine(s.p, callAt, src)
			s.seal = src.rtp
		},
		"latched": func(s *ported) {
			s.p.SetLine(0, callAt, LineSpec{Latch: true, Receiving: true, Formats: g711})
		},
		"nothing said": func(s *ported) {
			s.p.SetLine(0, callAt, LineSpec{Receiving: true, Formats: g711})
		},
	} {
		t.Run(name, func(t *testing.T) {
			p, tape := newTestPath(ModeFull)
			s := &ported{p: p, at: callAt}
			set(s)
			s.send(oldPort, 250)
			s.send(newPort, 350)
			// The last of the old port came 2 s before the hundredth of the new one.
			if n, c := tape.count(KindPacket), counts(p); n != 250+251 || c.Foreign != 99 || c.Refused != 99 || c.RefusedSound < 1980*time.Millisecond {
				t.Errorf("%d packets on tape, %+v", n, c)
			}
			s.send(oldPort, 50) // back within ten seconds
			s.send(newPort, 50)
			if n := tape.count(KindPacket); n != 250+251+50 {
				t.Errorf("%d packets on tape after it came back", n)
			}
		})
	}
}

// TestSenderThatSendsTwiceForAWhile moves for all that, for it keeps its SSRC.
func TestSenderThatSendsTwiceForAWhile(t *testing.T) {
	p, tape := newTestPath(ModeFull)
	s := &ported{p: p, at: callAt}
	for range 100 {
		s.send(oldPort, 1)
		s.once(newPort)
	}
	s.send(newPort, 200)
	if n := tape.count(KindPacket); n != 100+101 {
		t.Errorf("%d packets on tape", n)
	}
}

// TestPortsThatAreNotTheSenders: whoever sends beside the line's sender never
// takes its place, nor another address, nor what is not the line's.
func TestPortsThatAreNotTheSenders(t *testing.T) {
	for name, c := range map[string]struct {
		send func(s *ported)
		kept int
	}{
		"beside it": {func(s *ported) {
			for range 500 {
				s.send(oldPort, 1)
				s.once(newPort)
			}
		}, 500},
		"beside it, and after it for a minute": {func(s *ported) {
			for range 20 {
				s.send(oldPort, 1)
				s.once(newPort)
			}
			s.send(newPort, 3000)
		}, 20},
		"in its pauses": {func(s *ported) {
			for range 20 {
				s.send(oldPort, 10)
				s.send(newPort, 99)
			}
		}, 200},
		"after it, from another address": {func(s *ported) {
			s.send(oldPort, 10)
			s.send(elsewhere, 500)
		}, 10},
		"one or two that went astray": {func(s *ported) {
			s.send(oldPort, 10)
			s.at += 5000 * ms
			s.send(newPort, 2)
			s.send(oldPort, 10)
		}, 20},
		"other payloads": {func(s *ported) {
			s.send(oldPort, 10)
			for range 500 {
				s.at += 20 * ms
				s.p.Packet(0, false, s.at, addr(newPort), rtpBytes(77, 1, 1, 1, make([]byte, 160)))
			}
			s.send(oldPort, 10)
		}, 20},
		"more ports than are followed": {func(s *ported) {
			for n := range 3000 {
				s.send(oldPort, 1)
				s.p.Packet(0, false, s.at, netip.AddrPortFrom(srcAddr.Addr(), uint16(n)+40_000), voice(0))
			}
		}, 3000},
	} {
		p, tape := newTestPath(ModeFull)
		s := &ported{p: p, at: callAt, ssrc: map[string]uint32{newPort: 2}}
		c.send(s)
		if n := tape.count(KindPacket); n != c.kept {
			t.Errorf("%s: %d packets on tape, want %d", name, n, c.kept)
		}
	}
}

// TestForgedPacketsMoveNothing: on a secure line only the sender's key shows
// that it has moved.
func TestForgedPacketsMoveNothing(t *testing.T) {
	p, tape := newTestPath(ModeFull)
	src := newPeer(t, "AES_CM_128_HMAC_SHA1_80")
	secureLine(p, callAt, src)
	s := &ported{p: p, at: callAt, seal: src.rtp}
	s.send(oldPort, 50)
	s.seal = newPeer(t, "AES_CM_128_HMAC_SHA1_80").rtp
	s.send(newPort, 500)
	s.seal = src.rtp
	s.send(oldPort, 50)
	if n, c := tape.count(KindPacket), counts(p); n != 100 || c.Unauthenticated == 0 {
		t.Errorf("%d packets on tape, %+v", n, c)
	}
}

// TestFormerPortIsForgotten: ten seconds after the sender has moved, what comes
// from its old port is somebody else's.
func TestFormerPortIsForgotten(t *testing.T) {
	p, tape := newTestPath(ModeFull)
	s := &ported{p: p, at: callAt}
	s.send(oldPort, 50)
	s.send(newPort, 99+1000)
	kept := tape.count(KindPacket)
	for range 200 {
		s.once(oldPort)
		s.send(newPort, 1)
	}
	if n := tape.count(KindPacket); n != kept+200 || kept != 50+1000 {
		t.Errorf("%d packets on tape, then %d", kept, n)
	}
}

func TestPacketsOfTooManySSRCsAreCounted(t *testing.T) {
	p, _ := newTestPath(ModeFull)
	src := newPeer(t, "AES_CM_128_HMAC_SHA1_80")
	for secure := range 2 {
		for i := range 1000 {
			b := rtpBytes(pcmu, uint16(i), uint32(i*160), uint32(i/50), make([]byte, 160))
			if secure == 1 {
				b = src.rtp(b)
			}
			p.Packet(secure, false, callAt+int64(i)*20*ms, srcAddr, b)
		}
		if c := p.Counts()[secure]; c.Crowded != 200 || c.Refused != 200 || c.RefusedSound < 4*time.Second || c.RefusedSound > 4300*time.Millisecond {
			t.Errorf("secure %d: %+v", secure, c)
		}
		p.SetLine(1, callAt, LineSpec{Source: srcAddr, Receiving: true, Formats: g711, Secure: true, Keys: []MasterKey{src.master}})
	}
}

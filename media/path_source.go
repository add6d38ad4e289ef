package media

import (
	"encoding/binary"
	"net/netip"
)

const (
	// A line carries 50 packets a second as a rule and 200 at most; twenty
	// times the rule is an attack or a loop.
	maxRate  = 2000                 // packets a second
	maxBurst = int64(1_000_000_000) // ns: what may come at once, at maxRate

	maxSSRCs = 16
	ssrcIdle = int64(30_000_000_000) // ns after which an SSRC's place is free again

	// movedSilence is how long the port a line is locked to says nothing before
	// another one may take its place: ten of the longest packets. While it sends,
	// none can.
	movedSilence = 2 * nsPerSec
	movedOverlap = nsPerSec / 5 // by which reordering lets the new port begin before the old one ends
	movedBack    = 10 * nsPerSec
	movedRun     = 3 // packets
	maxRivals    = 4
)

// sourceLock ties a line to one sender. The address comes from the SDP; the
// port, and with latch the address too, from the first valid packet, because
// SRCs behind NAT send from another than they say. A sender that moves to another
// port of its address without a word is followed when the old one is silent, but
// only to a port that sends the same SSRC, or began when the old one had ended: one
// that sent something else beside it is somebody else.
type sourceLock struct {
	said   netip.AddrPort // in the SDP
	latch  bool
	from   netip.AddrPort // locked to; the zero value: not yet
	heard  int64          // arrival of the latest valid packet from there
	ssrc   uint32         // of that packet
	won    bool           // the SDP's own port came later and was believed, once
	former netip.AddrPort // locked to before it fell silent: it comes back at once
	until  int64          // when that ends
	rivals [maxRivals]rival
}

// rival is another port of the address that a line is locked to.
type rival struct {
	port        uint16
	since, last int64 // arrival of the first packet, and of the latest
	run         int   // packets
}

// set takes what the newest SDP says. A lock outlives an SDP that repeats it.
func (s *sourceLock) set(said netip.AddrPort, latch bool) {
	said = bare(said)
	if said == s.said && latch == s.latch {
		return
	}
	*s = sourceLock{said: said, latch: latch}
}

// bare makes addresses of SDP and socket comparable: neither IPv4 mapped into
// IPv6 nor a zone, which an SDP never names.
func bare(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
}

// anyAddress reports whether the SDP names no address to insist on: c=0.0.0.0
// is how holds used to be written.
func (s *sourceLock) anyAddress() bool {
	return s.latch || !s.said.Addr().IsValid() || s.said.Addr().IsUnspecified()
}

// admits reports whether a packet from an unmapped address may pass. Whoever
// passes has still to prove valid, and on a secure line authentic, to be locked to.
func (s *sourceLock) admits(at int64, from netip.AddrPort, b []byte) bool {
	switch {
	case s.from == from:
		return true
	case !s.from.IsValid() || from == s.said && !s.won:
		return s.anyAddress() || from.Addr() == s.said.Addr()
	case from == s.former && at <= s.until:
		return true
	}
	return from.Addr() == s.from.Addr() && s.moves(at, from.Port(), b)
}

// moves follows what comes from another port of the address locked to, and
// reports whether the sender has moved there.
func (s *sourceLock) moves(at int64, port uint16, b []byte) bool {
	if _, ok := rtpHeaderLen(b); !ok {
		return false
	}
	r := s.rival(at, port)
	if r == nil {
		return false
	}
	r.last = at
	r.run++
	if r.run < movedRun || at-s.heard < movedSilence {
		return false
	}
	return r.since >= s.heard-movedOverlap || binary.BigEndian.Uint32(b[8:]) == s.ssrc
}

// rival returns what is known of a port, or begins with it; nil: too many others
// send.
func (s *sourceLock) rival(at int64, port uint16) *rival {
	var free *rival
	for i := range s.rivals {
		r := &s.rivals[i]
		switch idle := r.run == 0 || at-r.last > movedSilence; {
		case r.port == port && !idle:
			return r
		case idle:
			free = r
		}
	}
	if free != nil {
		*free = rival{port: port, since: at}
	}
	return free
}

// lock is told of a valid packet that was admitted.
func (s *sourceLock) lock(at int64, from netip.AddrPort, ssrc uint32) {
	s.heard, s.ssrc = at, ssrc
	if s.from == from {
		return
	}
	back := from == s.former
	s.former, s.until = netip.AddrPort{}, 0
	if s.from.IsValid() && !back && from != s.said {
		s.former, s.until = s.from, at+movedBack
	}
	s.won = s.won || s.from.IsValid() || from == s.said
	s.from = from
}

// admitsRTCP goes by address alone: RTCP has a port of its own.
func (s *sourceLock) admitsRTCP(from netip.Addr) bool {
	if s.from.IsValid() {
		return from == s.from.Addr()
	}
	return !s.anyAddress() && from == s.said.Addr()
}

// rateCap is a leaky bucket in nanoseconds of arrival time.
type rateCap struct {
	due int64 // when everything so far had arrived if it came at maxRate
}

func (r *rateCap) allows(at int64) bool {
	if at > r.due || r.due-at > 2*maxBurst { // idle, or the clock was set back
		r.due = at
	}
	if r.due-at > maxBurst {
		return false
	}
	r.due += 1_000_000_000 / maxRate
	return true
}

// ssrcSet is the SSRCs seen on a line, so that one that changes with each
// packet cannot fill the tape with streams.
type ssrcSet struct {
	n    int
	ssrc [maxSSRCs]uint32
	last [maxSSRCs]int64
}

// admits gives an SSRC a place in the set; false: there is none.
func (s *ssrcSet) admits(ssrc uint32, at int64) (place int, ok bool) {
	free := -1
	for i := range s.n {
		if s.ssrc[i] == ssrc {
			s.last[i] = at
			return i, true
		}
		if at-s.last[i] > ssrcIdle {
			free = i
		}
	}
	if free < 0 {
		if s.n == maxSSRCs {
			return 0, false
		}
		free = s.n
		s.n++
	}
	s.ssrc[free], s.last[free] = ssrc, at
	return free, true
}

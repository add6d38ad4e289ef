package media

import "net/netip"

const (
	// A line carries 50 packets a second as a rule and 200 at most; twenty
	// times the rule is an attack or a loop.
	maxRate  = 2000                 // packets a second
	maxBurst = int64(1_000_000_000) // ns: what may come at once, at maxRate

	maxSSRCs = 16
	ssrcIdle = int64(30_000_000_000) // ns after which an SSRC's place is free again
)

// sourceLock ties a line to one sender. The address comes from the SDP; the
// port, and with latch the address too, from the first valid packet, because
// SRCs behind NAT send from another than they say.
type sourceLock struct {
	said  netip.AddrPort // in the SDP
	latch bool
	from  netip.AddrPort // locked to; the zero value: not yet
	won   bool           // the SDP's own port came later and was believed, once
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

// admits reports whether a packet from an unmapped address may pass.
func (s *sourceLock) admits(from netip.AddrPort) bool {
	switch {
	case s.from == from:
		return true
	case s.from.IsValid() && !(from == s.said && !s.won):
		return false
	}
	return s.anyAddress() || from.Addr() == s.said.Addr()
}

// lock is told of a valid packet that was admitted.
func (s *sourceLock) lock(from netip.AddrPort) {
	if s.from == from {
		return
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

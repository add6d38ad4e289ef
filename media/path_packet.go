package media

import (
	"net/netip"
	"slices"
	"time"
)

const (
	packetTime = int64(20_000_000) // ns of audio in a packet whose codec we do not know
	nsPerSec   = int64(1_000_000_000)
)

// Packet takes one datagram that arrived on line i. b may be changed and is not
// kept. Packets of one RS come in order of at.
func (p *Path) Packet(i int, rtcp bool, at int64, from netip.AddrPort, b []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.line(i)
	if l == nil {
		return
	}
	from = bare(from)
	if rtcp || looksRTCP(b) {
		l.rtcp(at, from, !rtcp, b)
		return
	}
	if !l.source.admits(at, from, b) {
		l.refuse(&l.counts.Foreign, b)
		return
	}
	if !l.rate.allows(at) {
		l.counts.Refused++
		return
	}
	if l.wired && isDTLS(b) {
		if l.wire != nil {
			l.wire.arrive(from, b)
		}
		return
	}
	b, ok := l.decrypted(at, false, b)
	if !ok {
		return
	}
	h, ok := parseRTP(b)
	if !ok {
		l.counts.Refused++
		return
	}
	use := l.use(h)
	if use == payloadUnknown {
		l.refuse(&l.counts.Unannounced, b)
		return
	}
	place, admitted := l.ssrcs.admits(h.ssrc, at)
	if !admitted {
		l.refuse(&l.counts.Crowded, b)
		return
	}
	l.source.lock(at, from, h.ssrc)
	l.counts.Received++
	l.last = at
	l.reports.took(place, h, l.clock(h, use), at)
	p.admitted(l, at, h, use, b)
}

// refuse counts a packet among the refused ones and in n, and the sound in it.
func (l *line) refuse(n *int64, b []byte) {
	l.counts.Refused++
	*n++
	if h, ok := parseRTP(b); ok && l.use(h) == payloadAudio {
		l.counts.RefusedSound += time.Duration(l.length(h))
	}
}

// admitted gives a packet that is the line's own to all tracks that have it.
func (p *Path) admitted(l *line, at int64, h rtpPacket, use payloadUse, b []byte) {
	l.signals = l.signals || use == payloadEvents
	for n, x := range l.on {
		if last := n == len(l.on)-1; last || use == payloadAudio {
			x.admitted(at, h, use, b)
			continue
		}
		// What one recording blanks may be a command of the next one.
		p.room = append(p.room[:0], b...)
		if own, ok := parseRTP(p.room); ok {
			x.admitted(at, own, use, p.room)
		}
	}
}

// admitted reads keys out of a packet, and puts it on tape when the gate is open.
func (x *trackLine) admitted(at int64, h rtpPacket, use payloadUse, b []byte) {
	g, length := &x.track.gate, int64(0)
	switch use {
	case payloadEvents:
		x.events(at, 0, h.ssrc, h.timestamp, h.payload)
	case payloadRedundant:
		if !x.redundant(at, h) {
			return // digits may lie anywhere in it
		}
		length = packetTime
	default:
		length = x.line.length(h)
		x.overhear(at, h)
	}
	switch {
	case !x.spec.Receiving:
		// Who pauses the recording may go on sending.
		x.counted.Paused++
	case g.strict && use == payloadEvents && x.opening != g.openings:
		// The rest of the key that opened the gate would stand before audio that
		// is still from before it: a hole in the sequence that nobody lost.
	case g.passes(at, length):
		x.opening = g.openings
		x.counted.Kept++
		x.track.append(KindPacket, at, x.as, b)
	}
}

func (l *line) rtcp(at int64, from netip.AddrPort, mux bool, b []byte) {
	if !l.source.admitsRTCP(from.Addr()) || !l.rtcpRate.allows(at) || !validRTCP(b) {
		l.counts.Refused++
		return
	}
	b, ok := l.decrypted(at, true, b)
	if !ok {
		return
	}
	l.counts.RTCP++
	l.reports.read(b, from, mux, at)
	for _, x := range l.on {
		if x.track.gate.passes(at, 0) {
			x.track.append(KindRTCP, at, x.as, b)
		}
	}
}

// payloadUse is what the path does with a payload type.
type payloadUse uint8

const (
	payloadUnknown payloadUse = iota
	payloadAudio
	payloadEvents
	payloadRedundant // RFC 2198
)

// use looks a packet's payload type up. SRCs send telephone-events on types
// they never negotiated, and a 4-byte payload of a dynamic type is nothing
// else. They also change to a codec that everybody knows without a word. A line
// without formats refuses none.
func (l *line) use(h rtpPacket) payloadUse {
	if f := l.format(h.payloadType); f != nil {
		switch f.Name {
		case "TELEPHONE-EVENT":
			return payloadEvents
		case "RED":
			return payloadRedundant
		}
		return payloadAudio
	}
	if h.payloadType >= 96 && len(h.payload) == 4 {
		return payloadEvents
	}
	if _, static := staticFormat(h.payloadType); static || len(l.spec.Formats) == 0 {
		return payloadAudio
	}
	return payloadUnknown
}

func (l *line) format(payloadType uint8) *Format {
	for i := range l.spec.Formats {
		if f := &l.spec.Formats[i]; f.Payload == payloadType {
			return f
		}
	}
	return nil
}

// offersEvents reports whether the line's keys may come as telephone-events.
func (l *line) offersEvents() bool {
	return slices.ContainsFunc(l.spec.Formats, func(f Format) bool { return f.Name == "TELEPHONE-EVENT" })
}

// clock is how fast the timestamps of an audio packet run, Hz; 0 for others.
func (l *line) clock(h rtpPacket, use payloadUse) int {
	if use == payloadAudio {
		if f := l.format(h.payloadType); f != nil {
			return f.Clock
		}
		if f, static := staticFormat(h.payloadType); static {
			return f.Clock
		}
	}
	return 0
}

// length returns how many nanoseconds of audio a packet holds, so that the
// time at which its first sample was spoken is known.
func (l *line) length(h rtpPacket) int64 {
	f, c := l.format(h.payloadType), l.codecs[h.payloadType]
	if f == nil || c == nil || c.units == nil || f.Clock <= 0 {
		return packetTime
	}
	if units := c.units(*f, h.payload); units > 0 {
		return int64(units) * nsPerSec / int64(f.Clock)
	}
	return packetTime
}

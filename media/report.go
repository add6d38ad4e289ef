package media

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"net/netip"

	crand "crypto/rand"
)

const (
	reportEvery = 5 * nsPerSec // on average (RFC 3550 section 6.2)

	rtcpSR   = 200
	rtcpRR   = 201
	rtcpSDES = 202
	rtcpBYE  = 203

	reportBlock = 24
	maxReport   = 8 + maxSSRCs*reportBlock + 64 + srtpRoom
	cnameItem   = 1
)

// reception is what RFC 3550 appendices A.1, A.3 and A.8 keep of one SSRC.
type reception struct {
	ssrc     uint32
	began    bool
	first    int64 // sequence number, extended as all of them here
	top      int64
	received int64
	lostOnce int64 // before the sender began anew: not in a report, but in the counts

	// excused are missing from a pause of the line: in a report, and not in the
	// counts. missing and pauses are as the latest packet left them.
	excused, missing int64
	pauses           int

	expectedThen, receivedThen int64 // at the last report

	clock   int
	origin  int64   // ns: arrival from which transit is measured
	transit uint32  // RTP clock units, of the latest packet
	jitter  float64 // RTP clock units

	lastSR uint32 // the middle of its NTP time
	srAt   int64  // its arrival
}

// take notes a packet that arrived at at, ns. clock is 0 for one that is not
// sent as time goes by.
func (r *reception) take(h rtpPacket, clock int, at int64) {
	if !r.began || r.ssrc != h.ssrc {
		*r = reception{ssrc: h.ssrc, began: true, first: int64(h.seq), top: int64(h.seq)}
	}
	step := int64(int16(h.seq - uint16(r.top)))
	if step > maxDropout || step < -maxReorder {
		*r = reception{
			ssrc: h.ssrc, began: true, first: int64(h.seq), top: int64(h.seq), lostOnce: r.lost() - r.excused + r.lostOnce,
			lastSR: r.lastSR, srAt: r.srAt, pauses: r.pauses,
		}
		step = 0
	}
	r.top = max(r.top, r.top+step)
	r.first = min(r.first, r.top+step)
	r.received++
	if clock == 0 {
		return
	}
	if r.clock != clock {
		r.clock, r.origin, r.jitter = clock, at, 0
		r.transit = -h.timestamp
	}
	transit := uint32((at-r.origin)/1000*int64(clock)/1_000_000) - h.timestamp
	off := math.Abs(float64(int32(transit - r.transit)))
	r.transit = transit
	if off < float64(clock) {
		r.jitter += (off - r.jitter) / 16
	}
}

func (r *reception) expected() int64 { return r.top - r.first + 1 }

func (r *reception) lost() int64 {
	if !r.began {
		return 0
	}
	return r.expected() - r.received
}

// excuse takes what is missing before the latest packet out of the counts, when
// the line is paused or was so since the packet before.
func (r *reception) excuse(paused bool, pauses int) {
	lost := r.lost()
	if paused || r.pauses != pauses {
		r.excused += lost - r.missing
	}
	r.missing, r.pauses = lost, pauses
}

// block appends a report block (RFC 3550 section 6.4.1).
func (r *reception) block(b []byte, at int64) []byte {
	expected, received := r.expected()-r.expectedThen, r.received-r.receivedThen
	r.expectedThen, r.receivedThen = r.expected(), r.received
	fraction := int64(0)
	if lost := expected - received; expected > 0 && lost > 0 {
		fraction = min(255, lost<<8/expected)
	}
	total := max(-1<<23, min(1<<23-1, r.lost()))
	b = binary.BigEndian.AppendUint32(b, r.ssrc)
	b = binary.BigEndian.AppendUint32(b, uint32(fraction)<<24|uint32(total)&0xFFFFFF)
	b = binary.BigEndian.AppendUint32(b, uint32(r.top))
	b = binary.BigEndian.AppendUint32(b, uint32(r.jitter))
	b = binary.BigEndian.AppendUint32(b, r.lastSR)
	since := uint32(0)
	if r.lastSR != 0 {
		since = uint32((at - r.srAt) * 65536 / nsPerSec)
	}
	return binary.BigEndian.AppendUint32(b, since)
}

// reporter says to a line's sender how its packets arrive. It is the line's,
// under the path's lock.
type reporter struct {
	ssrc  uint32 // ours
	due   int64  // when the next report goes; 0: there is nothing to report on
	sent  uint32 // reports, the index of SRTCP
	key   *srtpKey
	from  netip.AddrPort // where their RTCP comes from; the zero value: none has come
	mux   bool           // it comes to our RTP port
	heard [maxSSRCs]reception

	paused bool // nothing that comes now is kept
	pauses int  // how often that has changed
}

// receiving is told at each offer whether the line is to be received.
func (r *reporter) receiving(on bool) {
	if r.paused == on {
		r.paused = !on
		r.pauses++
	}
}

// cname names the recording session as a source, anew each time (RFC 7022).
func cname() string {
	var b [12]byte
	crand.Read(b[:]) // never fails
	return base64.StdEncoding.EncodeToString(b[:])
}

// took is told of every packet that was taken from the sender in a place of
// the line's ssrcSet.
func (r *reporter) took(place int, h rtpPacket, clock int, at int64) {
	r.heard[place].take(h, clock, at)
	r.heard[place].excuse(r.paused, r.pauses)
	if r.due == 0 {
		r.ssrc = rand.Uint32()
		r.due = at + pause()/2
	}
	if r.ssrc == h.ssrc { // RFC 3550 section 8.2
		r.ssrc = ^r.ssrc
	}
}

// pause is between a half and one and a half of reportEvery, so that reports of
// many lines do not fall together.
func pause() int64 { return reportEvery/2 + rand.Int64N(reportEvery) }

// read takes sender reports out of a compound that came from an address.
func (r *reporter) read(b []byte, from netip.AddrPort, mux bool, at int64) {
	r.from, r.mux = from, mux
	for validRTCP(b) {
		size := 4 + 4*int(binary.BigEndian.Uint16(b[2:]))
		if b[1] == rtcpSR && size >= 28 {
			ssrc := binary.BigEndian.Uint32(b[4:])
			for i := range r.heard {
				if h := &r.heard[i]; h.began && h.ssrc == ssrc {
					h.lastSR, h.srAt = binary.BigEndian.Uint32(b[10:]), at
				}
			}
		}
		b = b[size:]
	}
}

// fared is how many packets are missing but for the line's pauses, and the jitter of whoever sent most, ms.
func (r *reporter) fared() (lost int64, jitter float64) {
	most := int64(0)
	for i := range r.heard {
		h := &r.heard[i]
		lost += max(0, h.lost()-h.excused) + h.lostOnce
		if h.clock > 0 && h.received > most {
			most, jitter = h.received, h.jitter*1000/float64(h.clock)
		}
	}
	return lost, jitter
}

// compound appends a receiver report with its source description, and a goodbye
// when it is the last.
func (r *reporter) compound(b []byte, name string, at int64, last bool) []byte {
	start, blocks := len(b), 0
	b = append(b, 0x80, rtcpRR, 0, 0)
	b = binary.BigEndian.AppendUint32(b, r.ssrc)
	for i := range r.heard {
		if h := &r.heard[i]; h.began && h.received > h.receivedThen {
			b = h.block(b, at)
			blocks++
		}
	}
	b[start] |= byte(blocks)
	binary.BigEndian.PutUint16(b[start+2:], uint16(1+blocks*reportBlock/4))

	start = len(b)
	b = append(b, 0x81, rtcpSDES, 0, 0)
	b = binary.BigEndian.AppendUint32(b, r.ssrc)
	b = append(b, cnameItem, byte(len(name)))
	b = append(b, name...)
	b = append(b, 0)
	for (len(b)-start)%4 != 0 {
		b = append(b, 0)
	}
	binary.BigEndian.PutUint16(b[start+2:], uint16((len(b)-start)/4-1))
	if last {
		b = append(b, 0x81, rtcpBYE, 0, 1)
		b = binary.BigEndian.AppendUint32(b, r.ssrc)
	}
	return b
}

// post sends RTCP from a line's own port: the RTP port when mux.
type post func(line int, mux bool, to netip.AddrPort, b []byte)

// report sends the receiver reports that are due (RFC 3550 section 6.4.2).
func (p *Path) report(at int64, send post) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, l := range p.lines {
		if l != nil && l.reports.due != 0 && at >= l.reports.due {
			l.reports.due = at + pause()
			p.reportOn(l, i, at, false, send)
		}
	}
}

// takeLeave sends the last report of a line.
func (p *Path) takeLeave(i int, at int64, send post) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if l := p.line(i); l != nil && l.reports.due != 0 {
		l.reports.due = 0
		p.reportOn(l, i, at, true, send)
	}
}

func (p *Path) reportOn(l *line, i int, at int64, last bool, send post) {
	to, mux := l.reportsTo()
	if !to.IsValid() || l.spec.Secure && l.reports.key == nil {
		return // never in clear where the media is not
	}
	b := l.reports.compound(p.reportRoom[:0], p.name, at, last)
	if l.spec.Secure {
		l.reports.sent++
		b = l.reports.key.sealRTCP(b, l.reports.sent)
	}
	send(i, mux, to, b)
}

// reportsTo is where a line's reports go: where its sender's come from, else
// where the signalling says, and nowhere before media has come from there.
func (l *line) reportsTo() (to netip.AddrPort, mux bool) {
	media := l.source.from
	switch {
	case !media.IsValid() || l.spec.NoReports:
		return netip.AddrPort{}, false
	case l.reports.from.IsValid():
		return l.reports.from, l.reports.mux
	case l.spec.Mux:
		return media, true
	case !l.spec.Latch && l.spec.RTCP.IsValid() && !l.spec.RTCP.Addr().IsUnspecified():
		return l.spec.RTCP, false
	case media.Port() == math.MaxUint16:
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(media.Addr(), media.Port()+1), false
}

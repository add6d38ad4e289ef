package replay

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"siprecd/sip"
)

// Limits of what the first pass keeps.
const (
	signalBytes = 64 << 20
	mostFlows   = 20_000
)

// survey is the first pass over a capture.
type survey struct {
	faults  Faults
	signals []signal
	framers map[direction]*framer
	flows   map[direction]*flow
	order   []*flow
	last    time.Time

	kept    int // bytes of signalling
	left    int // messages left out because of signalBytes
	refused int // what looked like SIP and could not be read
	why     error
	secure  int // TLS connections
}

// flow counts what one sender sends to one port.
type flow struct {
	Flow
	sequence uint16
	rows     int // packets that follow the one before
}

// packet is how long one packet lasts, by how far they are apart on the whole: at
// most 200 ms, which is the longest there is.
func (f *flow) packet() time.Duration {
	if f.Packets < 2 {
		return 0
	}
	return min(f.Last.Sub(f.First)/time.Duration(f.Packets-1), 200*time.Millisecond)
}

// Survey reads a capture for the first time. declared are the destinations of a
// capture without signalling; with any, signalling is not looked for.
func Survey(file io.Reader, declared []Declared) (*Plan, error) {
	s := &survey{framers: make(map[direction]*framer), flows: make(map[direction]*flow)}
	for p, err := range Packets(file, &s.faults, s.wanted) {
		if err != nil {
			return nil, err
		}
		if s.last.Before(p.At) {
			s.last = p.At
		}
		s.packet(p)
	}
	slices.SortStableFunc(s.signals, func(a, b signal) int { return a.at.Compare(b.at) })
	if len(declared) > 0 {
		return s.declare(declared), nil
	}
	return s.plan(), nil
}

// wanted follows a TCP direction as long as it may carry SIP.
func (s *survey) wanted(p Packet) bool {
	d := direction{p.Src, p.Dst}
	if p.Fresh || s.framers[d] == nil {
		if len(s.framers) > connections {
			clear(s.framers)
		}
		s.framers[d] = &framer{}
	}
	f := s.framers[d]
	if f.fresh && !f.found && len(f.buf) == 0 && len(p.Payload) > 2 && p.Payload[0] == 0x16 && p.Payload[1] == 3 {
		s.secure++
	}
	err := f.add(p, func(m *sip.Message) { s.signal(p, "tcp", m) }, s.refuse)
	if err != nil {
		delete(s.framers, d)
		return false
	}
	return true
}

func (s *survey) packet(p Packet) {
	if p.TCP {
		return // wanted has taken it
	}
	if looksLikeSIP(p.Payload) {
		m, _, err := sip.ParseMessage(p.Payload, true)
		if err != nil {
			s.refuse(err)
			return
		}
		s.signal(p, "udp", m)
		return
	}
	s.rtpLike(p)
}

func (s *survey) refuse(err error) {
	if s.refused == 0 {
		s.why = err
	}
	s.refused++
}

// signal keeps what may belong to a session.
func (s *survey) signal(p Packet, network string, m *sip.Message) {
	switch m.Method {
	case "INVITE", "ACK", "BYE", "CANCEL", "UPDATE", "INFO", "PRACK":
	default:
		return
	}
	if s.kept > signalBytes {
		s.left++
		return
	}
	s.kept += len(m.Body) + 2048
	s.signals = append(s.signals, signal{at: p.At, network: network, src: p.Src, dst: p.Dst, Message: m})
}

// rtpLike counts a datagram that has the shape of RTP (RFC 3550 section 5.1);
// types 64 to 95 are RTCP's (RFC 5761 section 4).
func (s *survey) rtpLike(p Packet) {
	b := p.Payload
	if len(b) < 12 || b[0]>>6 != 2 || b[1]&0x7f >= 64 && b[1]&0x7f <= 95 {
		return
	}
	d := direction{p.Src, p.Dst}
	f := s.flows[d]
	if f == nil {
		if len(s.flows) == mostFlows {
			return
		}
		f = &flow{Flow: Flow{Src: p.Src, Dst: p.Dst, First: p.At}}
		s.flows[d] = f
		s.order = append(s.order, f)
	}
	sequence := binary.BigEndian.Uint16(b[2:])
	if f.Packets > 0 && sequence-f.sequence <= 3 {
		f.rows++
	}
	f.sequence, f.Last = sequence, p.At
	f.Packets++
	if t := b[1] & 0x7f; !bytes.Contains(f.Payloads, []byte{t}) {
		f.Payloads = append(f.Payloads, t)
	}
}

// rtp returns the flows that are RTP in all likelihood.
func (s *survey) rtp() []Flow {
	var flows []Flow
	for _, f := range s.order {
		if f.Packets >= 3 && f.rows*2 > f.Packets && len(f.Payloads) <= 8 {
			flows = append(flows, f.Flow)
		}
	}
	return flows
}

// notes says what could not be read.
func (s *survey) notes() []string {
	notes := s.faults.Notes()
	if s.refused > 0 {
		notes = append(notes, fmt.Sprintf("SIP messages that cannot be read: %d, the first because of: %v", s.refused, s.why))
	}
	if s.left > 0 {
		notes = append(notes, fmt.Sprintf("SIP messages left out, for they come after the first %d MiB of them: %d (cut the capture into parts)", signalBytes>>20, s.left))
	}
	if s.secure > 0 && len(s.signals) == 0 {
		notes = append(notes, fmt.Sprintf("TLS connections, in which SIP cannot be read: %d", s.secure))
	}
	return notes
}

// String is how a flow is told to people.
func (f Flow) String() string {
	types := make([]string, len(f.Payloads))
	for i, t := range f.Payloads {
		types[i] = fmt.Sprint(t)
	}
	return fmt.Sprintf("%s → %s: %d packets in %.1f s, payload type %s",
		f.Src, f.Dst, f.Packets, f.Last.Sub(f.First).Seconds(), strings.Join(types, ", "))
}

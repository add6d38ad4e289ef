package media

import "encoding/binary"

// specs is what every line of a tape is, as of the record being read.
type specs struct{ lines []*LineSpec }

func (s *specs) set(i int, spec LineSpec) {
	for i >= len(s.lines) {
		s.lines = append(s.lines, nil)
	}
	s.lines[i] = &spec
}

// last returns the newest description of line i.
func (s *specs) last(i int) LineSpec {
	if i < len(s.lines) && s.lines[i] != nil {
		return *s.lines[i]
	}
	return LineSpec{}
}

// format returns what the payload type of a packet on line i means. A
// telephone-event is recognised without negotiation by its four bytes on a
// dynamic payload type.
func (s *specs) format(i int, p rtpPacket) (Format, bool) {
	for _, f := range s.last(i).Formats {
		if f.Payload == p.payloadType {
			return f, true
		}
	}
	switch {
	case p.payloadType == 0:
		return Format{Name: "PCMU", Clock: g711Rate}, true
	case p.payloadType == 8:
		return Format{Payload: 8, Name: "PCMA", Clock: g711Rate}, true
	case p.payloadType == 13 || p.payloadType == 19:
		return Format{Payload: p.payloadType, Name: "CN", Clock: g711Rate}, true
	case p.payloadType >= 96 && len(p.payload) == 4:
		return Format{Payload: p.payloadType, Name: "TELEPHONE-EVENT", Clock: g711Rate}, true
	}
	return Format{}, false
}

// channel returns where line i is heard: ours left, the others right. Where all
// lines are ours, or none is, the lowest is left.
func (s *specs) channel(i int) int {
	ours, others, lowest := 0, 0, -1
	for j, spec := range s.lines {
		if spec == nil || len(spec.Formats) == 0 {
			continue
		}
		if lowest < 0 {
			lowest = j
		}
		if spec.Ours {
			ours++
		} else {
			others++
		}
	}
	left := i == lowest
	if ours > 0 && others > 0 {
		left = s.last(i).Ours
	}
	if left {
		return 0
	}
	return 1
}

// single reports whether one line carries the whole call.
func (s *specs) single() bool {
	n := 0
	for _, spec := range s.lines {
		if spec != nil && len(spec.Formats) > 0 {
			n++
		}
	}
	return n == 1
}

func sequenceNumber(packet []byte) uint16 { return binary.BigEndian.Uint16(packet[2:]) }

package media

import "encoding/binary"

// rtpPacket is what the record path reads of an RTP packet (RFC 3550 5.1).
type rtpPacket struct {
	payloadType uint8
	seq         uint16
	timestamp   uint32
	ssrc        uint32
	payload     []byte // without padding; part of the datagram
}

// parseRTP reads b without copying. It reports false for anything whose
// version, CSRC count, extension or padding do not fit its length.
func parseRTP(b []byte) (p rtpPacket, ok bool) {
	start, ok := rtpHeaderLen(b)
	if !ok {
		return p, false
	}
	end := len(b)
	if b[0]&0x20 != 0 {
		if end == start {
			return p, false
		}
		padding := int(b[end-1])
		if padding == 0 || padding > end-start {
			return p, false
		}
		end -= padding
	}
	p.payloadType = b[1] & 0x7f
	p.seq = binary.BigEndian.Uint16(b[2:])
	p.timestamp = binary.BigEndian.Uint32(b[4:])
	p.ssrc = binary.BigEndian.Uint32(b[8:])
	p.payload = b[start:end:end]
	return p, true
}

// rtpHeaderLen returns how long the header of b is, with CSRCs and extension;
// false when it does not fit.
func rtpHeaderLen(b []byte) (n int, ok bool) {
	if len(b) < 12 || b[0]>>6 != 2 {
		return 0, false
	}
	n = 12 + 4*int(b[0]&0x0f)
	if b[0]&0x10 != 0 {
		if len(b) < n+4 {
			return 0, false
		}
		n += 4 + 4*int(binary.BigEndian.Uint16(b[n+2:]))
	}
	return n, len(b) >= n
}

// looksRTCP tells RTCP from RTP on one port by its second byte (RFC 5761 4).
func looksRTCP(b []byte) bool {
	return len(b) >= 2 && b[1] >= 192 && b[1] <= 223
}

// validRTCP reports whether the first packet of a compound fits b.
func validRTCP(b []byte) bool {
	return len(b) >= 8 && b[0]>>6 == 2 && looksRTCP(b) &&
		4+4*int(binary.BigEndian.Uint16(b[2:])) <= len(b)
}

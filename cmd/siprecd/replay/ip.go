package replay

import (
	"encoding/binary"
	"net/netip"
)

// Protocol numbers.
const (
	protoTCP = 6
	protoUDP = 17
)

// datagram is one IP packet, whole or a fragment.
type datagram struct {
	src, dst netip.Addr
	proto    uint8
	payload  []byte
	short    bool // fewer bytes than its header states

	fragment bool
	id       uint32
	offset   int // of payload in the whole, bytes
	more     bool
}

// parseIP reads the headers of an IP packet; ok is false when they are damaged.
func parseIP(b []byte) (d datagram, ok bool) {
	if len(b) > 0 && b[0]>>4 == 6 {
		return parseIPv6(b)
	}
	return parseIPv4(b)
}

func parseIPv4(b []byte) (d datagram, ok bool) {
	if len(b) < 20 {
		return d, false
	}
	head := int(b[0]&15) * 4
	total := int(binary.BigEndian.Uint16(b[2:]))
	if total == 0 {
		total = len(b) // segmentation offload leaves the length to the card
	}
	if head < 20 || head > len(b) || total < head {
		return d, false
	}
	d.src, _ = netip.AddrFromSlice(b[12:16])
	d.dst, _ = netip.AddrFromSlice(b[16:20])
	d.proto = b[9]
	d.id = uint32(binary.BigEndian.Uint16(b[4:]))
	frag := binary.BigEndian.Uint16(b[6:])
	d.offset, d.more = int(frag&0x1fff)*8, frag&0x2000 != 0
	d.fragment = d.offset > 0 || d.more
	d.short = total > len(b)
	d.payload = b[head:min(total, len(b))]
	return d, true
}

func parseIPv6(b []byte) (d datagram, ok bool) {
	if len(b) < 40 {
		return d, false
	}
	length := int(binary.BigEndian.Uint16(b[4:]))
	d.src, _ = netip.AddrFromSlice(b[8:24])
	d.dst, _ = netip.AddrFromSlice(b[24:40])
	next := b[6]
	rest := b[40:]
	if length > 0 {
		d.short = length > len(rest)
		rest = rest[:min(length, len(rest))]
	}
	for range 8 {
		switch next {
		case 0, 43, 60: // hop-by-hop, routing, destination options
			if len(rest) < 8 {
				return d, false
			}
			size := (int(rest[1]) + 1) * 8
			if size > len(rest) {
				return d, false
			}
			next, rest = rest[0], rest[size:]
		case 44:
			if len(rest) < 8 {
				return d, false
			}
			frag := binary.BigEndian.Uint16(rest[2:])
			d.offset, d.more = int(frag&0xfff8), frag&1 != 0
			d.id = binary.BigEndian.Uint32(rest[4:])
			// An atomic fragment is whole (RFC 6946).
			d.fragment = d.offset > 0 || d.more
			next, rest = rest[0], rest[8:]
		default:
			d.proto, d.payload = next, rest
			return d, true
		}
		if d.offset > 0 {
			// What follows is the middle of something.
			d.proto, d.payload = next, rest
			return d, true
		}
	}
	return d, false
}

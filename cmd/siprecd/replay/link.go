package replay

import (
	"encoding/binary"

	"github.com/gopacket/gopacket/layers"
)

// EtherTypes that lead to IP, or to another tag before it.
const (
	etherIPv4  = 0x0800
	etherIPv6  = 0x86dd
	etherVLAN  = 0x8100
	etherQinQ  = 0x88a8
	etherQinQ2 = 0x9100
	etherPPPoE = 0x8864
)

// Link types by their registered numbers; where systems differ, all of them.
const (
	linkNull     layers.LinkType = 0
	linkEthernet layers.LinkType = 1
	linkRawBSD   layers.LinkType = 12
	linkRawOBSD  layers.LinkType = 14
	linkRaw      layers.LinkType = 101
	linkLoop     layers.LinkType = 108
	linkSLL      layers.LinkType = 113
	linkIPv4     layers.LinkType = 228
	linkIPv6     layers.LinkType = 229
	linkSLL2     layers.LinkType = 276
)

// network returns the IP packet within a frame, nil when there is none. known
// is false for a link type that cannot be read at all.
func network(link layers.LinkType, b []byte) (packet []byte, known bool) {
	switch link {
	case linkEthernet:
		if len(b) < 14 {
			return nil, true
		}
		return tagged(binary.BigEndian.Uint16(b[12:]), b[14:]), true
	case linkSLL:
		if len(b) < 16 {
			return nil, true
		}
		return tagged(binary.BigEndian.Uint16(b[14:]), b[16:]), true
	case linkSLL2:
		if len(b) < 20 {
			return nil, true
		}
		return tagged(binary.BigEndian.Uint16(b), b[20:]), true
	case linkNull, linkLoop:
		// The address family is the writer's, in its byte order; the IP version
		// says the same.
		if len(b) < 4 {
			return nil, true
		}
		return versioned(b[4:]), true
	case linkRaw, linkRawBSD, linkRawOBSD, linkIPv4, linkIPv6:
		return versioned(b), true
	}
	return nil, false
}

// tagged passes over VLAN tags and PPPoE.
func tagged(ether uint16, b []byte) []byte {
	for range 4 {
		switch ether {
		case etherIPv4, etherIPv6:
			return versioned(b)
		case etherVLAN, etherQinQ, etherQinQ2:
			if len(b) < 4 {
				return nil
			}
			ether, b = binary.BigEndian.Uint16(b[2:]), b[4:]
		case etherPPPoE:
			if len(b) < 8 {
				return nil
			}
			return versioned(b[8:])
		default:
			return nil
		}
	}
	return nil
}

func versioned(b []byte) []byte {
	if len(b) > 0 && (b[0]>>4 == 4 || b[0]>>4 == 6) {
		return b
	}
	return nil
}

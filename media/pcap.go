package media

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"io"
	"net/netip"
)

const pcapRawIP = 101 // LINKTYPE_RAW: packets begin with their IP header

// WritePcap writes the packets of a tape, RTP and RTCP, as a capture file with
// their arrival times to the nanosecond. Addresses and ports are those of the
// line; one without any gets 192.0.2.1 and 192.0.2.2 (RFC 5737).
func WritePcap(w io.Writer, t Tape) error {
	out := bufio.NewWriterSize(w, 1<<16)
	le := binary.LittleEndian
	head := le.AppendUint32(nil, 0xA1B23C4D)
	head = le.AppendUint16(head, 2)
	head = le.AppendUint16(head, 4)
	head = le.AppendUint64(head, 0)
	head = le.AppendUint32(head, 1<<16)
	head = le.AppendUint32(head, pcapRawIP)
	if _, err := out.Write(head); err != nil {
		return err
	}
	lines := map[uint16][2]netip.AddrPort{}
	var packet []byte
	for rec, err := range t() {
		if err != nil { // a damaged place; what lies behind it can be read
			continue
		}
		switch rec.Kind {
		case KindLine:
			var s LineSpec
			if json.Unmarshal(rec.Data, &s) == nil {
				lines[rec.Line] = [2]netip.AddrPort{s.Remote, s.Local}
			}
		case KindPacket, KindRTCP:
			from, to := pcapEnds(lines[rec.Line], rec.Line, rec.Kind == KindRTCP)
			if len(rec.Data) > 65000 || rec.At < 0 {
				continue
			}
			packet = appendDatagram(packet[:0], from, to, rec.Data)
			var h [16]byte
			le.PutUint32(h[0:], uint32(rec.At/nanos))
			le.PutUint32(h[4:], uint32(rec.At%nanos))
			le.PutUint32(h[8:], uint32(len(packet)))
			le.PutUint32(h[12:], uint32(len(packet)))
			if _, err := out.Write(h[:]); err != nil {
				return err
			}
			if _, err := out.Write(packet); err != nil {
				return err
			}
		}
	}
	return out.Flush()
}

// pcapEnds returns where a line's packets come from and go to, both of one
// family, RTCP one port higher.
func pcapEnds(ends [2]netip.AddrPort, line uint16, rtcp bool) (from, to netip.AddrPort) {
	from = netip.AddrPortFrom(ends[0].Addr().Unmap(), ends[0].Port())
	to = netip.AddrPortFrom(ends[1].Addr().Unmap(), ends[1].Port())
	if !from.IsValid() || !to.IsValid() || from.Addr().Is4() != to.Addr().Is4() {
		port := 20000 + line*2%20000
		from = netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, 1}), max(from.Port(), port))
		to = netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, 2}), max(to.Port(), port))
	}
	if rtcp {
		from = netip.AddrPortFrom(from.Addr(), from.Port()+1)
		to = netip.AddrPortFrom(to.Addr(), to.Port()+1)
	}
	return from, to
}

// appendDatagram appends an IP and a UDP header and the payload.
func appendDatagram(b []byte, from, to netip.AddrPort, payload []byte) []byte {
	be := binary.BigEndian
	udp := 8 + len(payload)
	src, dst := from.Addr().AsSlice(), to.Addr().AsSlice()
	if from.Addr().Is4() {
		ip := append([]byte{0x45, 0}, byte((20+udp)>>8), byte(20+udp), 0, 0, 0x40, 0, 64, 17, 0, 0)
		ip = append(append(ip, src...), dst...)
		be.PutUint16(ip[10:], ^fold(sum(ip)))
		b = append(b, ip...)
	} else {
		b = append(b, 0x60, 0, 0, 0, byte(udp>>8), byte(udp), 17, 64)
		b = append(append(b, src...), dst...)
	}
	check := sum(src) + sum(dst) + 17 + uint32(udp)
	at := len(b)
	b = be.AppendUint16(b, from.Port())
	b = be.AppendUint16(b, to.Port())
	b = be.AppendUint16(b, uint16(udp))
	b = append(b, 0, 0)
	b = append(b, payload...)
	if check := ^fold(check + sum(b[at:])); check != 0 {
		be.PutUint16(b[at+6:], check)
	} else {
		be.PutUint16(b[at+6:], 0xFFFF)
	}
	return b
}

// sum and fold are the Internet checksum (RFC 1071).
func sum(b []byte) (s uint32) {
	for ; len(b) >= 2; b = b[2:] {
		s += uint32(b[0])<<8 | uint32(b[1])
	}
	if len(b) == 1 {
		s += uint32(b[0]) << 8
	}
	return s
}

func fold(s uint32) uint16 {
	for s > 0xFFFF {
		s = s>>16 + s&0xFFFF
	}
	return uint16(s)
}

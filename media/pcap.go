package media

import (
	"encoding/binary"
	"encoding/json"
	"io"
	"net/netip"
	"time"
)

// WritePcap writes the packets of a tape as a classic pcap of raw IP (link type
// 101), with their arrival times: the original, for other tools to look at.
func WritePcap(w io.Writer, t Tape) error {
	le := binary.LittleEndian
	head := le.AppendUint32(nil, 0xa1b23c4d) // nanoseconds
	head = le.AppendUint16(head, 2)
	head = le.AppendUint16(head, 4)
	head = le.AppendUint64(head, 0)
	head = le.AppendUint32(head, 65535)
	head = le.AppendUint32(head, 101)
	if _, err := w.Write(head); err != nil {
		return err
	}
	var lines specs
	var b []byte
	for rec, err := range t() {
		if err != nil {
			continue
		}
		switch rec.Kind {
		case KindLine:
			var s LineSpec
			if rec.Line <= 255 && json.Unmarshal(rec.Data, &s) == nil {
				lines.set(int(rec.Line), s)
			}
		case KindPacket, KindRTCP:
			spec := lines.last(int(rec.Line))
			from, to := spec.Remote, spec.Local
			if rec.Kind == KindRTCP {
				from, to = next(from), next(to)
			}
			ip := datagram(from, to, rec.Data)
			b = le.AppendUint32(b[:0], uint32(rec.At/int64(time.Second)))
			b = le.AppendUint32(b, uint32(rec.At%int64(time.Second)))
			b = le.AppendUint32(b, uint32(len(ip)))
			b = le.AppendUint32(b, uint32(len(ip)))
			if _, err := w.Write(append(b, ip...)); err != nil {
				return err
			}
		}
	}
	return nil
}

func next(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr(), a.Port()+1) }

// datagram wraps a payload in UDP and IP; an address that is not known becomes
// one of the documentation network (RFC 5737).
func datagram(from, to netip.AddrPort, payload []byte) []byte {
	src, dst := from.Addr().Unmap(), to.Addr().Unmap()
	if !src.IsValid() || !dst.IsValid() || src.Is4() != dst.Is4() {
		src, dst = netip.AddrFrom4([4]byte{192, 0, 2, 1}), netip.AddrFrom4([4]byte{192, 0, 2, 2})
	}
	be := binary.BigEndian
	udp := be.AppendUint16(nil, from.Port())
	udp = be.AppendUint16(udp, to.Port())
	udp = be.AppendUint16(udp, uint16(8+len(payload)))
	udp = be.AppendUint16(udp, 0)
	udp = append(udp, payload...)
	if !src.Is4() {
		ip := []byte{0x60, 0, 0, 0}
		ip = be.AppendUint16(ip, uint16(len(udp)))
		ip = append(ip, 17, 64)
		ip = append(append(ip, src.AsSlice()...), dst.AsSlice()...)
		return append(ip, udp...)
	}
	ip := []byte{0x45, 0}
	ip = be.AppendUint16(ip, uint16(20+len(udp)))
	ip = append(ip, 0, 0, 0x40, 0, 64, 17, 0, 0)
	ip = append(append(ip, src.AsSlice()...), dst.AsSlice()...)
	var sum uint32
	for i := 0; i < 20; i += 2 {
		sum += uint32(be.Uint16(ip[i:]))
	}
	sum = sum>>16 + sum&0xffff
	be.PutUint16(ip[10:], ^uint16(sum>>16+sum))
	return append(ip, udp...)
}

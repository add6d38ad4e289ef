package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"
)

// film writes a capture: pcap with times in ns and raw IPv4 packets.
type film struct {
	w   *bufio.Writer
	buf []byte
}

const linkRaw = 101

var (
	src = netip.MustParseAddrPort("192.0.2.1:5060")
	srs = netip.MustParseAddrPort("192.0.2.2:5060")
)

func newFilm(w io.Writer) *film {
	f := &film{w: bufio.NewWriterSize(w, 1<<20)}
	head := binary.LittleEndian.AppendUint32(nil, 0xA1B23C4D)
	head = binary.LittleEndian.AppendUint16(head, 2)
	head = binary.LittleEndian.AppendUint16(head, 4)
	head = append(head, make([]byte, 8)...)
	head = binary.LittleEndian.AppendUint32(head, 65535)
	head = binary.LittleEndian.AppendUint32(head, linkRaw)
	f.w.Write(head)
	return f
}

// udp writes a datagram that came at a time.
func (f *film) udp(at time.Time, from, to netip.AddrPort, payload []byte) {
	size := 28 + len(payload)
	b := binary.LittleEndian.AppendUint32(f.buf[:0], uint32(at.Unix()))
	b = binary.LittleEndian.AppendUint32(b, uint32(at.Nanosecond()))
	b = binary.LittleEndian.AppendUint32(b, uint32(size))
	b = binary.LittleEndian.AppendUint32(b, uint32(size))
	b = append(b, 0x45, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(size))
	b = append(b, 0, 0, 0, 0, 64, 17, 0, 0)
	b = append(b, from.Addr().AsSlice()...)
	b = append(b, to.Addr().AsSlice()...)
	b = binary.BigEndian.AppendUint16(b, from.Port())
	b = binary.BigEndian.AppendUint16(b, to.Port())
	b = binary.BigEndian.AppendUint16(b, uint16(size-20))
	b = append(b, 0, 0)
	b = append(b, payload...)
	f.w.Write(b)
	f.buf = b
}

func (f *film) close() error { return f.w.Flush() }

// media is where a leg's packets come from and go to.
func media(leg int) (from, to netip.AddrPort) {
	return netip.AddrPortFrom(src.Addr(), uint16(4000+2*leg)), netip.AddrPortFrom(srs.Addr(), uint16(6000+2*leg))
}

// invite offers two legs and says who speaks on them.
func invite(legs []*leg) []byte {
	body := "--b\r\nContent-Type: application/sdp\r\n\r\n" + sdp(src, legs, "sendonly") +
		"\r\n--b\r\nContent-Type: application/rs-metadata+xml\r\n\r\n" + metadata + "\r\n--b--\r\n"
	return message("INVITE sip:srs@192.0.2.2 SIP/2.0", "1 INVITE", "multipart/mixed;boundary=b", body)
}

func answer(legs []*leg) []byte {
	return message("SIP/2.0 200 OK", "1 INVITE", "application/sdp", sdp(srs, legs, "recvonly"))
}

func bye() []byte { return message("BYE sip:srs@192.0.2.2 SIP/2.0", "2 BYE", "", "") }

func message(start, cseq, contentType, body string) []byte {
	tag := ";tag=b"
	if strings.HasPrefix(start, "INVITE") {
		tag = ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK%s\r\n", start, cseq[:1])
	fmt.Fprintf(&b, "From: <sip:src@192.0.2.1>;tag=a\r\nTo: <sip:srs@192.0.2.2>%s\r\n", tag)
	fmt.Fprintf(&b, "Call-ID: accuracy\r\nCSeq: %s\r\nContact: <sip:src@192.0.2.1>;+sip.src\r\n", cseq)
	if contentType != "" {
		fmt.Fprintf(&b, "Require: siprec\r\nContent-Type: %s\r\n", contentType)
	}
	fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", len(body), body)
	return []byte(b.String())
}

func sdp(at netip.AddrPort, legs []*leg, direction string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "v=0\r\no=- 1 1 IN IP4 %s\r\ns=-\r\nc=IN IP4 %[1]s\r\nt=0 0\r\n", at.Addr())
	for i, l := range legs {
		from, to := media(i)
		if at == srs {
			from = to
		}
		fmt.Fprintf(&b, "m=audio %d RTP/AVP %d 13\r\na=label:%d\r\na=%s\r\n", from.Port(), l.payload, i+1, direction)
	}
	return b.String()
}

const metadata = `<?xml version="1.0" encoding="UTF-8"?>
<recording xmlns="urn:ietf:params:xml:ns:recording:1">
 <datamode>complete</datamode>
 <session session_id="AAAAAAAAAAAAAAAAAAAAAA=="/>
 <participant participant_id="AAAAAAAAAAAAAAAAAAAAAQ=="><nameID aor="sip:2001@pbx.example"/></participant>
 <participant participant_id="AAAAAAAAAAAAAAAAAAAAAg=="><nameID aor="sip:0105550101@pbx.example"/></participant>
 <stream stream_id="AAAAAAAAAAAAAAAAAAAAAw==" session_id="AAAAAAAAAAAAAAAAAAAAAA=="><label>1</label></stream>
 <stream stream_id="AAAAAAAAAAAAAAAAAAAABA==" session_id="AAAAAAAAAAAAAAAAAAAAAA=="><label>2</label></stream>
 <participantstreamassoc participant_id="AAAAAAAAAAAAAAAAAAAAAQ=="><send>AAAAAAAAAAAAAAAAAAAAAw==</send></participantstreamassoc>
 <participantstreamassoc participant_id="AAAAAAAAAAAAAAAAAAAAAg=="><send>AAAAAAAAAAAAAAAAAAAABA==</send></participantstreamassoc>
</recording>`

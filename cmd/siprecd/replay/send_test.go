package replay

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"siprecd/sip"
)

// rtpPacket is PCMU with a payload that tells the line and the number.
func rtpPacket(line, n int) []byte {
	b := make([]byte, 172)
	b[0] = 0x80
	binary.BigEndian.PutUint16(b[2:], uint16(n))
	binary.BigEndian.PutUint32(b[4:], uint32(160*n))
	b[11] = byte(line + 1)
	for i := range b[12:] {
		b[12+i] = byte(line*100 + n)
	}
	return b
}

// TestSenderPlacesTheSession sends half a second of a capture at an SRS.
func TestSenderPlacesTheSession(t *testing.T) {
	f := newFilm(t, linkEthernet)
	f.udp(alice, bob, []byte(inviteRS("one")))
	f.udp(bob, alice, []byte(okRS("one")))
	from := [2]netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:4000"), netip.MustParseAddrPort("192.0.2.1:4002")}
	to := [2]netip.AddrPort{netip.MustParseAddrPort("192.0.2.2:6000"), netip.MustParseAddrPort("192.0.2.2:6002")}
	for n := range 20 {
		f.at = f.at.Add(18 * time.Millisecond)
		for line := range 2 {
			f.udp(from[line], to[line], rtpPacket(line, n))
		}
	}
	f.udp(alice, bob, []byte(message("INVITE sip:srs@192.0.2.2 SIP/2.0", "one", "a", "b", "2 INVITE", recordingHeaders,
		"application/sdp", strings.ReplaceAll(sdp("192.0.2.1", 4000, 4002), "a=label", "a=inactive\r\na=label"))))
	f.udp(bob, alice, []byte(strings.Replace(okRS("one"), "1 INVITE", "2 INVITE", 1)))
	f.at = f.at.Add(50 * time.Millisecond)
	f.udp(alice, bob, []byte(strings.Replace(byeRS("one"), "2 BYE", "3 BYE", 1)))
	plan := planOf(t, f)
	if len(plan.Sessions) != 1 || len(plan.Sessions[0].Offers) != 2 {
		t.Fatalf("%+v %q", plan.Sessions, plan.Notes)
	}

	srs := &listener{t: t}
	server := &sip.Server{Handler: srs.serve, Listen: []sip.Listener{{Network: "udp", Address: "127.0.0.1:0"}}}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	caller := &sip.Caller{}
	if err := caller.Start(); err != nil {
		t.Fatal(err)
	}
	sender := &Sender{
		Caller: caller, Target: "sip:" + server.Addr(0).String(), Plan: plan,
		Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(f.buf.Bytes())), nil },
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	results := sender.Run(ctx)
	caller.Close()
	if err := server.Close(ctx); err != nil {
		t.Error(err)
	}
	if len(results) != 1 || results[0].Err != nil {
		t.Fatalf("%+v", results)
	}
	if r := results[0]; r.Packets[0] != 20 || r.Packets[1] != 20 || r.Length < 450*time.Millisecond {
		t.Errorf("%+v", r)
	}
	srs.mu.Lock()
	defer srs.mu.Unlock()
	if strings.Join(srs.directions, " ") != "sendrecv sendrecv inactive inactive" {
		t.Errorf("directions %q", srs.directions)
	}
	for line := range 2 {
		if len(srs.heard[line]) != 20 {
			t.Errorf("line %d: %d packets", line, len(srs.heard[line]))
			continue
		}
		for n, b := range srs.heard[line] {
			if !bytes.Equal(b, rtpPacket(line, n)) {
				t.Errorf("line %d: packet %d differs", line, n)
			}
		}
	}
}

// listener is an SRS that keeps the packets of two lines.
type listener struct {
	t          *testing.T
	mu         sync.Mutex // guards the rest
	heard      [2][][]byte
	directions []string
}

func (l *listener) serve(ctx context.Context, s *sip.Session) error {
	var ports [2]uint16
	var reading sync.WaitGroup
	defer reading.Wait()
	for line := range 2 {
		conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			return err
		}
		defer conn.Close()
		ports[line] = uint16(conn.LocalAddr().(*net.UDPAddr).Port)
		reading.Go(func() { l.read(conn, line) })
	}
	for o := range s.Offers() {
		a := sip.Answer{Addr: netip.MustParseAddr("127.0.0.1")}
		if o.Media != nil {
			l.mu.Lock()
			for i, line := range o.Media.Lines {
				l.directions = append(l.directions, string(line.Direction))
				a.Lines = append(a.Lines, sip.AnswerLine{Port: ports[i], Direction: sip.RecvOnly, Codecs: line.Codecs})
			}
			l.mu.Unlock()
		}
		if err := o.Answer(a); err != nil {
			l.t.Error(err)
		}
	}
	return nil
}

func (l *listener) read(conn *net.UDPConn, line int) {
	for {
		b := make([]byte, 2000)
		n, err := conn.Read(b)
		if err != nil {
			return
		}
		l.mu.Lock()
		l.heard[line] = append(l.heard[line], b[:n])
		l.mu.Unlock()
	}
}

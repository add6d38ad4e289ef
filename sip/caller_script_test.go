package sip

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"
)

// script is the other side of a Caller: an SRS that does what the test says.
type script struct {
	t       *testing.T
	network string
	in      chan arrival
	packet  *net.UDPConn
	addr    string
}

type arrival struct {
	m      *Message
	write  func([]byte)
	hangUp func() // of a stream
}

func newScript(t *testing.T, network, host string) *script {
	t.Helper()
	s := &script{t: t, network: network, in: make(chan arrival, 64)}
	if network == "udp" {
		conn, err := net.ListenPacket("udp", net.JoinHostPort(host, "0"))
		if err != nil {
			t.Skipf("no socket on %s: %v", host, err)
		}
		s.packet, s.addr = conn.(*net.UDPConn), conn.LocalAddr().String()
		t.Cleanup(func() { conn.Close() })
		go s.readPackets()
		return s
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Skipf("no socket on %s: %v", host, err)
	}
	if network == "tls" {
		listener = tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{testCertificate(t)}})
	}
	s.addr = listener.Addr().String()
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go s.readStream(conn)
		}
	}()
	return s
}

func (s *script) readPackets() {
	buf := make([]byte, 65536)
	for {
		n, from, err := s.packet.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		if m, _, err := ParseMessage(buf[:n], true); err == nil {
			s.in <- arrival{m, func(b []byte) { s.packet.WriteToUDPAddrPort(b, from) }, nil}
		}
	}
}

func (s *script) readStream(conn net.Conn) {
	defer conn.Close()
	var pending []byte
	buf := make([]byte, 1000)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return
		}
		pending = append(pending, buf[:n]...)
		for len(pending) > 0 {
			m, used, err := ParseMessage(pending, false)
			if errors.Is(err, io.ErrUnexpectedEOF) {
				break
			}
			if err != nil {
				return
			}
			pending = pending[used:]
			s.in <- arrival{m, func(b []byte) { conn.Write(b) }, func() { conn.Close() }}
		}
	}
}

// next returns the next message, which must be of method; status 0 is a request.
func (s *script) next(method string, status int) arrival {
	s.t.Helper()
	select {
	case h := <-s.in:
		if h.m.Method != method || h.m.Status != status {
			s.t.Fatalf("got %s %d, want %s %d\n%s", h.m.Method, h.m.Status, method, status, h.m.bytes())
		}
		return h
	case <-time.After(5 * time.Second):
		s.t.Fatalf("no %s %d came", method, status)
	}
	return arrival{}
}

// silent fails when a message comes within d.
func (s *script) silent(d time.Duration) {
	s.t.Helper()
	select {
	case h := <-s.in:
		s.t.Fatalf("unexpected %s %d", h.m.Method, h.m.Status)
	case <-time.After(d):
	}
}

func (s *script) reply(h arrival, status int, contentType, body string, headers ...header) {
	r := &Message{Status: status, Method: h.m.Method, phrase: "Scripted", ContentType: contentType, Body: []byte(body)}
	for _, name := range []string{"Via", "From", "To", "Call-ID", "CSeq"} {
		value := h.m.header(name)
		if name == "To" && h.m.ToTag == "" && status > 100 {
			value += ";tag=srs"
		}
		r.add(name, value)
	}
	r.add("Contact", "<sip:srs@"+s.addr+">;+sip.srs")
	r.headers = append(r.headers, headers...)
	h.write(r.bytes())
}

// request builds a request of the SRS within the dialog that invite opened.
func (s *script) request(invite arrival, method string, cseq, contentType, body string, headers ...header) []byte {
	contact := parseAddress(invite.m.header("Contact"))
	r := &Message{Request: true, Method: method, RequestURI: contact.URI, ContentType: contentType, Body: []byte(body)}
	r.add("Via", "SIP/2.0/"+strings.ToUpper(s.network)+" "+s.addr+";branch=z9hG4bK"+method+cseq)
	r.add("From", invite.m.header("To")+";tag=srs")
	r.add("To", invite.m.header("From"))
	r.add("Call-ID", invite.m.CallID)
	r.add("CSeq", cseq+" "+method)
	r.add("Contact", "<sip:srs@"+s.addr+">;+sip.srs")
	r.headers = append(r.headers, headers...)
	return r.bytes()
}

const scriptedSDP = "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n" +
	"m=audio 40000 RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=label:1\r\na=recvonly\r\n" +
	"m=audio 40002 RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=label:2\r\na=recvonly\r\n"

func scriptedDirection(direction string) string {
	return strings.ReplaceAll(scriptedSDP, "a=recvonly", "a="+direction)
}

func testCertificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"srs.example"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

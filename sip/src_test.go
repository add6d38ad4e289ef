package sip

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"
)

const offerSDP = "v=0\r\no=- 1 1 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n" +
	"m=audio 40000 RTP/AVP 0\r\na=label:1\r\na=sendonly\r\n" +
	"m=audio 40002 RTP/AVP 0\r\na=label:2\r\na=sendonly\r\n"

const metadataXML = `<?xml version="1.0" encoding="UTF-8"?>` + "\r\n" +
	`<recording xmlns="urn:ietf:params:xml:ns:recording:1"><datamode>complete</datamode></recording>` + "\r\n"

const multipartBody = "--b1\r\nContent-Type: application/sdp\r\n\r\n" + offerSDP +
	"\r\n--b1\r\nContent-Type: application/rs-metadata+xml\r\nContent-Disposition: recording-session\r\n\r\n" +
	metadataXML + "\r\n--b1--\r\n"

// src is a recording client that writes its own bytes, so that what is on the
// wire is what is tested.
type src struct {
	t       testing.TB
	send    func([]byte)
	recv    func(time.Duration) []byte // nil: nothing came
	via     string                     // "SIP/2.0/UDP host:port"
	contact string
	callID  string
	tag     string
	cseq    int
	last    string // branch of the last request
	before  string // and of the one before
	raw     net.Conn
	ended   bool   // the server closed the connection
	to      string // To value of the dialog
	target  string // Contact of the SRS
}

// served is a Server under test and what its handler saw.
type served struct {
	*Server
	ends   chan error
	offers chan *Offer
	live   chan *Session
}

// listen starts a server whose handler answers everything it is offered.
func listen(t testing.TB, network string, change func(*served)) *served {
	t.Helper()
	s := &served{Server: &Server{}, ends: make(chan error, 1000), offers: make(chan *Offer, 1000), live: make(chan *Session, 1000)}
	address := "127.0.0.1:0"
	if ip, ok := strings.CutPrefix(network, "udp6"); ok {
		network, address = "udp"+ip, "[::1]:0"
	}
	s.Listen = []Listener{{Network: network, Address: address}}
	s.Handler = s.answerAll
	if change != nil {
		change(s)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		defer cancel()
		s.Close(ctx)
	})
	return s
}

func (s *served) answerAll(ctx context.Context, rs *Session) error {
	s.live <- rs
	for o := range rs.Offers() {
		s.offers <- o
		o.Answer(answerTo(o))
	}
	<-ctx.Done()
	s.ends <- context.Cause(ctx)
	return nil
}

func answerTo(o *Offer) Answer {
	a := Answer{Addr: netip.MustParseAddr("127.0.0.1")}
	pcmu := []Codec{{Name: "PCMU", Clock: 8000, Channels: 1}}
	if o.Media == nil {
		a.Lines = []AnswerLine{{Port: 30000, Direction: RecvOnly, Codecs: pcmu}, {Port: 30002, Direction: RecvOnly, Codecs: pcmu}}
		return a
	}
	for i, l := range o.Media.Lines {
		a.Lines = append(a.Lines, AnswerLine{Port: uint16(30000 + 2*i), Direction: RecvOnly, Codecs: l.Codecs[:1]})
	}
	return a
}

// dial connects a client to the i-th listener.
func (s *served) dial(t testing.TB) *src {
	t.Helper()
	network := s.Listen[0].Network
	addr := s.Addr(0).String()
	var conn net.Conn
	var err error
	if network == "tls" {
		conn, err = tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
	} else {
		conn, err = net.Dial(network, addr)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return newSRC(t, conn, network)
}

func newSRC(t testing.TB, conn net.Conn, network string) *src {
	c := &src{t: t, callID: "call-" + token(8), tag: token(6)}
	local := conn.LocalAddr().String()
	c.via = "SIP/2.0/" + strings.ToUpper(network) + " " + local
	c.contact = "<sip:src@" + local + ";transport=" + network + ">;+sip.src"
	c.raw = conn
	c.send = func(b []byte) {
		if _, err := conn.Write(b); err != nil {
			t.Error(err)
		}
	}
	var buf []byte
	c.recv = func(wait time.Duration) []byte {
		conn.SetReadDeadline(time.Now().Add(wait))
		chunk := make([]byte, 65536)
		for {
			if network != "udp" {
				if _, n, err := ParseMessage(buf, false); err == nil {
					raw := buf[:n:n]
					buf = buf[n:]
					return raw
				}
			}
			n, err := conn.Read(chunk)
			if err != nil {
				c.ended = !errors.Is(err, os.ErrDeadlineExceeded)
				return nil
			}
			if network == "udp" {
				return chunk[:n]
			}
			buf = append(buf, chunk[:n]...)
		}
	}
	return c
}

// heard is a message from the server, and its bytes.
type heard struct {
	*Message
	raw string
}

// next waits for a message; without one in five seconds the test fails.
func (c *src) next() heard {
	c.t.Helper()
	raw := c.recv(5 * time.Second)
	if raw == nil {
		c.t.Fatal("nothing came from the server")
	}
	m, _, err := ParseMessage(raw, true)
	if err != nil {
		c.t.Fatalf("%v in\n%s", err, raw)
	}
	return heard{m, string(raw)}
}

// response waits for a response other than 100 and other than to INVITE's
// repetitions, and checks its status.
func (c *src) response(status int) heard {
	c.t.Helper()
	for {
		h := c.next()
		if h.Status == 100 {
			continue
		}
		if h.Status != status {
			c.t.Fatalf("status %d, want %d:\n%s", h.Status, status, h.raw)
		}
		return h
	}
}

// asked waits for a request.
func (c *src) asked(method string) heard {
	c.t.Helper()
	h := c.next()
	if !h.Request || h.Method != method {
		c.t.Fatalf("want %s, got:\n%s", method, h.raw)
	}
	return h
}

// silent fails when anything comes within wait.
func (c *src) silent(wait time.Duration) {
	c.t.Helper()
	if raw := c.recv(wait); raw != nil {
		c.t.Fatalf("unexpected:\n%s", raw)
	}
}

// compose writes a request; extra headers come as lines, "Name: value".
func (c *src) compose(method string, contentType, body string, extra ...string) string {
	if method != "ACK" && method != "CANCEL" {
		c.cseq++
	}
	if method != "CANCEL" {
		c.before, c.last = c.last, "z9hG4bK"+token(12)
	}
	to := c.to
	if to == "" {
		to = "<sip:srs@siprecd.example>"
	}
	uri := c.target
	if uri == "" {
		uri = "sip:srs@siprecd.example"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s SIP/2.0\r\nVia: %s;branch=%s;rport\r\n", method, uri, c.via, c.last)
	fmt.Fprintf(&b, "From: \"SRC\" <sip:src@pbx.example>;tag=%s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %d %s\r\n", c.tag, to, c.callID, c.cseq, method)
	fmt.Fprintf(&b, "Max-Forwards: 70\r\nContact: %s\r\n", c.contact)
	for _, h := range extra {
		b.WriteString(h + "\r\n")
	}
	if body != "" {
		b.WriteString("Content-Type: " + contentType + "\r\n")
	}
	fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", len(body), body)
	return b.String()
}

func (c *src) write(raw string) { c.send([]byte(raw)) }

// request sends a request and waits for its final response.
func (c *src) request(status int, method, contentType, body string, extra ...string) heard {
	c.t.Helper()
	c.write(c.compose(method, contentType, body, extra...))
	for {
		h := c.reply(method)
		if h.Status == 100 {
			continue
		}
		if h.Status != status {
			c.t.Fatalf("status %d, want %d:\n%s", h.Status, status, h.raw)
		}
		return h
	}
}

// reply waits for a response to the request just sent; one to an earlier
// request, which a slow machine may bring again, is passed over.
func (c *src) reply(method string) heard {
	c.t.Helper()
	for {
		h := c.next()
		if h.Request {
			c.t.Fatalf("a response to %s is wanted, got:\n%s", method, h.raw)
		}
		if h.Method == method && h.CallID == c.callID && h.CSeq == uint32(c.cseq) {
			return h
		}
	}
}

// invite sends the usual INVITE and waits for the response.
func (c *src) invite(status int, extra ...string) heard {
	c.t.Helper()
	h := c.request(status, "INVITE", "multipart/mixed;boundary=b1", multipartBody, append([]string{"Require: siprec"}, extra...)...)
	c.enter(h)
	return h
}

// enter makes a 2xx the dialog.
func (c *src) enter(h heard) {
	if h.Status >= 200 && h.Status < 300 {
		c.to = h.header("To")
		c.target = parseAddress(h.header("Contact")).URI
	}
}

func (c *src) ack() { c.write(c.compose("ACK", "", "")) }

// absorb acknowledges the refusal of the INVITE just sent.
func (c *src) absorb() {
	raw := c.compose("ACK", "", "")
	c.write(strings.Replace(raw, c.last, c.before, 1))
	c.last = c.before
}

// start brings a whole RS up.
func (c *src) start(extra ...string) heard {
	c.t.Helper()
	h := c.invite(200, extra...)
	c.ack()
	return h
}

// answer replies to a request of the server.
func (c *src) answer(h heard, status int, contentType, body string, extra ...string) {
	var b strings.Builder
	fmt.Fprintf(&b, "SIP/2.0 %d Reply\r\n", status)
	for _, name := range []string{"Via", "From", "To", "Call-ID", "CSeq"} {
		for _, x := range h.headers {
			if strings.EqualFold(x.name, name) {
				b.WriteString(name + ": " + x.value + "\r\n")
			}
		}
	}
	b.WriteString("Contact: " + c.contact + "\r\n")
	for _, x := range extra {
		b.WriteString(x + "\r\n")
	}
	if body != "" {
		b.WriteString("Content-Type: " + contentType + "\r\n")
	}
	fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", len(body), body)
	c.write(b.String())
}

// end waits for the end of an RS and checks it.
func (s *served) end(t testing.TB, side, reason string) *EndError {
	t.Helper()
	select {
	case err := <-s.ends:
		e, ok := err.(*EndError)
		if !ok || e.Side != side || e.Reason != reason {
			t.Fatalf("ended by %v, want %s: %s", err, side, reason)
		}
		return e
	case <-time.After(5 * time.Second):
		t.Fatal("the session did not end")
	}
	return nil
}

func (s *served) offer(t testing.TB, method string) *Offer {
	t.Helper()
	select {
	case o := <-s.offers:
		if o.Method != method {
			t.Fatalf("offer by %s, want %s", o.Method, method)
		}
		return o
	case <-time.After(5 * time.Second):
		t.Fatalf("no offer by %s", method)
	}
	return nil
}

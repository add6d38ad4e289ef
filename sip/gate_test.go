package sip

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"
)

const plainOptions = "OPTIONS sip:srs@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bKa;rport\r\n" +
	"From: <sip:a@192.0.2.10>;tag=1\r\nTo: <sip:srs@192.0.2.1>\r\nCall-ID: c1\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"

// alter replaces the line that begins with name, or adds it.
func alter(raw, name, line string) string {
	i := strings.Index(raw, "\r\n"+name+":")
	if i < 0 {
		return strings.Replace(raw, "\r\n", "\r\n"+line+"\r\n", 1)
	}
	j := i + 2 + strings.Index(raw[i+2:], "\r\n")
	if line == "" {
		return raw[:i] + raw[j:]
	}
	return raw[:i+2] + line + raw[j:]
}

func TestH18_GateRefusals(t *testing.T) {
	many := func(n int, f func(int) string) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(f(i))
		}
		return strings.TrimSuffix(b.String(), "\r\n")
	}
	after := func(line string) string {
		return strings.Replace(plainOptions, "\r\nFrom:", "\r\n"+line+"\r\nFrom:", 1)
	}
	for name, row := range map[string]struct {
		raw    string
		status int // 0: accepted
	}{
		"as it should be":               {plainOptions, 0},
		"no To":                         {alter(plainOptions, "To", ""), 400},
		"no From":                       {alter(plainOptions, "From", ""), 400},
		"no Call-ID":                    {alter(plainOptions, "Call-ID", ""), 400},
		"no CSeq":                       {alter(plainOptions, "CSeq", ""), 400},
		"no Via":                        {alter(plainOptions, "Via", ""), 400},
		"two Call-IDs":                  {after("Call-ID: c2"), 400},
		"two From":                      {after("f: <sip:b@192.0.2.10>;tag=2"), 400},
		"two CSeq":                      {after("CSeq: 2 OPTIONS"), 400},
		"two Content-Length":            {after("l: 0"), 400},
		"Call-ID like a path":           {alter(plainOptions, "Call-ID", "Call-ID: ../../../../etc/cron.d/x"), 0},
		"Call-ID with NUL":              {alter(plainOptions, "Call-ID", "Call-ID: a\x00b"), 400},
		"Call-ID with an escaped NUL":   {alter(plainOptions, "Call-ID", "Call-ID: a\\\x00b"), 400},
		"an escaped BEL in a name":      {alter(plainOptions, "From", "From: \"BEL \\\x07\" <sip:a@192.0.2.10>;tag=1"), 0},
		"Call-ID of 60 kB":              {alter(plainOptions, "Call-ID", "Call-ID: "+strings.Repeat("x", 60_000)), 400},
		"Content-Length -1":             {alter(plainOptions, "Content-Length", "Content-Length: -1"), 400},
		"Content-Length 2^32-1":         {alter(plainOptions, "Content-Length", "Content-Length: 4294967295"), 513},
		"Content-Length 10^20":          {alter(plainOptions, "Content-Length", "Content-Length: 100000000000000000000"), 400},
		"Content-Length beyond the end": {alter(plainOptions, "Content-Length", "Content-Length: 10") + "abc", 400},
		"miscounted, last line whole":   {alter(plainOptions, "Content-Length", "Content-Length: 10") + "abc\r\n", 0},
		"no Content-Length":             {alter(plainOptions, "Content-Length", ""), 0},
		"CSeq 2^31":                     {alter(plainOptions, "CSeq", "CSeq: 2147483648 OPTIONS"), 400},
		"CSeq of another method":        {alter(plainOptions, "CSeq", "CSeq: 1 BYE"), 400},
		"SIP/7.0":                       {strings.Replace(plainOptions, "SIP/2.0", "SIP/7.0", 1), 505},
		"no request line":               {"hello\r\n\r\n", 400},
		"no empty line":                 {strings.TrimSuffix(plainOptions, "\r\n"), 400},
		"Max-Forwards in words":         {after("Max-Forwards: ten"), 400},
		"bare LF in the headers":        {strings.ReplaceAll(plainOptions, "\r\n", "\n"), 0},
		"bare CR":                       {after("X-A: b\rX-C: d"), 400},
		"a header without a colon":      {after("nonsense"), 400},
		"257 headers":                   {after(many(257, func(i int) string { return fmt.Sprintf("X-%d: y\r\n", i) })), 400},
		"1,500 Vias":                    {after("Via: " + strings.TrimSuffix(many(1500, func(int) string { return "SIP/2.0/UDP h;branch=b," }), ",")), 400},
		"1,000 Record-Routes":           {after("Record-Route: " + strings.TrimSuffix(many(1000, func(int) string { return "<sip:p;lr>," }), ",")), 400},
		"3,000 headers":                 {after(many(3000, func(i int) string { return fmt.Sprintf("X-%d: y\r\n", i) })), 400},
		"10,000 continuation lines":     {after("X-A: b\r\n" + many(10_000, func(int) string { return " c\r\n" })), 400},
		"parameters of 50 kB":           {alter(plainOptions, "From", "From: <sip:a@192.0.2.10>;tag=1"+many(12_000, func(int) string { return ";a=b" })), 0},
		"headers of 70 kB":              {after("X-A: " + strings.Repeat("y", 70_000)), 513},
		"Via port 99999":                {alter(plainOptions, "Via", "Via: SIP/2.0/UDP h:99999;branch=z9hG4bKa"), 400},
		"Via port 0":                    {alter(plainOptions, "Via", "Via: SIP/2.0/UDP h:0;branch=z9hG4bKa"), 400},
		"Via without branch":            {alter(plainOptions, "Via", "Via: SIP/2.0/UDP h"), 0},
		"invalid UTF-8":                 {after("Subject: \xb1\xe8\xc3\xb6\xbc\xf6"), 0},
	} {
		t.Run(name, func(t *testing.T) {
			var m *Message
			var n int
			var err error
			soon(t, 50*time.Millisecond, func() { m, n, err = ParseMessage([]byte(row.raw), true) })
			if got := gateStatus(err); got != row.status || (err == nil) != (row.status == 0) {
				t.Fatalf("%v, want status %d", err, row.status)
			}
			if err == nil && (n != len(row.raw) || m.Method != "OPTIONS" || m.CallID == "") {
				t.Errorf("took %d of %d bytes: %+v", n, len(row.raw), m)
			}
		})
	}
}

func TestH18_RefusalsAreAnswered(t *testing.T) {
	every(t, nil, func(t *testing.T, s *served, c *src) {
		c.write(strings.Replace(c.compose("OPTIONS", "", ""), "SIP/2.0\r\n", "SIP/7.0\r\n", 1))
		c.response(505)
		c.write(strings.Replace(c.compose("OPTIONS", "", ""), " OPTIONS\r\n", " BYE\r\n", 1))
		if h := c.next(); h.Status != 400 || h.CallID != c.callID {
			t.Error(h.raw)
		}
		c.request(200, "OPTIONS", "", "") // along the same connection
	})
}

func TestH18_ExtraBytesOfADatagram(t *testing.T) {
	s := listen(t, "udp", nil)
	c := s.dial(t)
	c.write(c.compose("INVITE", "application/sdp", offerSDP, "Require: siprec") + "trailing")
	c.response(200)
	if o := s.offer(t, "INVITE"); string(o.Raw) != offerSDP {
		t.Errorf("body %q", o.Raw)
	}
}

func TestH18_StreamSplitAnywhere(t *testing.T) {
	s := listen(t, "tcp", nil)
	c := s.dial(t)
	whole := c.compose("OPTIONS", "", "") + "\r\n" + c.compose("OPTIONS", "text/plain", "hello") + c.compose("OPTIONS", "", "")
	for i := range len(whole) {
		c.write(whole[i : i+1])
	}
	for want := uint32(1); want <= 3; want++ {
		if h := c.response(200); h.CSeq != want {
			t.Errorf("CSeq %d, want %d", h.CSeq, want)
		}
	}
	var many strings.Builder
	for range 100 {
		many.WriteString(c.compose("OPTIONS", "", ""))
	}
	c.write(many.String())
	for want := uint32(4); want <= 103; want++ {
		if h := c.response(200); h.CSeq != want {
			t.Fatalf("CSeq %d, want %d", h.CSeq, want)
		}
	}
	c.write(alter(c.compose("OPTIONS", "", ""), "Content-Length", ""))
	c.response(400)
	c.closed()
}

// closed waits until the server has closed the connection.
func (c *src) closed() {
	c.t.Helper()
	if raw := c.recv(5 * time.Second); raw != nil || !c.ended {
		c.t.Errorf("the connection is still open: %q", raw)
	}
}

func TestH20_Keepalives(t *testing.T) {
	s := listen(t, "tcp", nil)
	c := s.dial(t)
	c.request(200, "OPTIONS", "", "")
	c.write("\r\n\r\n")
	pong := make([]byte, 2)
	if _, err := io.ReadFull(c.raw, pong); err != nil || string(pong) != "\r\n" {
		t.Errorf("%q %v", pong, err)
	}
	c.request(200, "OPTIONS", "", "")
	for range 100 {
		c.raw.Write([]byte(strings.Repeat("\r\n", 5000)))
	}
	c.raw.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.Copy(io.Discard, c.raw); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("a flood of keepalives is suffered")
	}
	udp := listen(t, "udp", nil).dial(t)
	udp.write("\r\n\r\n")
	udp.request(200, "OPTIONS", "", "")
}

// A bare-LF head must not change the body that its Content-Length counts.
func TestBareLineFeedHead(t *testing.T) {
	s := listen(t, "udp", nil)
	c := s.dial(t)
	raw := c.compose("INVITE", "application/sdp", offerSDP, "Require: siprec")
	i := strings.Index(raw, "\r\n\r\n")
	c.write(strings.ReplaceAll(raw[:i+4], "\r\n", "\n") + raw[i+4:])
	c.response(200)
	o := s.offer(t, "INVITE")
	if string(o.Raw) != offerSDP || len(o.Notes) == 0 {
		t.Errorf("%q, notes %q", o.Raw, o.Notes)
	}
}

func TestParseMessageOfAStream(t *testing.T) {
	for i := range len(plainOptions) {
		if _, _, err := ParseMessage([]byte(plainOptions[:i]), false); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("%d bytes: %v", i, err)
		}
	}
	m, n, err := ParseMessage([]byte("\r\n\r\n"+plainOptions+plainOptions), false)
	if err != nil || n != 4+len(plainOptions) || m.RequestURI != "sip:srs@192.0.2.1" {
		t.Errorf("%d %v", n, err)
	}
}

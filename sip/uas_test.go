package sip

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestH01_UnknownMethods(t *testing.T) {
	every(t, nil, func(t *testing.T, s *served, c *src) {
		for _, method := range []string{"REGISTER", "SUBSCRIBE", "MESSAGE", "REFER", "NOTIFY", "PUBLISH", strings.Repeat("intmeth", 11)} {
			if h := c.request(405, method, "", ""); h.header("Allow") != allowed {
				t.Errorf("%s: Allow: %s", method, h.header("Allow"))
			}
		}
		c.start()
		if h := c.request(405, "REFER", "", "", "Refer-To: <sip:x@192.0.2.7>"); h.header("Allow") != allowed {
			t.Error("no Allow within the dialog")
		}
	})
}

func TestH02_RequestURIs(t *testing.T) {
	c := listen(t, "udp", nil).dial(t)
	for uri, status := range map[string]int{
		"sip:anyone@192.0.2.1": 200, "tel:+82318036000": 200, "sip:192.0.2.1;transport=udp": 200, "http://192.0.2.1/": 416, "urn:service:sos": 416,
	} {
		c.target = uri
		c.request(status, "OPTIONS", "", "")
	}
}

func TestH03_MergedRequest(t *testing.T) {
	s := listen(t, "udp", nil)
	c := s.dial(t)
	raw := c.compose("INVITE", "application/sdp", offerSDP, "Require: siprec")
	c.write(raw)
	c.enter(c.response(200))
	c.ack()
	c.write(strings.Replace(raw, c.via+";branch=z9hG4bK", c.via+";branch=z9hG4bKother", 1))
	c.response(482)
	s.offer(t, "INVITE")
	if len(s.live) != 1 {
		t.Error("a merged request opened another session")
	}
}

func TestH04_EncodedBody(t *testing.T) {
	c := listen(t, "udp", nil).dial(t)
	h := c.request(415, "INVITE", "application/sdp", offerSDP, "Require: siprec", "Content-Encoding: gzip")
	if h.header("Accept") == "" || h.header("Accept-Encoding") == "" {
		t.Error(h.raw)
	}
}

func TestH05_TagsAndVias(t *testing.T) {
	s := listen(t, "udp", nil)
	c := s.dial(t)
	raw := c.compose("INVITE", "application/sdp", offerSDP, "Via: SIP/2.0/TCP 192.0.2.8;branch=z9hG4bKa, SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKb", "Require: siprec")
	c.write(raw)
	first := c.response(200)
	c.write(raw)
	if again := c.response(200); again.raw != first.raw {
		t.Errorf("the repeated request was answered differently:\n%s", again.raw)
	}
	vias := first.list("Via")
	if len(vias) != 3 || vias[1] != "SIP/2.0/TCP 192.0.2.8;branch=z9hG4bKa" || vias[2] != "SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKb" {
		t.Errorf("Via: %q", vias)
	}
	if first.ToTag == "" {
		t.Error("no To tag")
	}
}

func holdFirst(s *served) {
	s.Handler = func(ctx context.Context, rs *Session) error {
		s.live <- rs
		<-ctx.Done()
		s.ends <- context.Cause(ctx)
		return nil
	}
}

func TestH06_Cancel(t *testing.T) {
	every(t, holdFirst, func(t *testing.T, s *served, c *src) {
		c.write(c.compose("INVITE", "application/sdp", offerSDP, "Require: siprec"))
		<-s.live
		c.write(c.compose("CANCEL", "", "", `Reason: SIP;cause=200;text="answered elsewhere"`))
		got := map[string]int{}
		for range 2 {
			h := c.next()
			if h.Status == 100 {
				h = c.next()
			}
			got[h.Method] = h.Status
		}
		if got["CANCEL"] != 200 || got["INVITE"] != 487 {
			t.Errorf("answers %v", got)
		}
		if e := s.end(t, "src", "cancel"); !strings.Contains(e.Header, "answered elsewhere") {
			t.Errorf("Reason %q", e.Header)
		}
	})
	t.Run("after the 200", func(t *testing.T) {
		s := listen(t, "udp", nil)
		c := s.dial(t)
		c.invite(200)
		c.write(c.compose("CANCEL", "", ""))
		c.response(200)
		c.ack()
		c.request(200, "OPTIONS", "", "")
		if len(s.ends) != 0 {
			t.Error("a late CANCEL ended the session")
		}
	})
	t.Run("of nothing", func(t *testing.T) {
		c := listen(t, "udp", nil).dial(t)
		c.last = "z9hG4bKnothing"
		c.request(481, "CANCEL", "", "")
	})
}

func TestH07_Options(t *testing.T) {
	var busy atomic.Bool
	s := listen(t, "udp", func(s *served) {
		s.Busy = func() (time.Duration, bool) { return 7 * time.Second, busy.Load() }
	})
	c := s.dial(t)
	h := c.request(200, "OPTIONS", "", "")
	for _, name := range []string{"Allow", "Accept", "Supported", "Contact"} {
		if !h.has(name) {
			t.Errorf("no %s", name)
		}
	}
	for _, leak := range []string{"Server", "User-Agent"} {
		if h.has(leak) {
			t.Errorf("%s names the software", leak)
		}
	}
	c.callID = "call-" + token(8)
	c.start()
	c.request(200, "OPTIONS", "", "")
	busy.Store(true)
	out := s.dial(t)
	if h := out.request(503, "OPTIONS", "", ""); h.header("Retry-After") != "7" {
		t.Error(h.raw)
	}
	if h := out.request(503, "INVITE", "application/sdp", offerSDP, "Require: siprec"); h.header("Retry-After") != "7" {
		t.Error(h.raw)
	}
	c.request(200, "OPTIONS", "", "") // live sessions are left alone
	busy.Store(false)
	s.Drain()
	out.request(503, "OPTIONS", "", "")
	c.request(200, "BYE", "", "")
}

func TestH08_RecordRouteLooseAndStrict(t *testing.T) {
	for name, row := range map[string]struct{ routes, wantRoute, wantURI string }{
		"loose":  {"<sip:p1.example;lr;r2=on>, <sip:192.0.2.9:5070;lr>", "<sip:p1.example;lr;r2=on>|<sip:192.0.2.9:5070;lr>", "target"},
		"strict": {"<sip:p1.example>, <sip:p2.example;lr>", "<sip:p2.example;lr>|<target>", "sip:p1.example"},
	} {
		t.Run(name, func(t *testing.T) {
			s := listen(t, "udp", nil)
			c := s.dial(t)
			h := c.start("Record-Route: " + row.routes)
			if got := strings.Join(h.list("Record-Route"), ", "); got != row.routes {
				t.Errorf("Record-Route: %s", got)
			}
			target := parseAddress(c.contact).URI
			ask := snapshot(t, s, c)
			if got := strings.Join(ask.list("Route"), "|"); got != strings.ReplaceAll(row.wantRoute, "target", target) {
				t.Errorf("Route: %s", got)
			}
			if want := strings.ReplaceAll(row.wantURI, "target", target); ask.RequestURI != want {
				t.Errorf("Request-URI %s, want %s", ask.RequestURI, want)
			}
		})
	}
}

// snapshot makes the server send its UPDATE and answers it.
func snapshot(t *testing.T, s *served, c *src) heard {
	t.Helper()
	rs := <-s.live
	s.live <- rs
	done := make(chan error, 1)
	go func() { done <- rs.RequestSnapshot(t.Context(), "") }()
	ask := c.asked("UPDATE")
	c.answer(ask, 200, "", "")
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return ask
}

func TestH09_CSeqAndTargetRefresh(t *testing.T) {
	s := listen(t, "udp", nil)
	c := s.dial(t)
	c.start()
	c.cseq += 10 // gaps are allowed
	old := c.contact
	c.contact = strings.Replace(old, "sip:src@", "sip:moved@", 1)
	c.request(200, "UPDATE", "", "")
	one := snapshot(t, s, c)
	if one.RequestURI != parseAddress(c.contact).URI {
		t.Errorf("request went to %s", one.RequestURI)
	}
	c.cseq -= 5
	c.request(500, "UPDATE", "", "")
	c.cseq += 5
	c.request(200, "OPTIONS", "", "")
}

func TestH10_NoDialogIs481(t *testing.T) {
	every(t, nil, func(t *testing.T, s *served, c *src) {
		c.to = "<sip:srs@siprecd.example>;tag=before-the-restart"
		for _, method := range []string{"BYE", "INVITE", "UPDATE", "INFO", "OPTIONS", "PRACK"} {
			c.request(481, method, "", "")
		}
		c.ack()
		c.to = ""
		for _, method := range []string{"BYE", "UPDATE", "INFO"} {
			c.request(481, method, "", "")
		}
	})
}

func TestH12_RepeatedInviteIsOneSession(t *testing.T) {
	s := listen(t, "udp", nil)
	c := s.dial(t)
	raw := c.compose("INVITE", "application/sdp", offerSDP, "Require: siprec")
	c.write(raw)
	c.enter(c.response(200))
	for range 3 {
		c.write(raw)
		c.response(200)
	}
	c.ack()
	c.write(raw) // after the ACK too (RFC 6026)
	c.response(200)
	s.offer(t, "INVITE")
	if len(s.live) != 1 || len(s.offers) != 0 {
		t.Errorf("%d sessions, %d offers more", len(s.live), len(s.offers))
	}
}

func TestH12_RefusalUntilAck(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, s *served, c *src) {
		c.contact = "<sip:alice@192.0.2.10>"
		begin := time.Now()
		c.write(c.compose("INVITE", "application/sdp", offerSDP))
		var at []time.Duration
		for range 4 {
			c.response(403)
			at = append(at, time.Since(begin))
		}
		if got := fmt.Sprint(at); got != "[0s 500ms 1.5s 3.5s]" {
			t.Errorf("sent at %s", got)
		}
		c.absorb()
		c.silent(time.Minute)
	})
}

func TestH13_OldBranches(t *testing.T) {
	s := listen(t, "udp", nil)
	c := s.dial(t)
	old := func(raw string) string {
		i := strings.Index(raw, ";branch=")
		j := strings.Index(raw[i:], ";rport")
		return raw[:i] + raw[i+j:]
	}
	raw := old(c.compose("INVITE", "application/sdp", offerSDP, "Require: siprec"))
	c.write(raw)
	c.enter(c.response(200))
	c.write(raw)
	c.response(200)
	c.write(old(c.compose("ACK", "", "")))
	c.write(old(c.compose("BYE", "", "")))
	c.response(200)
	s.end(t, "src", "bye")
	if len(s.live) != 1 {
		t.Errorf("%d sessions", len(s.live))
	}
}

func TestH16_Bye(t *testing.T) {
	every(t, nil, func(t *testing.T, s *served, c *src) {
		c.start()
		c.request(200, "BYE", "", "", `Reason: Q.850;cause=16`)
		if e := s.end(t, "src", "bye"); e.Header != "Q.850;cause=16" {
			t.Errorf("Reason %q", e.Header)
		}
		c.request(481, "BYE", "", "")
	})
}

func TestH17_ReceivedAndRport(t *testing.T) {
	s := listen(t, "udp", nil)
	c := s.dial(t)
	own := strings.TrimPrefix(c.via, "SIP/2.0/UDP ")
	host, port, _ := net.SplitHostPort(own)
	c.via = "SIP/2.0/UDP pbx.example:5090"
	top := c.request(200, "OPTIONS", "", "").list("Via")[0]
	v, _ := parseVia(top)
	if v.params["received"] != host || v.params["rport"] != port || v.host != "pbx.example" {
		t.Errorf("Via: %s", top)
	}
	// Without rport the answer goes to the Via's port, of the packet's address.
	if to := replyAddress(&Message{headers: []header{{"Via", "SIP/2.0/UDP 203.0.113.5:5090;branch=z9hG4bKx"}}}, netip.MustParseAddrPort("192.0.2.10:1024")); to.String() != "192.0.2.10:5090" {
		t.Errorf("reply to %v", to)
	}
}

func TestH19_ConnectionReopened(t *testing.T) {
	s := listen(t, "tcp", nil)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	c := s.dial(t)
	c.contact = "<sip:src@" + ln.Addr().String() + ";transport=tcp>;+sip.src"
	c.start()
	ask := snapshot(t, s, c) // along the SRC's own connection, not to its Contact
	if ask.RequestURI != parseAddress(c.contact).URI {
		t.Error(ask.RequestURI)
	}
	rs := <-s.live
	c.raw.Close()
	accepted := make(chan net.Conn, 1)
	go func() {
		conn, _ := ln.Accept()
		accepted <- conn
	}()
	go rs.Redirect(context.Background(), answerTo(&Offer{}))
	conn := <-accepted
	defer conn.Close()
	fresh := newSRC(t, conn, "tcp")
	fresh.contact, fresh.callID, fresh.tag = c.contact, c.callID, c.tag
	h := fresh.asked("INVITE")
	fresh.answer(h, 200, "application/sdp", offerSDP)
	fresh.asked("ACK")
}

func TestH22_TortuousHeaders(t *testing.T) {
	s := listen(t, "udp", nil)
	c := s.dial(t)
	raw := fmt.Sprintf("INVITE sip:srs@[2001:db8::1] SIP/2.0\r\nv: %s;branch=z9hG4bK%s;rport\r\n"+
		"f: sip:2001@pbx.example;tag=%s\r\nTO :\r\n \"\xea\xb9\x80 \\\"x\\\" , <y>\"\r\n\t<sip:srs@siprecd.example>\r\n"+
		"i: %s\r\ncSeQ:\t7   INVITE\r\nX-Unknown: a, \"b\", <c>\r\nm: <sip:src@192.0.2.10;+sip.src>\r\nk: timer, replaces\r\n"+
		"c: application/sdp\r\nl: %d\r\n\r\n%s", c.via, token(9), c.tag, c.callID, len(offerSDP), offerSDP)
	c.write(raw)
	c.response(200)
	info := (<-s.live).Info()
	if info.From.User != "2001" || info.To.Display != "\uae40 \"x\" , <y>" || info.To.User != "srs" || info.Correlation["X-Unknown"] == "" {
		t.Errorf("%+v", info)
	}
}

func TestH24_MaxForwardsZero(t *testing.T) {
	c := listen(t, "udp", nil).dial(t)
	c.write(strings.Replace(c.compose("OPTIONS", "", ""), "Max-Forwards: 70", "Max-Forwards: 0", 1))
	c.response(200)
	c.write(strings.Replace(c.compose("OPTIONS", "", ""), "Max-Forwards: 70", "Max-Forwards: many", 1))
	c.response(400)
}

func TestH27_SessionID(t *testing.T) {
	s := listen(t, "udp", nil)
	c := s.dial(t)
	const theirs = "ab30317f1a784dc48ff824d0d3715d86"
	h := c.start("Session-ID: " + theirs + ";remote=00000000000000000000000000000000")
	ours, rest, _ := strings.Cut(h.header("Session-ID"), ";")
	if len(ours) != 32 || rest != "remote="+theirs {
		t.Errorf("Session-ID: %s", h.header("Session-ID"))
	}
	if got := snapshot(t, s, c).header("Session-ID"); got != ours+";remote="+theirs {
		t.Errorf("Session-ID of our request: %s", got)
	}
}

// No RS gives up its place for another, or is joined by it.
func TestNobodyTakesOverASession(t *testing.T) {
	s := listen(t, "udp", nil)
	c, other := s.dial(t), s.dial(t)
	c.start()
	tags := ";to-tag=" + parseAddress(c.to).Params["tag"] + ";from-tag=" + c.tag
	for _, name := range []string{"Replaces", "Join"} {
		other.request(603, "INVITE", "application/sdp", offerSDP, "Require: siprec", name+": "+c.callID+tags)
		other.absorb()
		other.request(481, "INVITE", "application/sdp", offerSDP, "Require: siprec", name+": "+c.callID+";to-tag=forged;from-tag="+c.tag)
		other.absorb()
	}
	c.request(200, "UPDATE", "", "")
	if len(s.live) != 1 || len(s.ends) != 0 {
		t.Errorf("%d sessions, %d ended", len(s.live), len(s.ends))
	}
}

// What reaches a dialog in its last moment is answered, though nobody reads its
// mailbox any more: over TCP it would not come again.
func TestRequestsTooLateForADialogAreAnswered(t *testing.T) {
	s := listen(t, "tcp", nil)
	c := s.dial(t)
	key := dialogKey{c.callID, "ours", c.tag}
	d := &Session{inbox: make(chan any, inboxSize)}
	s.state.mu.Lock()
	s.state.dialogs[key] = d
	s.state.mu.Unlock()
	c.to = "<sip:srs@siprecd.example>;tag=ours"
	c.write(c.compose("BYE", "", "") + c.compose("ACK", "", ""))
	first, second := <-d.inbox, <-d.inbox
	d.inbox <- first
	d.inbox <- second
	s.state.bury(key, &serverTx{})
	c.response(481)
	c.request(481, "BYE", "", "")
}

// A mailbox that is full loses messages, as the network does, and no more.
func TestMailboxThatIsFull(t *testing.T) {
	s := listen(t, "udp", nil)
	c := s.dial(t)
	key := dialogKey{c.callID, "ours", c.tag}
	d := &Session{inbox: make(chan any)} // nobody reads it
	s.state.mu.Lock()
	s.state.dialogs[key] = d
	s.state.mu.Unlock()
	c.to = "<sip:srs@siprecd.example>;tag=ours"
	late := c.compose("BYE", "", "")
	c.write(late)
	c.ack()
	other := s.dial(t)
	other.request(200, "OPTIONS", "", "")
	s.state.bury(key, &serverTx{})
	c.write(late) // its repetition is a new request
	c.response(481)
}

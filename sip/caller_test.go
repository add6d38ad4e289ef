package sip

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func newCaller(t *testing.T, c *Caller) *Caller {
	t.Helper()
	if c.T1 == 0 {
		c.T1 = 100 * time.Millisecond
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func twoLines() []Line {
	addr := netip.MustParseAddr("192.0.2.1")
	return []Line{{Label: "1", Addr: netip.AddrPortFrom(addr, 30000)}, {Label: "2", Addr: netip.AddrPortFrom(addr, 30002)}}
}

type invited struct {
	o   *Outgoing
	err error
}

func inviteAsync(ctx context.Context, c *Caller, inv Invitation) <-chan invited {
	result := make(chan invited, 1)
	go func() {
		o, err := c.Invite(ctx, inv)
		result <- invited{o, err}
	}()
	return result
}

// establish opens an RS with two lines and returns it with its INVITE.
func establish(t *testing.T, s *script, c *Caller, inv Invitation) (*Outgoing, arrival) {
	t.Helper()
	inv.Target = "sip:rec@" + s.addr
	if inv.Lines == nil {
		inv.Lines = twoLines()
	}
	if inv.Metadata == nil {
		inv.Metadata = []byte("<recording/>")
	}
	result := inviteAsync(t.Context(), c, inv)
	h := s.next("INVITE", 0)
	s.reply(h, 200, "application/sdp", scriptedSDP)
	ack := s.next("ACK", 0)
	if ack.m.ToTag != "srs" || ack.m.CSeq != h.m.CSeq || topBranch(ack.m) == topBranch(h.m) {
		t.Fatalf("the ACK is not that of the 2xx:\n%s", ack.m.bytes())
	}
	got := <-result
	if got.err != nil {
		t.Fatal(got.err)
	}
	return got.o, h
}

// answered runs a request of the Caller and answers it.
func answered(t *testing.T, s *script, method string, status int, contentType, body string, run func() error) arrival {
	t.Helper()
	result := make(chan error, 1)
	go func() { result <- run() }()
	h := s.next(method, 0)
	s.reply(h, status, contentType, body)
	if method == "INVITE" {
		s.next("ACK", 0)
	}
	if err := <-result; err != nil && status < 300 {
		t.Fatalf("%s: %v", method, err)
	} else if err == nil && status >= 300 {
		t.Fatalf("%s: %d was no error", method, status)
	}
	return h
}

func TestCallerOpensAndEndsARecordingSession(t *testing.T) {
	for _, where := range []struct{ network, host string }{{"udp", "127.0.0.1"}, {"tcp", "127.0.0.1"}, {"tls", "127.0.0.1"}, {"udp", "::1"}, {"tcp", "::1"}} {
		t.Run(where.network+" "+where.host, func(t *testing.T) {
			s := newScript(t, where.network, where.host)
			c := newCaller(t, &Caller{Transport: where.network, TLS: &tls.Config{InsecureSkipVerify: true}})
			o, h := establish(t, s, c, Invitation{From: "2001", Headers: []Header{{"X-Trunk", "a"}}})
			contact := parseAddress(h.m.header("Contact"))
			if _, ok := contact.Params["+sip.src"]; !ok || h.m.header("Require") != "siprec" || h.m.header("X-Trunk") != "a" {
				t.Errorf("not an SRC's INVITE:\n%s", h.m.bytes())
			}
			body, err := h.m.content()
			if err != nil || body.media == nil || len(body.media.Lines) != 2 || len(body.metadata) != 1 {
				t.Fatalf("the body: %+v, %v", body, err)
			}
			if l := body.media.Lines[1]; l.Label != "2" || l.Direction != SendOnly || l.Addr.String() != "192.0.2.1:30002" {
				t.Errorf("second line: %+v", l)
			}
			if string(body.metadata[0].Body) != "<recording/>" || body.metadata[0].Type != metadataType {
				t.Errorf("metadata: %q %q", body.metadata[0].Type, body.metadata[0].Body)
			}
			lines := o.Lines()
			if len(lines) != 2 || lines[0].To.String() != "192.0.2.9:40000" || !lines[1].Sending {
				t.Errorf("lines: %+v", lines)
			}
			if codec, _ := lines[0].Audio(); codec.Name != "PCMU" {
				t.Errorf("audio: %+v", codec)
			}
			if event, ok := lines[0].Events(); !ok || event.Payload != 101 {
				t.Errorf("events: %+v", event)
			}
			bye := answered(t, s, "BYE", 200, "", "", func() error { return o.Bye(t.Context(), []byte("<end/>")) })
			if string(bye.m.Body) != "<end/>" || bye.m.RequestURI != "sip:srs@"+s.addr || bye.m.CSeq != h.m.CSeq+1 {
				t.Errorf("BYE:\n%s", bye.m.bytes())
			}
			<-o.Done()
			var end *EndError
			if !errors.As(o.Err(), &end) || end.Side != "src" || end.Reason != "bye" {
				t.Errorf("the end: %v", o.Err())
			}
		})
	}
}

func TestCallerChangesTheSession(t *testing.T) {
	s := newScript(t, "udp", "127.0.0.1")
	o, _ := establish(t, s, newCaller(t, &Caller{}), Invitation{})

	paused := twoLines()
	paused[0].Direction, paused[1].Direction = Inactive, Inactive
	h := answered(t, s, "INVITE", 200, "application/sdp", scriptedDirection("inactive"), func() error {
		return o.Reinvite(t.Context(), Change{Lines: paused})
	})
	if !bytes.Contains(h.m.Body, []byte("a=inactive")) || h.m.has("Require") || h.m.ContentType != "application/sdp" {
		t.Errorf("pause:\n%s", h.m.bytes())
	}
	if o.Lines()[0].Sending {
		t.Error("still sending after inactive")
	}

	closed := twoLines()
	closed[0].Addr = netip.AddrPortFrom(closed[0].Addr.Addr(), 0)
	h = answered(t, s, "UPDATE", 200, "application/sdp", strings.Replace(scriptedSDP, "40000", "0", 1), func() error {
		return o.Update(t.Context(), Change{Lines: closed, Metadata: []byte("<m/>")})
	})
	if !bytes.Contains(h.m.Body, []byte("m=audio 0 ")) || !bytes.Contains(h.m.Body, []byte("<m/>")) {
		t.Errorf("closing a line:\n%s", h.m.Body)
	}
	if l := o.Lines(); l[0].To.IsValid() || l[0].Sending || !l[1].Sending {
		t.Errorf("lines: %+v", l)
	}

	h = answered(t, s, "UPDATE", 200, "", "", func() error { return o.Update(t.Context(), Change{Metadata: []byte("<n/>")}) })
	if h.m.ContentType != metadataType || h.m.header("Content-Disposition") != "recording-session" || string(h.m.Body) != "<n/>" {
		t.Errorf("metadata alone:\n%s", h.m.bytes())
	}
	h = answered(t, s, "INFO", 200, "", "", func() error { return o.Press(t.Context(), '*', 160*time.Millisecond) })
	if string(h.m.Body) != "Signal=*\r\nDuration=160\r\n" || h.m.ContentType != "application/dtmf-relay" {
		t.Errorf("INFO:\n%s", h.m.bytes())
	}
	answered(t, s, "OPTIONS", 200, "", "", func() error { return o.Options(t.Context()) })
	answered(t, s, "UPDATE", 488, "", "", func() error { return o.Update(t.Context(), Change{Lines: twoLines()}) })
	if o.Err() != nil {
		t.Error("a refused change ended the RS")
	}
}

func TestCallerAnswersTheSRS(t *testing.T) {
	s := newScript(t, "udp", "127.0.0.1")
	changes := make(chan []OutgoingLine, 4)
	o, invite := establish(t, s, newCaller(t, &Caller{}), Invitation{
		Snapshot: func() []byte { return []byte("<complete/>") },
		OnChange: func(l []OutgoingLine) { changes <- l },
	})
	reinvite := s.request(invite, "INVITE", "1", "application/sdp", scriptedDirection("inactive"))
	for range 2 { // the second is a repetition: the same response, no second change
		invite.write(reinvite)
		r := s.next("INVITE", 200)
		d, err := r.m.Description()
		if err != nil || d.Lines[0].Direction != Inactive || d.Lines[1].Direction != Inactive {
			t.Fatalf("answer: %+v, %v", d, err)
		}
	}
	if l := <-changes; l[0].Sending || len(changes) != 0 {
		t.Errorf("change: %+v", l)
	}
	invite.write(s.request(invite, "ACK", "1", "", ""))
	invite.write(s.request(invite, "INVITE", "2", "application/sdp", scriptedDirection("recvonly")))
	if d, err := s.next("INVITE", 200).m.Description(); err != nil || d.Lines[0].Direction != SendOnly {
		t.Fatalf("answer: %+v, %v", d, err)
	}
	if l := <-changes; !l[0].Sending {
		t.Errorf("change: %+v", l)
	}

	invite.write(s.request(invite, "UPDATE", "3", metadataType, "<requestsnapshot/>"))
	s.next("UPDATE", 200)
	h := s.next("UPDATE", 0)
	if string(h.m.Body) != "<complete/>" {
		t.Errorf("snapshot: %s", h.m.Body)
	}
	s.reply(h, 200, "", "")

	invite.write(s.request(invite, "INVITE", "4", "", "")) // without an offer
	if d, err := s.next("INVITE", 200).m.Description(); err != nil || d == nil || len(d.Lines) != 2 {
		t.Fatalf("our offer: %+v, %v", d, err)
	}
	invite.write(s.request(invite, "ACK", "4", "application/sdp", scriptedDirection("inactive")))
	if l := <-changes; l[0].Sending {
		t.Errorf("change: %+v", l)
	}

	invite.write(s.request(invite, "UPDATE", "2", "", ""))
	s.next("UPDATE", 500)
	invite.write(s.request(invite, "PUBLISH", "5", "", ""))
	s.next("PUBLISH", 405)
	invite.write(s.request(invite, "BYE", "6", "", "", header{"Reason", `SIP;cause=480;text="disk full"`}))
	s.next("BYE", 200)
	<-o.Done()
	var end *EndError
	if !errors.As(o.Err(), &end) || end.Side != "srs" || end.Reason != "disk full" {
		t.Errorf("the end: %v", o.Err())
	}
	invite.write(s.request(invite, "BYE", "7", "", ""))
	s.next("BYE", 481)
	if err := o.Update(t.Context(), Change{}); !errors.As(err, &end) {
		t.Errorf("a request after the end: %v", err)
	}
}

func TestCallerIsRefused(t *testing.T) {
	s := newScript(t, "udp", "127.0.0.1")
	c := newCaller(t, &Caller{})
	result := inviteAsync(t.Context(), c, Invitation{Target: "sip:" + s.addr, Lines: twoLines()})
	h := s.next("INVITE", 0)
	s.reply(h, 100, "", "")
	s.reply(h, 503, "", "", header{"Retry-After", "12"})
	ack := s.next("ACK", 0)
	if topBranch(ack.m) != topBranch(h.m) || ack.m.ToTag != "srs" {
		t.Errorf("ACK:\n%s", ack.m.bytes())
	}
	s.reply(h, 503, "", "")
	s.next("ACK", 0) // again for the repeated response
	var refused *StatusError
	if got := <-result; !errors.As(got.err, &refused) || refused.Status != 503 || refused.RetryAfter != 12*time.Second {
		t.Errorf("error: %v", got.err)
	}
}

func TestCallerRepeats(t *testing.T) {
	s := newScript(t, "udp", "127.0.0.1")
	c := newCaller(t, &Caller{T1: 50 * time.Millisecond})
	result := inviteAsync(t.Context(), c, Invitation{Target: "sip:" + s.addr, Lines: twoLines()})
	first, second := s.next("INVITE", 0), s.next("INVITE", 0)
	if !bytes.Equal(first.m.bytes(), second.m.bytes()) {
		t.Error("the repetition differs")
	}
	s.reply(second, 200, "application/sdp", scriptedSDP)
	ack := s.next("ACK", 0)
	s.reply(second, 200, "application/sdp", scriptedSDP)
	if again := s.next("ACK", 0); !bytes.Equal(again.m.bytes(), ack.m.bytes()) {
		t.Error("the repeated ACK differs")
	}
	if got := <-result; got.err != nil {
		t.Error(got.err)
	}
}

func TestCallerGivesUp(t *testing.T) {
	s := newScript(t, "udp", "127.0.0.1")
	c := newCaller(t, &Caller{T1: 2 * time.Millisecond})
	if err := c.Options(t.Context(), "sip:"+s.addr); !errors.Is(err, ErrNoResponse) {
		t.Errorf("error: %v", err)
	}
	if _, err := c.Invite(t.Context(), Invitation{Target: "sip:" + s.addr, Lines: twoLines()}); !errors.Is(err, ErrNoResponse) {
		t.Errorf("error: %v", err)
	}
	for _, target := range []string{"", "tel:123", "sip:", "sip:h:99999"} {
		if err := c.Options(t.Context(), target); err == nil || errors.Is(err, ErrNoResponse) {
			t.Errorf("%q: %v", target, err)
		}
	}
}

func TestCallerCancels(t *testing.T) {
	s := newScript(t, "udp", "127.0.0.1")
	c := newCaller(t, &Caller{})
	why := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	result := inviteAsync(ctx, c, Invitation{Target: "sip:" + s.addr, Lines: twoLines()})
	h := s.next("INVITE", 0)
	s.reply(h, 100, "", "")
	cancel(why)
	stop := s.next("CANCEL", 0)
	if topBranch(stop.m) != topBranch(h.m) || stop.m.CSeq != h.m.CSeq || stop.m.RequestURI != h.m.RequestURI {
		t.Errorf("CANCEL:\n%s", stop.m.bytes())
	}
	s.reply(stop, 200, "", "")
	s.reply(h, 487, "", "")
	s.next("ACK", 0)
	if got := <-result; !errors.Is(got.err, why) {
		t.Errorf("error: %v", got.err)
	}
}

// A 200 that crosses the CANCEL opens the RS: it is ended at once.
func TestCallerCancelledTooLate(t *testing.T) {
	s := newScript(t, "udp", "127.0.0.1")
	c := newCaller(t, &Caller{})
	ctx, cancel := context.WithCancel(t.Context())
	result := inviteAsync(ctx, c, Invitation{Target: "sip:" + s.addr, Lines: twoLines()})
	h := s.next("INVITE", 0)
	s.reply(h, 100, "", "")
	cancel()
	s.reply(s.next("CANCEL", 0), 200, "", "")
	s.reply(h, 200, "application/sdp", scriptedSDP)
	s.next("ACK", 0)
	s.reply(s.next("BYE", 0), 200, "", "")
	if got := <-result; !errors.Is(got.err, context.Canceled) {
		t.Errorf("error: %v", got.err)
	}
}

func TestCallerFollowsRoutes(t *testing.T) {
	s := newScript(t, "udp", "127.0.0.1")
	c := newCaller(t, &Caller{})
	result := inviteAsync(t.Context(), c, Invitation{Target: "sip:" + s.addr, Lines: twoLines()})
	h := s.next("INVITE", 0)
	near, far := "<sip:"+s.addr+";lr;near>", "<sip:192.0.2.77;lr>"
	s.reply(h, 200, "application/sdp", scriptedSDP, header{"Record-Route", far}, header{"Record-Route", near})
	ack := s.next("ACK", 0)
	if got := strings.Join(ack.m.list("Route"), " "); got != near+" "+far || ack.m.RequestURI != "sip:srs@"+s.addr {
		t.Errorf("ACK %s by %s", ack.m.RequestURI, got)
	}
	got := <-result
	answered(t, s, "BYE", 200, "", "", func() error { return got.o.Bye(t.Context(), nil) })
}

func TestCallerOfferless(t *testing.T) {
	s := newScript(t, "udp", "127.0.0.1")
	c := newCaller(t, &Caller{})
	result := inviteAsync(t.Context(), c, Invitation{Target: "sip:" + s.addr, Lines: twoLines(), Offerless: true, Metadata: []byte("<m/>")})
	h := s.next("INVITE", 0)
	if d, err := h.m.Description(); err != nil || d != nil {
		t.Fatalf("an offer: %+v, %v", d, err)
	}
	s.reply(h, 200, "application/sdp", scriptedSDP)
	ack := s.next("ACK", 0)
	d, err := ack.m.Description()
	if err != nil || d == nil || len(d.Lines) != 2 || d.Lines[0].Direction != SendOnly || d.Lines[1].Label != "2" {
		t.Fatalf("the answer: %+v, %v", d, err)
	}
	if got := <-result; got.err != nil || !got.o.Lines()[1].Sending {
		t.Errorf("%+v", got)
	}
}

func TestCallerAuthenticates(t *testing.T) {
	s := newScript(t, "udp", "127.0.0.1")
	c := newCaller(t, &Caller{User: "pbx", Password: "secret"})
	result := inviteAsync(t.Context(), c, Invitation{Target: "sip:" + s.addr, Lines: twoLines()})
	h := s.next("INVITE", 0)
	s.reply(h, 401, "", "", header{"WWW-Authenticate", `Digest realm="srs", nonce="abc", qop="auth", algorithm=SHA-256`})
	s.next("ACK", 0)
	second := s.next("INVITE", 0)
	if a := second.m.header("Authorization"); !strings.Contains(a, `username="pbx"`) || !strings.Contains(a, "SHA-256") || second.m.CSeq != h.m.CSeq+1 {
		t.Errorf("Authorization: %s", a)
	}
	s.reply(second, 200, "application/sdp", scriptedSDP)
	s.next("ACK", 0)
	if got := <-result; got.err != nil {
		t.Error(got.err)
	}
}

func TestCallerRefreshesTheSession(t *testing.T) {
	s := newScript(t, "udp", "127.0.0.1")
	c := newCaller(t, &Caller{})
	result := inviteAsync(t.Context(), c, Invitation{Target: "sip:" + s.addr, Lines: twoLines(), SessionExpires: 90 * time.Second})
	h := s.next("INVITE", 0)
	if h.m.header("Session-Expires") != "90" || h.m.header("Supported") != "timer" {
		t.Errorf("INVITE:\n%s", h.m.bytes())
	}
	s.reply(h, 200, "application/sdp", scriptedSDP, header{"Session-Expires", "2;refresher=uac"})
	s.next("ACK", 0)
	refresh := s.next("UPDATE", 0)
	if len(refresh.m.Body) > 0 || refresh.m.header("Session-Expires") != "90" {
		t.Errorf("refresh:\n%s", refresh.m.bytes())
	}
	// From here on the SRS refreshes.
	s.reply(refresh, 200, "", "", header{"Session-Expires", "2;refresher=uas"})
	s.silent(2200 * time.Millisecond)
	got := <-result
	h.write(s.request(h, "UPDATE", "1", "", "", header{"Session-Expires", "90;refresher=uac"}))
	if r := s.next("UPDATE", 200); r.m.header("Session-Expires") != "90;refresher=uac" || r.m.header("Require") != "timer" || got.o.Err() != nil {
		t.Errorf("response:\n%s", r.m.bytes())
	}
}

// A connection that breaks costs no call: the next request opens another one.
func TestCallerReconnects(t *testing.T) {
	s := newScript(t, "tcp", "127.0.0.1")
	c := newCaller(t, &Caller{Transport: "tcp"})
	o, h := establish(t, s, c, Invitation{})
	h.hangUp()
	for c.connected() {
		time.Sleep(time.Millisecond)
	}
	answered(t, s, "UPDATE", 200, "", "", func() error { return o.Update(t.Context(), Change{}) })
}

func (c *Caller) connected() bool {
	c.state.mu.Lock()
	defer c.state.mu.Unlock()
	return len(c.state.streams) > 0
}

func TestCallerPersistentSession(t *testing.T) {
	s := newScript(t, "udp", "127.0.0.1")
	o, _ := establish(t, s, newCaller(t, &Caller{}), Invitation{Bare: true})
	result := make(chan error, 1)
	// RFC 8068 section 3.4.1: metadata without an offer, so that the SRS offers.
	go func() { result <- o.Reinvite(t.Context(), Change{Metadata: []byte("<next/>")}) }()
	h := s.next("INVITE", 0)
	if h.m.ContentType != metadataType || strings.Contains(h.m.header("Contact"), "+sip.src") {
		t.Errorf("re-INVITE:\n%s", h.m.bytes())
	}
	s.reply(h, 200, "application/sdp", scriptedDirection("recvonly"))
	d, err := s.next("ACK", 0).m.Description()
	if err != nil || d == nil || d.Lines[0].Direction != SendOnly {
		t.Errorf("answer: %+v, %v", d, err)
	}
	if err := <-result; err != nil || !o.Lines()[0].Sending {
		t.Error(err)
	}
}

func TestCallerMeetsGlare(t *testing.T) {
	s := newScript(t, "udp", "127.0.0.1")
	o, invite := establish(t, s, newCaller(t, &Caller{}), Invitation{})
	result := make(chan error, 1)
	go func() { result <- o.Reinvite(t.Context(), Change{Lines: twoLines()}) }()
	h := s.next("INVITE", 0)
	s.reply(h, 100, "", "")
	invite.write(s.request(invite, "INVITE", "1", "application/sdp", scriptedSDP))
	s.next("INVITE", 491)
	s.reply(h, 491, "", "")
	s.next("ACK", 0)
	s.silent(1500 * time.Millisecond) // the owner of the Call-ID waits 2.1 s at least
	s.reply(s.next("INVITE", 0), 200, "application/sdp", scriptedSDP)
	s.next("ACK", 0)
	if err := <-result; err != nil {
		t.Error(err)
	}
}

func TestCallerClose(t *testing.T) {
	s := newScript(t, "tcp", "127.0.0.1")
	c := newCaller(t, &Caller{Transport: "tcp"})
	o, _ := establish(t, s, c, Invitation{})
	c.Close()
	<-o.Done()
	if _, err := c.Invite(t.Context(), Invitation{Target: "sip:" + s.addr}); !errors.Is(err, ErrCallerClosed) {
		t.Errorf("error: %v", err)
	}
	c.Close()
}

package sip

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
)

func TestB15_OfferlessInvite(t *testing.T) {
	every(t, nil, func(t *testing.T, s *served, c *src) {
		h := c.request(200, "INVITE", "", "", "Require: siprec")
		c.enter(h)
		if o := s.offer(t, "INVITE"); !o.WantOffer || o.Media != nil {
			t.Errorf("%+v", o)
		}
		if h.ContentType != "application/sdp" || !bytes.Contains(h.Body, []byte("m=audio 30000")) {
			t.Error(h.raw)
		}
		c.write(c.compose("ACK", "application/sdp", offerSDP))
		o := s.offer(t, "ACK")
		if o.Media == nil || len(o.Media.Lines) != 2 || o.CSeq != 1 || o.WantOffer {
			t.Errorf("%+v", o)
		}
		if err := o.Answer(Answer{}); err != nil {
			t.Error(err)
		}
		c.request(200, "BYE", "", "")
	})
}

func TestB16_AckWithoutTheAnswer(t *testing.T) {
	s := listen(t, "udp", nil)
	c := s.dial(t)
	c.enter(c.request(200, "INVITE", "", "", "Require: siprec"))
	c.ack()
	c.answer(c.asked("BYE"), 200, "", "")
	s.end(t, "srs", "no-answer-in-ack")
}

func TestB17_Updates(t *testing.T) {
	s := listen(t, "udp", nil)
	c := s.dial(t)
	c.start()
	s.offer(t, "INVITE")
	h := c.request(200, "UPDATE", "application/sdp", offerSDP)
	if h.ContentType != "application/sdp" || len(h.Body) == 0 {
		t.Errorf("an offer was answered without SDP:\n%s", h.raw)
	}
	s.offer(t, "UPDATE")
	for _, body := range []string{"", metadataXML} {
		if h := c.request(200, "UPDATE", "application/rs-metadata+xml", body); len(h.Body) != 0 {
			t.Errorf("SDP nobody asked for:\n%s", h.raw)
		}
	}
	if o := s.offer(t, "UPDATE"); o.Media != nil || len(o.Metadata) != 1 {
		t.Errorf("%+v", o)
	}
}

func TestB14_Redirect(t *testing.T) {
	s := listen(t, "udp", nil)
	c := s.dial(t)
	c.start()
	rs := <-s.live
	a := answerTo(s.offer(t, "INVITE"))
	for i := range a.Lines {
		a.Lines[i].Direction = Inactive
	}
	done := make(chan error, 1)
	go func() { done <- rs.Redirect(t.Context(), a) }()
	h := c.asked("INVITE")
	sdp := string(h.Body)
	if strings.Count(sdp, "m=audio ") != 2 || strings.Count(sdp, "a=inactive") != 2 {
		t.Error(h.raw)
	}
	c.answer(h, 200, "application/sdp", strings.ReplaceAll(offerSDP, "sendonly", "inactive"))
	ack := c.asked("ACK")
	if ack.CSeq != h.CSeq {
		t.Error(ack.raw)
	}
	c.answer(h, 200, "application/sdp", offerSDP) // our ACK was lost
	if again := c.asked("ACK"); again.raw != ack.raw {
		t.Error(again.raw)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	go func() { done <- rs.Redirect(t.Context(), a) }()
	c.answer(c.asked("INVITE"), 488, "", "")
	c.asked("ACK")
	if err := <-done; err == nil || !strings.Contains(err.Error(), "488") {
		t.Error(err)
	}
	c.request(200, "BYE", "", "")
}

func TestB14_SourceThatNoLongerKnowsTheSession(t *testing.T) {
	s := listen(t, "udp", nil)
	c := s.dial(t)
	c.start()
	rs := <-s.live
	done := make(chan error, 1)
	go func() { done <- rs.Redirect(t.Context(), answerTo(&Offer{})) }()
	c.answer(c.asked("INVITE"), 481, "", "")
	c.asked("ACK")
	if err := <-done; err == nil {
		t.Error("no error")
	}
	s.end(t, "src", "gone")
}

func TestC03_AcceptNamesTheMetadataTypes(t *testing.T) {
	c := listen(t, "udp", nil).dial(t)
	for _, h := range []heard{c.start(), c.request(200, "OPTIONS", "", "")} {
		types := h.list("Accept")
		for _, want := range []string{"application/sdp", "application/rs-metadata+xml", "application/rs-metadata"} {
			if !strings.Contains(strings.Join(types, "|")+"|", want+"|") {
				t.Errorf("Accept: %q lacks %s", types, want)
			}
		}
	}
}

func TestC09_MetadataInBye(t *testing.T) {
	every(t, nil, func(t *testing.T, s *served, c *src) {
		c.start()
		s.offer(t, "INVITE")
		c.request(200, "BYE", "application/rs-metadata+xml", metadataXML)
		if o := s.offer(t, "BYE"); len(o.Metadata) != 1 || string(o.Raw) != metadataXML {
			t.Errorf("%+v", o)
		}
		s.end(t, "src", "bye")
	})
}

func TestC12_SnapshotRequest(t *testing.T) {
	s := listen(t, "udp", nil)
	c := s.dial(t)
	c.start()
	h := snapshot(t, s, c)
	if h.ContentType != "application/rs-metadata+xml" || h.header("Content-Disposition") != "recording-session" ||
		bytes.Contains(h.Body, []byte("v=0")) || len(h.Body) == 0 {
		t.Error(h.raw)
	}
	rs := <-s.live
	if err := rs.RequestSnapshot(t.Context(), "again"); !errors.Is(err, ErrSnapshotTooSoon) {
		t.Errorf("a storm of requests: %v", err)
	}
}

func TestC16_UpdateWithMetadataAlone(t *testing.T) {
	s := listen(t, "udp", nil)
	c := s.dial(t)
	c.start()
	s.offer(t, "INVITE")
	c.request(200, "UPDATE", "application/rs-metadata", metadataXML, "Content-Disposition: recording-session")
	if o := s.offer(t, "UPDATE"); len(o.Metadata) != 1 || o.Media != nil {
		t.Errorf("%+v", o)
	}
}

func TestC17_LargeMessages(t *testing.T) {
	for network, size := range map[string]int{"udp": 60_000, "tcp": 200_000} {
		t.Run(network, func(t *testing.T) {
			s := listen(t, network, nil)
			c := s.dial(t)
			padded := strings.Replace(multipartBody, "</recording>", "<!-- "+strings.Repeat("x", size)+" --></recording>", 1)
			c.enter(c.request(200, "INVITE", "multipart/mixed;boundary=b1", padded, "Require: siprec"))
			c.ack()
			if o := s.offer(t, "INVITE"); len(o.Raw) != len(padded) {
				t.Errorf("%d bytes of %d", len(o.Raw), len(padded))
			}
		})
	}
	c := listen(t, "tcp", nil).dial(t)
	c.request(513, "INVITE", "application/sdp", strings.Repeat("x", maxBody+1), "Require: siprec")
}

// The largest datagram there is.
func TestC17_LargestDatagram(t *testing.T) {
	s := listen(t, "udp", nil)
	c := s.dial(t)
	pad := func(n int) string {
		padded := strings.Replace(multipartBody, "</recording>", "<!-- "+strings.Repeat("x", n)+" --></recording>", 1)
		return c.compose("INVITE", "multipart/mixed;boundary=b1", padded, "Require: siprec")
	}
	raw := pad(60_000 + 65_507 - len(pad(60_000)))
	if len(raw) != 65_507 {
		t.Fatalf("%d bytes", len(raw))
	}
	c.write(raw)
	c.enter(c.response(200))
	c.ack()
	if o := s.offer(t, "INVITE"); len(o.Metadata) != 1 || len(o.Metadata[0].Body) < 60_000 {
		t.Errorf("%d documents", len(o.Metadata))
	}
}

// A 200 of many Record-Routes is larger than 1300 bytes and must leave all the same.
func TestC17_LargeResponse(t *testing.T) {
	c := listen(t, "udp", nil).dial(t)
	var routes []string
	for range 30 {
		routes = append(routes, "Record-Route: <sip:proxy-"+token(20)+".pbx.example;lr;session="+token(20)+">")
	}
	if h := c.invite(200, routes...); len(h.raw) < 2000 || len(h.list("Record-Route")) != 30 {
		t.Errorf("%d bytes", len(h.raw))
	}
}

func TestE09_PersistentSessionAsksForOurOffer(t *testing.T) {
	s := listen(t, "udp", nil)
	c := s.dial(t)
	c.start()
	s.offer(t, "INVITE")
	h := c.request(200, "INVITE", "application/rs-metadata+xml", metadataXML)
	if !bytes.Contains(h.Body, []byte("m=audio")) {
		t.Errorf("no offer of ours:\n%s", h.raw)
	}
	if o := s.offer(t, "INVITE"); !o.WantOffer || len(o.Metadata) != 1 {
		t.Errorf("%+v", o)
	}
	c.write(c.compose("ACK", "application/sdp", offerSDP))
	s.offer(t, "ACK")
	c.request(200, "BYE", "", "")
	s.end(t, "src", "bye")
}

func TestInfo(t *testing.T) {
	s := listen(t, "udp", nil)
	c := s.dial(t)
	c.start()
	s.offer(t, "INVITE")
	c.request(200, "INFO", "application/dtmf-relay", "Signal=5\r\nDuration=160\r\n")
	if o := s.offer(t, "INFO"); len(o.Presses) != 1 || o.Presses[0].Digit != '5' {
		t.Errorf("%+v", o)
	}
	c.request(200, "INFO", "", "")
	c.request(415, "INFO", "application/unheard-of", "x")
	c.request(469, "INFO", "application/x", "x", "Info-Package: unheard-of")
	c.request(200, "BYE", "", "")
}

// The handler gets every offer in order even when the SRC is already gone.
func TestOffersOutliveTheBye(t *testing.T) {
	go_ := make(chan bool)
	var methods []string
	s := listen(t, "tcp", func(s *served) {
		s.Handler = func(ctx context.Context, rs *Session) error {
			o := <-rs.Offers()
			o.Answer(answerTo(o))
			<-go_
			for o := range rs.Offers() {
				methods = append(methods, o.Method)
				if err := o.Answer(Answer{}); err != nil && o.Method == "BYE" {
					t.Error(err)
				}
			}
			s.ends <- context.Cause(ctx)
			return nil
		}
	})
	c := s.dial(t)
	c.start()
	c.write(c.compose("UPDATE", "application/rs-metadata+xml", metadataXML) + c.compose("INFO", "application/dtmf", "5") + c.compose("BYE", "application/rs-metadata+xml", metadataXML))
	for range 3 {
		c.next()
	}
	close(go_)
	s.end(t, "src", "bye")
	if got := strings.Join(methods, " "); got != "UPDATE INFO BYE" {
		t.Errorf("offers %s", got)
	}
}

func TestHandlerThatReturnsEarly(t *testing.T) {
	s := listen(t, "udp", func(s *served) {
		s.Handler = func(context.Context, *Session) error { return errors.New("no") }
	})
	s.dial(t).invite(500)
	s = listen(t, "udp", func(s *served) {
		s.Handler = func(ctx context.Context, rs *Session) error {
			o := <-rs.Offers()
			if err := o.Reject(403, "not for us"); err != nil {
				t.Error(err)
			}
			if err := o.Answer(Answer{}); !errors.Is(err, errOver) {
				t.Error(err)
			}
			<-ctx.Done()
			s.ends <- context.Cause(ctx)
			return nil
		}
	})
	if h := s.dial(t).invite(403); h.phrase != "not for us" {
		t.Error(h.raw)
	}
	s.end(t, "srs", "rejected")
}

package sip

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestH11_TwoHundredUntilAckThenBye(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, s *served, c *src) {
		begin := time.Now()
		c.invite(200)
		var at []time.Duration
		for {
			h := c.next()
			if h.Request {
				if h.Method != "BYE" || time.Since(begin) != 32*time.Second || h.header("Reason") == "" {
					t.Errorf("after %v:\n%s", time.Since(begin), h.raw)
				}
				c.answer(h, 200, "", "")
				break
			}
			at = append(at, time.Since(begin))
		}
		if got := fmt.Sprint(at); got != "[500ms 1.5s 3.5s 7.5s 11.5s 15.5s 19.5s 23.5s 27.5s 31.5s]" {
			t.Errorf("200 repeated at %s", got)
		}
		s.end(t, "srs", "ack-timeout")
	})
}

func TestH11_NoRepetitionAfterAck(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, s *served, c *src) {
		c.start()
		c.silent(2 * time.Minute)
		// An ACK that comes after a BYE is not a new session (dialog order).
		c.request(200, "BYE", "", "")
		c.ack()
		c.silent(2 * time.Minute)
		s.end(t, "src", "bye")
	})
}

func TestH11_OverTCPToo(t *testing.T) {
	s := listen(t, "tcp", nil)
	c := s.dial(t)
	first := c.invite(200)
	if again := c.response(200); again.raw != first.raw {
		t.Error("the second 200 differs")
	}
	c.ack()
}

func TestH14_Glare(t *testing.T) {
	t.Run("theirs unanswered", func(t *testing.T) {
		answer := make(chan bool)
		s := listen(t, "udp", func(s *served) {
			s.Handler = func(ctx context.Context, rs *Session) error {
				for o := range rs.Offers() {
					s.offers <- o
					if o.CSeq > 1 {
						<-answer
					}
					o.Answer(answerTo(o))
				}
				return nil
			}
		})
		c := s.dial(t)
		c.start()
		s.offer(t, "INVITE")
		c.write(c.compose("INVITE", "application/sdp", offerSDP))
		s.offer(t, "INVITE")
		h := c.request(500, "INVITE", "application/sdp", offerSDP)
		c.absorb()
		if !h.has("Retry-After") {
			t.Error(h.raw)
		}
		if h := c.request(500, "UPDATE", "application/sdp", offerSDP); !h.has("Retry-After") {
			t.Error(h.raw)
		}
		close(answer)
		c.response(200)
	})
	t.Run("ours pending", func(t *testing.T) {
		inBubble(t, nil, func(t *testing.T, s *served, c *src) {
			c.start()
			rs := <-s.live
			done := make(chan error, 1)
			go func() { done <- rs.Redirect(t.Context(), answerTo(&Offer{})) }()
			ask := c.asked("INVITE")
			c.request(491, "INVITE", "application/sdp", offerSDP)
			c.absorb()
			c.request(491, "UPDATE", "application/sdp", offerSDP)
			begin := time.Now()
			c.answer(ask, 491, "", "")
			c.asked("ACK")
			again := c.asked("INVITE")
			if wait := time.Since(begin); wait > 2*time.Second {
				t.Errorf("tried again after %v; the Call-ID is not ours", wait)
			}
			if again.CSeq <= ask.CSeq {
				t.Errorf("CSeq %d after %d", again.CSeq, ask.CSeq)
			}
			c.answer(again, 200, "application/sdp", offerSDP)
			c.asked("ACK")
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	})
}

func TestH14_InviteRightAfterAck(t *testing.T) {
	every(t, nil, func(t *testing.T, s *served, c *src) {
		c.invite(200)
		raw := c.compose("ACK", "", "") + c.compose("INVITE", "application/sdp", offerSDP)
		if s.Listen[0].Network == "tcp" {
			c.write(raw)
		} else {
			i := strings.Index(raw, "INVITE sip:")
			c.write(raw[:i])
			c.write(raw[i:])
		}
		c.response(200)
		c.ack()
		s.offer(t, "INVITE")
		s.offer(t, "INVITE")
	})
}

func TestH15_BadReinviteChangesNothing(t *testing.T) {
	s := listen(t, "udp", func(s *served) {
		s.Handler = func(ctx context.Context, rs *Session) error {
			s.live <- rs
			for o := range rs.Offers() {
				if o.CSeq == 2 {
					o.Reject(488, "no codec of ours")
					continue
				}
				o.Answer(answerTo(o))
			}
			s.ends <- context.Cause(ctx)
			return nil
		}
	})
	c := s.dial(t)
	c.start()
	if h := c.request(488, "INVITE", "application/sdp", offerSDP); !strings.HasPrefix(h.header("Warning"), "304 ") {
		t.Error(h.raw)
	}
	c.request(415, "INVITE", "application/octet-stream", "x")
	c.request(200, "INVITE", "application/sdp", offerSDP)
	c.ack()
	c.request(200, "BYE", "", "")
	s.end(t, "src", "bye")
}

func TestH21_OurByeCarriesAReason(t *testing.T) {
	inBubble(t, func(s *served) {
		s.Handler = func(ctx context.Context, rs *Session) error {
			o := <-rs.Offers()
			o.Answer(answerTo(o))
			time.Sleep(time.Second)
			return errors.New("the disk is \"full\"")
		}
	}, func(t *testing.T, s *served, c *src) {
		c.start()
		h := c.asked("BYE")
		if got := h.header("Reason"); got != `SIP;cause=500;text="the disk is 'full'"` {
			t.Errorf("Reason: %s", got)
		}
		if again := c.asked("BYE"); again.raw != h.raw { // no answer yet: repeated
			t.Error(again.raw)
		}
		c.answer(h, 200, "", "")
		c.silent(time.Minute)
	})
}

func TestH26_CloseSaysBye(t *testing.T) {
	every(t, nil, func(t *testing.T, s *served, c *src) {
		c.start()
		s.Drain()
		done := make(chan error, 1)
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			done <- s.Close(ctx)
		}()
		h := c.asked("BYE")
		if !strings.Contains(h.header("Reason"), "cause=503") {
			t.Error(h.raw)
		}
		c.answer(h, 200, "", "")
		if err := <-done; err != nil {
			t.Error(err)
		}
		s.end(t, "srs", "shutdown")
		if err := s.Start(); err != ErrServerClosed {
			t.Error(err)
		}
	})
}

func TestI01_SessionIntervals(t *testing.T) {
	for name, row := range map[string]struct {
		headers []string
		status  int
		want    string // Session-Expires of the 200
		require string
	}{
		"as asked, they refresh":      {[]string{"Supported: timer", "Session-Expires: 1800;refresher=uac"}, 200, "1800;refresher=uac", "timer"},
		"nobody named: they":          {[]string{"Supported: timer", "Session-Expires: 300"}, 200, "300;refresher=uac", "timer"},
		"we are to refresh":           {[]string{"Supported: timer", "Session-Expires: 300;refresher=uas"}, 200, "300;refresher=uas", ""},
		"they cannot: we refresh":     {[]string{"Session-Expires: 300"}, 200, "300;refresher=uas", ""},
		"only able: ours":             {[]string{"Supported: timer"}, 200, "1800;refresher=uas", ""},
		"nothing at all":              {nil, 200, "", ""},
		"exactly the least":           {[]string{"Supported: timer", "Session-Expires: 90"}, 200, "90;refresher=uac", "timer"},
		"compact name":                {[]string{"k: timer", "x: 600;refresher=uac"}, 200, "600;refresher=uac", "timer"},
		"Q36: Min-SE below the least": {[]string{"Supported: timer", "Min-SE: 35"}, 200, "1800;refresher=uas", ""},
		"Q36: Min-SE alone":           {[]string{"Supported: timer", "Min-SE: 3600"}, 200, "3600;refresher=uas", ""},
		"too small":                   {[]string{"Supported: timer", "Session-Expires: 60"}, 422, "", ""},
		"one second":                  {[]string{"Supported: timer", "Session-Expires: 1"}, 422, "", ""},
		"more than 32 bits: a day":    {[]string{"Supported: timer", "Session-Expires: 4294967296"}, 200, "86400;refresher=uac", "timer"},
		"no number":                   {[]string{"Supported: timer", "Session-Expires: soon"}, 422, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, nil, func(t *testing.T, s *served, c *src) {
				h := c.invite(row.status, row.headers...)
				if got := h.header("Session-Expires"); got != row.want {
					t.Errorf("Session-Expires: %s, want %s", got, row.want)
				}
				if got := h.header("Require"); got != row.require {
					t.Errorf("Require: %s, want %q", got, row.require)
				}
				if row.status == 422 && h.header("Min-SE") != "90" {
					t.Errorf("Min-SE: %s", h.header("Min-SE"))
				}
				if row.status == 200 {
					c.ack()
					c.request(200, "BYE", "", "")
				}
			})
		})
	}
}

func TestI04_SessionExpires(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, s *served, c *src) {
		c.start("Supported: timer", "Session-Expires: 90;refresher=uac")
		time.Sleep(50 * time.Second)
		c.request(200, "UPDATE", "", "", "Supported: timer", "Session-Expires: 90;refresher=uac")
		begin := time.Now()
		h := c.waitRequest("BYE")
		if got := time.Since(begin); got != 60*time.Second { // 90 - min(32, 90/3)
			t.Errorf("BYE after %v", got)
		}
		c.answer(h, 200, "", "")
		s.end(t, "srs", "session-expired")
	})
}

func TestI04_WeRefresh(t *testing.T) {
	for method, allow := range map[string]string{"UPDATE": "Allow: INVITE, ACK, BYE, UPDATE", "INVITE": "Allow: INVITE, ACK, BYE"} {
		t.Run(method, func(t *testing.T) {
			inBubble(t, nil, func(t *testing.T, s *served, c *src) {
				first := c.start("Supported: timer", "Session-Expires: 1800;refresher=uas", allow)
				for range 3 {
					begin := time.Now()
					h := c.waitRequest(method)
					if got := time.Since(begin); got != 15*time.Minute {
						t.Errorf("refreshed after %v", got)
					}
					if got := h.header("Session-Expires"); got != "1800;refresher=uac" {
						t.Errorf("Session-Expires: %s", got)
					}
					if method == "INVITE" && string(h.Body) != string(first.Body) {
						t.Errorf("the refresh changes the session:\n%s", h.raw)
					}
					c.answer(h, 200, "", "", "Session-Expires: 1800;refresher=uac")
					if method == "INVITE" {
						c.asked("ACK")
					}
				}
				// Now the SRC is dead.
				for {
					h := c.waitRequest("")
					if h.Method == "BYE" {
						break
					}
				}
				s.end(t, "srs", "src-silent")
			})
		})
	}
}

// waitRequest waits for up to an hour; method "" takes any.
func (c *src) waitRequest(method string) heard {
	c.t.Helper()
	raw := c.recv(time.Hour)
	m, _, err := ParseMessage(raw, true)
	if err != nil || !m.Request || method != "" && m.Method != method {
		c.t.Fatalf("want %s, got %v:\n%s", method, err, raw)
	}
	return heard{m, string(raw)}
}

// Whoever answers an offer is free at once, though the ACK comes much later.
func TestAnswerDoesNotWaitForTheAck(t *testing.T) {
	took := make(chan time.Duration, 1)
	inBubble(t, func(s *served) {
		s.Handler = func(ctx context.Context, rs *Session) error {
			o := <-rs.Offers()
			begin := time.Now()
			if err := o.Answer(answerTo(o)); err != nil {
				t.Error(err)
			}
			took <- time.Since(begin)
			<-ctx.Done()
			return nil
		}
	}, func(t *testing.T, s *served, c *src) {
		c.invite(200)
		if d := <-took; d != 0 {
			t.Errorf("answering took %v", d)
		}
		time.Sleep(10 * time.Second)
		c.ack()
		for c.recv(time.Millisecond) != nil { // the 200 was repeated meanwhile
		}
		c.silent(time.Minute)
		c.request(200, "BYE", "", "")
	})
}

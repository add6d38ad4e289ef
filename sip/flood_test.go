package sip

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// kept is how many transactions and dialogs the server remembers.
func (s *served) kept() (transactions, dialogs int) {
	s.state.mu.Lock()
	defer s.state.mu.Unlock()
	return len(s.state.table.byKey) + len(s.state.table.merged) + len(s.state.table.queue), len(s.state.dialogs)
}

// Thousands of INVITEs to a busy server are refused one by one, and are not
// remembered; the live session goes on.
func TestFloodOfInvitesIsNotRemembered(t *testing.T) {
	var busy atomic.Bool
	inBubble(t, func(s *served) {
		s.Busy = func() (time.Duration, bool) { return 3 * time.Second, busy.Load() }
	}, func(t *testing.T, s *served, c *src) {
		c.start()
		busy.Store(true)
		flood := *c
		flood.to, flood.target = "", ""
		for i := range 6_000 {
			flood.callID = fmt.Sprintf("flood-%d", i)
			h := flood.request(503, "INVITE", "multipart/mixed;boundary=b1", multipartBody, "Require: siprec")
			if h.header("Retry-After") != "3" {
				t.Fatal(h.raw)
			}
			if i%1000 == 0 {
				c.request(200, "UPDATE", "", "")
			}
		}
		if n, dialogs := s.kept(); n > 3*maxKept+200 || dialogs != 1 {
			t.Errorf("%d entries kept, %d dialogs", n, dialogs)
		}
		c.request(200, "BYE", "", "")
		time.Sleep(time.Minute)
		if n, dialogs := s.kept(); n+dialogs != 0 {
			t.Errorf("%d entries and %d dialogs stay for ever", n, dialogs)
		}
	})
}

// INVITEs that are never acknowledged end after 32 s each, and leave nothing.
func TestInvitesNeverAcknowledgedLeaveNothing(t *testing.T) {
	const rounds, calls = 4, unacknowledged
	var begun, ended atomic.Int64
	inBubble(t, func(s *served) {
		s.Handler = func(ctx context.Context, rs *Session) error {
			begun.Add(1)
			o := <-rs.Offers()
			o.Answer(answerTo(o))
			<-ctx.Done()
			if e, ok := context.Cause(ctx).(*EndError); ok && e.Reason == "ack-timeout" {
				ended.Add(1)
			}
			return nil
		}
	}, func(t *testing.T, s *served, c *src) {
		for round := range rounds {
			for i := range calls {
				c.callID = fmt.Sprintf("call-%d-%d", round, i)
				c.write(c.compose("INVITE", "application/sdp", offerSDP, "Require: siprec"))
				if i%50 == 0 {
					synctest.Wait()
				}
			}
			time.Sleep(33 * time.Second)
			if n := int64(calls * (round + 1)); begun.Load() != n || ended.Load() != n {
				t.Fatalf("of %d sessions %d began, and %d ended within 33 s", n, begun.Load(), ended.Load())
			}
			time.Sleep(33 * time.Second) // our BYEs are not answered either
			if n, dialogs := s.kept(); n+dialogs != 0 {
				t.Fatalf("%d entries and %d dialogs stay", n, dialogs)
			}
		}
	})
}

// One INVITE a thousand times is one session; so is one whose From tag changes
// within its transaction.
func TestInviteRepeatedAThousandTimes(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, s *served, c *src) {
		raw := c.compose("INVITE", "application/sdp", offerSDP, "Require: siprec")
		c.write(raw)
		first := c.response(200)
		for range 1000 {
			c.write(raw)
			if again := c.response(200); again.raw != first.raw {
				t.Fatalf("answered otherwise:\n%s", again.raw)
			}
		}
		c.write(strings.Replace(raw, "tag="+c.tag, "tag=another", 1))
		if again := c.response(200); again.raw != first.raw {
			t.Errorf("answered otherwise:\n%s", again.raw)
		}
		c.enter(first)
		c.ack()
		c.request(200, "BYE", "", "")
		if len(s.live) != 1 || len(s.offers) != 1 {
			t.Errorf("%d sessions, %d offers", len(s.live), len(s.offers))
		}
	})
}

// Two hundred re-INVITEs, fifty a second, nobody waiting for an answer: each
// has its own, and the session is what it was.
func TestStormOfReinvites(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, s *served, c *src) {
		c.start()
		for range 200 {
			c.write(c.compose("INVITE", "application/sdp", offerSDP))
			time.Sleep(20 * time.Millisecond)
		}
		last := c.cseq
		finals := map[uint32]int{}
		for raw := c.recv(10 * time.Second); raw != nil; raw = c.recv(10 * time.Second) {
			m, _, err := ParseMessage(raw, true)
			if err != nil || m.Request {
				t.Fatalf("%v\n%s", err, raw)
			}
			if m.Status < 200 {
				continue
			}
			finals[m.CSeq] = m.Status
			c.cseq = int(m.CSeq)
			c.ack() // every time: an ACK may be lost
		}
		c.cseq = last
		for cseq, status := range finals {
			if status != 200 && status != 491 && status != 500 {
				t.Errorf("re-INVITE %d: %d", cseq, status)
			}
		}
		if len(finals) != 200 {
			t.Errorf("%d were answered", len(finals))
		}
		if got := mediaLines(t, c.request(200, "INVITE", "application/sdp", offerSDP)); got != "1 recvonly, 2 recvonly" {
			t.Errorf("then answered %s", got)
		}
		c.ack()
		if len(s.ends) != 0 || len(s.live) != 1 {
			t.Error("the session did not survive")
		}
		c.request(200, "BYE", "", "")
	})
}

// BYE may overtake the ACK, come twice, and be followed by anything: the
// session ends once.
func TestByeBeforeAckEndsOnce(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, s *served, c *src) {
		c.invite(200)
		invite := c.cseq
		c.request(200, "BYE", "", "")
		c.cseq = invite
		c.ack()
		c.cseq += 2
		s.end(t, "src", "bye")
		c.request(481, "BYE", "", "")
		c.request(481, "INVITE", "", "") // without SDP, after the end
		c.absorb()
		c.request(481, "INVITE", "application/sdp", offerSDP)
		c.absorb()
		c.write(c.compose("CANCEL", "", ""))
		c.response(200)
		c.silent(2 * time.Minute)
		if len(s.ends) != 0 {
			t.Error("the session ended twice")
		}
	})
}

// No address that a message merely names ever gets anything from us.
func TestThirdPartiesGetNothing(t *testing.T) {
	third, err := net.ListenPacket("udp", "127.0.0.2:0")
	if err != nil {
		t.Skipf("no second loopback address: %v", err)
	}
	defer third.Close()
	s := listen(t, "udp", listed(Source{Name: "pbx", Networks: prefixes("127.0.0.1/32")}))
	c := s.dial(t)
	victim := third.LocalAddr().String()
	c.contact = "<sip:src@" + victim + ">;+sip.src"
	c.start("Record-Route: <sip:"+victim+";lr>", "Via: SIP/2.0/UDP "+victim+";branch=z9hG4bKx")
	ask := snapshot(t, s, c) // ours too comes along the SRC's own way
	if ask.header("Route") == "" {
		t.Error("the route set was not kept")
	}
	// Without rport the port is the Via's, and the address the packet's.
	host, port, _ := net.SplitHostPort(s.Addr(0).String())
	own := "SIP/2.0/UDP " + net.JoinHostPort(host, port)
	for _, via := range []string{"SIP/2.0/UDP " + victim, own} {
		raw := c.compose("OPTIONS", "", "")
		c.write(strings.Replace(strings.Replace(raw, c.via, via, 1), ";rport", "", 1))
	}
	c.request(200, "BYE", "", "")
	third.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	if n, _, err := third.ReadFrom(make([]byte, 2000)); err == nil {
		t.Errorf("%d bytes went to a third party", n)
	}
}

// Whoever sends one message from each of many addresses is not remembered for
// ever.
func TestManyAddressesAreNotRemembered(t *testing.T) {
	p := newLocalPaths(addrPort(&net.UDPAddr{IP: net.IPv4zero, Port: 5060}))
	for i := range 3000 {
		p.towards(addrPort(&net.UDPAddr{IP: net.IPv4(127, 0, byte(i>>8), byte(i)), Port: 5060}))
	}
	if len(p.known) > 1001 {
		t.Errorf("%d addresses are kept", len(p.known))
	}
}

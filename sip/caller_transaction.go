package sip

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/icholy/digest"
)

// try is a client transaction that waits for its final response.
type try struct{ responses chan *Message }

// oldAck answers repetitions of the final response that ended an INVITE.
type oldAck struct {
	wire []byte
	path callerPath
	at   time.Time
}

const callerT2 = 4 * time.Second // the longest interval of RFC 3261 section 17.1.2.1

// exchange is one client transaction (RFC 3261 section 17.1): it sends a
// request, repeats it over UDP, and returns the final response. A cancelled
// INVITE is ended with CANCEL. A failed one is acknowledged here; the ACK to a
// 2xx is the dialog's business.
func (c *Caller) exchange(ctx context.Context, m *Message, p callerPath) (*Message, error) {
	branch := topBranch(m)
	t, err := c.open(branch, m.Method)
	if err != nil {
		return nil, err
	}
	defer c.forget(branch, m.Method)
	r, err := c.await(ctx, m, p, t)
	if err != nil {
		return nil, err
	}
	if m.Method == "INVITE" && r.Status >= 300 {
		c.acknowledgeFailure(m, r, p, branch)
		if r.Status == 487 && ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
	}
	return r, nil
}

func (c *Caller) open(branch, method string) (*try, error) {
	s := c.state
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.closed:
		return nil, ErrCallerClosed
	default:
	}
	t := &try{responses: make(chan *Message, 8)}
	s.tries[branch+" "+method] = t
	return t, nil
}

func (c *Caller) forget(branch, method string) {
	c.state.mu.Lock()
	defer c.state.mu.Unlock()
	delete(c.state.tries, branch+" "+method)
}

// await sends m until it is answered.
func (c *Caller) await(ctx context.Context, m *Message, p callerPath, t *try) (*Message, error) {
	wire, invite := m.bytes(), m.Method == "INVITE"
	if err := p.write(wire); err != nil {
		return nil, fmt.Errorf("%s cannot be sent: %w", m.Method, err)
	}
	interval := c.t1()
	repeat := time.NewTimer(interval)
	defer repeat.Stop()
	if p.stream != nil {
		repeat.Stop()
	}
	patience := time.NewTimer(64 * c.t1())
	defer patience.Stop()
	done, answered, cancelled := ctx.Done(), false, false
	for {
		select {
		case r := <-t.responses:
			if r.Status >= 200 {
				return r, nil
			}
			if !answered && invite {
				repeat.Stop()
				patience.Stop()
			}
			answered, interval = true, callerT2
			if cancelled {
				patience.Reset(8 * c.t1())
				c.note(p.write(cancelOf(m).bytes()))
			}
		case <-repeat.C:
			c.note(p.write(wire))
			interval *= 2
			if !invite {
				interval = min(interval, callerT2)
			}
			repeat.Reset(interval)
		case <-done:
			if !invite {
				return nil, context.Cause(ctx)
			}
			// CANCEL waits for a provisional response (RFC 3261 section 9.1), and
			// the INVITE for its 487; neither may take for ever.
			done, cancelled = nil, true
			patience.Reset(8 * c.t1())
			if answered {
				c.note(p.write(cancelOf(m).bytes()))
			}
		case <-patience.C:
			if cancelled {
				return nil, context.Cause(ctx)
			}
			return nil, fmt.Errorf("%s to %v: %w within %v", m.Method, p.remote, ErrNoResponse, 64*c.t1())
		case <-p.gone():
			return nil, errors.New("the connection to the SRS was lost before it answered " + m.Method)
		case <-c.state.closed:
			return nil, ErrCallerClosed
		}
	}
}

// cancelOf builds the CANCEL of an INVITE: same Via, same CSeq number.
func cancelOf(invite *Message) *Message {
	m := &Message{Request: true, Method: "CANCEL", RequestURI: invite.RequestURI, CallID: invite.CallID, CSeq: invite.CSeq}
	copySame(m, invite)
	m.add("To", invite.header("To"))
	m.add("CSeq", fmt.Sprintf("%d CANCEL", invite.CSeq))
	return m
}

// acknowledgeFailure ends an INVITE that was refused, now and whenever the
// response is repeated (RFC 3261 section 17.1.1.3).
func (c *Caller) acknowledgeFailure(invite, r *Message, p callerPath, branch string) {
	m := &Message{Request: true, Method: "ACK", RequestURI: invite.RequestURI, CallID: invite.CallID, CSeq: invite.CSeq}
	copySame(m, invite)
	m.add("To", r.header("To"))
	m.add("CSeq", fmt.Sprintf("%d ACK", invite.CSeq))
	wire := m.bytes()
	if p.stream == nil {
		c.remember(branch, oldAck{wire, p, time.Now()})
	}
	c.note(p.write(wire))
}

func (c *Caller) remember(branch string, a oldAck) {
	s := c.state
	s.mu.Lock()
	defer s.mu.Unlock()
	for b, old := range s.acks {
		if a.at.Sub(old.at) > 64*c.t1() {
			delete(s.acks, b)
		}
	}
	s.acks[branch] = a
}

// copySame copies what CANCEL and the ACK of a failure share with their INVITE.
func copySame(m, invite *Message) {
	for _, h := range invite.headers {
		switch h.name {
		case "Via", "Max-Forwards", "From", "Call-ID", "Route":
			m.headers = append(m.headers, h)
		}
	}
}

// credentials answers a digest challenge (RFC 8760): the header to add to the
// repeated request. ok is false when there is nothing to answer with.
func (c *Caller) credentials(r *Message, method, uri string) (h Header, ok bool) {
	ask, reply := "WWW-Authenticate", "Authorization"
	if r.Status == 407 {
		ask, reply = "Proxy-Authenticate", "Proxy-Authorization"
	}
	if c.User == "" || r.Status != 401 && r.Status != 407 {
		return h, false
	}
	for _, field := range r.headers { // the server's order is its preference
		if !strings.EqualFold(field.name, ask) {
			continue
		}
		challenge, err := digest.ParseChallenge(field.value)
		if err != nil || !digest.CanDigest(challenge) {
			continue
		}
		answer, err := digest.Digest(challenge, digest.Options{Method: method, URI: uri, Username: c.User, Password: c.Password, Count: 1})
		if err == nil {
			return Header{reply, answer.String()}, true
		}
	}
	return h, false
}

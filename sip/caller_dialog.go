package sip

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Outgoing is one RS, seen from the SRC. Its methods may be called from
// several goroutines; requests leave one after the other.
type Outgoing struct {
	caller     *Caller
	invitation Invitation
	callID     string
	localTag   string
	from, to   string // header values, to without its tag
	took       time.Duration

	life   context.Context // until the RS is over, with the *EndError as its cause
	end    context.CancelCauseFunc
	asks   chan struct{} // the SRS wants a snapshot
	turn   chan struct{} // holds one token: its taker may send a request
	served sync.Mutex    // requests of the SRS, one at a time

	mu         sync.Mutex // guards all below
	path       callerPath
	remoteTag  string
	target     string   // the SRS's Contact
	routes     []string // route set, our next hop first
	cseq       uint32
	remoteCSeq uint32
	wanted     []Line // as we last offered them
	lines      []OutgoingLine
	local      netip.Addr // of the SDP
	session    uint64     // o= of our descriptions
	version    uint64
	offering   bool // an offer of ours is on its way
	owesAnswer bool // we made an offer in a 200 and its ACK answers
	ack        []byte
	ackCSeq    uint32
	metadata   []byte
	refresh    time.Duration // how often we refresh the session; 0: not
	replies    []sentReply
}

// sentReply is a response that is sent again when its request is repeated.
type sentReply struct {
	key  string
	wire []byte
}

// Invite opens an RS and returns when it is confirmed. A refusal is a
// *StatusError. When ctx ends before the answer, the INVITE is cancelled and
// the error is ctx's cause.
func (c *Caller) Invite(ctx context.Context, inv Invitation) (*Outgoing, error) {
	p, err := c.path(ctx, inv.Target)
	if err != nil {
		return nil, err
	}
	o := c.outgoing(inv, p)
	s := c.state
	s.mu.Lock()
	select {
	case <-s.closed:
		s.mu.Unlock()
		return nil, ErrCallerClosed
	default:
	}
	s.calls[o.callID] = o
	s.alive.Go(o.run) // under the lock: Close waits for it
	s.mu.Unlock()

	opening := change{Change: Change{Lines: inv.Lines, Metadata: inv.Metadata}, opening: true}
	if inv.Offerless {
		opening.Lines = nil
	}
	begin := time.Now()
	err = o.invite(ctx, opening)
	o.took = time.Since(begin)
	if err != nil {
		o.finish("src", "not-established")
		return nil, err
	}
	return o, nil
}

func (c *Caller) outgoing(inv Invitation, p callerPath) *Outgoing {
	o := &Outgoing{
		caller: c, invitation: inv, path: p, callID: token(24), localTag: token(10),
		asks: make(chan struct{}, 1), turn: make(chan struct{}, 1),
		target: inv.Target, session: rand.Uint64() >> 2, cseq: uint32(rand.IntN(10000)),
		metadata: inv.Metadata,
	}
	o.turn <- struct{}{}
	o.life, o.end = context.WithCancelCause(context.Background())
	o.local = p.local
	for _, l := range inv.Lines {
		if a := l.Addr.Addr(); a.IsValid() && !a.IsUnspecified() {
			o.local = a
			break
		}
	}
	host := c.sentBy(p)
	o.from = bareAddress(inv.From, host)
	if o.to = bareAddress(inv.To, hostPort(p.remote)); inv.To == "" {
		o.to = "<" + inv.Target + ">"
	}
	return o
}

// Done is closed when the RS is over; Err then tells why.
func (o *Outgoing) Done() <-chan struct{} { return o.life.Done() }

// Err returns nil while the RS lives, then an *EndError.
func (o *Outgoing) Err() error { return context.Cause(o.life) }

// CallID returns the RS's Call-ID.
func (o *Outgoing) CallID() string { return o.callID }

// Took returns the time from sending the INVITE to its final response.
func (o *Outgoing) Took() time.Duration { return o.took }

// Lines returns the media lines as they stand.
func (o *Outgoing) Lines() []OutgoingLine {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.lines)
}

// Reinvite changes the RS by a re-INVITE; without Lines it has no offer, and
// the SRS makes one.
func (o *Outgoing) Reinvite(ctx context.Context, ch Change) error {
	return o.patiently(ctx, func() error { return o.invite(ctx, change{Change: ch}) })
}

// Update changes the RS by an UPDATE (RFC 3311); without Lines it has no SDP.
func (o *Outgoing) Update(ctx context.Context, ch Change) error {
	return o.patiently(ctx, func() error {
		_, err := o.request(ctx, "UPDATE", change{Change: ch})
		return err
	})
}

// Info sends an INFO with a body.
func (o *Outgoing) Info(ctx context.Context, contentType string, body []byte) error {
	_, err := o.request(ctx, "INFO", change{contentType: contentType, body: body})
	return err
}

// Press sends one key by INFO, as application/dtmf-relay; d is how long it was
// held, 0 for 100 ms.
func (o *Outgoing) Press(ctx context.Context, digit byte, d time.Duration) error {
	if d == 0 {
		d = 100 * time.Millisecond
	}
	body := fmt.Sprintf("Signal=%c\r\nDuration=%d\r\n", digit, d.Milliseconds())
	return o.Info(ctx, "application/dtmf-relay", []byte(body))
}

// Options sends OPTIONS within the dialog.
func (o *Outgoing) Options(ctx context.Context) error {
	_, err := o.request(ctx, "OPTIONS", change{})
	return err
}

// Bye ends the RS, with metadata when it is not nil (RFC 8068 section 3.2.4).
// The RS is over afterwards whatever the SRS answers.
func (o *Outgoing) Bye(ctx context.Context, metadata []byte) error {
	_, err := o.request(ctx, "BYE", change{Change: Change{Metadata: metadata}})
	o.finish("src", "bye")
	return err
}

func (o *Outgoing) offerTimer(m *Message) {
	if n := o.invitation.SessionExpires; n > 0 {
		m.add("Supported", "timer")
		m.add("Session-Expires", strconv.Itoa(int(n/time.Second)))
	}
}

// readTimer learns who refreshes the session, and when (RFC 4028 section 7.2).
// The lock is held.
func (o *Outgoing) readTimer(r *Message) {
	value, params, _ := strings.Cut(r.header("Session-Expires"), ";")
	seconds, err := strconv.Atoi(strings.TrimSpace(value))
	if err != nil || parseParams(params)["refresher"] == "uas" {
		o.refresh = 0
		return
	}
	o.refresh = time.Duration(seconds) * time.Second / 2
}

func (o *Outgoing) refreshInterval() time.Duration {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.refresh
}

// run sends what the RS owes the SRS by itself: snapshots it asked for, and
// session refreshes. It ends with the RS.
func (o *Outgoing) run() {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	refreshed := time.Now()
	for {
		var err error
		select {
		case <-o.life.Done():
			return
		case <-o.asks:
			err = o.Update(o.life, Change{Metadata: o.snapshot()})
		case now := <-tick.C:
			interval := o.refreshInterval()
			if interval == 0 || now.Sub(refreshed) < interval {
				continue
			}
			refreshed = now
			err = o.Update(o.life, Change{})
		}
		if err != nil {
			o.caller.log().Debug("an UPDATE that the SRS waits for could not be sent", "error", err)
		}
	}
}

func (o *Outgoing) snapshot() []byte {
	if o.invitation.Snapshot != nil {
		return o.invitation.Snapshot()
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.metadata
}

// finish ends the RS once.
func (o *Outgoing) finish(side, reason string) {
	o.end(&EndError{Side: side, Reason: reason})
	o.caller.state.mu.Lock()
	defer o.caller.state.mu.Unlock()
	delete(o.caller.state.calls, o.callID)
}

package sip

import (
	"context"
	"errors"
	"net/netip"
	"time"
)

// Info is what is known of an RS from the INVITE that opened it.
type Info struct {
	CallID     string
	RequestURI string
	From, To   Address
	Contact    Address
	PAI        []Address // P-Asserted-Identity
	Source     string    // name of the [[src]], or the peer's IP when none is configured
	Transport  string    // "udp", "tcp", "tls"
	Remote     netip.AddrPort
	Local      netip.Addr // our address towards this SRC, for the c= line of answers
	Arrived    time.Time  // when the INVITE was read
	UserAgent  string
	// Correlation holds vendors' call identifiers found in headers and in the
	// parameters of Request-URI and To, by name (srcs.md Q37, Q38).
	Correlation map[string]string
}

// Address is a name-addr or addr-spec (RFC 3261 section 20.10).
type Address struct {
	Display string
	URI     string // without angle brackets, with URI parameters
	User    string // unescaped user part; of a tel URI the number
	Host    string
	Params  map[string]string // header parameters, e.g. tag, +sip.src
}

// Session is one RS, seen from the SRS.
type Session struct {
	info   Info
	offers chan *Offer
	inbox  chan any       // from the network: *serverTx, *Message (a response), canceled
	calls  chan func()    // from the handler, run between two inputs
	bye    chan *EndError // from Close
	done   chan struct{}  // closed when run has returned

	// Owned by run.
	srv         *serverState
	dialog      *dialog
	flow        *flow // the connection the SRC used last
	undelivered []*Offer
	snapped     time.Time // when a snapshot was last requested

	begun ClockReading // of the INVITE; never changed
}

// canceled is a CANCEL of the INVITE; its value is the Reason header.
type canceled string

const (
	// inboxSize is how many messages of one dialog may wait. What does not fit is
	// lost, as it would be on the network; SIP repeats it.
	inboxSize = 64
	// lastWords is how long a handler may take to fetch the offers that arrived
	// before the end.
	lastWords = 500 * time.Millisecond
)

// Info returns what the opening INVITE said.
func (s *Session) Info() Info { return s.info }

// Offers yields every offer of the RS, the opening INVITE first. It is closed
// when the RS is over; the reason is then context.Cause of the handler's ctx.
func (s *Session) Offers() <-chan *Offer { return s.offers }

// Redirect sends a re-INVITE that gives every current line the direction of a
// (RecvOnly or Inactive), adding no line (RFC 7866 section 7.2). It waits for
// the final response, retrying after 491.
func (s *Session) Redirect(ctx context.Context, a Answer) error {
	return s.wish(ctx, &wish{redirect: &a, result: make(chan error, 1)})
}

// RequestSnapshot sends the UPDATE that asks the SRC for complete metadata
// (RFC 7866 section 9.2). Within five seconds of the last one it sends nothing
// and returns ErrSnapshotTooSoon.
func (s *Session) RequestSnapshot(ctx context.Context, reason string) error {
	return s.wish(ctx, &wish{snapshot: true, reason: reason, result: make(chan error, 1)})
}

// ErrSnapshotTooSoon is returned by RequestSnapshot when one was just sent.
var ErrSnapshotTooSoon = errors.New("sip: a snapshot was requested less than five seconds ago")

func (s *Session) wish(ctx context.Context, w *wish) error {
	err := s.call(func() error {
		now := time.Now()
		if w.snapshot {
			if now.Sub(s.snapped) < snapshotBackoff {
				return ErrSnapshotTooSoon
			}
			s.snapped = now
		}
		s.dialog.want(now, w)
		return nil
	})
	if err != nil {
		return err
	}
	select {
	case err := <-w.result:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-s.done:
		return errOver
	}
}

// call runs f in the dialog's goroutine.
func (s *Session) call(f func() error) error {
	result := make(chan error, 1)
	select {
	case s.calls <- func() { result <- f() }:
		return <-result
	case <-s.done:
		return errOver
	}
}

// answerer is the way from an Offer back to its dialog.
type answerer struct {
	s  *Session
	ex *exchange
}

func (r answerer) answer(a Answer) error {
	return r.s.call(func() error { return r.s.dialog.accept(time.Now(), r.ex, &a) })
}

func (r answerer) reject(code int, reason string) error {
	if code < 400 || code > 699 {
		return errors.New("sip: a refusal has a status from 400 to 699")
	}
	return r.s.call(func() error { return r.s.dialog.reject(time.Now(), r.ex, code, reason) })
}

// run is the life of the RS: one goroutine, one mailbox, the dialog's clock. It
// owns the handler's goroutine and returns after it.
func (s *Session) run(parent context.Context, tx *serverTx, handler func(context.Context, *Session) error) {
	defer close(s.done)
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	s.dialog = newDialog(time.Now(), tx, s.flow.contact(), s.flow.via())
	s.perform(s.dialog.take())
	var handled chan error // nil: no handler is running
	if s.dialog.state != over {
		handled = make(chan error, 1)
		go func() { handled <- handler(ctx, s) }()
	}
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	var patience <-chan time.Time
	kill, closed, expired := s.srv.kill, false, false
	for {
		if s.dialog.state == over && !closed {
			if patience == nil {
				patience = time.After(lastWords)
			}
			if len(s.undelivered) == 0 || expired || handled == nil {
				cancel(s.dialog.ended)
				close(s.offers)
				closed = true
			}
		}
		if closed && handled == nil && (kill == nil || s.dialog.quiet()) {
			return
		}
		var out chan<- *Offer
		var head *Offer
		if len(s.undelivered) > 0 && !closed {
			out, head = s.offers, s.undelivered[0]
		}
		wake(timer, s.dialog.next())
		select {
		case in := <-s.inbox:
			s.receive(in)
		case f := <-s.calls:
			f()
		case out <- head:
			s.undelivered = s.undelivered[1:]
		case err := <-handled:
			handled = nil
			why, reason := verdict(err)
			s.dialog.hangup(time.Now(), why, reason)
		case why := <-s.bye:
			s.dialog.hangup(time.Now(), why, `SIP;cause=503;text="shutting down"`)
		case <-patience:
			expired = true
		case <-timer.C:
			s.dialog.tick(time.Now())
		case <-kill:
			kill, expired = nil, true
			s.dialog.hangup(time.Now(), &EndError{Side: "srs", Reason: "shutdown"}, "")
		}
		s.perform(s.dialog.take())
	}
}

// wake sets a timer; a zero time stops it.
func wake(timer *time.Timer, at time.Time) {
	if at.IsZero() {
		timer.Stop()
		return
	}
	timer.Reset(time.Until(at))
}

// verdict is what the handler's return says to the SRC.
func verdict(err error) (*EndError, string) {
	if err == nil {
		return &EndError{Side: "srs", Reason: "normal"}, `SIP;cause=200;text="normal"`
	}
	text := plainText(err.Error())
	if len(text) > 100 {
		text = text[:100]
	}
	return &EndError{Side: "srs", Reason: err.Error()}, `SIP;cause=500;text="` + text + `"`
}

func (s *Session) receive(in any) {
	now := time.Now()
	switch in := in.(type) {
	case *serverTx:
		s.flow = in.flow
		s.dialog.request(now, in)
	case *Message:
		s.dialog.response(now, in)
	case canceled:
		s.dialog.cancel(string(in))
	}
}

// perform does what the dialog asks for, in its order.
func (s *Session) perform(actions []any) {
	for _, a := range actions {
		switch a := a.(type) {
		case reply:
			s.srv.reply(a.tx, a.res)
		case repeat:
			s.srv.repeat(a.tx)
		case send:
			s.flow = s.srv.request(s.flow, a.req, a.again)
		case deliver:
			a.offer.reply = unheard{}
			if a.ex != nil {
				a.offer.reply = answerer{s, a.ex}
			}
			s.undelivered = append(s.undelivered, a.offer)
		case settle:
			a.wish.result <- a.err
		}
	}
}

// post puts a message into the mailbox without ever waiting; false: it was full.
func (s *Session) post(in any) bool {
	select {
	case s.inbox <- in:
		return true
	default:
		return false
	}
}

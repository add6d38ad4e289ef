package sip

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"
)

// change is what one request carries.
type change struct {
	Change
	opening     bool
	contentType string // of body, for INFO
	body        []byte
}

// patiently repeats a request that met one of the SRS's after the time that the
// owner of the Call-ID waits (RFC 3261 section 14.1).
func (o *Outgoing) patiently(ctx context.Context, send func() error) error {
	for attempt := 0; ; attempt++ {
		err := send()
		var refused *StatusError
		if attempt == 3 || !errors.As(err, &refused) || refused.Status != 491 {
			return err
		}
		wait := time.NewTimer(2100*time.Millisecond + time.Duration(rand.IntN(190))*10*time.Millisecond)
		select {
		case <-wait.C:
		case <-ctx.Done():
			wait.Stop()
			return context.Cause(ctx)
		case <-o.life.Done():
			wait.Stop()
			return o.Err()
		}
	}
}

// invite is a request by INVITE, with its ACK.
func (o *Outgoing) invite(ctx context.Context, ch change) error {
	r, err := o.request(ctx, "INVITE", ch)
	if r == nil {
		return err
	}
	// The SRS accepted: it gets its ACK even when its answer is of no use.
	var answer []byte
	if err == nil && ch.Lines == nil {
		answer, err = o.answerIn(r)
	}
	o.acknowledge(r, answer)
	if err == nil && ch.opening {
		err = context.Cause(ctx) // nil, unless the 2xx crossed our CANCEL
	}
	if err != nil && ch.opening {
		byeCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 8*o.caller.t1())
		defer cancel()
		return errors.Join(err, o.Bye(byeCtx, nil))
	}
	return err
}

// request sends one request within the RS and returns the response when it is
// 2xx, also beside an error that says why it could not be used.
func (o *Outgoing) request(ctx context.Context, method string, ch change) (*Message, error) {
	select {
	case <-o.turn:
	case <-o.life.Done():
		return nil, o.Err()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	defer func() { o.turn <- struct{}{} }()
	if err := o.Err(); err != nil {
		return nil, err
	}
	m, p, err := o.build(ctx, method, ch)
	if err != nil {
		return nil, err
	}
	if ch.Lines != nil {
		o.setOffering(true)
		defer o.setOffering(false)
	}
	r, err := o.caller.exchange(ctx, m, p)
	if err != nil {
		if method != "INVITE" && errors.Is(err, ErrNoResponse) {
			o.finish("src", "no-response") // RFC 3261 section 12.2.1.2
		}
		return nil, err
	}
	if h, ok := o.caller.credentials(r, method, m.RequestURI); ok {
		if m, p, err = o.build(ctx, method, ch); err != nil {
			return nil, err
		}
		m.add(h.Name, h.Value)
		if r, err = o.caller.exchange(ctx, m, p); err != nil {
			return nil, err
		}
	}
	return o.take(m, r, ch)
}

func (o *Outgoing) setOffering(on bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.offering = on
}

// build makes the next request of the dialog and finds its way.
func (o *Outgoing) build(ctx context.Context, method string, ch change) (*Message, callerPath, error) {
	p, err := o.nextHop(ctx)
	if err != nil {
		return nil, p, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.cseq++
	m := &Message{Request: true, Method: method, RequestURI: o.target, CallID: o.callID, CSeq: o.cseq}
	o.address(m, p)
	if method == "INVITE" || method == "UPDATE" {
		params := ";+sip.src"
		if o.invitation.Bare {
			params = ""
		}
		m.add("Contact", o.caller.contact(p, params))
		m.add("Allow", "INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE, INFO")
		m.add("Accept", "application/sdp, "+metadataType)
		o.offerTimer(m)
	}
	if ch.opening {
		if !o.invitation.Bare {
			m.add("Require", "siprec")
		}
		for _, h := range o.invitation.Headers {
			m.add(h.Name, h.Value)
		}
	}
	if ch.Metadata != nil {
		o.metadata = ch.Metadata
	}
	if ch.body != nil {
		m.ContentType, m.Body = ch.contentType, ch.body
		return m, p, nil
	}
	var sdp []byte
	if ch.Lines != nil {
		o.wanted = outgoingDefaults(ch.Lines)
		o.version++
		sdp = encodeLines(o.wanted, o.local, o.session, o.version)
	}
	setBody(m, sdp, ch.Metadata)
	return m, p, nil
}

// address adds the headers of a request in the dialog: RFC 3261 section
// 12.2.1.1. The lock is held.
func (o *Outgoing) address(m *Message, p callerPath) {
	to := o.to
	if o.remoteTag != "" {
		to += ";tag=" + o.remoteTag
	}
	o.caller.head(m, p, o.from+";tag="+o.localTag, to)
	routes := o.routes
	if len(routes) > 0 && !looseRoute(routes[0]) { // a strict router takes the Request-URI's place
		m.RequestURI = parseAddress(routes[0]).URI
		routes = append(slices.Clone(routes[1:]), "<"+o.target+">")
	}
	for _, r := range routes {
		m.add("Route", r)
	}
}

func looseRoute(route string) bool {
	_, lr := parseURI(parseAddress(route).URI).params["lr"]
	return lr
}

// nextHop returns the way of the next request: to the first route or the
// target; over a connection, the one we have as long as it lives.
func (o *Outgoing) nextHop(ctx context.Context) (callerPath, error) {
	o.mu.Lock()
	p, hop, established := o.path, o.target, o.remoteTag != ""
	if len(o.routes) > 0 {
		hop = parseAddress(o.routes[0]).URI
	}
	o.mu.Unlock()
	if !established {
		return p, nil
	}
	if p.stream != nil {
		select {
		case <-p.stream.gone:
		default:
			return p, nil
		}
	}
	if host, err := netip.ParseAddr(parseURI(hop).host); err == nil && host.IsUnspecified() {
		return p, nil // some SRSs name no address in their Contact
	}
	next, err := o.caller.path(ctx, hop)
	if err != nil {
		return p, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.path = next
	return next, nil
}

// take reads a final response.
func (o *Outgoing) take(m, r *Message, ch change) (*Message, error) {
	if err := statusError(r, nil); err != nil {
		if !ch.opening && (r.Status == 481 || r.Status == 408) {
			o.finish("srs", "gone") // RFC 3261 section 12.2.1.2
		}
		return nil, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.remoteTag == "" {
		o.remoteTag = r.ToTag
		o.routes = r.list("Record-Route")
		slices.Reverse(o.routes)
	}
	if m.Method != "INVITE" && m.Method != "UPDATE" {
		return r, nil
	}
	if contacts := r.list("Contact"); len(contacts) > 0 {
		o.target = parseAddress(contacts[0]).URI
	}
	o.readTimer(r)
	if ch.Lines == nil {
		return r, nil
	}
	theirs, err := r.Description()
	if err != nil {
		return r, fmt.Errorf("the SRS's answer cannot be read: %w", err)
	}
	if theirs == nil {
		return r, errors.New("the SRS accepted without an SDP answer")
	}
	o.lines = pairLines(o.wanted, theirs)
	return r, nil
}

// answerIn answers the offer that a 200 to an offerless INVITE carries.
func (o *Outgoing) answerIn(r *Message) ([]byte, error) {
	offer, err := r.Description()
	if err != nil {
		return nil, fmt.Errorf("the SRS's offer cannot be read: %w", err)
	}
	if offer == nil {
		return nil, errors.New("the SRS answered an INVITE without an offer without making one")
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.answer(offer), nil
}

// answer settles an offer of the SRS and writes our answer. The lock is held.
func (o *Outgoing) answer(offer *Description) []byte {
	if o.wanted == nil {
		o.wanted = outgoingDefaults(o.invitation.Lines)
	}
	ours := asked(o.wanted, offer)
	o.wanted = append(o.wanted, ours[min(len(o.wanted), len(ours)):]...)
	o.version++
	o.lines = pairLines(ours, offer)
	return encodeLines(ours, o.local, o.session, o.version)
}

// acknowledge sends the ACK to a 2xx, which answers an offer when answer is not nil.
func (o *Outgoing) acknowledge(r *Message, answer []byte) {
	p, err := o.nextHop(o.life)
	if err != nil {
		o.caller.note(err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	m := &Message{Request: true, Method: "ACK", RequestURI: o.target, CallID: o.callID, CSeq: r.CSeq}
	o.address(m, p)
	setBody(m, answer, nil)
	o.ack, o.ackCSeq = m.bytes(), r.CSeq
	o.caller.note(p.write(o.ack))
}

// acknowledgeAgain repeats the ACK for a repeated 2xx (RFC 3261 section 13.2.2.4).
func (o *Outgoing) acknowledgeAgain(r *Message) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ack != nil && r.CSeq == o.ackCSeq {
		o.caller.note(o.path.write(o.ack))
	}
}

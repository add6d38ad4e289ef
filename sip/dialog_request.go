package sip

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"siprecd/sip/rsmeta"
)

// wish is something the handler wants of the SRC.
type wish struct {
	redirect *Answer
	snapshot bool
	reason   string
	result   chan error // buffered, so that nobody waits for the handler
}

// outgoing is a request of ours (RFC 3261 section 17.1).
type outgoing struct {
	method   string
	wish     *wish // nil: our own refresh or BYE
	reason   string
	req      *Message
	branch   string
	resend   time.Time // zero: no more (a provisional response to INVITE)
	interval time.Duration
	giveUp   time.Time
	attempts int
	retry    time.Time // when it may be tried again after 491 or 500
}

const (
	maxAttempts     = 5
	maxProceeding   = 3 * time.Minute // a provisional response but no final one
	snapshotBackoff = 5 * time.Second
)

// want queues a wish.
func (d *dialog) want(now time.Time, w *wish) {
	if d.state == over {
		d.do(settle{w, errOver})
		return
	}
	method := "INVITE"
	if w.snapshot {
		method = "UPDATE"
	}
	d.waiting = append(d.waiting, &outgoing{method: method, wish: w})
	d.begin(now)
}

// hangup ends the RS from our side. BYE waits for the ACK of our 2xx
// (RFC 3261 section 15).
func (d *dialog) hangup(now time.Time, why *EndError, reason string) {
	if d.state == over {
		return
	}
	first := d.state == opening
	if first && d.offering != nil {
		ex := d.offering
		d.settleExchange(ex)
		status := 500
		if why.Reason == "shutdown" {
			status = 503
		}
		d.refuse(ex.tx, status, "")
	}
	d.close(why)
	if first {
		return
	}
	d.waiting = append(d.waiting, &outgoing{method: "BYE", reason: reason})
	d.begin(now)
}

// begin sends the next waiting request when its time has come.
func (d *dialog) begin(now time.Time) {
	if len(d.waiting) == 0 || len(d.unacked) > 0 || d.state == opening {
		return
	}
	o := d.waiting[0]
	switch {
	case o.method == "BYE":
		d.drop(d.out) // BYE does not wait for a re-INVITE
		d.out = nil
	case d.out != nil || d.offering != nil || o.retry.After(now):
		return
	}
	d.waiting = d.waiting[1:]
	if err := d.transmit(now, o); err != nil {
		d.grant(o, err)
		d.begin(now)
	}
}

func (d *dialog) transmit(now time.Time, o *outgoing) error {
	m := d.build(o.method)
	o.branch = d.stamp(m)
	switch {
	case o.method == "BYE":
		if o.reason != "" {
			m.add("Reason", o.reason)
		}
	case o.wish != nil && o.wish.snapshot:
		m.ContentType, m.Body = "application/rs-metadata+xml", rsmeta.SnapshotRequest(o.wish.reason)
		m.add("Content-Disposition", "recording-session")
	case o.wish != nil:
		sdp, err := d.encode(anyDirection(d.described), *o.wish.redirect)
		if err != nil {
			return fmt.Errorf("sip: our offer: %w", err)
		}
		m.ContentType, m.Body = "application/sdp", sdp
	case o.method == "INVITE":
		m.ContentType, m.Body = "application/sdp", d.sdp
	}
	if o.method != "BYE" {
		m.add("Contact", d.contact)
		m.add("Allow", allowed)
		m.add("Accept", accepted)
		m.add("Supported", supported)
		if d.timer.interval > 0 {
			who := "uac"
			if !d.timer.ours {
				who = "uas"
			}
			m.add("Session-Expires", seconds(d.timer.interval)+";refresher="+who)
		}
	}
	d.identify(m)
	o.req, o.attempts = m, o.attempts+1
	o.interval, o.resend, o.giveUp = t1, now.Add(t1), now.Add(timeout)
	d.out = o
	d.do(send{m, false})
	return nil
}

// build begins a request within the dialog (RFC 3261 section 12.2.1.1).
func (d *dialog) build(method string) *Message {
	if method != "ACK" {
		d.sent++
	}
	m := &Message{
		Request: true, Method: method, RequestURI: d.target, CallID: d.callID,
		FromTag: d.localTag, CSeq: d.sent,
	}
	routes := d.routes
	if len(routes) > 0 && !isLoose(routes[0]) {
		// A strict router wants itself as Request-URI and the target last.
		m.RequestURI = parseAddress(routes[0]).URI
		routes = append(slices.Clone(routes[1:]), "<"+d.target+">")
	}
	m.add("Via", d.via)
	m.add("Max-Forwards", "70")
	for _, r := range routes {
		m.add("Route", r)
	}
	m.add("From", d.local)
	m.add("To", d.remote)
	m.add("Call-ID", d.callID)
	m.add("CSeq", strconv.Itoa(int(m.CSeq))+" "+method)
	return m
}

// stamp gives the Via a fresh branch.
func (d *dialog) stamp(m *Message) string {
	branch := "z9hG4bK" + token(20)
	m.headers[0].value = d.via + ";branch=" + branch
	return branch
}

func isLoose(route string) bool {
	_, ok := parseURI(parseAddress(route).URI).params["lr"]
	return ok
}

// anyDirection is what they last described, ready to be turned into an offer of
// ours that may state any direction.
func anyDirection(d *Description) *Description {
	if d == nil {
		return nil
	}
	free := *d
	free.Lines = slices.Clone(d.Lines)
	for i := range free.Lines {
		free.Lines[i].Direction = SendRecv
	}
	return &free
}

// response takes a response to a request of ours.
func (d *dialog) response(now time.Time, m *Message) {
	if m.Method == "INVITE" && m.Status >= 200 && m.Status < 300 && d.lastAck != nil && d.lastAck.CSeq == m.CSeq {
		d.do(send{d.lastAck, false}) // our ACK was lost
		return
	}
	o := d.out
	vias := m.list("Via")
	if o == nil || m.CSeq != o.req.CSeq || m.Method != o.method || len(vias) == 0 {
		return
	}
	if v, _ := parseVia(vias[0]); v.params["branch"] != o.branch {
		return
	}
	if m.Status < 200 {
		if o.method == "INVITE" {
			o.resend, o.giveUp = time.Time{}, now.Add(maxProceeding)
		}
		return
	}
	d.out = nil
	if o.method == "INVITE" {
		d.acknowledge(o, m)
	}
	d.concluded(now, o, m)
	d.begin(now)
}

// acknowledge sends the ACK of a final response: of a 2xx with a branch of its
// own, to the new target; of any other as part of the INVITE's transaction.
func (d *dialog) acknowledge(o *outgoing, m *Message) {
	if m.Status < 300 {
		d.retarget(m)
	}
	ack := d.build("ACK")
	ack.headers[0].value = o.req.headers[0].value
	if m.Status < 300 {
		d.stamp(ack)
		d.lastAck = ack
	} else {
		ack.RequestURI = o.req.RequestURI
	}
	d.do(send{ack, false})
}

func (d *dialog) concluded(now time.Time, o *outgoing, m *Message) {
	switch {
	case o.method == "BYE":
		return
	case m.Status < 300:
		d.refreshed(now, m)
		if c, err := m.content(); err == nil && c.media != nil && o.method == "INVITE" {
			if !sameKeys(d.described, c.media) {
				answer := m.offer(now, c, nil)
				answer.Method = "ACK"
				d.do(deliver{answer, nil})
			}
			d.described = c.media
		}
		d.grant(o, nil)
	case m.Status == 481 || m.Status == 408:
		d.grant(o, fmt.Errorf("sip: the SRC no longer knows the session (%d)", m.Status))
		d.hangup(now, &EndError{Side: "src", Reason: "gone"}, "")
	case (m.Status == 491 || m.Status == 500) && o.attempts < maxAttempts:
		// We do not own the Call-ID: up to two seconds (RFC 3261 section 14.1).
		wait := time.Duration(rand.Int64N(int64(2 * time.Second)))
		if after := deltaSeconds(m.header("Retry-After")); after > 0 {
			wait = min(after, 10*time.Second)
		}
		o.retry = now.Add(wait)
		d.waiting = append([]*outgoing{o}, d.waiting...)
	case o.wish == nil:
		// Whoever refuses a refresh is alive.
		d.timer = startTimer(now, d.timer.interval, true)
	default:
		d.grant(o, fmt.Errorf("sip: %s refused with %d %s", o.method, m.Status, plainText(m.phrase)))
	}
}

func (d *dialog) grant(o *outgoing, err error) {
	if o.wish != nil {
		d.do(settle{o.wish, err})
	}
}

// refreshed renews the session timer after a 2xx to a request of ours.
func (d *dialog) refreshed(now time.Time, m *Message) {
	if d.timer.interval == 0 || d.state != established {
		return
	}
	interval, refresher := statedSession(m)
	if interval < minSession {
		interval = d.timer.interval
	}
	ours := d.timer.ours
	if refresher != "" {
		ours = refresher == "uac" // of that request we were the UAC
	}
	d.timer = startTimer(now, interval, ours)
}

// tick does what is due.
func (d *dialog) tick(now time.Time) {
	if due(d.trying, now) && d.offering != nil {
		d.trying = time.Time{}
		d.do(reply{d.offering.tx, d.offering.tx.response(100, "")})
	}
	for _, u := range slices.Clone(d.unacked) {
		switch {
		case due(u.giveUp, now):
			d.unacked = nil
			d.hangup(now, &EndError{Side: "srs", Reason: "ack-timeout"}, `SIP;cause=408;text="no ACK"`)
		case due(u.resend, now):
			u.interval = min(2*u.interval, t2)
			u.resend = now.Add(u.interval)
			d.do(repeat{u.tx})
		}
	}
	d.tickRequest(now)
	switch {
	case due(d.timer.expire, now):
		d.timer = sessionTimer{}
		d.hangup(now, &EndError{Side: "srs", Reason: "session-expired"}, `SIP;cause=408;text="session expired"`)
	case due(d.timer.refresh, now):
		d.timer.refresh = time.Time{}
		method := "INVITE"
		if slices.ContainsFunc(d.theirAllow, func(m string) bool { return strings.EqualFold(m, "UPDATE") }) {
			method = "UPDATE"
		}
		d.waiting = append(d.waiting, &outgoing{method: method})
	}
	d.begin(now)
}

func (d *dialog) tickRequest(now time.Time) {
	o := d.out
	switch {
	case o == nil:
	case due(o.giveUp, now):
		d.out = nil
		d.grant(o, errors.New("sip: no answer from the SRC"))
		if o.method != "BYE" && o.wish == nil {
			d.hangup(now, &EndError{Side: "srs", Reason: "src-silent"}, `SIP;cause=408;text="no answer"`)
		}
	case due(o.resend, now):
		o.interval *= 2
		if o.method != "INVITE" {
			o.interval = min(o.interval, t2)
		}
		o.resend = now.Add(o.interval)
		d.do(send{o.req, true})
	}
}

func due(t, now time.Time) bool { return !t.IsZero() && !t.After(now) }

// next is when tick must be called, zero: not until something else happens.
func (d *dialog) next() time.Time {
	var first time.Time
	sooner := func(t time.Time) {
		if !t.IsZero() && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	sooner(d.trying)
	for _, u := range d.unacked {
		sooner(u.resend)
		sooner(u.giveUp)
	}
	if d.out != nil {
		sooner(d.out.resend)
		sooner(d.out.giveUp)
	} else if len(d.waiting) > 0 && len(d.unacked) == 0 && d.offering == nil {
		sooner(d.waiting[0].retry) // before that something else must happen first
	}
	sooner(d.timer.refresh)
	sooner(d.timer.expire)
	return first
}

// quiet: the RS is over and nothing of ours is on its way.
func (d *dialog) quiet() bool {
	return d.state == over && d.out == nil && len(d.waiting) == 0
}

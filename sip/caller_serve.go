package sip

import (
	"bytes"
	"strconv"
	"strings"
	"time"
)

// serve answers a request of the SRS. It does not wait for anything. The SRS
// repeats a request until it is answered, and we send nothing provisional that
// would stop it, so that a lost 200 needs no timer of ours.
func (c *Caller) serve(m *Message, p callerPath) {
	c.state.mu.Lock()
	o := c.state.calls[m.CallID]
	c.state.mu.Unlock()
	switch {
	case o != nil && m.ToTag == o.localTag:
		o.serve(m, p)
	case m.Method == "ACK":
	case m.Method == "OPTIONS":
		c.note(p.write(c.reply(m, p, 200, "").bytes()))
	case m.ToTag == "" && m.Method == "INVITE":
		c.note(p.write(c.reply(m, p, 603, token(10)).bytes())) // we open RSs, nobody opens them here
	default:
		c.note(p.write(c.reply(m, p, 481, token(10)).bytes()))
	}
}

// reply builds a response; tag is added to a To without one.
func (c *Caller) reply(m *Message, p callerPath, status int, tag string) *Message {
	r := &Message{Status: status, Method: m.Method, phrase: phrases[status]}
	for _, h := range m.headers {
		if h.name == "Via" {
			r.headers = append(r.headers, h)
		}
	}
	to := m.header("To")
	if m.ToTag == "" && tag != "" {
		to += ";tag=" + tag
	}
	r.headers = append(r.headers, header{"From", m.header("From")}, header{"To", to},
		header{"Call-ID", m.CallID}, header{"CSeq", m.header("CSeq")})
	if m.Method == "INVITE" || m.Method == "UPDATE" || m.Method == "OPTIONS" {
		r.add("Contact", c.contact(p, ";+sip.src"))
		r.add("Allow", "INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE, INFO")
	}
	return r
}

// serve answers a request within the RS, the same way each time it is repeated.
func (o *Outgoing) serve(m *Message, p callerPath) {
	o.served.Lock()
	defer o.served.Unlock()
	if m.Method == "ACK" {
		o.takeAck(m)
		return
	}
	key := topBranch(m) + " " + m.Method
	for _, r := range o.replies {
		if r.key == key {
			o.caller.note(p.write(r.wire))
			return
		}
	}
	r, after := o.handle(m, p)
	const remembered = 8
	o.replies = append(o.replies, sentReply{key, r.bytes()})
	o.replies = o.replies[max(0, len(o.replies)-remembered):]
	o.caller.note(p.write(r.bytes()))
	if after != nil {
		after()
	}
}

// handle decides on a request. after is what to do once the response has left.
func (o *Outgoing) handle(m *Message, p callerPath) (r *Message, after func()) {
	refuse := func(status int) (*Message, func()) { return o.caller.reply(m, p, status, ""), nil }
	o.mu.Lock()
	defer o.mu.Unlock()
	if m.FromTag != o.remoteTag {
		return refuse(481)
	}
	if m.Method == "CANCEL" { // what it would cancel is answered already
		return refuse(200)
	}
	if m.CSeq <= o.remoteCSeq {
		return refuse(500) // RFC 3261 section 12.2.2
	}
	o.remoteCSeq = m.CSeq
	switch m.Method {
	case "BYE":
		r, _ := refuse(200)
		return r, func() { o.finish("srs", byeReason(m)) }
	case "OPTIONS", "INFO":
		return refuse(200)
	case "INVITE", "UPDATE":
		return o.handleOffer(m, p)
	}
	return refuse(405)
}

// handleOffer answers a re-INVITE or UPDATE. The lock is held.
func (o *Outgoing) handleOffer(m *Message, p callerPath) (*Message, func()) {
	body, err := m.content()
	if err != nil {
		return o.caller.reply(m, p, 488, ""), nil
	}
	if o.offering && (body.media != nil || m.Method == "INVITE") {
		return o.caller.reply(m, p, 491, ""), nil // RFC 3261 section 14.2
	}
	if contacts := m.list("Contact"); len(contacts) > 0 {
		o.target = parseAddress(contacts[0]).URI
	}
	r := o.caller.reply(m, p, 200, "")
	o.echoTimer(m, r)
	wants := false
	for _, doc := range body.metadata {
		wants = wants || bytes.Contains(doc.Body, []byte("requestsnapshot"))
	}
	changed := false
	switch {
	case body.media != nil:
		r.ContentType, r.Body = "application/sdp", o.answer(body.media)
		changed = true
	case m.Method == "INVITE":
		o.version++
		r.ContentType, r.Body = "application/sdp", encodeLines(o.wanted, o.local, o.session, o.version)
		o.owesAnswer = true
	}
	lines := append([]OutgoingLine(nil), o.lines...)
	return r, func() {
		if wants {
			select {
			case o.asks <- struct{}{}:
			default: // one is asked for already
			}
		}
		if changed && o.invitation.OnChange != nil {
			o.invitation.OnChange(lines)
		}
	}
}

// echoTimer accepts the session interval of a refresh (RFC 4028 section 9). The
// lock is held.
func (o *Outgoing) echoTimer(m, r *Message) {
	value, params, _ := strings.Cut(m.header("Session-Expires"), ";")
	seconds, err := strconv.Atoi(strings.TrimSpace(value))
	if err != nil || o.invitation.SessionExpires == 0 {
		return
	}
	refresher := parseParams(params)["refresher"]
	if refresher == "" {
		refresher = "uac"
	}
	o.refresh = 0
	if refresher == "uac" { // the SRS goes on refreshing
		r.add("Require", "timer")
	} else {
		o.refresh = time.Duration(seconds) * time.Second / 2
	}
	r.add("Session-Expires", strings.TrimSpace(value)+";refresher="+refresher)
}

// takeAck reads the answer to an offer we made in a 200.
func (o *Outgoing) takeAck(m *Message) {
	o.mu.Lock()
	if !o.owesAnswer {
		o.mu.Unlock()
		return
	}
	o.owesAnswer = false
	theirs, err := m.Description()
	if err != nil || theirs == nil {
		o.mu.Unlock()
		return
	}
	o.lines = pairLines(o.wanted, theirs)
	lines := append([]OutgoingLine(nil), o.lines...)
	o.mu.Unlock()
	if o.invitation.OnChange != nil {
		o.invitation.OnChange(lines)
	}
}

// byeReason is the Reason header of a BYE as one word or text (RFC 3326).
func byeReason(m *Message) string {
	protocol, params, _ := strings.Cut(m.header("Reason"), ";")
	p := parseParams(params)
	switch {
	case p["text"] != "":
		return p["text"]
	case p["cause"] != "":
		return strings.TrimSpace(protocol) + " " + p["cause"]
	}
	return "bye"
}

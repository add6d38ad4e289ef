package sip

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"strings"
	"time"
)

// dialog is the RS as a state machine: the INVITE dialog of RFC 3261 sections
// 12 to 15, offer and answer, and the session timer of RFC 4028. Requests,
// responses, our own wishes and the time go in; what is to be done comes out of
// take. It has no socket, no clock and no goroutine, and is not safe for
// concurrent use.
type dialog struct {
	local, remote string // our and their From/To values, with tags
	localTag      string
	contact       string // our Contact value
	via           string // our Via value without branch
	callID        string
	target        string   // remote target: their latest Contact
	routes        []string // route set, in the order of Record-Route
	sessionID     string   // our Session-ID (RFC 7989); "" when they send none
	theirID       string

	state      dialogState
	seen, sent uint32 // CSeq, theirs and ours
	offering   *exchange
	exchanges  []*exchange // not yet answered
	unacked    []*unacked
	described  *Description // what they last described
	sdp        []byte       // what we last described
	origin     uint64       // our o= session id
	version    uint64       // our o= version
	trying     time.Time    // when 100 is due; zero: not any more
	timer      sessionTimer
	theirAllow []string

	out     *outgoing   // request of ours in progress
	waiting []*outgoing // requests of ours that wait for their turn
	lastAck *Message    // ACK of our last re-INVITE

	ended   *EndError
	actions []any
}

// maxExchanges is how many requests may wait for the handler's answer.
const maxExchanges = 32

type dialogState int

const (
	opening     dialogState = iota // the first INVITE is not answered
	established                    // a 2xx was sent
	over                           // nothing but answers to what is late
)

// exchange is one request that became an Offer.
type exchange struct {
	tx    *serverTx
	offer *Offer
	sdp   bool // the answer carries SDP
	done  bool
}

// unacked is a 2xx that waits for its ACK (RFC 3261 section 13.3.1.4).
type unacked struct {
	tx       *serverTx
	resend   time.Time
	interval time.Duration
	giveUp   time.Time
	asked    bool // our offer was in it: the ACK must hold the answer
}

// What the machine asks for.
type (
	// reply sends a new response.
	reply struct {
		tx  *serverTx
		res *Message
	}
	// repeat sends a transaction's last response again.
	repeat struct{ tx *serverTx }
	// send sends a request of ours to the next hop; again: only where nothing
	// repeats it for us.
	send struct {
		req   *Message
		again bool
	}
	// deliver hands an offer to the handler.
	deliver struct {
		offer *Offer
		ex    *exchange // nil: nothing is sent for it
	}
	// finish says that the RS is over.
	finish struct{ why *EndError }
	// settle ends a wish of ours; err nil: it was granted.
	settle struct {
		wish *wish
		err  error
	}
)

var (
	errOver     = errors.New("sip: the recording session is over")
	errAnswered = errors.New("sip: the offer was answered before")
)

func (d *dialog) do(a any) { d.actions = append(d.actions, a) }

// take returns what is to be done since the last call, in order.
func (d *dialog) take() []any {
	a := d.actions
	d.actions = nil
	return a
}

// newDialog opens the machine with the INVITE that starts the RS.
func newDialog(now time.Time, tx *serverTx, contact, via string) *dialog {
	m := tx.req
	d := &dialog{
		local: m.header("To") + ";tag=" + tx.tag, remote: m.header("From"), localTag: tx.tag,
		contact: contact, via: via, callID: m.CallID, routes: m.list("Record-Route"),
		sent: rand.Uint32N(1 << 16), origin: uint64(now.Unix()), version: 1,
		trying: now.Add(200 * time.Millisecond), seen: m.CSeq, theirAllow: m.list("Allow"),
	}
	d.retarget(m)
	if id := m.header("Session-ID"); id != "" {
		d.theirID, _, _ = strings.Cut(id, ";")
		d.sessionID = sessionUUID()
	}
	if d.acceptable(tx) {
		d.offer(now, tx)
	}
	if d.offering == nil {
		d.close(&EndError{Side: "srs", Reason: "refused"})
	}
	return d
}

// acceptable refuses a request whose Require or Session-Expires we cannot meet.
func (d *dialog) acceptable(tx *serverTx) bool {
	if unknown := unsupportedTags(tx.req); len(unknown) > 0 {
		r := tx.response(420, "")
		r.add("Unsupported", strings.Join(unknown, ", "))
		d.do(reply{tx, r})
		return false
	}
	if tx.req.Method != "INVITE" && tx.req.Method != "UPDATE" {
		return true
	}
	if tooShort(tx.req) {
		r := tx.response(422, "")
		r.add("Min-SE", seconds(minSession))
		d.do(reply{tx, r})
		return false
	}
	return true
}

// offer reads a request's body and hands it on; a body that cannot be answered
// is refused and changes nothing (RFC 3261 section 14.2).
func (d *dialog) offer(now time.Time, tx *serverTx) {
	if len(d.exchanges) >= maxExchanges {
		d.refuse(tx, 500, "")
		return
	}
	c, err := tx.req.content()
	if err != nil {
		d.refuse(tx, bodyStatus(err), err.Error())
		return
	}
	ex := &exchange{tx: tx, sdp: tx.req.Method == "INVITE" || c.media != nil}
	ex.offer = tx.req.offer(now, c, nil)
	if ex.sdp {
		d.offering = ex
	}
	if tx.req.Method == "UPDATE" && len(tx.req.Body) == 0 && len(ex.offer.Named) == 0 {
		d.accept(now, ex, nil) // a session refresh tells nothing new
		return
	}
	d.exchanges = append(d.exchanges, ex)
	d.do(deliver{ex.offer, ex})
}

func bodyStatus(err error) int {
	if b := (*bodyError)(nil); errors.As(err, &b) {
		return b.status
	}
	return 400
}

func (d *dialog) refuse(tx *serverTx, status int, phrase string) {
	r := tx.response(status, phrase)
	if status == 500 || status == 491 {
		if status == 500 {
			r.add("Retry-After", seconds(time.Duration(rand.Int64N(int64(10*time.Second)))))
		}
		r.phrase = plainText(phrases[status])
	}
	d.identify(r)
	d.do(reply{tx, r})
}

func (d *dialog) identify(m *Message) {
	if d.sessionID != "" {
		m.add("Session-ID", d.sessionID+";remote="+d.theirID)
	}
}

// request takes any request within the dialog, ACK included.
func (d *dialog) request(now time.Time, tx *serverTx) {
	m := tx.req
	switch {
	case m.Method == "ACK":
		d.ack(now, tx)
		return
	case d.state == over:
		d.refuse(tx, 481, "")
		return
	case m.CSeq <= d.seen:
		d.refuse(tx, 500, "")
		return
	}
	d.seen = m.CSeq
	switch m.Method {
	case "BYE":
		d.bye(now, tx)
	case "INVITE", "UPDATE":
		d.reoffer(now, tx)
	case "INFO":
		if d.acceptable(tx) {
			d.info(now, tx)
		}
	case "OPTIONS":
		d.do(reply{tx, d.ok(tx)})
	case "PRACK":
		d.refuse(tx, 481, "") // we send nothing that a PRACK could be for (RFC 3262 section 3)
	default:
		d.refuse(tx, 405, "")
	}
}

// reoffer takes a re-INVITE or UPDATE (RFC 3261 section 14.2, RFC 3311 section 5.2).
func (d *dialog) reoffer(now time.Time, tx *serverTx) {
	carries := tx.req.Method == "INVITE" || holdsSDP(tx.req)
	switch {
	case !d.acceptable(tx):
	case carries && d.offering != nil:
		d.refuse(tx, 500, "")
	case carries && (d.offerPending() || d.awaitsAnswer()):
		d.refuse(tx, 491, "")
	default:
		d.offer(now, tx)
	}
}

// holdsSDP says whether a body holds an offer, without reading it in full.
func holdsSDP(m *Message) bool {
	return len(m.Body) > 0 && bytes.Contains(m.Body, []byte("v=0")) && bytes.Contains(m.Body, []byte("m="))
}

// offerPending: an offer of ours is on its way.
func (d *dialog) offerPending() bool { return d.out != nil && d.out.req.Method == "INVITE" }

// awaitsAnswer: our offer was in a 2xx and its answer is still to come.
func (d *dialog) awaitsAnswer() bool {
	for _, u := range d.unacked {
		if u.asked {
			return true
		}
	}
	return false
}

// info takes an INFO: keys or metadata go on, an empty one is a keepalive, and
// an Info-Package we never asked for is refused (RFC 6086 section 4.2.2).
func (d *dialog) info(now time.Time, tx *serverTx) {
	if tx.req.has("Info-Package") {
		d.refuse(tx, 469, "")
		return
	}
	if len(tx.req.Body) == 0 {
		d.do(reply{tx, d.ok(tx)})
		return
	}
	d.offer(now, tx)
}

// bye ends the RS. What its body says is delivered, the answer does not wait.
func (d *dialog) bye(now time.Time, tx *serverTx) {
	for _, ex := range d.exchanges {
		if !ex.done {
			ex.done = true
			d.refuse(ex.tx, 487, "")
		}
	}
	d.exchanges, d.offering = nil, nil
	d.do(reply{tx, d.ok(tx)})
	// A body that cannot be read is no reason to keep an RS that is over.
	if c, err := tx.req.content(); err == nil && len(tx.req.Body) > 0 {
		d.do(deliver{tx.req.offer(now, c, nil), nil})
	}
	d.close(&EndError{Side: "src", Reason: "bye", Header: tx.req.header("Reason")})
}

// cancel ends an RS whose INVITE is not answered; later it means nothing
// (RFC 3261 section 9.2).
func (d *dialog) cancel(reason string) {
	if d.state != opening {
		return
	}
	if d.offering != nil {
		d.offering.done = true
		d.refuse(d.offering.tx, 487, "")
	}
	d.close(&EndError{Side: "src", Reason: "cancel", Header: reason})
}

// ack takes the ACK of a 2xx, with or without an answer to our offer.
func (d *dialog) ack(now time.Time, tx *serverTx) {
	for i, u := range d.unacked {
		if u.tx.req.CSeq != tx.req.CSeq {
			continue
		}
		d.unacked = append(d.unacked[:i:i], d.unacked[i+1:]...)
		if u.asked && d.state == established {
			d.answered(now, tx)
		}
		break
	}
	d.begin(now)
}

func (d *dialog) answered(now time.Time, tx *serverTx) {
	c, err := tx.req.content()
	if err != nil || c.media == nil {
		d.hangup(now, &EndError{Side: "srs", Reason: "no-answer-in-ack"}, `SIP;cause=488;text="no answer in ACK"`)
		return
	}
	d.described = c.media
	d.do(deliver{tx.req.offer(now, c, nil), nil})
}

// close ends the dialog from now on: no request of ours is sent any more but BYE.
func (d *dialog) close(why *EndError) {
	if d.state == over {
		return
	}
	d.state, d.ended, d.trying, d.offering = over, why, time.Time{}, nil
	d.timer = sessionTimer{}
	for _, ex := range d.exchanges {
		if !ex.done {
			ex.done = true
			d.refuse(ex.tx, 487, "")
		}
	}
	d.exchanges = nil
	if why.Side == "src" {
		d.unacked = nil
		d.drop(d.out)
		d.out = nil
	}
	for _, o := range d.waiting {
		d.drop(o)
	}
	d.waiting = nil
	d.do(finish{why})
}

func (d *dialog) drop(o *outgoing) {
	if o != nil && o.wish != nil {
		d.do(settle{o.wish, errOver})
	}
}

func (d *dialog) retarget(m *Message) {
	if contacts := m.list("Contact"); len(contacts) > 0 {
		if a := parseAddress(contacts[0]); a.URI != "" && a.URI != "*" {
			d.target = a.URI
		}
	}
}

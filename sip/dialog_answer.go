package sip

import (
	"bytes"
	"time"
)

// accept answers an exchange with 2xx. a is ignored where the request asked for
// no SDP.
func (d *dialog) accept(now time.Time, ex *exchange, a *Answer) error {
	switch m := ex.tx.req.Method; {
	case ex.done:
		return d.late()
	case m != "INVITE" && !ex.sdp:
		d.settleExchange(ex)
		r := d.ok(ex.tx)
		if m == "UPDATE" {
			d.retarget(ex.tx.req)
			d.describeSession(now, ex.tx, r)
		}
		d.do(reply{ex.tx, r})
		return nil
	}
	sdp, err := d.encode(ex.offer.Media, *a)
	if err != nil {
		d.reject(now, ex, bodyStatus(err), err.Error())
		return err
	}
	d.settleExchange(ex)
	if ex.offer.Media != nil {
		d.described = ex.offer.Media
	}
	d.retarget(ex.tx.req)
	r := d.ok(ex.tx)
	if d.state == opening {
		for _, route := range d.routes {
			r.add("Record-Route", route)
		}
		d.state = established
		d.trying = time.Time{}
	}
	d.describeSession(now, ex.tx, r)
	r.ContentType, r.Body = "application/sdp", sdp
	d.do(reply{ex.tx, r})
	if ex.tx.req.Method == "INVITE" {
		d.unacked = append(d.unacked, &unacked{
			tx: ex.tx, interval: t1, resend: now.Add(t1), giveUp: now.Add(timeout), asked: ex.offer.Media == nil,
		})
	}
	return nil
}

// encode writes our SDP; its o= version rises when anything changes.
func (d *dialog) encode(offer *Description, a Answer) ([]byte, error) {
	sdp, _, err := encodeAnswer(offer, a, d.origin, d.version)
	if err == nil && d.sdp != nil && !bytes.Equal(sdp, d.sdp) {
		d.version++
		sdp, _, err = encodeAnswer(offer, a, d.origin, d.version)
	}
	if err == nil {
		d.sdp = sdp
	}
	return sdp, err
}

// reject answers an exchange with a status of 400 or more. When it is the first
// one the RS is over, else it goes on as before.
func (d *dialog) reject(_ time.Time, ex *exchange, status int, reason string) error {
	if ex.done {
		return d.late()
	}
	first := d.state == opening && ex.tx.req.Method == "INVITE"
	d.settleExchange(ex)
	d.refuse(ex.tx, status, reason)
	if first {
		d.close(&EndError{Side: "srs", Reason: "rejected"})
	}
	return nil
}

func (d *dialog) late() error {
	if d.state == over {
		return errOver
	}
	return errAnswered
}

func (d *dialog) settleExchange(ex *exchange) {
	ex.done = true
	if d.offering == ex {
		d.offering = nil
	}
	for i := range d.exchanges {
		if d.exchanges[i] == ex {
			d.exchanges = append(d.exchanges[:i:i], d.exchanges[i+1:]...)
			break
		}
	}
}

// ok is a 200 with what every one of ours carries.
func (d *dialog) ok(tx *serverTx) *Message {
	r := tx.response(200, "")
	r.add("Contact", d.contact)
	r.add("Allow", allowed)
	r.add("Accept", accepted)
	r.add("Supported", supported)
	d.identify(r)
	return r
}

// describeSession puts the session timer agreed on into a 2xx (RFC 4028 section 9).
func (d *dialog) describeSession(now time.Time, tx *serverTx, r *Message) {
	d.timer = agree(now, tx.req)
	if d.timer.interval == 0 {
		return
	}
	who := "uac"
	if d.timer.ours {
		who = "uas"
	}
	if !d.timer.ours {
		r.add("Require", "timer")
	}
	r.add("Session-Expires", seconds(d.timer.interval)+";refresher="+who)
}

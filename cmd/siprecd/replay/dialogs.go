package replay

import (
	"net/netip"
	"slices"
)

// dialog is one SIP dialog of the capture, on the hop where its INVITE was seen
// first. A proxy's second copy of a message is passed over.
type dialog struct {
	invite      signal // the first request of it in the capture
	callerTag   string
	calleeTag   string // of the 2xx; "" until then
	inMidCall   bool   // the opening INVITE is not in the capture
	exchanges   []*exchange
	bye         *signal
	byeByCaller bool
	cancelled   bool
}

// exchange is a request within a dialog and what came of it.
type exchange struct {
	request    signal
	fromCaller bool
	early      *signal // first provisional response with a body
	final      *signal
	ack        *signal // with a body: the answer to an offer in the 2xx
}

func (e *exchange) accepted() bool { return e.final != nil && e.final.Status < 300 }
func (e *exchange) refused() bool  { return e.final != nil && e.final.Status >= 300 }

// dialogs sorts signals, which are in order of time, into dialogs in order of
// their INVITEs.
func dialogs(signals []signal) []*dialog {
	var all []*dialog
	byCall := make(map[string][]*dialog)
	for _, s := range signals {
		d, fromCaller := find(byCall[s.CallID], s)
		if d == nil {
			if !s.Request || s.Method != "INVITE" {
				continue
			}
			d, fromCaller = &dialog{invite: s, callerTag: s.FromTag, inMidCall: s.ToTag != ""}, true
			d.calleeTag = s.ToTag
			byCall[s.CallID] = append(byCall[s.CallID], d)
			all = append(all, d)
		}
		if s.Request {
			d.request(s, fromCaller)
		} else {
			d.response(s, fromCaller)
		}
	}
	return all
}

// find returns the dialog a message belongs to, and whether the request came
// from the side that opened it. A Call-ID alone names no dialog: some SRCs give
// the recording session that of the call it records.
func find(of []*dialog, s signal) (*dialog, bool) {
	for _, d := range of {
		if s.FromTag == d.callerTag && (s.ToTag == "" || d.calleeTag == "" || s.ToTag == d.calleeTag || !s.Request) {
			return d, true
		}
		if s.ToTag == d.callerTag && s.ToTag != "" && (d.calleeTag == "" || s.FromTag == d.calleeTag) {
			return d, false
		}
	}
	return nil, false
}

func (d *dialog) request(s signal, fromCaller bool) {
	switch s.Method {
	case "CANCEL":
		d.cancelled = true
		return
	case "BYE":
		if d.bye == nil {
			d.bye, d.byeByCaller = &s, fromCaller
		}
		return
	case "ACK":
		if e := d.exchange("INVITE", s.CSeq, fromCaller); e != nil && e.ack == nil && len(s.Body) > 0 {
			e.ack = &s
		}
		return
	}
	e := d.exchange(s.Method, s.CSeq, fromCaller)
	if e == nil {
		d.exchanges = append(d.exchanges, &exchange{request: s, fromCaller: fromCaller})
		return
	}
	// A retransmission, or a copy on another hop: that of our hop counts.
	if !d.onHop(e.request.src, e.request.dst) && d.onHop(s.src, s.dst) {
		e.request = s
	}
}

func (d *dialog) response(s signal, fromCaller bool) {
	e := d.exchange(s.Method, s.CSeq, fromCaller)
	if e == nil {
		return
	}
	mine := s.src == e.request.dst && s.dst == e.request.src
	switch {
	case s.Status < 200:
		if len(s.Body) > 0 && (e.early == nil || mine && e.early.src != e.request.dst) {
			e.early = &s
		}
	case e.final == nil || mine && e.final.src != e.request.dst && s.Status/100 == e.final.Status/100:
		if s.Method == "INVITE" && s.Status < 300 && fromCaller {
			if d.calleeTag != "" && d.calleeTag != s.ToTag {
				return // another branch of a forked INVITE
			}
			d.calleeTag = s.ToTag
		}
		e.final = &s
	}
}

func (d *dialog) exchange(method string, cseq uint32, fromCaller bool) *exchange {
	i := slices.IndexFunc(d.exchanges, func(e *exchange) bool {
		return e.request.Method == method && e.request.CSeq == cseq && e.fromCaller == fromCaller
	})
	if i < 0 {
		return nil
	}
	return d.exchanges[i]
}

// onHop reports whether a message went between the two ends of the INVITE.
func (d *dialog) onHop(src, dst netip.AddrPort) bool {
	return src.Addr() == d.invite.src.Addr() && dst.Addr() == d.invite.dst.Addr() && (src == d.invite.src || dst == d.invite.dst) ||
		dst.Addr() == d.invite.src.Addr() && src.Addr() == d.invite.dst.Addr() && (dst == d.invite.src || src == d.invite.dst)
}

// opening returns the INVITE that the dialog came to be by, nil when it never
// did. Without any final response in the capture it is the first one.
func (d *dialog) opening() *exchange {
	var first *exchange
	for _, e := range d.exchanges {
		if e.request.Method != "INVITE" || !e.fromCaller {
			continue
		}
		if e.accepted() {
			return e
		}
		if first == nil && !e.refused() && !d.cancelled {
			first = e
		}
	}
	return first
}

// refusal is the status the dialog's INVITEs were refused with, 0 when none was.
func (d *dialog) refusal() int {
	for _, e := range slices.Backward(d.exchanges) {
		if e.request.Method == "INVITE" && e.refused() {
			return e.final.Status
		}
	}
	return 0
}

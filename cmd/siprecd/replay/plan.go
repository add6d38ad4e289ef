package replay

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"siprecd/sip"
)

// Plan is what the signalling of a capture comes to.
type Plan struct {
	Sessions []*Session // in order of their beginnings
	Forked   bool       // made of ordinary calls: the capture holds no recording session
	Notes    []string   // guesses, and what could not be read
	Flows    []Flow     // what looks like RTP, in order of appearance
	End      time.Time  // of the last packet
}

// Session is one recording session, ready to be driven.
type Session struct {
	Info   sip.Info
	Offers []Offer // by time; the first opens it
	End    time.Time
	Side   string // who ended it: "src" or "srs"
	Reason string
	Notes  []string
}

// Offer is an offer of the capture and where media went after it was answered.
type Offer struct {
	*sip.Offer
	Places []Place // by line
}

// Place is how packets of one line are told.
type Place struct {
	To   []netip.AddrPort // the recorder's own RTP addresses; empty: unknown
	RTCP []netip.AddrPort
	From netip.AddrPort // where they came from, when To is unknown
}

// Flow is a row of packets that look like RTP.
type Flow struct {
	Src, Dst    netip.AddrPort
	First, Last time.Time
	Packets     int
	Payloads    []uint8 // payload types, in order of appearance
}

// plan makes sessions of dialogs: recording sessions where there are any, else
// every answered call as if it had been forked to us.
func (s *survey) plan() *Plan {
	p := &Plan{Flows: s.rtp(), End: s.last}
	all := dialogs(s.signals)
	for _, d := range all {
		if !d.invite.Recording() {
			continue
		}
		if session := recordingSession(d, s.last); session != nil {
			p.Sessions = append(p.Sessions, session)
		} else {
			p.Notes = append(p.Notes, never("the recording session", d))
		}
	}
	if len(p.Sessions) == 0 && len(p.Notes) == 0 {
		p.fork(all, s.last)
	}
	p.Notes = append(p.Notes, s.notes()...)
	return p
}

// never says why a dialog came to nothing.
func never(what string, d *dialog) string {
	begun := d.invite.at.UTC().Format("15:04:05.000")
	switch status := d.refusal(); {
	case d.cancelled:
		return fmt.Sprintf("%s of %s was cancelled before it was answered", what, begun)
	case status != 0:
		return fmt.Sprintf("%s of %s was refused with %d by the other end in the capture", what, begun, status)
	default:
		return fmt.Sprintf("%s of %s cannot be read", what, begun)
	}
}

// recordingSession is d as an RS, nil when it never was one.
func recordingSession(d *dialog, last time.Time) *Session {
	opening := d.opening()
	if opening == nil {
		return nil
	}
	first, err := opening.request.Offer(opening.request.at)
	if err != nil {
		return nil
	}
	s := &Session{Info: opening.info()}
	if d.inMidCall {
		s.note("the capture begins within the recording session: its INVITE is missing, a re-INVITE stands in")
	}
	s.add(first, opening)
	for _, e := range d.exchanges {
		if e != opening && !e.request.at.Before(opening.request.at) {
			s.follow(e)
		}
	}
	slices.SortStableFunc(s.Offers, func(a, b Offer) int { return a.At.Compare(b.At) })
	s.finish(d, last)
	s.Offers[0].Notes = append(s.Offers[0].Notes, s.Notes...)
	return s
}

func (e *exchange) info() sip.Info {
	r := e.request
	return r.Info(r.at, r.network, r.src, r.dst)
}

func (s *Session) note(format string, args ...any) {
	s.Notes = append(s.Notes, fmt.Sprintf(format, args...))
}

// follow takes a later request of the dialog.
func (s *Session) follow(e *exchange) {
	r := e.request
	if len(r.Body) == 0 && r.Method != "INVITE" {
		return
	}
	after := r.at.Sub(s.Info.Arrived).Seconds()
	if !e.fromCaller {
		if r.Method == "INVITE" || r.Method == "UPDATE" {
			s.note("%.2f s: the recorder of the capture sent %s itself; it is passed over", after, r.Method)
		}
		return
	}
	if e.refused() {
		s.note("%.2f s: the recorder of the capture refused %s with %d: nothing changed", after, r.Method, e.final.Status)
		return
	}
	at := r.at
	if r.Method == "INVITE" && e.accepted() {
		at = e.final.at // the SRC goes by it from then on
	}
	o, err := r.Offer(at)
	if err != nil {
		s.note("%.2f s: %s cannot be read (%v): nothing changed", after, r.Method, err)
		return
	}
	s.add(o, e)
}

// add puts an offer and the places of its answer into the session, and the
// answer of the ACK when the recorder of the capture made the offer.
func (s *Session) add(o *sip.Offer, e *exchange) {
	places := s.places(o, e)
	settle(o, e)
	s.Offers = append(s.Offers, Offer{o, places})
	if !o.WantOffer || e.ack == nil {
		return
	}
	answer, err := e.ack.Offer(e.ack.at)
	if err != nil {
		s.note("the SDP of the ACK cannot be read: %v", err)
		return
	}
	s.Offers = append(s.Offers, Offer{answer, places})
}

// places finds out where the media of an offer's lines goes: the answer in the
// capture says it. An offer without media leaves everything where it was.
func (s *Session) places(o *sip.Offer, e *exchange) []Place {
	if o.Media == nil && !o.WantOffer {
		if n := len(s.Offers); n > 0 {
			return s.Offers[n-1].Places
		}
		return nil
	}
	if e.accepted() {
		desc, err := e.final.Description()
		if err == nil && desc != nil {
			places := make([]Place, len(desc.Lines))
			for i, l := range desc.Lines {
				places[i] = placeOf(l, e.final.src.Addr())
			}
			return places
		}
	}
	s.note("%s", unanswered(e))
	if o.Media == nil {
		return nil
	}
	places := make([]Place, len(o.Media.Lines))
	for i, l := range o.Media.Lines {
		places[i].From = l.Addr
	}
	return places
}

func unanswered(e *exchange) string {
	return fmt.Sprintf("the answer to %s is not in the capture: streams are told by where they come from", e.request.Method)
}

// placeOf is where packets to line l arrive: at its address, and at the address
// its SDP came from, when the two differ behind a translator.
func placeOf(l sip.Line, host netip.Addr) Place {
	port := l.Addr.Port()
	if port == 0 {
		return Place{}
	}
	rtcp := port + 1
	if l.Mux {
		rtcp = 0
	} else if l.RTCP.IsValid() && l.RTCP.Port() != 0 {
		rtcp = l.RTCP.Port()
	}
	var p Place
	for _, a := range []netip.Addr{l.Addr.Addr().Unmap(), host} {
		if !a.IsValid() || a.IsUnspecified() {
			continue
		}
		to := netip.AddrPortFrom(a, port)
		if slices.Contains(p.To, to) {
			continue
		}
		p.To = append(p.To, to)
		if rtcp != 0 {
			p.RTCP = append(p.RTCP, netip.AddrPortFrom(a, rtcp))
		}
	}
	return p
}

// finish says when and how the session ended.
func (s *Session) finish(d *dialog, last time.Time) {
	if d.bye == nil {
		s.End, s.Side, s.Reason = last, "srs", "capture-ended"
		s.note("the capture ends without a BYE: the recording ends with its last packet")
		return
	}
	s.End, s.Side, s.Reason = d.bye.at, "srs", "bye"
	if d.byeByCaller {
		s.Side = "src"
		if o, err := d.bye.Offer(d.bye.at); err == nil && (len(o.Metadata) > 0 || len(o.Presses) > 0) {
			s.Offers = append(s.Offers, Offer{o, s.Offers[len(s.Offers)-1].Places})
		}
	}
}

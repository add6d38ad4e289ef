package replay

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"siprecd/sip"
	"siprecd/sip/rsmeta"
)

// Labels of the lines of a session made of an ordinary call.
const (
	callerLabel = "caller"
	calleeLabel = "callee"
)

// party is one end of an ordinary call, or of a declared stream.
type party struct {
	label, aor, display string
	line                *sip.Line // what it receives: the newest audio line of its SDP
	host                netip.Addr
}

// fork makes a session of every answered call, as an SRC would have: two lines,
// what the caller says and what the callee says.
func (p *Plan) fork(all []*dialog, last time.Time) {
	for _, d := range all {
		s, why := forkedCall(d, last)
		if s == nil {
			p.Notes = append(p.Notes, why)
			continue
		}
		p.Sessions = append(p.Sessions, s)
	}
	if len(p.Sessions) > 0 {
		p.Forked = true
		p.Notes = append(p.Notes, "the capture holds no recording session: its ordinary calls are taken as if they had been forked to us, each direction a stream")
	}
}

func forkedCall(d *dialog, last time.Time) (s *Session, why string) {
	opening := d.opening()
	if opening == nil || !opening.accepted() && opening.early == nil {
		if opening == nil || d.refusal() != 0 || d.cancelled {
			return nil, never("the call", d)
		}
		return nil, fmt.Sprintf("the call of %s was not answered in the capture", d.invite.at.UTC().Format("15:04:05.000"))
	}
	info := opening.info()
	caller := &party{label: callerLabel, aor: aor(info.From), display: info.From.Display}
	callee := &party{label: calleeLabel, aor: aor(info.To), display: info.To.Display}
	s = &Session{}
	s.note("an ordinary call, taken as if it had been forked to us when it was answered")
	if d.inMidCall {
		s.note("the capture begins within the call: its INVITE is missing, a re-INVITE stands in")
	}
	for _, e := range d.exchanges {
		if e.request.Method == "INVITE" || e.request.Method == "UPDATE" {
			s.exchange(e, caller, callee)
		}
		s.presses(e)
	}
	slices.SortStableFunc(s.Offers, func(a, b Offer) int { return a.At.Compare(b.At) })
	for len(s.Offers) > 0 && s.Offers[0].Media == nil {
		s.Offers = s.Offers[1:] // a key pressed before there was anything to record
	}
	if len(s.Offers) == 0 {
		return nil, fmt.Sprintf("the call of %s agreed on no audio", d.invite.at.UTC().Format("15:04:05.000"))
	}
	info.Arrived = s.Offers[0].At
	s.Info = info
	s.Offers[0].Metadata = []sip.Metadata{metadata(d.invite.CallID, caller, callee)}
	s.finish(d, last)
	if d.bye != nil {
		s.Side = "src" // whoever of the two hung up, an SRC would have told us
	}
	s.Offers[0].Notes = append(s.Offers[0].Notes, s.Notes...)
	return s, ""
}

// exchange follows the negotiation of an ordinary call and offers what it
// changed.
func (s *Session) exchange(e *exchange, caller, callee *party) {
	asker, asked := caller, callee
	if !e.fromCaller {
		asker, asked = callee, caller
	}
	before := [2]*sip.Line{caller.line, callee.line}
	asker.hear(&e.request)
	if e.early != nil && len(s.Offers) == 0 {
		asked.hear(e.early)
		if caller.line != nil && callee.line != nil {
			s.offer(e.early.at, caller, callee)
		}
	}
	if !e.accepted() {
		if len(s.Offers) > 0 && e.refused() {
			caller.line, callee.line = before[0], before[1]
		}
		return
	}
	at := e.final.at
	asked.hear(e.final)
	if e.ack != nil {
		asker.hear(e.ack)
		at = e.ack.at
	}
	if caller.line != nil && callee.line != nil {
		s.offer(at, caller, callee)
	}
}

// hear takes the first audio line of a party's SDP, if there is one.
func (p *party) hear(m *signal) {
	desc, err := m.Description()
	if err != nil || desc == nil {
		return
	}
	for i := range desc.Lines {
		if desc.Lines[i].Kind == "audio" {
			p.line, p.host = &desc.Lines[i], m.src.Addr()
			return
		}
	}
}

// offer adds what holds from at on. The line of a party carries what it says:
// the formats are those its peer listed, the packets go to its peer's address.
func (s *Session) offer(at time.Time, caller, callee *party) {
	o := &sip.Offer{Method: "INVITE", CSeq: uint32(len(s.Offers) + 1), At: at, Media: &sip.Description{}}
	var places []Place
	for i, speaker := range []*party{caller, callee} {
		listener := callee
		if speaker == callee {
			listener = caller
		}
		o.Media.Lines = append(o.Media.Lines, sip.Line{
			Index: i, Kind: "audio", Proto: listener.line.Proto, Label: speaker.label,
			Addr: speaker.line.Addr, Direction: flows(speaker.line, listener.line),
			Codecs: listener.line.Codecs, Ptime: listener.line.Ptime,
			Crypto: chosen(speaker.line.Crypto, listener.line.Crypto, speaker.line.Secure()),
		})
		places = append(places, placeOf(*listener.line, listener.host))
	}
	if n := len(s.Offers); n > 0 && sameLines(s.Offers[n-1].Media.Lines, o.Media.Lines) && samePlaces(s.Offers[n-1].Places, places) {
		return
	}
	s.Offers = append(s.Offers, Offer{o, places})
}

// presses takes the keys of a SIP INFO as an offer of their own.
func (s *Session) presses(e *exchange) {
	if e.request.Method != "INFO" || e.refused() {
		return
	}
	o, err := e.request.Offer(e.request.at)
	if err == nil && len(o.Presses) > 0 && e.fromCaller && len(s.Offers) > 0 {
		s.Offers = append(s.Offers, Offer{o, s.Offers[len(s.Offers)-1].Places})
	}
}

// flows says whether speaker may send to listener.
func flows(speaker, listener *sip.Line) sip.Direction {
	sends := speaker.Direction == sip.SendRecv || speaker.Direction == sip.SendOnly
	hears := listener.Direction == sip.SendRecv || listener.Direction == sip.RecvOnly
	if sends && hears && speaker.Addr.Port() != 0 && listener.Addr.Port() != 0 {
		return sip.SendOnly
	}
	return sip.Inactive
}

func sameLines(a, b []sip.Line) bool {
	return slices.EqualFunc(a, b, func(a, b sip.Line) bool {
		return a.Addr == b.Addr && a.Direction == b.Direction && a.Proto == b.Proto && slices.Equal(a.Codecs, b.Codecs) &&
			slices.EqualFunc(a.Crypto, b.Crypto, sip.Crypto.Equal)
	})
}

func samePlaces(a, b []Place) bool {
	return slices.EqualFunc(a, b, func(a, b Place) bool { return slices.Equal(a.To, b.To) && a.From == b.From })
}

func aor(a sip.Address) string {
	if strings.HasPrefix(strings.ToLower(a.URI), "tel:") || a.User == "" {
		return a.URI
	}
	return "sip:" + a.User + "@" + a.Host
}

// metadata says who speaks on which line, in the words of RFC 7865.
func metadata(seed string, parties ...*party) sip.Metadata {
	id := func(kind string, i int) string {
		sum := sha256.Sum256([]byte(kind + "\x00" + strconv.Itoa(i) + "\x00" + seed))
		return base64.StdEncoding.EncodeToString(sum[:16])
	}
	session := id("session", 0)
	doc := &rsmeta.Document{Complete: true, Sessions: []rsmeta.Session{{ID: session}}}
	for i, p := range parties {
		participant, stream := id("participant", i), id("stream", i)
		doc.Participants = append(doc.Participants, rsmeta.Participant{
			ID: participant, Names: []rsmeta.Name{{AOR: p.aor, Display: p.display}},
		})
		doc.Streams = append(doc.Streams, rsmeta.Stream{ID: stream, Session: session, Label: p.label})
		doc.Members = append(doc.Members, rsmeta.Member{Participant: participant, Session: session})
		doc.Wires = append(doc.Wires, rsmeta.Wire{Participant: participant, Send: []string{stream}})
	}
	return sip.Metadata{Type: "application/rs-metadata+xml", Body: rsmeta.Encode(doc)}
}

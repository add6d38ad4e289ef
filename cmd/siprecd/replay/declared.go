package replay

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"siprecd/sip"
)

// Declared names a stream of a capture without signalling: who speaks to To.
type Declared struct {
	To    netip.AddrPort
	Label string // the speaker: a number, a name or an address

	Crypto []sip.Crypto // what the stream is encrypted with; nil: in clear
}

// ParseDeclared reads IP:PORT=LABEL.
func ParseDeclared(text string) (Declared, error) {
	to, label, _ := strings.Cut(text, "=")
	addr, err := netip.ParseAddrPort(to)
	if err != nil || addr.Port() == 0 {
		return Declared{}, fmt.Errorf("%q is not IP:PORT=LABEL, as in 192.0.2.10:4000=2001", text)
	}
	if label == "" {
		label = to
	}
	return Declared{To: netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port()), Label: label}, nil
}

// UnmarshalText reads IP:PORT=LABEL from a command line.
func (d *Declared) UnmarshalText(text []byte) (err error) {
	*d, err = ParseDeclared(string(text))
	return err
}

// staticFormats are the payload types whose meaning needs no signalling (RFC
// 3551 section 6).
var staticFormats = map[uint8]sip.Codec{
	0: {Payload: 0, Name: "PCMU", Clock: 8000, Channels: 1}, 3: {Payload: 3, Name: "GSM", Clock: 8000, Channels: 1},
	4: {Payload: 4, Name: "G723", Clock: 8000, Channels: 1}, 8: {Payload: 8, Name: "PCMA", Clock: 8000, Channels: 1},
	9: {Payload: 9, Name: "G722", Clock: 8000, Channels: 1}, 10: {Payload: 10, Name: "L16", Clock: 44100, Channels: 2},
	11: {Payload: 11, Name: "L16", Clock: 44100, Channels: 1}, 13: {Payload: 13, Name: "CN", Clock: 8000, Channels: 1},
	15: {Payload: 15, Name: "G728", Clock: 8000, Channels: 1}, 18: {Payload: 18, Name: "G729", Clock: 8000, Channels: 1},
}

// declare makes one session of the declared streams.
func (s *survey) declare(declared []Declared) *Plan {
	p := &Plan{Flows: s.rtp(), End: s.last, Notes: s.notes()}
	session := &Session{Side: "srs", Reason: "capture-ended"}
	o := &sip.Offer{Method: "INVITE", CSeq: 1, Media: &sip.Description{}}
	var places []Place
	var parties []*party
	for i, d := range declared {
		line := sip.Line{Index: i, Kind: "audio", Proto: "RTP/AVP", Label: d.Label, Direction: sip.SendOnly}
		line.Addr = netip.AddrPortFrom(netip.IPv4Unspecified(), 9)
		if line.Crypto = d.Crypto; d.Crypto != nil {
			line.Proto = "RTP/SAVP"
		}
		var notes []string
		most := 0
		for _, f := range s.order {
			if f.Dst != d.To {
				continue
			}
			notes = session.learn(&line, f, notes)
			if f.Packets > most {
				most, line.Addr = f.Packets, f.Src
			}
		}
		if len(line.Codecs) > 0 && !slices.ContainsFunc(line.Codecs, func(c sip.Codec) bool { return c.Name != "TELEPHONE-EVENT" }) {
			// Keys alone: a line without an audio format would be refused.
			line.Codecs = append(line.Codecs, staticFormats[0])
			notes = append(notes, fmt.Sprintf("only keys go to %s: taken for a line of PCMU that is silent", d.To))
		}
		if len(line.Codecs) == 0 {
			p.Notes = append(p.Notes, fmt.Sprintf("no RTP goes to %s in this capture", d.To))
			line.Addr = netip.AddrPort{}
		}
		session.Notes = append(session.Notes, notes...)
		o.Media.Lines = append(o.Media.Lines, line)
		places = append(places, placeOf(sip.Line{Addr: d.To}, d.To.Addr()))
		speaker := d.Label
		if !strings.Contains(speaker, ":") {
			speaker = "sip:" + speaker
		}
		parties = append(parties, &party{label: d.Label, aor: speaker})
	}
	if session.Info.Arrived.IsZero() {
		return p
	}
	o.At = session.Info.Arrived
	session.Info.CallID = "capture"
	session.Info.Source = "capture"
	o.Metadata = []sip.Metadata{metadata("capture", parties...)}
	session.note("RTP alone: the streams and who speaks on them were declared on the command line")
	o.Notes = session.Notes
	session.Offers = []Offer{{o, places}}
	p.Sessions = []*Session{session}
	return p
}

// learn takes what a flow shows of a declared line: when it begins and ends,
// and which formats it carries.
func (s *Session) learn(line *sip.Line, f *flow, notes []string) []string {
	// What the first packet brings was said before it came.
	if begin := f.First.Add(-f.packet()); s.Info.Arrived.IsZero() || begin.Before(s.Info.Arrived) {
		s.Info.Arrived = begin
	}
	if f.Last.After(s.End) {
		// The last packet still belongs to the recording.
		s.End = f.Last.Add(time.Millisecond)
	}
	for _, t := range f.Payloads {
		if slices.ContainsFunc(line.Codecs, func(c sip.Codec) bool { return c.Payload == t }) {
			continue
		}
		codec, known := staticFormats[t]
		if !known {
			codec = sip.Codec{Payload: t, Name: "TELEPHONE-EVENT", Clock: 8000, Channels: 1, Fmtp: "0-15"}
			notes = append(notes, fmt.Sprintf("payload type %d to %s has no fixed meaning: taken as telephone-event", t, f.Dst))
		}
		line.Codecs = append(line.Codecs, codec)
	}
	return notes
}

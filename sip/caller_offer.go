package sip

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// OutgoingLine is one media line of an RS as offer and answer left it.
type OutgoingLine struct {
	Line                    // as we offer it
	To       netip.AddrPort // where the SRS receives; the zero value when it refused the line
	Sending  bool           // both sides want media to flow
	Accepted []Codec        // by the SRS, in its order
	Theirs   []Crypto       // the SRS's keys; in its answer the one it took of ours
	Shown    []string       // fingerprints of the SRS's certificates
}

// Audio returns the first accepted format that is not an auxiliary one.
func (l OutgoingLine) Audio() (Codec, bool) {
	for _, c := range l.Accepted {
		if c.Name != "TELEPHONE-EVENT" && c.Name != "CN" {
			return c, true
		}
	}
	return Codec{}, false
}

// Events returns the accepted telephone-event format (RFC 4733).
func (l OutgoingLine) Events() (Codec, bool) {
	for _, c := range l.Accepted {
		if c.Name == "TELEPHONE-EVENT" {
			return c, true
		}
	}
	return Codec{}, false
}

// outgoingDefaults fills what an offered line leaves open.
func outgoingDefaults(lines []Line) []Line {
	lines = append([]Line(nil), lines...)
	for i := range lines {
		l := &lines[i]
		l.Index = i
		if l.Kind == "" {
			l.Kind = "audio"
		}
		if l.Proto == "" {
			l.Proto = "RTP/AVP"
		}
		if l.Direction == "" {
			l.Direction = SendOnly
		}
		if l.Codecs == nil {
			l.Codecs = []Codec{
				{Payload: 0, Name: "PCMU", Clock: 8000, Channels: 1},
				{Payload: 8, Name: "PCMA", Clock: 8000, Channels: 1},
				{Payload: 101, Name: "TELEPHONE-EVENT", Clock: 8000, Channels: 1, Fmtp: "0-16"},
			}
		}
	}
	return lines
}

// encodeLines writes an SRC's session description: what we send, and from where.
func encodeLines(lines []Line, local netip.Addr, session, version uint64) []byte {
	var b bytes.Buffer
	connection := func(a netip.Addr) string {
		a = a.Unmap().WithZone("")
		if a.Is4() {
			return "IN IP4 " + a.String()
		}
		return "IN IP6 " + a.String()
	}
	fmt.Fprintf(&b, "v=0\r\no=- %d %d %s\r\ns=-\r\nc=%s\r\nt=0 0\r\n", session, version, connection(local), connection(local))
	for _, l := range lines {
		fmt.Fprintf(&b, "m=%s %d %s", l.Kind, l.Addr.Port(), l.Proto)
		for _, c := range l.Codecs {
			fmt.Fprintf(&b, " %d", c.Payload)
		}
		b.WriteString("\r\n")
		if a := l.Addr.Addr(); a.IsValid() && a.Unmap() != local.Unmap() {
			fmt.Fprintf(&b, "c=%s\r\n", connection(a))
		}
		for _, c := range l.Codecs {
			name := c.Name
			if name == "TELEPHONE-EVENT" {
				name = "telephone-event"
			}
			fmt.Fprintf(&b, "a=rtpmap:%d %s/%d", c.Payload, name, c.Clock)
			if c.Channels > 1 {
				fmt.Fprintf(&b, "/%d", c.Channels)
			}
			b.WriteString("\r\n")
			if c.Fmtp != "" {
				fmt.Fprintf(&b, "a=fmtp:%d %s\r\n", c.Payload, c.Fmtp)
			}
		}
		if l.Ptime > 0 {
			fmt.Fprintf(&b, "a=ptime:%d\r\n", l.Ptime/time.Millisecond)
		}
		for _, crypto := range l.Crypto {
			b.WriteString("a=crypto:" + crypto.text() + "\r\n")
		}
		for _, f := range l.Fingerprints {
			b.WriteString("a=fingerprint:" + f + "\r\n")
		}
		if l.Setup != "" {
			b.WriteString("a=setup:" + l.Setup + "\r\n")
		}
		if l.Mux {
			b.WriteString("a=rtcp-mux\r\n")
		}
		if l.Label != "" {
			fmt.Fprintf(&b, "a=label:%s\r\n", l.Label)
		}
		if l.Content != "" {
			fmt.Fprintf(&b, "a=content:%s\r\n", l.Content)
		}
		fmt.Fprintf(&b, "a=%s\r\n", l.Direction)
	}
	return b.Bytes()
}

const metadataType = "application/rs-metadata+xml" // RFC 9806

// setBody gives a request its session description and metadata: as
// multipart/mixed when it has both (RFC 7866 section 9.1).
func setBody(m *Message, sdp, metadata []byte) {
	switch {
	case sdp != nil && metadata != nil:
		boundary := "siprecd-" + token(16)
		var b bytes.Buffer
		fmt.Fprintf(&b, "--%s\r\nContent-Type: application/sdp\r\n\r\n%s\r\n", boundary, sdp)
		fmt.Fprintf(&b, "--%s\r\nContent-Type: %s\r\nContent-Disposition: recording-session\r\n\r\n%s\r\n", boundary, metadataType, metadata)
		fmt.Fprintf(&b, "--%s--\r\n", boundary)
		m.ContentType, m.Body = `multipart/mixed; boundary="`+boundary+`"`, b.Bytes()
	case sdp != nil:
		m.ContentType, m.Body = "application/sdp", sdp
	case metadata != nil:
		m.add("Content-Disposition", "recording-session")
		m.ContentType, m.Body = metadataType, metadata
	}
}

// pairLines pairs our lines with the peer's.
func pairLines(ours []Line, theirs *Description) []OutgoingLine {
	lines := make([]OutgoingLine, len(ours))
	for i, l := range ours {
		lines[i] = OutgoingLine{Line: l}
		if theirs == nil || i >= len(theirs.Lines) {
			continue
		}
		t := theirs.Lines[i]
		if t.Addr.Port() == 0 || l.Addr.Port() == 0 {
			continue
		}
		lines[i].To, lines[i].Accepted, lines[i].Theirs = t.Addr, t.Codecs, t.Crypto
		lines[i].Shown = t.Fingerprints
		wanted := t.Direction == RecvOnly || t.Direction == SendRecv
		reachable := t.Addr.Addr().IsValid() && !t.Addr.Addr().IsUnspecified()
		lines[i].Sending = wanted && reachable && (l.Direction == SendOnly || l.Direction == SendRecv)
	}
	return lines
}

// asked makes our side of an answer: our lines, their directions and formats
// narrowed to what an offer of the SRS allows (RFC 3264 section 6.1). A line we
// paused ourselves stays paused; one that we do not have is refused.
func asked(wanted []Line, offer *Description) []Line {
	ours := make([]Line, len(offer.Lines))
	for i, theirs := range offer.Lines {
		if i >= len(wanted) {
			ours[i] = Line{Index: i, Kind: theirs.Kind, Proto: theirs.Proto, Direction: Inactive, Codecs: theirs.Codecs}
			continue
		}
		l := wanted[i]
		l.Codecs = shared(theirs.Codecs, l.Codecs)
		l.Proto, l.Crypto = theirs.Proto, answeredWith(theirs.Crypto, l.Crypto)
		if theirs.Addr.Port() == 0 || len(l.Codecs) == 0 || l.Secure() && len(l.Crypto) == 0 {
			l.Addr = netip.AddrPortFrom(l.Addr.Addr(), 0)
			l.Codecs = theirs.Codecs
		}
		if theirs.Direction == Inactive || theirs.Direction == SendOnly {
			l.Direction = Inactive
		}
		ours[i] = l
	}
	return ours
}

// answeredWith returns the first of our keys whose suite is among the offered
// ones, with that one's tag.
func answeredWith(offered, have []Crypto) []Crypto {
	for _, o := range offered {
		for _, h := range have {
			if h.Suite == o.Suite {
				h.Tag = o.Tag
				return []Crypto{h}
			}
		}
	}
	return nil
}

// Key returns the keys of ours that the SRS took: what the line is encrypted
// with. False: in clear.
func (l OutgoingLine) Key() (Crypto, bool) {
	for _, ours := range l.Crypto {
		for _, theirs := range l.Theirs {
			if ours.Tag == theirs.Tag && ours.Suite == theirs.Suite {
				return ours, true
			}
		}
	}
	return Crypto{}, false
}

// shared returns the offered formats that we have, with the offer's numbers.
func shared(offered, have []Codec) []Codec {
	var both []Codec
	for _, c := range offered {
		if slices.ContainsFunc(have, func(h Codec) bool { return strings.EqualFold(h.Name, c.Name) && h.Clock == c.Clock }) {
			both = append(both, c)
		}
	}
	return both
}

// bareAddress writes what a user gave for From or To as a name-addr.
func bareAddress(s, host string) string {
	switch {
	case s == "":
		return "<sip:siprecd@" + host + ">"
	case strings.Contains(s, "<"):
		return s
	case strings.Contains(s, ":"):
		return "<" + s + ">"
	case strings.Contains(s, "@"):
		return "<sip:" + s + ">"
	}
	return "<sip:" + s + "@" + host + ">"
}

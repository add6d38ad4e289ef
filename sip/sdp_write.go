package sip

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// encodeAnswer writes the SDP that answers offer: same lines in order, labels
// echoed, directions allowed by RFC 3264 section 6.1. session and version are
// ours for the o= line. It returns the answer as it was narrowed: one line for
// each offered, with the offer's formats. A nil offer means a is our own offer.
// Every line may be refused; whether that should be a 488 is the caller's to say.
func encodeAnswer(offer *Description, a Answer, session, version uint64) (sdp []byte, used Answer, err error) {
	if offer == nil {
		offer = ownOffer(a)
	}
	used = Answer{Addr: a.Addr.Unmap().WithZone(""), Lines: make([]AnswerLine, len(offer.Lines))}
	flows := false
	for i := range used.Lines {
		if i < len(a.Lines) {
			used.Lines[i] = narrow(&offer.Lines[i], a.Lines[i])
		}
		flows = flows || used.Lines[i].Port != 0
	}
	connection := used.Addr
	if !connection.IsValid() {
		if flows {
			return nil, Answer{}, &bodyError{500, "the answer names no address to send media to"}
		}
		connection = netip.IPv4Unspecified()
	}
	timing := offer.timing
	if timing == "" {
		timing = "0 0"
	}
	family := "IN IP6 "
	if connection.Is4() {
		family = "IN IP4 "
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "v=0\r\no=- %d %d %s%s\r\ns=-\r\nc=%s%s\r\nt=%s\r\n",
		session, version, family, connection, family, connection, timing)
	for i := range offer.Lines {
		writeLine(&b, &offer.Lines[i], used.Lines[i])
	}
	return b.Bytes(), used, nil
}

// ownOffer is the offer that allows all of a: audio lines, labelled 1 to n.
func ownOffer(a Answer) *Description {
	d := &Description{Lines: make([]Line, len(a.Lines))}
	for i, l := range a.Lines {
		d.Lines[i] = Line{
			Index: i, Kind: "audio", Proto: "RTP/AVP", Label: strconv.Itoa(i + 1),
			Addr: netip.AddrPortFrom(a.Addr, l.Port), Mux: l.Mux, Direction: SendRecv, Codecs: l.Codecs, Crypto: l.Crypto,
		}
		switch {
		case l.Fingerprint != "":
			d.Lines[i].Proto = "UDP/TLS/RTP/SAVP"
		case len(l.Crypto) > 0:
			d.Lines[i].Proto = "RTP/SAVP"
		}
	}
	return d
}

// narrow reduces l to what the offered line allows. A line whose media would be
// encrypted is refused without a key of ours (RFC 4568 section 5.1.2).
func narrow(offered *Line, l AnswerLine) AnswerLine {
	if l.Port == 0 || offered.Addr.Port() == 0 || !slices.Contains(profiles, strings.ToUpper(offered.Proto)) {
		return AnswerLine{}
	}
	l.Crypto = slices.DeleteFunc(slices.Clone(l.Crypto), func(c Crypto) bool {
		return !slices.ContainsFunc(offered.Crypto, func(o Crypto) bool { return o.Tag == c.Tag && o.Suite == c.Suite })
	})
	switch {
	case offered.DTLS():
		l.Crypto = nil
		if l.Fingerprint == "" {
			return AnswerLine{}
		}
	case offered.Secure() && len(l.Crypto) == 0:
		return AnswerLine{}
	default:
		l.Fingerprint = ""
	}
	accepted := make([]Codec, 0, len(l.Codecs))
	for _, c := range l.Codecs {
		if o, ok := offeredCodec(offered.Codecs, c); ok {
			accepted = append(accepted, o)
		}
	}
	if len(accepted) == 0 {
		return AnswerLine{}
	}
	l.Codecs = accepted
	l.Mux = l.Mux && offered.Mux
	switch receives := l.Direction == RecvOnly || l.Direction == SendRecv || l.Direction == ""; {
	case receives && (offered.Direction == SendOnly || offered.Direction == SendRecv || offered.Direction == ""):
		l.Direction = RecvOnly
	default:
		l.Direction = Inactive
	}
	return l
}

// profiles are those of RTP that we take: with or without encryption, with or
// without early feedback.
var profiles = []string{"RTP/AVP", "RTP/AVPF", "RTP/SAVP", "RTP/SAVPF", "UDP/TLS/RTP/SAVP", "UDP/TLS/RTP/SAVPF"}

// offeredCodec finds c among the offered ones: by its number, else by what it is.
func offeredCodec(offered []Codec, c Codec) (Codec, bool) {
	same := func(o Codec) bool { return strings.EqualFold(o.Name, c.Name) && o.Clock == c.Clock }
	for _, o := range offered {
		if o.Payload == c.Payload && same(o) {
			return o, true
		}
	}
	for _, o := range offered {
		if same(o) {
			return o, true
		}
	}
	return Codec{}, false
}

func writeLine(b *bytes.Buffer, offered *Line, l AnswerLine) {
	fmt.Fprintf(b, "m=%s %d %s", offered.Kind, l.Port, offered.Proto)
	if l.Port == 0 {
		b.WriteString(listedFormats(offered) + "\r\n")
		writeLabel(b, offered.Label)
		return
	}
	for _, c := range l.Codecs {
		fmt.Fprintf(b, " %d", c.Payload)
	}
	b.WriteString("\r\n")
	for _, c := range l.Codecs {
		writeCodec(b, offered, c)
	}
	switch {
	case l.Mux:
		b.WriteString("a=rtcp-mux\r\n")
	case l.RTCPPort != 0 && l.RTCPPort != l.Port+1:
		fmt.Fprintf(b, "a=rtcp:%d\r\n", l.RTCPPort)
	}
	for _, c := range l.Crypto {
		b.WriteString("a=crypto:" + c.text() + "\r\n")
	}
	if l.Fingerprint != "" {
		b.WriteString("a=fingerprint:" + l.Fingerprint + "\r\na=setup:passive\r\n")
	}
	writeLabel(b, offered.Label)
	fmt.Fprintf(b, "a=%s\r\n", l.Direction)
}

// writeLabel echoes a label: some sources drop the media of a line that lacks it.
func writeLabel(b *bytes.Buffer, label string) {
	if label != "" {
		fmt.Fprintf(b, "a=label:%s\r\n", label)
	}
}

// listedFormats are the formats of a refused line: an m= line needs at least one.
func listedFormats(offered *Line) string {
	var b strings.Builder
	for _, f := range offered.formats {
		b.WriteString(" " + f.listed)
	}
	if b.Len() == 0 {
		for _, c := range offered.Codecs {
			b.WriteString(" " + strconv.Itoa(int(c.Payload)))
		}
	}
	if b.Len() == 0 {
		return " 0"
	}
	return b.String()
}

func writeCodec(b *bytes.Buffer, offered *Line, c Codec) {
	fmt.Fprintf(b, "a=rtpmap:%d %s/%d", c.Payload, spelling(offered, c), c.Clock)
	if c.Channels > 1 {
		fmt.Fprintf(b, "/%d", c.Channels)
	}
	b.WriteString("\r\n")
	params := c.Fmtp
	if c.Name == "TELEPHONE-EVENT" {
		params = events(c.Fmtp)
	}
	if params != "" {
		fmt.Fprintf(b, "a=fmtp:%d %s\r\n", c.Payload, params)
	}
}

// spelling is the encoding name as the offer wrote it, for readers that compare
// it letter by letter.
func spelling(offered *Line, c Codec) string {
	for _, f := range offered.formats {
		if f.listed == strconv.Itoa(int(c.Payload)) && f.name != "" {
			return f.name
		}
	}
	if c.Name == "TELEPHONE-EVENT" || c.Name == "OPUS" {
		return strings.ToLower(c.Name)
	}
	return c.Name
}

// events are the telephone-events we read: the keys, and flash (16) when it was
// offered.
func events(offered string) string {
	for _, item := range strings.Split(offered, ",") {
		first, last, isRange := strings.Cut(strings.TrimSpace(item), "-")
		from, err := strconv.Atoi(first)
		to, err2 := from, error(nil)
		if isRange {
			to, err2 = strconv.Atoi(last)
		}
		if err == nil && err2 == nil && from <= 16 && to >= 16 {
			return "0-16"
		}
	}
	return "0-15"
}

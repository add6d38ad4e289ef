package sip

import (
	"net/netip"
	"time"
)

// Offer is one message of an RS that may change it: INVITE, re-INVITE, UPDATE,
// the ACK that carries an answer to our offer (also the answer to a re-INVITE of
// ours that brings other keys), and INFO, PRACK or BYE with a body. Offers come
// in CSeq order; each is answered exactly once, by Answer or Reject; for methods
// "ACK" and "BYE" Answer sends nothing.
type Offer struct {
	Method    string
	CSeq      uint32
	At        time.Time    // arrival of the message
	Media     *Description // nil: no SDP in the message
	WantOffer bool         // INVITE without SDP: the Answer is our offer (RFC 3264, 7866 section 8068 3.4.1)
	Metadata  []Metadata   // rs-metadata documents as received
	Named     []Named      // parties that headers name
	Presses   []Press      // keys pressed, from INFO application/dtmf-relay or application/dtmf
	Notes     []string     // guesses made while reading, readable
	Raw       []byte       // the message body as received, nil when none

	reply replier
}

// Metadata is one rs-metadata body part, byte for byte.
type Metadata struct {
	Type    string // media type as sent, lower case, without parameters
	Charset string // of its Content-Type, "" when that states none
	Body    []byte
}

// Press is one key of a SIP INFO.
type Press struct {
	Digit    byte          // '0'-'9', '*', '#', 'A'-'D'
	Duration time.Duration // 0 when not stated
}

// Direction is an SDP direction attribute, as the sender of the SDP wrote it.
type Direction string

const (
	SendRecv Direction = "sendrecv"
	SendOnly Direction = "sendonly"
	RecvOnly Direction = "recvonly"
	Inactive Direction = "inactive"
)

// Description is a parsed session description (RFC 8866).
type Description struct {
	Raw     []byte
	Origin  string // o= line
	Version uint64 // sess-version of o=
	Lines   []Line
	Notes   []string

	timing string // t= line, which an answer repeats
}

// Line is one m= line as offered.
type Line struct {
	Index     int
	Kind      string         // "audio", "video", ...
	Proto     string         // "RTP/AVP", "RTP/SAVP", ...
	Label     string         // a=label (RFC 4574), "" when absent
	Addr      netip.AddrPort // where the SRC's media comes from: c= and m= port; invalid Addr when c= is a host name
	RTCP      netip.AddrPort // where its RTCP comes from: a=rtcp, else by Mux the same port or the next
	Mux       bool           // a=rtcp-mux
	NoReports bool           // b=RR:0: it wants no receiver reports (RFC 3556)
	Direction Direction      // effective: c=0.0.0.0 makes it inactive, absence sendrecv
	Codecs    []Codec        // in the offer's order
	Ptime     time.Duration
	Content   string   // a=content
	Crypto    []Crypto // a=crypto, in the offer's order

	// For DTLS-SRTP (RFC 5763, 8122): "sha-256 AB:CD…" of the certificates that the
	// sender of the SDP may show, and its a=setup, lower case, "" when absent.
	Fingerprints []string
	Setup        string

	formats []format // as listed in the m= line, also those that Codecs leaves out
}

// format is one format of an m= line as written.
type format struct{ listed, name string } // name: of its rtpmap, "" without one

// Codec is one payload format of a line.
type Codec struct {
	Payload  uint8
	Name     string // upper case encoding name, from rtpmap or the static table
	Clock    int    // RTP clock rate, Hz
	Channels int    // 1 unless stated
	Fmtp     string
}

// Answer is our side of the negotiation: one entry per offered line, in order
// (when it is an offer of ours: the lines we would receive).
type Answer struct {
	Addr  netip.Addr // c= of the session
	Lines []AnswerLine
}

// AnswerLine answers one m= line. The zero value refuses it (port 0).
type AnswerLine struct {
	Port      uint16 // 0 refuses
	RTCPPort  uint16 // 0: Port+1, or Port when Mux
	Mux       bool
	Direction Direction // RecvOnly or Inactive; narrowed to what RFC 3264 section 6.1 allows for the offer
	Codecs    []Codec   // accepted formats, offered numbers; nil refuses
	// Crypto holds keys of ours. In an answer it is one, with tag and suite of one
	// that was offered; a Secure line without it is refused. In an offer of ours
	// there may be several.
	Crypto []Crypto
	// Fingerprint of our certificate, for lines with keys by DTLS, where we are the
	// passive side.
	Fingerprint string
}

// replier is how an Offer's one answer reaches the dialog.
type replier interface {
	answer(Answer) error
	reject(code int, reason string) error
}

// Answer accepts the offer. For INFO and BYE, and an UPDATE without SDP, a is
// ignored. It does not wait for the ACK.
func (o *Offer) Answer(a Answer) error { return o.reply.answer(a) }

// Reject refuses the offer with a SIP status of 400 or more; the RS goes on as
// it was when the offer was not the first (RFC 3261 section 14.2).
func (o *Offer) Reject(code int, reason string) error { return o.reply.reject(code, reason) }

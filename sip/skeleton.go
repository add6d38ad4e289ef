package sip

import (
	"context"
	"net"
	"net/netip"
	"time"
)

type serverState struct{}

// Start binds every listener and serves until Close; it returns once bound.
func (srv *Server) Start() error { panic("unbuilt") }

// Addr returns the bound address of the i-th listener.
func (srv *Server) Addr(i int) net.Addr { panic("unbuilt") }

// Drain answers 503 to new INVITEs and to OPTIONS from now on; live RSs go on.
func (srv *Server) Drain() { panic("unbuilt") }

// Close ends every live RS with BYE, waits for their handlers and closes the
// sockets. ctx bounds the waiting.
func (srv *Server) Close(ctx context.Context) error { panic("unbuilt") }

// Sources returns what is known of every SRC heard so far, by name.
func (srv *Server) Sources() []SourceStats { panic("unbuilt") }

// Session is one RS, seen from the SRS.
type Session struct{}

// Info returns what the opening INVITE said.
func (s *Session) Info() Info { panic("unbuilt") }

// Offers yields every offer of the RS, the opening INVITE first. It is closed
// when the RS is over; the reason is then context.Cause of the handler's ctx.
func (s *Session) Offers() <-chan *Offer { panic("unbuilt") }

// Redirect sends a re-INVITE that gives every current line the direction of a
// (RecvOnly or Inactive), adding no line (RFC 7866 section 7.2). It waits for
// the final response, retrying after 491.
func (s *Session) Redirect(ctx context.Context, a Answer) error { panic("unbuilt") }

// RequestSnapshot sends the UPDATE that asks the SRC for complete metadata
// (RFC 7866 section 9.2).
func (s *Session) RequestSnapshot(ctx context.Context, reason string) error { panic("unbuilt") }

// Message is one SIP message that passed the strict gate.
type Message struct {
	Request        bool
	Method         string // of a request; of a response the CSeq method
	RequestURI     string
	Status         int
	CallID         string
	FromTag, ToTag string
	CSeq           uint32
	ContentType    string
	Body           []byte
}

// ParseMessage reads one message from the beginning of raw, as the server would
// from its socket, and returns the bytes it took. datagram: raw is a whole UDP
// payload (RFC 3261 section 18.3).
func ParseMessage(raw []byte, datagram bool) (m *Message, n int, err error) { panic("unbuilt") }

// Info returns what a captured INVITE says of its RS.
func (m *Message) Info(at time.Time, transport string, remote, local netip.AddrPort) Info {
	panic("unbuilt")
}

// Offer returns what a captured request asks; answering it does nothing.
func (m *Message) Offer(at time.Time) (*Offer, error) { panic("unbuilt") }

// Description returns the SDP of a message, nil when it has none.
func (m *Message) Description() (*Description, error) { panic("unbuilt") }

// content is a message body taken apart.
type content struct {
	media    *Description
	metadata []Metadata
	presses  []Press
	notes    []string
}

// readContent takes a body apart: multipart of any shape, SDP, rs-metadata,
// DTMF INFO. An error is a *bodyError with the status to answer.
func readContent(contentType, disposition, encoding string, body []byte) (content, error) {
	panic("unbuilt")
}

// bodyError is a body that cannot be answered.
type bodyError struct {
	status int // 400, 415, 488
	reason string
}

func (e *bodyError) Error() string { return e.reason }

// encodeAnswer writes the SDP that answers offer: same lines in order, labels
// echoed, directions allowed by RFC 3264 section 6.1. session and version are
// ours for the o= line. It returns the answer as it was narrowed. A nil offer
// means a is our own offer.
func encodeAnswer(offer *Description, a Answer, session, version uint64) (sdp []byte, used Answer, err error) {
	panic("unbuilt")
}

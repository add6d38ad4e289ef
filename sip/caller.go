package sip

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Caller is the signalling side of a SIPREC recording client (SRC, RFC 7866).
// Its fields are set before Start and not changed afterwards. It serves any
// number of recording sessions over one socket; it handles no media.
type Caller struct {
	Transport string      // "udp" (also when empty), "tcp" or "tls"
	Local     string      // address to bind, host:port; empty: any address, a free port
	TLS       *tls.Config // for "tls": roots, and a client certificate when one is asked for
	UserAgent string      // empty: "siprecd"
	User      string      // answers digest challenges (RFC 8760), with Password
	Password  string
	T1        time.Duration // the round-trip estimate of RFC 3261 section 17.1.1.1; 0: 500 ms
	Log       *slog.Logger  // nil: none

	state *callerState
}

// callerState is what a started Caller keeps.
type callerState struct {
	packet   *net.UDPConn // udp only
	listener net.Listener // tcp, and tls with a certificate of our own
	closed   chan struct{}
	alive    sync.WaitGroup // reading goroutines and the run of every Outgoing

	mu      sync.Mutex                       // guards the maps
	streams map[netip.AddrPort]*callerStream // by remote address
	tries   map[string]*try                  // client transactions, by branch and method
	acks    map[string]oldAck                // of failed INVITEs, by branch, for repeated responses
	calls   map[string]*Outgoing             // by Call-ID
}

// Header is one header field to add to a request.
type Header struct{ Name, Value string }

// Invitation opens a recording session (RS).
type Invitation struct {
	Target string // "sip:host[:port]"; the transport is the Caller's
	From   string // a URI or a user name; empty: "siprecd"
	To     string // the same; empty: Target

	// Lines are the media lines to offer. Of each, Addr (where our media comes
	// from), Label, Direction (empty: sendonly), Codecs (empty: PCMU, PCMA and
	// telephone-event) and Ptime are used.
	Lines []Line
	// Offerless sends the INVITE without SDP: the SRS offers in its 200, and
	// Lines make our answer in the ACK.
	Offerless bool

	Metadata []byte // rs-metadata document (RFC 7865); nil: none
	// Snapshot returns the complete metadata when the SRS asks for it
	// (RFC 7866 section 9.2). nil: the metadata sent last.
	Snapshot func() []byte
	// OnChange is told when a request of the SRS has changed the lines. It must
	// not block.
	OnChange func([]OutgoingLine)

	// Bare leaves out Require: siprec and +sip.src, as some SRCs do.
	Bare           bool
	Headers        []Header
	SessionExpires time.Duration // RFC 4028; 0: no session timer; else 90 s or more
}

// Change is what a request within an RS changes. Nil fields are left out of the
// message.
type Change struct {
	Lines    []Line // all lines, in the order of the INVITE, new ones at the end
	Metadata []byte
}

// StatusError is a final response that refuses a request.
type StatusError struct {
	Method     string
	Status     int // 300 to 699
	Reason     string
	RetryAfter time.Duration // 0 when not stated
}

func (e *StatusError) Error() string {
	s := fmt.Sprintf("the SRS answers %s with %d %s", e.Method, e.Status, e.Reason)
	if e.RetryAfter > 0 {
		s += fmt.Sprintf(" (try again after %v)", e.RetryAfter)
	}
	return s
}

// ErrNoResponse is the cause when an SRS stays silent for 64*T1
// (RFC 3261 section 17.1.1.2).
var ErrNoResponse = errors.New("the SRS does not answer")

// ErrCallerClosed is returned by every method after Close.
var ErrCallerClosed = errors.New("sip: caller closed")

// Start binds the socket and starts reading; Close ends that.
func (c *Caller) Start() error {
	s := &callerState{
		closed: make(chan struct{}), streams: map[netip.AddrPort]*callerStream{},
		tries: map[string]*try{}, acks: map[string]oldAck{}, calls: map[string]*Outgoing{},
	}
	local := c.Local
	if local == "" {
		local = ":0"
	}
	switch c.transport() {
	case "UDP":
		addr, err := net.ResolveUDPAddr("udp", local)
		if err != nil {
			return err
		}
		if s.packet, err = net.ListenUDP("udp", addr); err != nil {
			return err
		}
		// Answers to many calls at once come in bursts; a refusal costs little.
		_ = s.packet.SetReadBuffer(4 << 20)
		c.state = s
		s.alive.Go(c.readPackets)
		return nil
	case "TCP", "TLS":
		var err error
		if s.listener, err = net.Listen("tcp", local); err != nil {
			return err
		}
		if c.transport() == "TLS" {
			if c.TLS == nil {
				s.listener.Close()
				return errors.New("transport tls needs a TLS configuration")
			}
			s.listener = tls.NewListener(s.listener, c.TLS)
		}
		c.state = s
		s.alive.Go(c.acceptStreams)
		return nil
	}
	return fmt.Errorf("transport %q: udp, tcp and tls are possible", c.Transport)
}

// Close ends every RS without a BYE, closes the sockets and waits for the
// goroutines. End the calls with Bye before.
func (c *Caller) Close() {
	s := c.state
	s.mu.Lock()
	select {
	case <-s.closed:
		s.mu.Unlock()
		s.alive.Wait()
		return
	default:
	}
	close(s.closed)
	calls := make([]*Outgoing, 0, len(s.calls))
	for _, o := range s.calls {
		calls = append(calls, o)
	}
	if s.packet != nil {
		s.packet.Close()
	}
	if s.listener != nil {
		s.listener.Close()
	}
	for _, stream := range s.streams {
		stream.conn.Close()
	}
	s.mu.Unlock()
	for _, o := range calls {
		o.finish("src", "closed")
	}
	s.alive.Wait()
}

// Options sends OPTIONS outside any dialog and returns once it was answered
// with 2xx; any other answer is a *StatusError.
func (c *Caller) Options(ctx context.Context, target string) error {
	p, err := c.path(ctx, target)
	if err != nil {
		return err
	}
	m := &Message{Request: true, Method: "OPTIONS", RequestURI: target, CSeq: 1, CallID: token(20)}
	c.head(m, p, "<sip:siprecd@"+c.sentBy(p)+">;tag="+token(10), "<"+target+">")
	m.add("Contact", c.contact(p, ""))
	m.add("Accept", "application/sdp")
	r, err := c.exchange(ctx, m, p)
	return statusError(r, err)
}

// LocalAddr returns the address from which target is reached, for the media
// lines of an Invitation.
func (c *Caller) LocalAddr(ctx context.Context, target string) (netip.Addr, error) {
	p, err := c.path(ctx, target)
	return p.local, err
}

func (c *Caller) transport() string {
	if c.Transport == "" {
		return "UDP"
	}
	return strings.ToUpper(c.Transport)
}

func (c *Caller) t1() time.Duration {
	if c.T1 > 0 {
		return c.T1
	}
	return 500 * time.Millisecond
}

func (c *Caller) log() *slog.Logger {
	if c.Log != nil {
		return c.Log
	}
	return slog.New(slog.DiscardHandler)
}

// head adds the headers that every request begins with, with a new branch.
func (c *Caller) head(m *Message, p callerPath, from, to string) {
	m.add("Via", "SIP/2.0/"+c.transport()+" "+c.sentBy(p)+";rport;branch=z9hG4bK"+token(16))
	m.add("Max-Forwards", "70")
	m.add("From", from)
	m.add("To", to)
	m.add("Call-ID", m.CallID)
	m.add("CSeq", strconv.Itoa(int(m.CSeq))+" "+m.Method)
	agent := c.UserAgent
	if agent == "" {
		agent = "siprecd"
	}
	m.add("User-Agent", agent)
}

// sentBy is our address as the peer of p sees it, for Via, Contact and SDP.
func (c *Caller) sentBy(p callerPath) string {
	port := uint16(0)
	if s := c.state; s.packet != nil {
		port = s.packet.LocalAddr().(*net.UDPAddr).AddrPort().Port()
	} else {
		port = s.listener.Addr().(*net.TCPAddr).AddrPort().Port()
	}
	return hostPort(netip.AddrPortFrom(p.local, port))
}

func (c *Caller) contact(p callerPath, params string) string {
	uri := "sip:siprecd@" + c.sentBy(p)
	if t := c.transport(); t != "UDP" {
		uri += ";transport=" + strings.ToLower(t)
	}
	return "<" + uri + ">" + params
}

// statusError makes an error of a response that is not 2xx.
func statusError(r *Message, err error) error {
	if err != nil || r.Status < 300 {
		return err
	}
	e := &StatusError{Method: r.Method, Status: r.Status, Reason: r.phrase}
	if n, err := strconv.Atoi(strings.TrimRight(strings.SplitN(r.header("Retry-After")+" ", " ", 2)[0], ";(")); err == nil {
		e.RetryAfter = time.Duration(n) * time.Second
	}
	return e
}

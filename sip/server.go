package sip

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"time"
)

// Server is the signalling side of a SIPREC recording server (SRS, RFC 7866).
// Its fields are set before Start and not changed afterwards.
type Server struct {
	// Handler is called once per recording session (RS), in a goroutine of its
	// own. The RS lives exactly as long as the call: when Handler returns before
	// the SRC has ended the RS, Server sends BYE with a Reason header made from
	// the returned error (nil: "normal"). ctx is cancelled with a cause of type
	// *EndError when the RS is over for any reason.
	Handler func(ctx context.Context, s *Session) error

	// Listen lists the sockets to bind. Port 0 binds a free port.
	Listen []Listener

	// Access returns the SRCs that may speak to us. It is asked for every
	// message that opens something, so that a reload takes effect at once.
	// An empty list admits every address, named by its IP.
	Access func() []Source

	// Busy reports whether a new RS must be refused now with 503, and the
	// Retry-After to name. Nil means never. It is also the answer to OPTIONS.
	Busy func() (retryAfter time.Duration, busy bool)

	Log *slog.Logger

	// The operating system (all optional).
	ListenPacket func(network, address string) (net.PacketConn, error)
	ListenStream func(network, address string) (net.Listener, error)

	state *serverState
}

// Listener names one socket of a Server.
type Listener struct {
	Network string // "udp", "tcp" or "tls"
	Address string // host:port; an empty host is every address of the machine
	TLS     *tls.Config
}

// Source is one admitted SRC, a [[src]] of the configuration.
type Source struct {
	Name     string
	Networks []netip.Prefix
	CertSANs []string       // when set, a TLS client certificate must carry one of them
	Digest   *Digest        // when set, INVITE is challenged (RFC 8760)
	Location *time.Location // for the SRC's zone-less timestamps; nil: UTC

	// Strict refuses an INVITE that lacks Require: siprec or +sip.src, as RFC
	// 7866 section 6.2 asks. Without it whatever a named source sends is an RS.
	Strict bool

	// PartyHeader is the header by which the source names the party of each line,
	// where it sends no metadata; "": any X-…-Recording-Participant.
	PartyHeader string
}

// Digest is the one account a Source authenticates with.
type Digest struct {
	Realm, User, Password string
}

// EndError says which side ended an RS and why. It is the context cause of
// every RS that is over.
type EndError struct {
	Side   string // "src" or "srs"
	Reason string // e.g. "bye", "cancel", "ack-timeout", "session-expired", "shutdown"
	Header string // the Reason header the SRC sent with its BYE or CANCEL (RFC 3326)
}

func (e *EndError) Error() string { return e.Side + ": " + e.Reason }

// ErrServerClosed is returned by Start after Close.
var ErrServerClosed = errors.New("sip: server closed")

// SourceStats is what the server knows about one SRC.
type SourceStats struct {
	Name        string
	Addr        netip.Addr
	LastHeard   time.Time
	Requests    int64 // SIP requests accepted from it
	Refused     int64 // requests answered 4xx-6xx
	ParseErrors int64
	Sessions    int          // live recording sessions
	Clock       ClockReading // the newest Date that was certainly its own
}

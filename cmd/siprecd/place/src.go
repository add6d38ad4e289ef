package place

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"siprecd/media"
	"siprecd/sip"
)

// SRC places calls: one signalling socket and one RTP sender for all of them.
type SRC struct {
	Caller *sip.Caller
	sender *media.Sender
}

// Options says how an SRC speaks.
type Options struct {
	Transport string      // "udp" (also when empty), "tcp" or "tls"
	Local     string      // signalling address to bind; empty: any
	TLS       *tls.Config // nil for "tls": the system's roots
	User      string      // answers digest challenges
	Password  string
	Fast      bool // media without waiting between packets
	Log       *slog.Logger
}

// Open binds the signalling socket and starts the sender.
func Open(o Options) (*SRC, error) {
	if o.Transport == "tls" && o.TLS == nil {
		o.TLS = &tls.Config{}
	}
	caller := &sip.Caller{
		Transport: o.Transport, Local: o.Local, TLS: o.TLS, UserAgent: "siprecd call",
		User: o.User, Password: o.Password, Log: o.Log,
	}
	if err := caller.Start(); err != nil {
		return nil, err
	}
	return &SRC{Caller: caller, sender: media.NewSender(o.Fast)}, nil
}

// Close ends what is still going on, without a BYE, and waits for it.
func (s *SRC) Close() {
	s.sender.Close()
	s.Caller.Close()
}

// Sockets binds n media sockets, one for each line, on even ports as RFC 3550
// section 11 has it.
func Sockets(ctx context.Context, local netip.Addr, n int) (conns []*net.UDPConn, err error) {
	defer func() {
		if err != nil {
			closeAll(conns)
		}
	}()
	for range n {
		conn, err := bindEven(ctx, local)
		if err != nil {
			return conns, err
		}
		conns = append(conns, conn)
	}
	return conns, nil
}

func bindEven(ctx context.Context, local netip.Addr) (*net.UDPConn, error) {
	for {
		conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(local, 0)))
		if err != nil {
			return nil, err
		}
		if port(conn)%2 == 0 {
			return conn, nil
		}
		conn.Close()
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
	}
}

func port(conn *net.UDPConn) uint16 { return uint16(conn.LocalAddr().(*net.UDPAddr).Port) }

func closeAll(conns []*net.UDPConn) {
	for _, c := range conns {
		c.Close()
	}
}

// goodbyeTime bounds the BYE of a call whose context has ended.
const goodbyeTime = 5 * time.Second

package sip

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"time"
)

// connections are the TCP and TLS connections, accepted and dialled.
// serverState.mu guards them.
type connections struct {
	of      map[*stream]netip.Addr
	perPeer map[netip.Addr]int
	dialled map[route]*dialled
}

// route is where a connection of ours leads.
type route struct {
	network string
	to      netip.AddrPort
}

// dialled is a connection of ours, or one that is being made: all who need it
// wait for the one attempt. The rest may be read once done is closed.
type dialled struct {
	done   chan struct{}
	stream *stream
	err    error
}

func newConnections() connections {
	return connections{of: map[*stream]netip.Addr{}, perPeer: map[netip.Addr]int{}, dialled: map[route]*dialled{}}
}

// enter admits one more connection, within limits. idle, when not nil, must be
// closed for it.
func (cs *connections) enter(c *stream, peer netip.Addr) (ok bool, idle *stream) {
	if cs.perPeer[peer] >= perPeer {
		return false, nil
	}
	if len(cs.of) >= maxStreams {
		if idle = cs.idlest(); idle == nil {
			return false, nil
		}
	}
	cs.of[c] = peer
	cs.perPeer[peer]++
	return true, idle
}

// idlest is the oldest connection that has not brought a single message: those
// who hold connections open keep nobody out.
func (cs *connections) idlest() *stream {
	var idle *stream
	for c := range cs.of {
		if !c.heard.Load() && !c.gone.Load() && (idle == nil || c.begun.Before(idle.begun)) {
			idle = c
		}
	}
	if idle != nil {
		idle.gone.Store(true)
	}
	return idle
}

func (cs *connections) leave(c *stream) {
	peer := cs.of[c]
	delete(cs.of, c)
	if cs.perPeer[peer]--; cs.perPeer[peer] == 0 {
		delete(cs.perPeer, peer)
	}
	for r, d := range cs.dialled {
		if d.over() {
			delete(cs.dialled, r)
		}
	}
}

// adopt serves a connection, ours or theirs, in a goroutine of its own.
func (s *serverState) adopt(c *stream, network string) bool {
	peer := addrPort(c.conn.RemoteAddr())
	s.mu.Lock()
	ok := !s.closed || len(s.dialogs) > 0
	var idle *stream
	if ok {
		ok, idle = s.streams.enter(c, peer.Addr())
	}
	if ok {
		s.readers.Add(1)
	}
	s.mu.Unlock()
	if idle != nil {
		idle.close()
	}
	if !ok {
		c.conn.Close()
		return false
	}
	go func() {
		defer s.readers.Done()
		s.serveStream(c, network, peer)
		c.close()
		s.mu.Lock()
		defer s.mu.Unlock()
		s.streams.leave(c)
	}()
	return true
}

func (s *serverState) serveStream(c *stream, network string, peer netip.AddrPort) {
	if t, ok := c.conn.(*tls.Conn); ok {
		ctx, cancel := context.WithTimeout(s.ctx, firstLine)
		err := t.HandshakeContext(ctx)
		cancel()
		if err != nil {
			s.log.Debug("TLS handshake", "peer", peer.Addr(), "err", err)
			return
		}
	}
	names := certificate(c.conn)
	err := readStream(c, func(m *Message, err error) bool {
		source, ok := vouched(s.admit(peer.Addr()), names)
		if !ok {
			s.turnAway(peer.Addr())
			return false
		}
		s.take(&flow{
			network: network, local: addrPort(c.conn.LocalAddr()), remote: peer,
			source: source, stream: c, dialer: s.dial,
		}, m, err)
		return !frameLost(err)
	})
	if err != nil {
		s.log.Debug("connection ended", "peer", peer.Addr(), "err", err)
	}
}

// dial gives a connection to an SRC whose own is gone; several dialogs that
// lost the same one share the new one.
func (s *serverState) dial(network string, to netip.AddrPort) (*stream, error) {
	r := route{network, to}
	s.mu.Lock()
	d := s.streams.dialled[r]
	if d == nil || d.over() {
		d = &dialled{done: make(chan struct{})}
		s.streams.dialled[r] = d
		s.mu.Unlock()
		d.stream, d.err = s.connect(network, to)
		close(d.done)
		return d.stream, d.err
	}
	s.mu.Unlock()
	<-d.done
	return d.stream, d.err
}

// over: nothing can come of it any more.
func (d *dialled) over() bool {
	select {
	case <-d.done:
		return d.err != nil || d.stream.gone.Load()
	default:
		return false
	}
}

func (s *serverState) connect(network string, to netip.AddrPort) (*stream, error) {
	d := net.Dialer{Timeout: dialWait}
	conn, err := d.DialContext(s.ctx, "tcp", to.String())
	if err != nil {
		return nil, err
	}
	if network == "tls" {
		conn = tls.Client(conn, s.clientTLS(to.Addr().String()))
	}
	c := &stream{conn: conn, begun: time.Now()}
	c.heard.Store(true) // we have something to say
	if !s.adopt(c, network) {
		return nil, errors.New("sip: too many connections")
	}
	return c, nil
}

func (s *serverState) clientTLS(name string) *tls.Config {
	conf := &tls.Config{ServerName: name, MinVersion: tls.VersionTLS12}
	for _, l := range s.Listen {
		if l.TLS != nil {
			conf.Certificates, conf.GetClientCertificate = l.TLS.Certificates, nil
			conf.RootCAs = l.TLS.ClientCAs
			break
		}
	}
	return conf
}

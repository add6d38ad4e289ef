package sip

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// callerPath is the way to one peer.
type callerPath struct {
	remote netip.AddrPort
	local  netip.Addr    // our address on that way
	packet *net.UDPConn  // one of these two
	stream *callerStream // is set
}

func (p callerPath) write(b []byte) error {
	if p.stream != nil {
		return p.stream.write(b)
	}
	_, err := p.packet.WriteToUDPAddrPort(b, p.remote)
	return err
}

// gone is closed when nothing can come back on the path; nil for UDP.
func (p callerPath) gone() <-chan struct{} {
	if p.stream == nil {
		return nil
	}
	return p.stream.gone
}

// callerStream is one TCP or TLS connection, ours or the peer's.
type callerStream struct {
	conn net.Conn
	gone chan struct{} // closed when reading has ended

	mu sync.Mutex // one message at a time
}

const streamWriteTimeout = 10 * time.Second

func (s *callerStream) write(b []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.conn.SetWriteDeadline(time.Now().Add(streamWriteTimeout)); err != nil {
		return err
	}
	_, err := s.conn.Write(b)
	return err
}

// path finds the way to the host of a SIP URI, connecting when there is no
// connection yet.
func (c *Caller) path(ctx context.Context, target string) (callerPath, error) {
	u := parseURI(target)
	if u.host == "" || u.port < 0 || u.scheme != "sip" && u.scheme != "sips" {
		return callerPath{}, fmt.Errorf("%q is no SIP address; write sip:HOST or sip:HOST:PORT", target)
	}
	port := uint16(5060)
	if c.transport() == "TLS" {
		port = 5061
	}
	if u.port > 0 {
		port = uint16(u.port)
	}
	addr, err := netip.ParseAddr(u.host)
	if err != nil {
		addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", u.host)
		if err != nil {
			return callerPath{}, err
		}
		addr = addrs[0]
	}
	remote := netip.AddrPortFrom(addr.Unmap(), port)
	if c.state.packet == nil {
		stream, err := c.connect(ctx, remote, u.host)
		if err != nil {
			return callerPath{}, err
		}
		return streamPath(stream), nil
	}
	local, err := c.localFor(remote)
	return callerPath{remote: remote, local: local, packet: c.state.packet}, err
}

// localFor returns the address that packets to remote leave from.
func (c *Caller) localFor(remote netip.AddrPort) (netip.Addr, error) {
	if bound := c.state.packet.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap(); !bound.IsUnspecified() {
		return bound, nil
	}
	probe, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(remote)) // sends nothing
	if err != nil {
		return netip.Addr{}, err
	}
	defer probe.Close()
	return probe.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap(), nil
}

func streamPath(s *callerStream) callerPath {
	address := func(a net.Addr) netip.AddrPort {
		p := a.(*net.TCPAddr).AddrPort()
		return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
	}
	return callerPath{remote: address(s.conn.RemoteAddr()), local: address(s.conn.LocalAddr()).Addr(), stream: s}
}

// connect returns the connection to remote, opening it when there is none.
func (c *Caller) connect(ctx context.Context, remote netip.AddrPort, name string) (*callerStream, error) {
	s := c.state
	s.mu.Lock()
	stream := s.streams[remote]
	s.mu.Unlock()
	if stream != nil {
		return stream, nil
	}
	dialer := net.Dialer{Timeout: 64 * c.t1()}
	if local := s.listener.Addr().(*net.TCPAddr); !local.IP.IsUnspecified() {
		dialer.LocalAddr = &net.TCPAddr{IP: local.IP, Zone: local.Zone}
	}
	conn, err := dialer.DialContext(ctx, "tcp", remote.String())
	if err != nil {
		return nil, err
	}
	if c.transport() == "TLS" {
		conf := c.TLS.Clone()
		if conf.ServerName == "" {
			conf.ServerName = name
		}
		secure := tls.Client(conn, conf)
		if err := secure.HandshakeContext(ctx); err != nil {
			conn.Close()
			return nil, err
		}
		conn = secure
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if other := s.streams[remote]; other != nil { // somebody else was faster
		conn.Close()
		return other, nil
	}
	return c.adopt(conn, remote)
}

// adopt starts reading a connection. The state's lock is held.
func (c *Caller) adopt(conn net.Conn, remote netip.AddrPort) (*callerStream, error) {
	s := c.state
	select {
	case <-s.closed:
		conn.Close()
		return nil, ErrCallerClosed
	default:
	}
	stream := &callerStream{conn: conn, gone: make(chan struct{})}
	s.streams[remote] = stream
	s.alive.Go(func() {
		defer close(stream.gone)
		defer func() {
			conn.Close()
			s.mu.Lock()
			defer s.mu.Unlock()
			delete(s.streams, remote)
		}()
		c.log().Debug("a SIP connection ended", "error", c.readStream(stream))
	})
	return stream, nil
}

func (c *Caller) acceptStreams() {
	for {
		conn, err := c.state.listener.Accept()
		if err != nil {
			return
		}
		remote := conn.RemoteAddr().(*net.TCPAddr).AddrPort()
		c.state.mu.Lock()
		_, err = c.adopt(conn, netip.AddrPortFrom(remote.Addr().Unmap(), remote.Port()))
		c.state.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (c *Caller) readPackets() {
	buf := make([]byte, 65536)
	for {
		n, from, err := c.state.packet.ReadFromUDPAddrPort(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil || n < 5 { // an ICMP error of some call, or a keep-alive
			continue
		}
		m, _, err := ParseMessage(buf[:n], true)
		if err != nil {
			c.log().Debug("a SIP message cannot be read", "error", err)
			continue
		}
		from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
		local, err := c.localFor(from)
		if err != nil {
			continue
		}
		c.dispatch(m, callerPath{remote: from, local: local, packet: c.state.packet})
	}
}

// readStream reads messages until the connection ends, and returns why.
func (c *Caller) readStream(s *callerStream) error {
	p := streamPath(s)
	var pending []byte
	buf := make([]byte, 16<<10)
	for {
		n, err := s.conn.Read(buf)
		if err != nil {
			return err
		}
		pending = append(pending, buf[:n]...)
		for len(pending) > 0 {
			m, used, err := ParseMessage(pending, false)
			if errors.Is(err, io.ErrUnexpectedEOF) {
				break
			}
			if err != nil { // where the next message begins cannot be known
				return err
			}
			pending = pending[used:]
			c.dispatch(m, p)
		}
	}
}

// dispatch hands a message to the transaction or RS it belongs to. It does not
// block: one slow call must not hold up the others.
func (c *Caller) dispatch(m *Message, p callerPath) {
	if m.Request {
		c.serve(m, p)
		return
	}
	branch := topBranch(m)
	s := c.state
	s.mu.Lock()
	t, old, call := s.tries[branch+" "+m.Method], s.acks[branch], s.calls[m.CallID]
	s.mu.Unlock()
	switch {
	case old.wire != nil && m.Method == "INVITE" && m.Status >= 300:
		c.note(old.path.write(old.wire))
	case t != nil:
		select {
		case t.responses <- m:
		default: // a flood of provisional responses
		}
	case call != nil && m.Method == "INVITE" && m.Status >= 200 && m.Status < 300:
		call.acknowledgeAgain(m)
	}
}

// note logs an error that costs nothing: the message will be repeated.
func (c *Caller) note(err error) {
	if err != nil {
		c.log().Debug("a SIP message could not be sent", "error", err)
	}
}

func topBranch(m *Message) string {
	if vias := m.list("Via"); len(vias) > 0 {
		v, _ := parseVia(vias[0])
		return strings.TrimSpace(v.params["branch"])
	}
	return ""
}

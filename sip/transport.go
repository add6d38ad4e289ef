package sip

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// flow is the way a message came and the way back.
type flow struct {
	network string // "udp", "tcp", "tls"
	local   netip.AddrPort
	remote  netip.AddrPort
	source  Source
	secure  bool // the request was for a sips URI
	packets net.PacketConn
	stream  *stream // nil over UDP
	dialer  func(network string, to netip.AddrPort) (*stream, error)
}

// contact is our Contact value on this flow (RFC 7866 section 6.2).
func (f *flow) contact() string {
	scheme, param := "sip", ""
	switch {
	case f.secure:
		scheme = "sips"
	case f.network != "udp":
		param = ";transport=" + f.network
	}
	return "<" + scheme + ":" + hostPort(f.local) + param + ">;+sip.srs"
}

// via is our Via value on this flow, without branch.
func (f *flow) via() string {
	name := map[string]string{"udp": "UDP", "tcp": "TCP", "tls": "TLS"}[f.network]
	v := "SIP/2.0/" + name + " " + hostPort(f.local)
	if f.stream == nil {
		v += ";rport"
	}
	return v
}

// write sends to the peer: over UDP to the address given, over a stream along
// the connection it came on or, when that is gone, along a new one. It returns
// the flow to use from then on.
func (f *flow) write(wire []byte, to netip.AddrPort) (*flow, error) {
	if f.stream == nil {
		_, err := f.packets.WriteTo(wire, net.UDPAddrFromAddrPort(to))
		return f, err
	}
	if !f.stream.gone.Load() && f.stream.write(wire) == nil {
		return f, nil
	}
	fresh, err := f.dialer(f.network, to)
	if err != nil {
		return f, err
	}
	again := *f
	again.stream = fresh
	return &again, fresh.write(wire)
}

// Limits in time and number of stream connections.
const (
	firstLine    = 5 * time.Second  // a new connection must send something by then
	wholeMessage = 10 * time.Second // from a message's first byte to its last
	writeWait    = 5 * time.Second
	dialWait     = 2 * time.Second
	perPeer      = 64   // connections of one address
	maxStreams   = 256  // connections in all
	maxKeepalive = 4096 // bytes of CRLF in ten seconds
)

// stream is one TCP or TLS connection. Its reader is the only one to read;
// writes are serialised by mu.
type stream struct {
	conn  net.Conn
	begun time.Time
	heard atomic.Bool // a whole message came, or we opened it
	gone  atomic.Bool
	mu    sync.Mutex // guards writing to conn
}

func (c *stream) write(wire []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conn.SetWriteDeadline(time.Now().Add(writeWait))
	_, err := c.conn.Write(wire)
	if err != nil {
		c.close() // half a message may be out: nothing sensible can follow it
	}
	return err
}

func (c *stream) close() {
	c.gone.Store(true)
	c.conn.Close()
}

// readStream frames messages until the connection ends, the peer breaks the
// rules or is too slow. take handles one message; false ends the connection.
func readStream(c *stream, take func(m *Message, err error) bool) error {
	buf := make([]byte, 0, 8<<10)
	var breaks int
	var window, began time.Time
	if !c.heard.Load() {
		c.conn.SetReadDeadline(time.Now().Add(firstLine))
	}
	for {
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
		n, err := c.conn.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		now := time.Now()
		for len(buf) > 0 {
			skip := leadingBreaks(buf)
			if now.Sub(window) > 10*time.Second {
				window, breaks = now, 0
			}
			if breaks += skip; breaks > maxKeepalive {
				return errors.New("a flood of keepalives")
			}
			if skip == len(buf) {
				if skip >= 4 { // RFC 5626 section 3.5.1: ping and pong
					if err := c.write([]byte("\r\n")); err != nil {
						return err
					}
				}
				buf = buf[:0]
				break
			}
			m, used, err := readMessage(buf[skip:], false)
			if errors.Is(err, io.ErrUnexpectedEOF) {
				buf = append(buf[:0], buf[skip:]...)
				break
			}
			if !take(m, err) {
				return err
			}
			c.heard.Store(true)
			buf = append(buf[:0], buf[skip+used:]...)
			began = time.Time{}
		}
		if err != nil {
			return err
		}
		switch {
		case len(buf) > 0 && began.IsZero():
			began = now
			c.conn.SetReadDeadline(now.Add(wholeMessage))
		case len(buf) == 0 && c.heard.Load():
			began = time.Time{}
			c.conn.SetReadDeadline(time.Time{})
		}
	}
}

// certificate finds the names of a client certificate, none without one.
func certificate(conn net.Conn) []string {
	t, ok := conn.(*tls.Conn)
	if !ok {
		return nil
	}
	state := t.ConnectionState()
	if len(state.PeerCertificates) == 0 || len(state.VerifiedChains) == 0 {
		return nil
	}
	cert := state.PeerCertificates[0]
	names := append([]string(nil), cert.DNSNames...)
	for _, ip := range cert.IPAddresses {
		names = append(names, ip.String())
	}
	for _, u := range cert.URIs {
		names = append(names, u.String())
	}
	return append(names, cert.EmailAddresses...)
}

// addrPort reads a socket address; the zero value when it is none.
func addrPort(a net.Addr) netip.AddrPort {
	switch a := a.(type) {
	case *net.UDPAddr:
		ap := a.AddrPort()
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	case *net.TCPAddr:
		ap := a.AddrPort()
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	}
	ap, _ := netip.ParseAddrPort(a.String())
	return ap
}

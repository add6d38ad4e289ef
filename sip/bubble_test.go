package sip

import (
	"net"
	"net/netip"
	"testing"
	"time"
)

// bubble is a network inside a synctest bubble: a PacketConn without a socket,
// so that the server's clocks can be driven without waiting.
type bubble struct {
	in, out chan []byte
	closed  chan struct{}
}

var (
	bubbleSRS = net.UDPAddrFromAddrPort(netip.MustParseAddrPort("192.0.2.1:5060"))
	bubbleSRC = net.UDPAddrFromAddrPort(netip.MustParseAddrPort("192.0.2.10:5060"))
)

func (b *bubble) ReadFrom(p []byte) (int, net.Addr, error) {
	select {
	case raw := <-b.in:
		return copy(p, raw), bubbleSRC, nil
	case <-b.closed:
		return 0, nil, net.ErrClosed
	}
}

func (b *bubble) WriteTo(p []byte, _ net.Addr) (int, error) {
	select {
	case b.out <- append([]byte(nil), p...):
	default:
	}
	return len(p), nil
}

func (b *bubble) Close() error                     { close(b.closed); return nil }
func (b *bubble) LocalAddr() net.Addr              { return bubbleSRS }
func (b *bubble) SetDeadline(time.Time) error      { return nil }
func (b *bubble) SetReadDeadline(time.Time) error  { return nil }
func (b *bubble) SetWriteDeadline(time.Time) error { return nil }

// float starts a server in a bubble and a client beside it.
func float(t testing.TB, change func(*served)) (*served, *src) {
	b := &bubble{in: make(chan []byte, 100), out: make(chan []byte, 1000), closed: make(chan struct{})}
	s := listen(t, "udp", func(s *served) {
		s.ListenPacket = func(string, string) (net.PacketConn, error) { return b, nil }
		if change != nil {
			change(s)
		}
	})
	c := &src{t: t, callID: "call-" + token(8), tag: token(6), via: "SIP/2.0/UDP 192.0.2.10:5060", contact: "<sip:src@192.0.2.10>;+sip.src"}
	c.send = func(raw []byte) { b.in <- raw }
	c.recv = func(wait time.Duration) []byte {
		select {
		case raw := <-b.out:
			return raw
		case <-time.After(wait):
			return nil
		}
	}
	return s, c
}

package sip

import (
	"context"
	"crypto/tls"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

// crowd is a listener inside a bubble: connections without sockets, from
// addresses of the test's choice.
type crowd struct {
	arrivals chan net.Conn
	closed   chan struct{}
}

// from is a connection with addresses of its own.
type from struct {
	net.Conn
	local, remote netip.AddrPort
}

func (f from) LocalAddr() net.Addr  { return net.TCPAddrFromAddrPort(f.local) }
func (f from) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(f.remote) }

func (w *crowd) Accept() (net.Conn, error) {
	select {
	case c := <-w.arrivals:
		return c, nil
	case <-w.closed:
		return nil, net.ErrClosed
	}
}

func (w *crowd) Close() error   { close(w.closed); return nil }
func (w *crowd) Addr() net.Addr { return net.TCPAddrFromAddrPort(bubbleSRS.AddrPort()) }

// connect opens a connection from an address.
func (w *crowd) connect(addr string, port uint16) net.Conn {
	theirs, ours := net.Pipe()
	remote := netip.AddrPortFrom(netip.MustParseAddr(addr), port)
	w.arrivals <- from{ours, bubbleSRS.AddrPort(), remote}
	return from{theirs, remote, bubbleSRS.AddrPort()}
}

// client speaks SIP along a connection of the crowd.
func (w *crowd) client(t *testing.T, conn net.Conn, network string) *src {
	if network == "tls" {
		conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
	}
	return newSRC(t, conn, network)
}

func inCrowd(t *testing.T, network string, f func(t *testing.T, s *served, w *crowd)) {
	ca := newAuthority(t)
	conf := ca.serverConfig(t)
	synctest.Test(t, func(t *testing.T) {
		w := &crowd{arrivals: make(chan net.Conn), closed: make(chan struct{})}
		s := listen(t, network, func(s *served) {
			s.Listen[0].TLS = conf
			s.ListenStream = func(string, string) (net.Listener, error) { return w, nil }
		})
		f(t, s, w)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		s.Close(ctx)
	})
}

// Five hundred connections that send a byte in ten seconds, or begin a TLS
// handshake and no more, keep nobody out, and are closed.
func TestSlowSendersKeepNobodyOut(t *testing.T) {
	for network, first := range map[string]string{"tcp": "O", "tls": "\x16"} {
		t.Run(network, func(t *testing.T) {
			inCrowd(t, network, func(t *testing.T, s *served, w *crowd) {
				live := w.client(t, w.connect("192.0.2.10", 5060), network)
				live.start()
				var slow []net.Conn
				for i := range 500 {
					conn := w.connect(netip.AddrFrom4([4]byte{198, 51, 100, byte(i / 60)}).String(), uint16(1024+i))
					slow = append(slow, conn)
					go conn.Write([]byte(first))
				}
				synctest.Wait()
				fresh := w.client(t, w.connect("192.0.2.11", 5060), network)
				fresh.request(200, "OPTIONS", "", "")
				live.request(200, "UPDATE", "", "")
				if n := s.connected(); n > maxStreams {
					t.Errorf("%d connections", n)
				}
				time.Sleep(10 * time.Second)
				for _, conn := range slow {
					go conn.Write([]byte("P"))
				}
				time.Sleep(wholeMessage)
				if n := s.connected(); n != 2 {
					t.Errorf("%d connections are left, 2 are in use", n)
				}
				fresh.request(200, "OPTIONS", "", "")
				live.request(200, "BYE", "", "")
				for _, conn := range append(slow, live.raw, fresh.raw) {
					conn.Close()
				}
			})
		})
	}
}

func (s *served) connected() int {
	s.state.mu.Lock()
	defer s.state.mu.Unlock()
	return len(s.state.streams.of)
}

// One address has a share of the connections and no more.
func TestOneAddressHasItsShare(t *testing.T) {
	inCrowd(t, "tcp", func(t *testing.T, s *served, w *crowd) {
		var conns []net.Conn
		for i := range 3 * perPeer {
			conns = append(conns, w.connect("198.51.100.1", uint16(1024+i)))
		}
		synctest.Wait()
		if n := s.connected(); n != perPeer {
			t.Errorf("%d connections of one address", n)
		}
		for _, conn := range conns {
			conn.Close()
		}
	})
}

package media

import (
	"bytes"
	"context"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"
)

// dtlsBacklog is how many datagrams of a handshake may wait; more are lost, as
// on the network.
const dtlsBacklog = 64

// dtlsWire is a line's DTLS datagrams as a net.PacketConn: a Path hands over
// those that arrive, and what is written leaves from the line's RTP socket.
type dtlsWire struct {
	arrived chan dtlsDatagram
	send    func(netip.AddrPort, []byte) error

	mu      sync.Mutex // guards the next fields
	begun   *dtlsDatagram
	peer    netip.AddrPort
	due     time.Time     // read deadline
	changed chan struct{} // closed when due is
}

type dtlsDatagram struct {
	from netip.AddrPort
	data []byte
}

func newDTLSWire(send func(netip.AddrPort, []byte) error) *dtlsWire {
	return &dtlsWire{arrived: make(chan dtlsDatagram, dtlsBacklog), send: send, changed: make(chan struct{})}
}

// isDTLS tells DTLS from RTP and RTCP by the first byte (RFC 7983).
func isDTLS(b []byte) bool { return len(b) > 0 && b[0] >= 20 && b[0] <= 63 }

// arrive takes a datagram without ever waiting.
func (w *dtlsWire) arrive(from netip.AddrPort, b []byte) {
	if len(w.arrived) == cap(w.arrived) {
		return
	}
	select {
	case w.arrived <- dtlsDatagram{from, bytes.Clone(b)}:
	default:
	}
}

// first waits for a ClientHello: it begins a handshake and tells with whom. All
// else is left over from another one.
func (w *dtlsWire) first(ctx context.Context) bool {
	for {
		select {
		case d := <-w.arrived:
			if !isClientHello(d.data) {
				continue
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			w.begun, w.peer, w.due = &d, d.from, time.Time{}
			return true
		case <-ctx.Done():
			return false
		}
	}
}

// isClientHello reads record type, epoch and handshake type (RFC 6347 section 4.1).
func isClientHello(b []byte) bool {
	return len(b) > 13 && b[0] == 22 && b[3] == 0 && b[4] == 0 && b[13] == 1
}

// ReadFrom returns the next datagram of the peer.
func (w *dtlsWire) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		w.mu.Lock()
		begun, peer, due, changed := w.begun, w.peer, w.due, w.changed
		w.begun = nil
		w.mu.Unlock()
		if begun != nil {
			return copy(b, begun.data), net.UDPAddrFromAddrPort(begun.from), nil
		}
		var late <-chan time.Time
		if !due.IsZero() {
			timer := time.NewTimer(time.Until(due))
			defer timer.Stop()
			late = timer.C
		}
		select {
		case d := <-w.arrived:
			if d.from == peer {
				return copy(b, d.data), net.UDPAddrFromAddrPort(d.from), nil
			}
		case <-late:
			return 0, nil, os.ErrDeadlineExceeded
		case <-changed:
		}
	}
}

// WriteTo sends one datagram to the peer.
func (w *dtlsWire) WriteTo(b []byte, _ net.Addr) (int, error) {
	w.mu.Lock()
	peer := w.peer
	w.mu.Unlock()
	return len(b), w.send(peer, b)
}

// SetReadDeadline ends a ReadFrom that waits longer.
func (w *dtlsWire) SetReadDeadline(t time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.due = t
	close(w.changed)
	w.changed = make(chan struct{})
	return nil
}

// SetDeadline is SetReadDeadline: writing never waits.
func (w *dtlsWire) SetDeadline(t time.Time) error { return w.SetReadDeadline(t) }

// SetWriteDeadline has nothing to bound.
func (w *dtlsWire) SetWriteDeadline(time.Time) error { return nil }

// Close closes nothing: the socket is the line's.
func (w *dtlsWire) Close() error { return w.SetReadDeadline(time.Unix(1, 0)) }

// LocalAddr is not known here, and nobody asks.
func (w *dtlsWire) LocalAddr() net.Addr { return &net.UDPAddr{} }

// RemoteAddr is whom the handshake is with.
func (w *dtlsWire) RemoteAddr() net.Addr {
	w.mu.Lock()
	defer w.mu.Unlock()
	return net.UDPAddrFromAddrPort(w.peer)
}

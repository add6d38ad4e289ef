package media

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	settleQuiet = 3 * time.Millisecond // without a packet: nothing more has arrived
	settleTries = 100

	// portableBuffer is what systems grant without being asked; how much they
	// really grant cannot be read in a portable way.
	portableBuffer = 212_992
)

// connSocket is a socket with a goroutine of its own. start begins it, close
// ends and awaits it.
type connSocket struct {
	conn     *net.UDPConn
	port     uint16
	granted  int
	feeds    atomic.Pointer[feed] // nil: what comes is discarded
	settling sync.Mutex           // one settle at a time
	quiet    chan struct{}        // answers settle
	begun    bool                 // run was started; of start and close, which the owner orders
	done     chan struct{}
}

// feed is where a connSocket delivers.
type feed struct {
	intake *Intake
	line   int
	rtcp   bool
}

func bindConn(at netip.AddrPort, readBuffer int) (socket, error) {
	network := "udp4"
	if at.Addr().Is6() {
		network = "udp6"
	}
	conn, err := net.ListenUDP(network, net.UDPAddrFromAddrPort(at))
	if err != nil {
		return nil, err
	}
	// A system that refuses the size leaves its own, which HoldLimit expects.
	_ = conn.SetReadBuffer(readBuffer)
	return &connSocket{
		conn: conn, port: uint16(conn.LocalAddr().(*net.UDPAddr).Port),
		granted: min(readBuffer, portableBuffer),
		quiet:   make(chan struct{}, 1), done: make(chan struct{}),
	}, nil
}

func (s *connSocket) start(in *Intake, line int, rtcp bool) {
	if in == nil {
		s.feeds.Store(nil)
		return
	}
	s.feeds.Store(&feed{in, line, rtcp})
	s.begun = true
	go s.run()
}

func (s *connSocket) run() {
	defer close(s.done)
	buf := make([]byte, maxDatagram+1)
	busy, tries := false, 0
	for {
		n, from, err := s.conn.ReadFromUDPAddrPort(buf)
		switch {
		case err == nil:
			busy = true
			s.deliver(from, buf[:n])
		case errors.Is(err, os.ErrDeadlineExceeded) && busy && tries < settleTries:
			busy = false
			tries++
			s.conn.SetReadDeadline(time.Now().Add(settleQuiet))
		case errors.Is(err, os.ErrDeadlineExceeded):
			tries = 0
			s.conn.SetReadDeadline(time.Time{})
			select {
			case s.quiet <- struct{}{}:
			default:
			}
		case errors.Is(err, net.ErrClosed):
			return
		default:
			// Some systems report an ICMP error of a socket here, once each.
			time.Sleep(time.Millisecond)
		}
	}
}

func (s *connSocket) deliver(from netip.AddrPort, b []byte) {
	f := s.feeds.Load()
	if f == nil {
		return
	}
	if len(b) > maxDatagram {
		b = nil // counted as no RTP
	}
	f.intake.deliver(s, f, from, b)
}

func (s *connSocket) settle() {
	s.settling.Lock()
	defer s.settling.Unlock()
	select {
	case <-s.quiet:
	default:
	}
	s.conn.SetReadDeadline(time.Now().Add(settleQuiet))
	timeout := time.NewTimer(time.Second) // a Hold by another goroutine stops the reader
	defer timeout.Stop()
	select {
	case <-s.quiet:
	case <-s.done:
	case <-timeout.C:
	}
}

func (s *connSocket) drain(*drainer, int, bool) int64 { return 0 }
func (s *connSocket) dropped() int64                  { return 0 }
func (s *connSocket) localPort() uint16               { return s.port }
func (s *connSocket) readBuffer() int                 { return s.granted }

func (s *connSocket) send(to netip.AddrPort, b []byte) error {
	_, err := s.conn.WriteToUDPAddrPort(b, to)
	return err
}

func (s *connSocket) close() {
	s.conn.Close()
	if s.begun {
		<-s.done
	}
}

// portTaken tells an address another program holds, the reason to try the next.
func portTaken(err error) bool {
	const wsaEADDRINUSE = syscall.Errno(10048) // Windows' own number
	return errors.Is(err, syscall.EADDRINUSE) || errors.Is(err, wsaEADDRINUSE)
}

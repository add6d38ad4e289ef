package sip

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// serverState is a started Server.
type serverState struct {
	*Server
	log      *slog.Logger
	ctx      context.Context // of every handler; ends when Close gives up
	stop     context.CancelFunc
	kill     chan struct{} // closed when Close's patience is over
	wake     chan struct{} // a transaction's timer was set; capacity 1
	draining atomic.Bool
	bound    []net.Addr
	closers  []func() error
	readers  sync.WaitGroup // listeners, connections, the transactions' clock
	actors   sync.WaitGroup // sessions

	mu        sync.Mutex // guards what follows
	closed    bool
	table     *txTable
	dialogs   map[dialogKey]*Session
	streams   connections
	heard     map[string]*SourceStats
	strangers Strangers
	hinted    time.Time // when the log was last told of a profile that is missing
	nonces    nonceBook
	stopClock chan struct{}
}

// dialogKey names a dialog (RFC 3261 section 12): the Call-ID alone does not,
// an SRC may use that of the recorded call.
type dialogKey struct{ callID, ours, theirs string }

// Start binds every listener and serves until Close; it returns once bound.
// After Close it returns ErrServerClosed.
func (srv *Server) Start() error {
	if srv.state != nil {
		if srv.state.isClosed() {
			return ErrServerClosed
		}
		return errors.New("sip: the server was started before")
	}
	s := &serverState{
		Server: srv, log: srv.Log, kill: make(chan struct{}), wake: make(chan struct{}, 1),
		table: newTxTable(), dialogs: map[dialogKey]*Session{}, streams: newConnections(),
		heard: map[string]*SourceStats{}, stopClock: make(chan struct{}),
		nonces: nonceBook{},
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.ctx, s.stop = context.WithCancel(context.Background())
	srv.state = s
	var serve []func()
	for _, l := range srv.Listen {
		run, err := s.bind(l)
		if err != nil {
			for _, c := range s.closers {
				c()
			}
			s.stop()
			srv.state = nil
			return err
		}
		serve = append(serve, run)
	}
	s.readers.Go(s.clock)
	for _, run := range serve {
		s.readers.Go(run)
	}
	return nil
}

// Addr returns the bound address of the i-th listener.
func (srv *Server) Addr(i int) net.Addr { return srv.state.bound[i] }

// Drain answers 503 to new INVITEs and to OPTIONS from now on; live RSs go on.
func (srv *Server) Drain() { srv.state.draining.Store(true) }

// Close ends every live RS with BYE, waits for their handlers and closes the
// sockets. ctx bounds the waiting; its error is returned when it was too short.
func (srv *Server) Close(ctx context.Context) error {
	s := srv.state
	if s == nil {
		srv.state = &serverState{Server: srv, closed: true}
		return nil
	}
	s.draining.Store(true)
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	for _, d := range s.dialogs {
		d.bye <- &EndError{Side: "srs", Reason: "shutdown"}
	}
	s.mu.Unlock()
	done := make(chan struct{})
	go func() { s.actors.Wait(); close(done) }()
	var err error
	select {
	case <-done:
	case <-ctx.Done():
		err = context.Cause(ctx)
		close(s.kill)
		// The handlers' contexts are over now; those that listen return.
		select {
		case <-done:
		case <-time.After(time.Second):
		}
	}
	s.stop()
	s.mu.Lock()
	for _, c := range s.closers {
		c()
	}
	for c := range s.streams.of {
		c.close()
	}
	close(s.stopClock)
	s.mu.Unlock()
	s.readers.Wait()
	return err
}

func (s *serverState) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// Sources returns what is known of every SRC heard so far, by name.
func (srv *Server) Sources() []SourceStats { return srv.state.sources() }

func (s *serverState) bind(l Listener) (run func(), err error) {
	switch l.Network {
	case "udp":
		listen := s.ListenPacket
		if listen == nil {
			listen = net.ListenPacket
		}
		conn, err := listen("udp", l.Address)
		if err != nil {
			return nil, err
		}
		if u, ok := conn.(*net.UDPConn); ok {
			u.SetReadBuffer(4 << 20) // a burst of INVITEs; clamping is harmless
		}
		s.bound, s.closers = append(s.bound, conn.LocalAddr()), append(s.closers, conn.Close)
		return func() { s.readPackets(conn) }, nil
	case "tcp", "tls":
		listen := s.ListenStream
		if listen == nil {
			listen = net.Listen
		}
		if l.Network == "tls" && l.TLS == nil {
			return nil, errors.New("sip: a tls listener needs a certificate")
		}
		ln, err := listen("tcp", l.Address)
		if err != nil {
			return nil, err
		}
		s.bound, s.closers = append(s.bound, ln.Addr()), append(s.closers, ln.Close)
		return func() { s.acceptStreams(ln, l) }, nil
	}
	return nil, errors.New("sip: a listener's network is udp, tcp or tls, not " + l.Network)
}

func (s *serverState) readPackets(conn net.PacketConn) {
	buf := make([]byte, 65536)
	paths := newLocalPaths(addrPort(conn.LocalAddr()))
	for {
		n, from, err := conn.ReadFrom(buf)
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			continue // an ICMP error of an earlier send
		}
		remote := addrPort(from)
		sources := s.admit(remote.Addr())
		if leadingBreaks(buf[:n]) == n {
			continue
		}
		source, ok := vouched(sources, nil)
		if !ok {
			s.turnAway(remote.Addr())
			continue
		}
		m, _, err := readMessage(buf[:n], true)
		f := &flow{network: "udp", local: paths.towards(remote), remote: remote, source: source, packets: conn}
		s.take(f, m, err)
	}
}

func (s *serverState) acceptStreams(ln net.Listener, l Listener) {
	for {
		conn, err := ln.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			s.log.Warn("accepting a connection", "err", err)
			select {
			case <-time.After(100 * time.Millisecond): // out of descriptors: let some go
			case <-s.stopClock:
				return
			}
			continue
		}
		peer := addrPort(conn.RemoteAddr()).Addr()
		if len(s.admit(peer)) == 0 {
			s.turnAway(peer)
			conn.Close()
			continue
		}
		if l.Network == "tls" {
			conf := l.TLS.Clone()
			conf.MinVersion = max(conf.MinVersion, tls.VersionTLS12)
			conn = tls.Server(conn, conf)
		}
		s.adopt(&stream{conn: conn, begun: time.Now()}, l.Network)
	}
}

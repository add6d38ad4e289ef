package media

import (
	"errors"
	"net/netip"
	"sync"
	"time"
)

// socket is one UDP socket of a line: drained by its shard's tick, or with a
// goroutine of its own that delivers to the Intake.
type socket interface {
	// drain moves what has arrived into d and returns what the kernel dropped
	// since it last said.
	drain(d *drainer, line int, rtcp bool) (dropped int64)
	// start begins delivering to in, for sockets that do so by themselves.
	start(in *Intake, line int, rtcp bool)
	// settle waits until what has arrived has been delivered.
	settle()
	// dropped reads the kernel's count for the last time.
	dropped() int64
	localPort() uint16
	readBuffer() int // bytes
	send(to netip.AddrPort, b []byte) error
	close()
}

// pair is the two sockets of a line.
type pair struct {
	line      int
	port      uint16
	rtp, rtcp socket
	until     time.Time // end of quarantine
}

func (p *pair) close() {
	p.rtp.close()
	p.rtcp.close()
}

// Intake is the sockets of one RS, all on one shard.
type Intake struct {
	receiver *Receiver
	shard    *shard
	path     *Path
	local    netip.Addr

	mu        sync.Mutex // guards everything below; held while feeding the path
	released  sync.Cond  // no longer held
	pairs     []*pair
	held      bool
	listening bool
	closed    bool

	handshakes map[int]*handshake // by line; each is ended before its pair is retired
}

// AddLine binds an even RTP port and the odd one above it for line i, and
// returns at once. A line that has its ports keeps them.
func (in *Intake) AddLine(i int) (port uint16, err error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.closed {
		return 0, errors.New("the recording session has ended")
	}
	for _, p := range in.pairs {
		if p.line == i {
			return p.port, nil
		}
	}
	r := in.receiver
	bind := func(at netip.AddrPort) (socket, error) {
		if r.cfg.Portable {
			return bindConn(at, r.cfg.ReadBuffer)
		}
		return bindRaw(at, r.cfg.ReadBuffer)
	}
	p, err := r.ports.bindPair(in.local, bind)
	if err != nil {
		return 0, err
	}
	p.line = i
	if !in.shard.own(p) {
		p.close()
		r.ports.put(p.port)
		return 0, errReceiverClosed
	}
	p.rtp.start(in, i, false)
	p.rtcp.start(in, i, true)
	in.pairs = append(in.pairs, p)
	return p.port, nil
}

// CloseLine drains line i's sockets once more and quarantines the pair.
func (in *Intake) CloseLine(i int) {
	in.unsecure(i)
	in.settle()
	in.mu.Lock()
	defer in.mu.Unlock()
	for n, p := range in.pairs {
		if p.line != i {
			continue
		}
		if !in.held {
			in.drainNow()
			in.path.takeLeave(i, time.Now().UnixNano(), in.post)
		}
		in.retire(p)
		in.pairs = append(in.pairs[:n], in.pairs[n+1:]...)
		return
	}
}

// Drain feeds what has arrived so far into the path before it returns, unless
// the Intake is held. A driver calls it before it acts on signalling, so that
// packets and signals reach the path in the order in which they came.
func (in *Intake) Drain() {
	in.settle()
	in.mu.Lock()
	defer in.mu.Unlock()
	if !in.held && !in.closed {
		in.drainNow()
	}
}

// Hold leaves all packets in the socket buffers until it is released.
func (in *Intake) Hold(on bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.held = on && !in.closed
	in.released.Broadcast()
}

// Listening drains this RS's shard every 20 ms while anyone listens live.
func (in *Intake) Listening(on bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.setListening(on && !in.closed)
}

func (in *Intake) setListening(on bool) {
	if on != in.listening {
		in.listening = on
		in.shard.listen(on)
	}
}

// Close drains what has arrived into the path, then quarantines every pair. It
// returns when the path will see no more packets.
func (in *Intake) Close() {
	in.unsecureAll()
	in.Hold(false)
	in.settle()
	in.shard.leave(in)
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.closed {
		return
	}
	in.drainNow()
	for _, p := range in.pairs {
		in.path.takeLeave(p.line, time.Now().UnixNano(), in.post)
	}
	in.closed = true
	in.setListening(false)
	for _, p := range in.pairs {
		in.retire(p)
	}
	in.pairs = nil
}

// retire hands a pair to the shard, which keeps its ports from another call
// while stragglers may still come. The caller holds in.mu.
func (in *Intake) retire(p *pair) {
	in.path.KernelDrops(p.line, p.rtp.dropped()+p.rtcp.dropped())
	p.rtp.start(nil, 0, false)
	p.rtcp.start(nil, 0, true)
	p.until = time.Now().Add(in.receiver.cfg.Quarantine)
	in.shard.quarantine(p, in.receiver.ports)
}

// settle waits, without in.mu, for sockets that deliver by themselves.
func (in *Intake) settle() {
	in.mu.Lock()
	if in.held || in.closed {
		in.mu.Unlock()
		return
	}
	pairs := append([]*pair(nil), in.pairs...)
	in.mu.Unlock()
	for _, p := range pairs {
		p.rtp.settle()
		p.rtcp.settle()
	}
}

// drainNow drains outside the tick. The caller holds in.mu.
func (in *Intake) drainNow() {
	r := in.receiver
	if !r.cfg.Portable {
		r.spareMu.Lock()
		in.drainWith(r.spare)
		r.spareMu.Unlock()
	}
	in.flush()
}

// tick is called by the shard.
func (in *Intake) tick(d *drainer) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.closed {
		return
	}
	if !in.held {
		if d != nil {
			in.drainWith(d)
		}
		in.path.report(time.Now().UnixNano(), in.post)
	}
	in.flush()
}

// post sends RTCP from a line's own port. A report that cannot be sent is lost
// like any other. The caller holds in.mu.
func (in *Intake) post(line int, mux bool, to netip.AddrPort, b []byte) {
	for _, p := range in.pairs {
		if p.line != line {
			continue
		}
		from := p.rtcp
		if mux {
			from = p.rtp
		}
		_ = from.send(to, b)
	}
}

// drainWith feeds the path from all sockets, merged by arrival, so that a key
// opens every line at the same instant. The caller holds in.mu.
func (in *Intake) drainWith(d *drainer) {
	d.reset()
	for _, p := range in.pairs {
		if n := p.rtp.drain(d, p.line, false) + p.rtcp.drain(d, p.line, true); n > 0 {
			in.path.KernelDrops(p.line, n)
		}
	}
	d.deliver(in.path)
}

// deliver takes one packet from a socket with a goroutine of its own; the lock
// keeps arrival times in order across the sockets of an RS.
func (in *Intake) deliver(s *connSocket, f *feed, from netip.AddrPort, b []byte) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for in.held {
		in.released.Wait()
	}
	if s.feeds.Load() == f { // not retired meanwhile
		in.path.Packet(f.line, f.rtcp, time.Now().UnixNano(), from, b)
	}
}

// flush ends a batch. Its error is the path's: Finish returns it.
func (in *Intake) flush() { _ = in.path.Flush() }

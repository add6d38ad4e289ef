package media

import (
	"cmp"
	"errors"
	"log/slog"
	"net/netip"
	"runtime"
	"sync"
	"time"
)

const (
	defaultTick       = 100 * time.Millisecond
	listeningTick     = 20 * time.Millisecond
	defaultQuarantine = 5 * time.Second
	defaultReadBuffer = 425_984

	// maxDatagram is 200 ms of linear audio at 48 kHz in stereo, with header,
	// extension and tag; what is longer is refused. A batch's buffers lie so far
	// apart, which an odd number of cache lines spreads over a cache. Pages of them
	// that no packet reaches are never touched.
	maxDatagram = 40_000
)

// ReceiverConfig makes a Receiver.
type ReceiverConfig struct {
	PortMin, PortMax uint16        // RTP ports come from this range, even ones; 0,0: any free pair
	Shards           int           // 0: min(2, NumCPU-1), at least 1
	Tick             time.Duration // 0: 100 ms
	Quarantine       time.Duration // how long a closed pair is drained before re-use; 0: 5 s
	ReadBuffer       int           // SO_RCVBUF asked for, bytes; 0: 425,984
	Portable         bool          // a goroutine per socket instead of the tick
	Log              *slog.Logger
}

// Receiver owns the RTP sockets of every live RS. Its shards drain them; one RS
// stays on one shard.
type Receiver struct {
	cfg    ReceiverConfig
	ports  *portPool
	shards []*shard
	stamps socket // keeps the kernel stamping packets between calls; nil when portable

	notices []string // made by NewReceiver

	mu     sync.Mutex // guards next and closed
	next   int        // shard of the next Intake
	closed bool

	// spare drains for whoever calls Drain or Close, so that the shards'
	// threads share nothing with them but the one Intake.
	spareMu sync.Mutex
	spare   *drainer
}

var errReceiverClosed = errors.New("the receiver of rtp is closed")

// NewReceiver starts the shards.
func NewReceiver(c ReceiverConfig) (*Receiver, error) {
	c.Shards = cmp.Or(max(c.Shards, 0), max(1, min(2, runtime.NumCPU()-1)))
	c.Tick = cmp.Or(c.Tick, defaultTick)
	c.Quarantine = cmp.Or(c.Quarantine, defaultQuarantine)
	c.ReadBuffer = cmp.Or(c.ReadBuffer, defaultReadBuffer)
	c.Portable = c.Portable || !tickDrained
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	ports, err := newPortPool(c.PortMin, c.PortMax)
	if err != nil {
		return nil, err
	}
	r := &Receiver{cfg: c, ports: ports}
	if !c.Portable {
		r.spare = newDrainer()
		if r.stamps, err = bindRaw(netip.AddrPort{}, c.ReadBuffer); err != nil {
			return nil, err
		}
		r.look(r.stamps)
	}
	for range c.Shards {
		s := newShard(c)
		r.shards = append(r.shards, s)
		go s.run()
	}
	return r, nil
}

// Close closes every socket at once and waits for the shards.
func (r *Receiver) Close() error {
	r.mu.Lock()
	wasClosed := r.closed
	r.closed = true
	r.mu.Unlock()
	if wasClosed {
		return nil
	}
	for _, s := range r.shards {
		s.end()
	}
	if r.stamps != nil {
		r.stamps.close()
	}
	return nil
}

// Free reports how many RTP port pairs can still be opened; -1 when unbounded.
// Pairs in quarantine are not free.
func (r *Receiver) Free() int { return r.ports.free() }

// Open makes an Intake that feeds path, with sockets on local; the zero Addr
// is every IPv4 address.
func (r *Receiver) Open(path *Path, local netip.Addr) *Intake {
	r.mu.Lock()
	s := r.shards[r.next%len(r.shards)]
	r.next++
	r.mu.Unlock()
	in := &Intake{receiver: r, shard: s, path: path, local: local.Unmap()}
	in.released.L = &in.mu
	s.enter(in)
	return in
}

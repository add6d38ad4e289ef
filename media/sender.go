package media

import (
	"container/heap"
	"context"
	"errors"
	"net/netip"
	"sync"
	"time"
)

// Sender sends RTP streams at their own pace, all of them from one goroutine
// and each packet at an absolute time, so that a late one does not delay those
// after it. NewSender starts the goroutine; Close ends and awaits it.
type Sender struct {
	fast   bool
	wake   chan struct{} // something changed what is due first
	cancel context.CancelFunc
	done   chan struct{}

	mu     sync.Mutex // guards due, closed and the outClock of every Out
	due    dueHeap
	closed bool
}

// NewSender starts a Sender. With fast set it sends in the same order without
// waiting between packets.
func NewSender(fast bool) *Sender {
	ctx, cancel := context.WithCancel(context.Background())
	s := &Sender{fast: fast, wake: make(chan struct{}, 1), cancel: cancel, done: make(chan struct{})}
	go s.run(ctx)
	return s
}

// Close stops every stream and waits for the goroutine. It closes no socket.
func (s *Sender) Close() {
	s.cancel()
	<-s.done
}

// Out is one stream of a Sender.
type Out struct {
	sender *Sender
	clock  *outClock
	send   func([]byte) error // writes to the socket
	to     netip.AddrPort
	start  time.Time // of step 0
	next   time.Time // when the next step is due
	index  int       // in Sender.due, -1 when it has ended
	done   chan struct{}
}

// Add starts a stream; without a Delay its first packet leaves at once.
func (s *Sender) Add(c OutStream) (*Out, error) {
	outs, err := s.AddTogether(c)
	if err != nil {
		return nil, err
	}
	return outs[0], nil
}

// AddTogether starts several streams on one clock.
func (s *Sender) AddTogether(streams ...OutStream) ([]*Out, error) {
	now := time.Now()
	var outs []*Out
	for _, c := range streams {
		clock, err := newOutClock(c)
		if err != nil {
			return nil, err
		}
		if c.Conn == nil {
			return nil, errors.New("a stream needs a socket to send from")
		}
		start := now.Add(c.Delay)
		clock.sent.FirstAt = start
		o := &Out{sender: s, clock: clock, to: c.To, start: start, next: start, done: make(chan struct{})}
		o.send = o.write
		outs = append(outs, o)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errors.New("the sender is closed")
	}
	for _, o := range outs {
		heap.Push(&s.due, o)
	}
	s.signal()
	return outs, nil
}

// Done is closed when the stream has ended, by its length or by Stop.
func (o *Out) Done() <-chan struct{} { return o.done }

// Aim sends the following packets to another address.
func (o *Out) Aim(to netip.AddrPort) {
	o.sender.mu.Lock()
	defer o.sender.mu.Unlock()
	o.to = to
}

// Pause sends nothing while on; the RTP clock goes on.
func (o *Out) Pause(on bool) {
	o.sender.mu.Lock()
	defer o.sender.mu.Unlock()
	o.clock.pause(on)
}

// Rekey encrypts the following packets with another key, or with nil no more.
// When the key cannot be used they are sent as before.
func (o *Out) Rekey(master *MasterKey) error {
	o.sender.mu.Lock()
	defer o.sender.mu.Unlock()
	was := o.clock.key
	err := o.clock.rekey(master)
	if err != nil {
		o.clock.key = was
	}
	return err
}

// Sent returns what has left so far.
func (o *Out) Sent() Sent {
	o.sender.mu.Lock()
	defer o.sender.mu.Unlock()
	return o.clock.report()
}

// Stop ends the stream, unless it has ended, and returns what has left.
func (o *Out) Stop() Sent {
	o.sender.mu.Lock()
	defer o.sender.mu.Unlock()
	o.end()
	return o.clock.report()
}

// end takes the stream out of the schedule. The sender's lock is held.
func (o *Out) end() {
	if o.index < 0 {
		return
	}
	heap.Remove(&o.sender.due, o.index)
	close(o.done)
}

func (s *Sender) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// grain is the shortest sleep: packets due within it leave together, which
// keeps hundreds of streams from waking the goroutine one by one.
const grain = 2 * time.Millisecond

func (s *Sender) run(ctx context.Context) {
	defer close(s.done)
	defer s.endAll()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		wait, more := s.sendDue(time.Now())
		var fire <-chan time.Time
		if more {
			timer.Reset(wait)
			fire = timer.C
		}
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		case <-fire:
		}
	}
}

func (s *Sender) endAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for len(s.due) > 0 {
		s.due[0].end()
	}
}

// batch bounds how many packets leave before the lock is given up.
const batch = 64

// sendDue sends what is due at now and tells how long to wait for the next
// packet; more is false when no stream is left.
func (s *Sender) sendDue(now time.Time) (wait time.Duration, more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for range batch {
		if len(s.due) == 0 {
			return 0, false
		}
		o := s.due[0]
		if !s.fast && o.next.After(now) {
			return max(o.next.Sub(now), grain), true
		}
		if o.clock.over() {
			o.end()
			continue
		}
		o.clock.next(o.send)
		o.next = o.start.Add(time.Duration(o.clock.step) * o.clock.c.Ptime)
		heap.Fix(&s.due, o.index)
	}
	return 0, true
}

func (o *Out) write(b []byte) error {
	_, err := o.clock.c.Conn.WriteToUDPAddrPort(b, o.to)
	return err
}

// dueHeap orders streams by when their next packet is due (container/heap).
type dueHeap []*Out

func (h dueHeap) Len() int           { return len(h) }
func (h dueHeap) Less(i, j int) bool { return h[i].next.Before(h[j].next) }
func (h dueHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}
func (h *dueHeap) Push(x any) {
	o := x.(*Out)
	o.index = len(*h)
	*h = append(*h, o)
}
func (h *dueHeap) Pop() any {
	last := len(*h) - 1
	o := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	o.index = -1
	return o
}

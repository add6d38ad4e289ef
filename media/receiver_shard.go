package media

import (
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// shard is one thread that ticks for its share of Intakes, and for the pairs
// that have left one and wait in quarantine. newShard's caller starts run; end
// ends and awaits it.
type shard struct {
	portable bool
	pace     time.Duration
	wake     chan struct{}
	stop     chan struct{}
	done     chan struct{}

	mu        sync.Mutex // guards everything below
	intakes   []*Intake
	resting   []resting
	live      map[*pair]struct{} // pairs not closed yet, in an Intake or resting
	listeners int
	ended     bool

	strained atomic.Int64 // when a tick came late, Unix nanoseconds; 0: never

	last    time.Time // of run alone: when the latest tick began
	scratch []*Intake // of run alone
	drainer *drainer  // of run alone; nil when portable
}

type resting struct {
	pair  *pair
	ports *portPool
}

func newShard(c ReceiverConfig) *shard {
	s := &shard{
		portable: c.Portable, pace: c.Tick,
		wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
		live: map[*pair]struct{}{},
	}
	if !c.Portable {
		s.drainer = newDrainer()
	}
	return s
}

func (s *shard) run() {
	defer close(s.done)
	if !s.portable {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
	}
	next := time.Now()
	timer := time.NewTimer(s.nextTick(&next))
	defer timer.Stop()
	for {
		select {
		case <-s.stop:
			s.closeAll()
			return
		case <-s.wake:
			next = time.Now()
		case <-timer.C:
		}
		s.began(time.Now())
		s.tick()
		timer.Reset(s.nextTick(&next))
	}
}

// nextTick keeps an even pace; ticks missed are not made up for.
func (s *shard) nextTick(next *time.Time) time.Duration {
	s.mu.Lock()
	pace := s.pace
	if s.listeners > 0 {
		pace = min(pace, listeningTick)
	}
	s.mu.Unlock()
	now := time.Now()
	*next = next.Add(pace)
	if next.Before(now) {
		*next = now.Add(pace)
	}
	return next.Sub(now)
}

func (s *shard) tick() {
	s.mu.Lock()
	s.scratch = append(s.scratch[:0], s.intakes...)
	s.mu.Unlock()
	for _, in := range s.scratch {
		in.tick(s.drainer)
	}
	clear(s.scratch)
	s.rest(time.Now())
}

// rest discards what still comes to pairs in quarantine and closes those whose
// time is over.
func (s *shard) rest(now time.Time) {
	s.mu.Lock()
	var over []resting
	s.resting = slices.DeleteFunc(s.resting, func(r resting) bool {
		if s.drainer != nil {
			s.drainer.reset()
			r.pair.rtp.drain(s.drainer, 0, false)
			r.pair.rtcp.drain(s.drainer, 0, true)
		}
		if now.Before(r.pair.until) {
			return false
		}
		delete(s.live, r.pair)
		over = append(over, r)
		return true
	})
	s.mu.Unlock()
	for _, r := range over {
		r.pair.close()
		r.ports.put(r.pair.port)
	}
}

func (s *shard) enter(in *Intake) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.intakes = append(s.intakes, in)
}

func (s *shard) leave(in *Intake) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.intakes = slices.DeleteFunc(s.intakes, func(other *Intake) bool { return other == in })
}

// own makes the shard answerable for closing p; false when it has ended.
func (s *shard) own(p *pair) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return false
	}
	s.live[p] = struct{}{}
	return true
}

func (s *shard) quarantine(p *pair, ports *portPool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended {
		s.resting = append(s.resting, resting{p, ports})
	}
}

func (s *shard) listen(on bool) {
	s.mu.Lock()
	if on {
		s.listeners++
	} else {
		s.listeners--
	}
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *shard) end() {
	close(s.stop)
	<-s.done
}

// closeAll takes the sockets from the Intakes that were not closed, then
// closes them.
func (s *shard) closeAll() {
	s.mu.Lock()
	s.ended = true
	open := slices.Clone(s.intakes)
	s.mu.Unlock()
	for _, in := range open {
		in.Close()
	}
	s.mu.Lock()
	live := s.live
	s.live, s.intakes, s.resting = nil, nil, nil
	s.mu.Unlock()
	for p := range live {
		p.close()
	}
}

package media

import (
	"fmt"
	"time"
)

const (
	strainLag  = time.Second     // by which a tick comes late; a stock buffer rides out two
	strainSpan = 5 * time.Second // for how long after that
)

// Strained reports whether a shard has lately come to its sockets a second
// late. The packets of the live calls still wait in the kernel; who takes
// another call risks them.
func (r *Receiver) Strained() bool {
	now := time.Now()
	for _, s := range r.shards {
		if s.strainedAt(now) {
			return true
		}
	}
	return false
}

// began notes that a tick begins at now. It is called by run alone.
func (s *shard) began(now time.Time) {
	if !s.last.IsZero() && now.Sub(s.last) > s.pace+strainLag {
		s.strained.Store(now.UnixNano())
	}
	s.last = now
}

func (s *shard) strainedAt(now time.Time) bool {
	at := s.strained.Load()
	return at != 0 && now.Sub(time.Unix(0, at)) < strainSpan
}

// Notices says what of this system will cost packets or their times, in words
// for its administrator.
func (r *Receiver) Notices() []string { return r.notices }

func (r *Receiver) notice(format string, args ...any) {
	n := fmt.Sprintf(format, args...)
	r.notices = append(r.notices, n)
	r.cfg.Log.Warn(n)
}

// look makes the notices, of a socket like those of the lines.
func (r *Receiver) look(s socket) {
	if got := s.readBuffer(); got < r.cfg.ReadBuffer {
		r.notice("socket buffers hold %d bytes and %d are wanted: a busy moment may cost packets; "+
			"put net.core.rmem_max = %d into /etc/sysctl.d/siprecd.conf and run sysctl --system", got, r.cfg.ReadBuffer, r.cfg.ReadBuffer)
	}
	if !awaitStamps(s) {
		r.notice("the kernel does not say when packets arrive: they get the time at which they are read, up to %v later", r.cfg.Tick)
	}
}

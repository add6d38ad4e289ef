package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"siprecd/store"
)

const (
	// scrubHour is when a night's scrub begins, in the site's time zone.
	scrubHour = 2
	// scrubLook is how often it is looked whether one is due; after a start the
	// first look waits as long, so that calls come first.
	scrubLook = time.Minute
	// scrubAgain is how long one rests that failed.
	scrubAgain = time.Hour
	// scrubRate is how fast it reads in bytes a second, and scrubRateLive while
	// calls are live.
	scrubRate     = 32 << 20
	scrubRateLive = 4 << 20
	// scrubStep is how much is read between two waits.
	scrubStep = 256 << 10
)

// scrubber has the whole store verified once a night. A night that was missed is
// made up, and one that was ended early is gone on with.
type scrubber struct {
	store *store.Store
	zone  func() *time.Location
	now   func() time.Time
	live  func() int // calls
	log   *slog.Logger

	cancel context.CancelFunc // by close
	done   chan struct{}
	rest   time.Time // until then none is tried: the one before failed. Of run alone
	going  atomic.Bool
}

// start begins the scrubber's goroutine; close waits for it.
func (s *scrubber) start() {
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel, s.done = cancel, make(chan struct{})
	go s.run(ctx)
}

func (s *scrubber) close() {
	s.cancel()
	<-s.done
}

func (s *scrubber) run(ctx context.Context) {
	defer close(s.done)
	look := time.NewTicker(scrubLook)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		}
		if last, err := s.store.Scrubbed(); s.due(last, err) && !s.now().Before(s.rest) {
			s.scrub(ctx)
		}
	}
}

// due reports whether no scrub was begun since the night's hour came last.
func (s *scrubber) due(last store.Scrub, err error) bool {
	if err != nil || last.Ended.IsZero() {
		return true
	}
	now := s.now().In(s.zone())
	y, m, d := now.Date()
	hour := time.Date(y, m, d, scrubHour, 0, 0, 0, s.zone())
	if now.Before(hour) {
		hour = time.Date(y, m, d-1, scrubHour, 0, 0, 0, s.zone())
	}
	return last.Begun.Before(hour)
}

func (s *scrubber) scrub(ctx context.Context) {
	s.going.Store(true)
	defer s.going.Store(false)
	c, err := s.store.Scrub(ctx, s.pace())
	switch {
	case err != nil && ctx.Err() != nil: // the next start goes on
	case err != nil:
		s.rest = s.now().Add(scrubAgain)
		s.log.Error("the nightly scrub was not finished, it goes on in an hour", "side", "srs", "reason", err)
	case len(c.Found) > 0:
		s.log.Error("the nightly scrub found damage, siprecd status and siprecd verify tell more", "side", "srs", "found", c.Words(), "recordings", c.Recordings)
	default:
		s.log.Info("nightly scrub", "recordings", c.Recordings, "bytes", c.Bytes, "leaves", c.Leaves)
	}
}

// pace waits after each step for as long as it may take at the rate of the
// moment.
func (s *scrubber) pace() func(context.Context, int) error {
	read := 0
	return func(ctx context.Context, bytes int) error {
		if read += bytes; read < scrubStep {
			return context.Cause(ctx)
		}
		rate := scrubRate
		if s.live() > 0 {
			rate = scrubRateLive
		}
		wait := time.NewTimer(time.Duration(read) * time.Second / time.Duration(rate))
		defer wait.Stop()
		read = 0
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-wait.C:
			return nil
		}
	}
}

// scrubStatus is what status says of the newest scrub.
type scrubStatus struct {
	store.Scrub
	Going bool   `json:"going"`
	Error string `json:"error,omitempty"` // its record cannot be read
}

func (s *scrubber) status() *scrubStatus {
	last, err := s.store.Scrubbed()
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	status := &scrubStatus{Scrub: last, Going: s.going.Load()}
	if err != nil {
		status.Error = err.Error()
	}
	return status
}

// warning is the alarm of what was found; "": nothing was.
func (c *scrubStatus) warning() string {
	switch {
	case c == nil || c.Error == "" && len(c.Found) == 0:
		return ""
	case c.Error != "":
		return "what the last scrub found cannot be read, the next one begins anew: " + c.Error
	}
	first := c.Findings[0]
	return fmt.Sprintf("the last scrub found %s; the first: %s: %s (siprecd verify lists them all)", c.Words(), first.Where, first.Detail)
}

// line is one line of status.
func (c *scrubStatus) line(zone *time.Location) string {
	if c == nil {
		return "none yet: a minute after the first start, then every night at 02:00"
	}
	when := "ended " + c.Ended.In(zone).Format("01-02 15:04")
	if c.Ended.IsZero() {
		when = "begun " + c.Begun.In(zone).Format("01-02 15:04") + ", it goes on"
	}
	return fmt.Sprintf("%s: %d recordings, %s read; %s", when, c.Recordings, gib(uint64(c.Bytes)), c.Words())
}

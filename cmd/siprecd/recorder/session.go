package recorder

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"time"

	"siprecd/media"
	"siprecd/sip"
	"siprecd/store"
)

// ServeSession is the life of one RS, live. It returns when the RS is over and
// its rendering has been queued; the error is why we ended it, nil when the
// SRC did.
func (r *Recorder) ServeSession(ctx context.Context, s *sip.Session) error {
	info := s.Info()
	if f, ok := forkOf(&info); ok && r.Settings().Sources[info.Source].Profile == LegPerDialog {
		return r.servePair(&half{fork: f, ctx: ctx, session: s, done: make(chan struct{})})
	}
	var intake *media.Intake
	c := r.Begin(info, func(p *media.Path) Ports {
		local := info.Local
		intake = r.Media.Open(p, local)
		return r.sockets(intake, local)
	})
	log := r.Log.With("call", c.ID(), "src", info.Source)

	var end error = &sip.EndError{Side: "srs", Reason: "internal"}
	defer func() { r.finish(log, c, end) }()

	src := startAsking(ctx, c, s)
	defer src.end()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	answered := false
	for {
		timer.Reset(untilDeadline(c))
		var reply Reply
		select {
		case o, ok := <-s.Offers():
			if !ok {
				end = context.Cause(ctx)
				return nil
			}
			intake.Drain()
			reply = c.Offer(o)
			if err := respond(o, reply); err != nil {
				c.note("answer: %v", err)
			}
			if !answered {
				answered = true
				r.answered(log, c, reply)
			}
		case <-timer.C:
			reply = c.Tick(time.Now())
		}
		r.turned(log, c, reply)
		src.ask(reply)
	}
}

// untilDeadline is how long the call may go without a Tick.
func untilDeadline(c *Call) time.Duration {
	d := c.Deadline()
	if d.IsZero() {
		return time.Hour
	}
	return time.Until(d)
}

func respond(o *sip.Offer, reply Reply) error {
	if reply.Reject != 0 {
		return o.Reject(reply.Reject, reply.Reason)
	}
	return o.Answer(reply.Answer)
}

// sockets is where a live call's lines get their ports.
func (r *Recorder) sockets(in *media.Intake, local netip.Addr) Ports {
	p := Ports{
		Addr: local, Add: in.AddLine, Remove: in.CloseLine,
		Hold: in.Hold, HoldLimit: in.HoldLimit, Close: in.Close,
		Secure: func(line int, peers []string, failed func(error)) { in.Secure(line, r.identity, peers, failed) },
	}
	if a := r.Settings().Address; a.IsValid() {
		p.Addr = a
	}
	return p
}

// answered is the first of the two log lines of a session, and the moment at
// which the catalogue learns of it: the 200 does not wait for a disk.
func (r *Recorder) answered(log *slog.Logger, c *Call, reply Reply) {
	if reply.Reject != 0 {
		log.Info("session refused", "status", reply.Reject, "side", "src", "reason", reply.Reason)
		return
	}
	row := c.Row()
	if row.ID == "" {
		log.Info("session answered, it carries no call yet")
		return
	}
	log.Info("session answered", "lines", len(row.Streams), "policy", row.Policy, "decided_by", row.DecidedBy)
	r.enrol(c, row)
}

// turned takes note of the recordings that a step ended and began.
func (r *Recorder) turned(log *slog.Logger, c *Call, reply Reply) {
	for _, row := range reply.Ended {
		r.hand(log, row)
	}
	for _, row := range reply.Begun {
		r.enrol(c, row)
	}
}

// enrol has the catalogue know of a recording that has begun.
func (r *Recorder) enrol(c *Call, row store.Row) {
	if err := r.Store.Catalog.Put(context.Background(), &row); err != nil {
		c.note("catalogue: %v", err)
	}
}

// finish ends the recording, whatever ended the session.
func (r *Recorder) finish(log *slog.Logger, c *Call, end error) {
	side, reason := "srs", "internal"
	if e, ok := errors.AsType[*sip.EndError](end); ok {
		side, reason = e.Side, e.Reason
	} else if end != nil {
		reason = end.Error()
	}
	rows := c.End(time.Now(), side, reason)
	for _, c := range c.complaints {
		log.Warn(c.message, "side", c.side, "reason", c.reason)
	}
	length := 0.0
	for _, row := range rows {
		length = max(length, row.Duration)
	}
	log.Info("session ended", "side", side, "reason", reason, "seconds", length)
	for _, row := range rows {
		r.hand(log, row)
	}
}

// hand gives a recording that has ended to the renderers.
func (r *Recorder) hand(log *slog.Logger, row store.Row) {
	if err := r.Store.Catalog.Put(context.Background(), &row); err != nil {
		log.Error("catalogue row not written", "side", "srs", "reason", err)
	}
	r.queue <- job{row: row}
}

package recorder

import (
	"context"
	"log/slog"
	"time"

	"siprecd/media"
	"siprecd/sip"
)

// together is how far apart the two dialogs of a forked call begin and end
// without being noted.
const together = 2 * time.Second

// half is one dialog of a forked call, served by a goroutine of the SIP server's.
type half struct {
	fork
	ctx     context.Context
	session *sip.Session
	done    chan struct{} // closed when its ServeSession is to return

	asker    *asker
	answered bool
}

// pair is where the two dialogs of a forked call meet. The one that comes first
// drives the call, until both have ended.
type pair struct {
	far   string // the other phone's leg, where the first one said
	enter chan *half
	over  chan struct{} // closed when nobody can enter any more

	taken [2]bool // by side; guarded by the Recorder's mu
}

// seat finds h its place: in the pair of the other dialog, or first in a new one.
func (r *Recorder) seat(h *half) (p *pair, first bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p = r.pairs[h.leg]
	same := p != nil && (p.far == h.far || p.far == "" || h.far == "")
	if same && !p.taken[h.side] {
		p.taken[h.side] = true
		return p, false
	}
	p = &pair{far: h.far, enter: make(chan *half), over: make(chan struct{})}
	p.taken[h.side] = true
	r.pairs[h.leg] = p
	return p, true
}

// vacate gives a place back.
func (r *Recorder) vacate(p *pair, s side) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p.taken[s] = false
}

// dissolve lets nobody enter any more.
func (r *Recorder) dissolve(p *pair, leg string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.pairs[leg] == p {
		delete(r.pairs, leg)
	}
	close(p.over)
}

// servePair is ServeSession for one dialog of a forked call.
func (r *Recorder) servePair(h *half) error {
	for {
		p, first := r.seat(h)
		if first {
			return r.serveBoth(p, h)
		}
		select {
		case p.enter <- h:
			<-h.done // it leaves when the call has taken note of its end
			return nil
		case <-p.over:
		case <-h.ctx.Done():
			r.vacate(p, h.side)
			return nil
		}
	}
}

// duet drives a forked call: its dialogs as one RS.
type duet struct {
	r      *Recorder
	pair   *pair
	log    *slog.Logger
	call   *Call
	intake *media.Intake
	ends   ends
	halves [2]*half // by side; nil: it has not come, or has gone
	came   [2]time.Time
	left   [2]time.Time
	end    error // why the last one ended
}

// serveBoth drives the call of p from its first dialog on, until both have ended.
func (r *Recorder) serveBoth(p *pair, first *half) error {
	info := first.session.Info()
	d := &duet{r: r, pair: p, end: &sip.EndError{Side: "srs", Reason: "internal"}}
	d.call = r.Begin(info, func(path *media.Path) Ports {
		d.intake = r.Media.Open(path, info.Local)
		return r.sockets(d.intake, info.Local)
	})
	d.ends = newEnds(d.call.source.Encryption == OnlySRTP, d.call.ourOffer())
	d.log = r.Log.With("call", d.call.ID(), "src", info.Source)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	defer d.finish(first.leg)
	d.join(first)
	for d.halves[nearEnd] != nil || d.halves[farEnd] != nil {
		timer.Reset(untilDeadline(d.call))
		select {
		case o, ok := <-d.offers(nearEnd):
			d.hear(nearEnd, o, ok)
		case o, ok := <-d.offers(farEnd):
			d.hear(farEnd, o, ok)
		case h := <-p.enter:
			d.join(h)
		case <-timer.C:
			d.carryOut(d.call.Tick(time.Now()))
		}
	}
	return nil
}

// offers are those of a dialog; nil: there is none, or it has to wait.
func (d *duet) offers(s side) <-chan *sip.Offer {
	if d.halves[s] == nil || d.ends.blocked(s) {
		return nil
	}
	return d.halves[s].session.Offers()
}

// join takes a dialog into the call.
func (d *duet) join(h *half) {
	h.asker = startAsking(h.ctx, d.call, h.session)
	d.halves[h.side], d.left[h.side] = h, time.Time{}
	info := h.session.Info()
	if !d.came[h.side].IsZero() {
		d.call.note("the %s end's dialog ended and came again", h.side)
		return
	}
	d.came[h.side] = info.Arrived
	if other := d.came[h.side.other()]; !other.IsZero() {
		d.call.correlate(h.side.String()+" ", &info)
		if late := info.Arrived.Sub(other); late > together {
			d.call.note("the %s end's dialog came %.1f s after the %s end's: its side is silent until then", h.side, late.Seconds(), h.side.other())
		}
	}
}

// hear takes an offer of one dialog, or its end.
func (d *duet) hear(s side, o *sip.Offer, ok bool) {
	d.intake.Drain()
	if !ok {
		d.leave(s)
		return
	}
	whole, err := d.ends.offer(s, o)
	var why string
	if err != nil {
		why = err.Error()
	} else if o.Media != nil && o.Method != "ACK" && !refusesAll(o.Media.Lines) {
		// Of both lines the other one might do: this dialog is refused alone.
		why = d.call.unacceptable(o.Media.Lines)
	}
	reply := Reply{Reject: 488, Reason: why}
	if why == "" {
		reply = d.call.Offer(whole)
	}
	d.respond(s, o, reply)
	if reply.Reject == 0 {
		d.carryOut(reply)
	}
}

// respond answers an offer.
func (d *duet) respond(s side, o *sip.Offer, reply Reply) {
	h, whole := d.halves[s], reply.Answer
	reply.Answer = d.ends.answer(s, whole)
	if reply.Reject == 0 && (o.Media != nil || o.WantOffer) && o.Method != "ACK" {
		d.ends.tell(s, whole) // by the answer itself
	}
	if err := respond(o, reply); err != nil {
		d.call.note("%s end: answer: %v", s, err)
	}
	if h.answered {
		return
	}
	h.answered = true
	switch {
	case reply.Reject != 0:
		d.call.note("the %s end's dialog was refused: %s", s, reply.Reason)
		d.log.Info("session refused", "end", s.String(), "status", reply.Reject, "side", "src", "reason", reply.Reason)
	case d.came[s.other()].IsZero():
		d.r.answered(d.log, d.call, reply)
	default:
		d.log.Info("session answered, the call has both its ends", "end", s.String())
	}
}

// carryOut does what a step asks for.
func (d *duet) carryOut(reply Reply) {
	d.r.turned(d.log, d.call, reply)
	for s, h := range d.halves {
		if h != nil && h.answered && d.ends.tell(side(s), reply.Answer) {
			h.asker.ask(Reply{Redirect: true, Answer: d.ends.answer(side(s), reply.Answer)})
		}
	}
}

// leave is the end of one dialog. The call goes on while there is another.
func (d *duet) leave(s side) {
	h, now := d.halves[s], time.Now()
	d.halves[s], d.left[s], d.end = nil, now, context.Cause(h.ctx)
	h.asker.end()
	other := s.other()
	if d.halves[other] != nil {
		d.carryOut(d.call.Offer(d.ends.leave(s, sip.Offer{At: now})))
		d.r.vacate(d.pair, s)
	} else if before := now.Sub(d.left[other]); !d.left[other].IsZero() && before > together {
		d.call.note("the %s end's dialog ended %.1f s before the %s end's", other, before.Seconds(), s)
	}
	close(h.done)
}

// finish ends the recording, whatever ended the dialogs.
func (d *duet) finish(leg string) {
	d.r.dissolve(d.pair, leg)
	for s, h := range d.halves {
		if h != nil { // we did not come to its end
			h.asker.end()
			close(h.done)
		}
		if d.came[s].IsZero() {
			d.call.note("the %s end's dialog never came: its side is silent", side(s))
		}
	}
	d.r.finish(d.log, d.call, d.end)
}

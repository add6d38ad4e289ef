package place

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"siprecd/sip"
)

// Pause is a time in which nothing is sent.
type Pause struct {
	At, For time.Duration
	By      PauseBy
}

// PauseBy is how a pause is signalled.
type PauseBy uint8

const (
	Inactive    PauseBy = iota // re-INVITE with a=inactive
	HeldAddress                // re-INVITE with c=0.0.0.0, as RFC 2543 held a call
	Unsaid                     // not at all
)

// Step is something to do in mid-call, At after the answer. Steps are done one
// after the other.
type Step struct {
	At time.Duration
	Do func(context.Context, *sip.Outgoing, *Parties) error
}

// steps gathers everything that is to be done in mid-call, in order.
func (l *liveCall) steps() []Step {
	steps := slices.Clone(l.Steps)
	if l.LateParties > 0 {
		steps = append(steps, Step{l.LateParties, func(ctx context.Context, rs *sip.Outgoing, p *Parties) error {
			return rs.Update(ctx, sip.Change{Metadata: p.Complete()})
		}})
	}
	for _, p := range l.Pauses {
		steps = append(steps, Step{p.At, l.pause(p.By)}, Step{p.At + p.For, l.resume(p.By)})
	}
	for i, at := range l.Rekeys {
		steps = append(steps, Step{at, l.rekey(i + 2)})
	}
	for _, k := range l.Infos {
		steps = append(steps, Step{k.At, func(ctx context.Context, rs *sip.Outgoing, _ *Parties) error {
			return rs.Press(ctx, k.Digit, k.Duration)
		}})
	}
	slices.SortStableFunc(steps, func(a, b Step) int { return int(a.At - b.At) })
	return steps
}

// pause stops the media, and then says so.
func (l *liveCall) pause(by PauseBy) func(context.Context, *sip.Outgoing, *Parties) error {
	return func(ctx context.Context, rs *sip.Outgoing, _ *Parties) error {
		for _, o := range l.outs {
			if o != nil {
				o.Pause(true)
			}
		}
		lines := slices.Clone(l.wanted)
		for i := range lines {
			switch by {
			case Inactive:
				lines[i].Direction = sip.Inactive
			case HeldAddress:
				lines[i].Addr = netip.AddrPortFrom(netip.IPv4Unspecified(), lines[i].Addr.Port())
			case Unsaid:
				return nil
			}
		}
		return l.reoffer(ctx, rs, lines)
	}
}

// resume goes on with the media once that is granted.
func (l *liveCall) resume(by PauseBy) func(context.Context, *sip.Outgoing, *Parties) error {
	return func(ctx context.Context, rs *sip.Outgoing, _ *Parties) error {
		if by == Unsaid {
			l.apply(rs.Lines())
			return nil
		}
		return l.reoffer(ctx, rs, l.wanted)
	}
}

func (l *liveCall) reoffer(ctx context.Context, rs *sip.Outgoing, lines []sip.Line) error {
	if err := rs.Reinvite(ctx, sip.Change{Lines: lines}); err != nil {
		return err
	}
	l.apply(rs.Lines())
	return nil
}

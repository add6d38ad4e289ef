package replay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"siprecd/cmd/siprecd/place"
	"siprecd/sip"
)

// goodbyeTime bounds the BYE of a session whose context has ended.
const goodbyeTime = 5 * time.Second

// Sender places the sessions of a plan at a running recorder, in real time and
// with the packets of the capture.
type Sender struct {
	Caller *sip.Caller // started
	Target string      // "sip:host[:port]"
	Plan   *Plan
	Open   func() (io.ReadCloser, error) // the capture, from its beginning, once a session
}

// Sent is what came of one session.
type Sent struct {
	CallID  string // of the session placed
	Length  time.Duration
	Packets []int // by line
	Err     error
}

// Run places every session at its time after the first one, and returns when
// the last is over. The results are in the plan's order.
func (s *Sender) Run(ctx context.Context) []Sent {
	results := make([]Sent, len(s.Plan.Sessions))
	start := time.Now()
	var wg sync.WaitGroup
	for i, session := range s.Plan.Sessions {
		wg.Go(func() {
			// The capture's time that is now, at the start.
			p := placed{Sender: s, Session: session, shift: start.Sub(s.Plan.Sessions[0].Offers[0].At), sent: &results[i]}
			results[i].Err = p.run(ctx)
		})
	}
	wg.Wait()
	return results
}

// placed is one session on its way.
type placed struct {
	*Sender
	*Session
	shift time.Duration // from the capture's time to ours
	conns []*net.UDPConn
	local netip.Addr
	rs    *sip.Outgoing
	next  int // of Offers
	sent  *Sent
}

func (p *placed) run(ctx context.Context) (err error) {
	if p.local, err = p.Caller.LocalAddr(ctx, p.Target); err != nil {
		return err
	}
	lines := 0
	for _, o := range p.Offers {
		if o.Media != nil {
			lines = max(lines, len(o.Media.Lines))
		}
	}
	if p.conns, err = place.Sockets(ctx, p.local, lines); err != nil {
		return err
	}
	p.sent.Packets = make([]int, lines)
	defer func() {
		for _, c := range p.conns {
			c.Close()
		}
	}()
	if err := p.wait(ctx, p.Offers[0].At); err != nil {
		return err
	}
	if err := p.invite(ctx); err != nil {
		return err
	}
	defer func() {
		p.sent.Length = time.Since(p.Offers[0].At.Add(p.shift))
		bye, cancel := context.WithTimeout(context.WithoutCancel(ctx), goodbyeTime)
		defer cancel()
		select {
		case <-p.rs.Done():
			if err == nil {
				err = p.rs.Err()
			}
		default:
			err = errors.Join(err, p.rs.Bye(bye, p.farewell()))
		}
	}()
	return p.stream(ctx)
}

// invite opens the session as the capture did.
func (p *placed) invite(ctx context.Context) error {
	first := p.Offers[0]
	p.next = 1
	inv := sip.Invitation{
		Target: p.Target, From: p.Info.From.URI, Offerless: first.WantOffer, Metadata: newest(first.Offer),
	}
	if first.Media != nil {
		inv.Lines = p.lines(first.Media)
	} else if len(p.Offers) > 1 && p.Offers[1].Method == "ACK" {
		inv.Lines = p.lines(p.Offers[1].Media)
		p.next = 2
	}
	rs, err := p.Caller.Invite(ctx, inv)
	if err != nil {
		return err
	}
	p.rs, p.sent.CallID = rs, rs.CallID()
	return nil
}

// lines are those of the capture, coming from our own sockets.
func (p *placed) lines(d *sip.Description) []sip.Line {
	if d == nil {
		return nil
	}
	lines := slices.Clone(d.Lines)
	for i := range lines {
		port := uint16(0)
		if lines[i].Addr.Port() != 0 {
			port = p.conns[i].LocalAddr().(*net.UDPAddr).AddrPort().Port()
		}
		lines[i].Addr, lines[i].RTCP = netip.AddrPortFrom(p.local, port), netip.AddrPort{}
	}
	return lines
}

func newest(o *sip.Offer) []byte {
	if len(o.Metadata) == 0 {
		return nil
	}
	return o.Metadata[len(o.Metadata)-1].Body
}

// farewell is the metadata that the BYE of the capture carried.
func (p *placed) farewell() []byte {
	if last := p.Offers[len(p.Offers)-1]; last.Method == "BYE" {
		return newest(last.Offer)
	}
	return nil
}

// stream sends packets and changes when they are due, until the session's end.
func (p *placed) stream(ctx context.Context) error {
	file, err := p.Open()
	if err != nil {
		return err
	}
	defer file.Close()
	var faults Faults
	for packet, err := range Packets(file, &faults, nil) {
		if err != nil {
			return err
		}
		if packet.At.After(p.End) {
			break
		}
		if err := p.changes(ctx, packet.At); err != nil {
			return err
		}
		line := lineOf(p.Offers[p.next-1].Places, packet)
		if line < 0 || line >= len(p.conns) || looksLikeSIP(packet.Payload) {
			continue
		}
		if err := p.wait(ctx, packet.At); err != nil {
			return err
		}
		now := p.rs.Lines()
		if line >= len(now) || !now[line].Sending || !now[line].To.IsValid() {
			continue
		}
		// A recorder that has gone away says so by signalling, or not at all.
		if _, err := p.conns[line].WriteToUDPAddrPort(packet.Payload, now[line].To); err == nil {
			p.sent.Packets[line]++
		}
	}
	if err := p.changes(ctx, p.End); err != nil {
		return err
	}
	return p.wait(ctx, p.End)
}

// lineOf is the line that a packet of the capture belongs to, -1 for none.
func lineOf(places []Place, packet Packet) int {
	return slices.IndexFunc(places, func(place Place) bool {
		if len(place.To) == 0 {
			return place.From.IsValid() && place.From == packet.Src
		}
		return slices.Contains(place.To, packet.Dst)
	})
}

// changes sends what the capture's SRC sent up to at.
func (p *placed) changes(ctx context.Context, at time.Time) error {
	for p.next < len(p.Offers) && !p.Offers[p.next].At.After(at) {
		o := p.Offers[p.next]
		if err := p.wait(ctx, o.At); err != nil {
			return err
		}
		p.next++
		if err := p.change(ctx, o.Offer); err != nil {
			return fmt.Errorf("%s of the capture: %w", o.Method, err)
		}
	}
	return nil
}

func (p *placed) change(ctx context.Context, o *sip.Offer) error {
	for _, press := range o.Presses {
		if err := p.rs.Press(ctx, press.Digit, press.Duration); err != nil {
			return err
		}
	}
	ch := sip.Change{Lines: p.lines(o.Media), Metadata: newest(o)}
	switch {
	case o.Method == "BYE" || ch.Lines == nil && ch.Metadata == nil:
		return nil
	case o.Method == "INFO":
		return p.rs.Info(ctx, o.Metadata[len(o.Metadata)-1].Type, ch.Metadata)
	case o.Method == "UPDATE":
		return p.rs.Update(ctx, ch)
	}
	return p.rs.Reinvite(ctx, ch)
}

// wait sleeps until it is at, by the capture's clock.
func (p *placed) wait(ctx context.Context, at time.Time) error {
	d := time.Until(at.Add(p.shift))
	if d <= 0 {
		return nil
	}
	var over <-chan struct{}
	if p.rs != nil {
		over = p.rs.Done()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-over:
		return p.rs.Err()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

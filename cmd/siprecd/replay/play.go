package replay

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"time"

	"siprecd/cmd/siprecd/recorder"
	"siprecd/media"
	"siprecd/sip"
	"siprecd/store"
)

// Captured is the name of the SRC that calls belong to which no SRC sent: those
// of Plan.Forked and the declared ones.
const Captured = "capture"

// heldPackets limits what waits in memory while a call is undecided, as the
// socket buffer would.
const heldPackets = 20_000

// flushEvery is the tick of the live receiver, on the capture's clock.
const flushEvery = 100 * time.Millisecond

// Player is the second pass: it drives a recorder.Call for every session of a
// plan with the capture's own clock.
type Player struct {
	Recorder *recorder.Recorder // started; its Media is not used
	Plan     *Plan
	Source   func(netip.Addr) string // the name of an SRC; nil: its address

	takes  []*take // not ended, in order of their beginnings
	due    time.Time
	routes map[netip.AddrPort][]route // by destination
	from   map[netip.AddrPort][]route // by source, where no destination is known
	rows   []store.Row
}

// take is one session being played.
type take struct {
	*Session
	call    *recorder.Call
	next    int // of Offers
	places  []Place
	open    map[int]bool // lines with a port
	packets []int        // by line
	held    []heldPacket
	last    time.Time // of what the call has been told
	flushed time.Time
	refused string // why the recorder would not have it
}

type route struct {
	*take
	line int
	rtcp bool
}

type heldPacket struct {
	route
	at   time.Time
	from netip.AddrPort
	data []byte
}

// Play reads the capture from its beginning and returns the finished rows in
// order of the calls' beginnings. The error is for what went wrong on our side.
func (p *Player) Play(ctx context.Context, file io.Reader) ([]store.Row, error) {
	p.takes, p.rows = nil, nil
	for _, s := range p.Plan.Sessions {
		p.takes = append(p.takes, &take{Session: s, open: make(map[int]bool)})
	}
	slices.SortStableFunc(p.takes, func(a, b *take) int { return a.Offers[0].At.Compare(b.Offers[0].At) })
	p.schedule()
	var faults Faults
	for packet, err := range Packets(file, &faults, nil) {
		if err != nil {
			return nil, err
		}
		if err := ctx.Err(); err != nil {
			return nil, context.Cause(ctx)
		}
		if err := p.advance(ctx, packet.At); err != nil {
			return nil, err
		}
		p.packet(packet)
	}
	// What is due after the last packet is due at the end.
	if err := p.advance(ctx, time.Unix(1<<40, 0)); err != nil {
		return nil, err
	}
	slices.SortStableFunc(p.rows, func(a, b store.Row) int { return a.Start.Compare(b.Start) })
	return p.rows, nil
}

// advance does what was due up to now, in order of time.
func (p *Player) advance(ctx context.Context, now time.Time) error {
	for len(p.takes) > 0 && !now.Before(p.due) {
		t := slices.MinFunc(p.takes, func(a, b *take) int { return a.when().Compare(b.when()) })
		if err := p.step(ctx, t); err != nil {
			return err
		}
		p.schedule()
	}
	return nil
}

// schedule finds out when the next event is due and where packets go now.
func (p *Player) schedule() {
	p.routes, p.from = make(map[netip.AddrPort][]route), make(map[netip.AddrPort][]route)
	p.due = time.Time{}
	for _, t := range p.takes {
		if w := t.when(); p.due.IsZero() || w.Before(p.due) {
			p.due = w
		}
		if t.call == nil {
			continue
		}
		for line, place := range t.places {
			if !t.open[line] {
				continue
			}
			for _, to := range place.To {
				p.routes[to] = append(p.routes[to], route{t, line, false})
			}
			for _, to := range place.RTCP {
				p.routes[to] = append(p.routes[to], route{t, line, true})
			}
			if len(place.To) == 0 {
				p.from[place.From] = append(p.from[place.From], route{t, line, false})
			}
		}
	}
}

// when is the time of the take's next event.
func (t *take) when() time.Time {
	w := t.End
	if t.next < len(t.Offers) && !t.Offers[t.next].At.After(w) {
		w = t.Offers[t.next].At
	}
	if t.call != nil {
		if d := t.call.Deadline(); !d.IsZero() && d.Before(w) {
			w = d
		}
	}
	return w
}

// step does the take's next event.
func (p *Player) step(ctx context.Context, t *take) error {
	at := t.when()
	t.last = later(t.last, at)
	if t.call != nil {
		if d := t.call.Deadline(); !d.IsZero() && !d.After(at) {
			reply := t.call.Tick(d)
			t.release()
			return p.seal(ctx, reply.Ended...)
		}
	}
	if t.next < len(t.Offers) && !t.Offers[t.next].At.After(at) {
		if t.call == nil {
			p.begin(t)
		}
		o := t.Offers[t.next]
		t.next++
		t.places = o.Places
		reply := t.call.Offer(o.Offer)
		t.release()
		if reply.Reject != 0 && t.next == 1 {
			t.refused = fmt.Sprintf("we refuse it with %d: %s (offered: %s)", reply.Reject, reply.Reason, offered(o.Offer))
			return p.end(ctx, t, o.At, "srs", fmt.Sprintf("refused with %d", reply.Reject))
		}
		return p.seal(ctx, reply.Ended...)
	}
	return p.end(ctx, t, later(t.End, t.last), t.Side, t.Reason)
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// errRefused is the port of a line that the recorder of the capture refused.
var errRefused = errors.New("the recorder of the capture had no port for it")

func (p *Player) begin(t *take) {
	info := t.Info
	switch {
	case p.Plan.Forked || info.Source == Captured:
		info.Source = Captured
	case p.Source != nil:
		info.Source = p.Source(info.Remote.Addr())
	}
	addr := info.Local
	if !addr.IsValid() {
		addr = netip.IPv4Unspecified()
	}
	t.call = p.Recorder.Begin(info, func(*media.Path) recorder.Ports {
		return recorder.Ports{
			Addr: addr, Add: t.port,
			Remove: func(line int) { t.open[line] = false },
			Hold:   func(bool) {},
			Close:  func() {},
		}
	})
}

// port is the capture's port of a line.
func (t *take) port(line int) (uint16, error) {
	if line >= len(t.places) {
		return 0, errRefused
	}
	place := t.places[line]
	t.open[line] = true
	switch {
	case len(place.To) > 0:
		return place.To[0].Port(), nil
	case place.From.Port() != 0:
		return place.From.Port(), nil
	}
	t.open[line] = false
	return 0, errRefused
}

// packet routes one datagram.
func (p *Player) packet(packet Packet) {
	routes := p.routes[packet.Dst]
	if len(routes) == 0 {
		routes = p.from[packet.Src]
	}
	if len(routes) == 0 || looksLikeSIP(packet.Payload) {
		return
	}
	for i, r := range routes {
		data := packet.Payload
		if i < len(routes)-1 {
			data = bytes.Clone(data)
		}
		r.receive(packet.At, packet.Src, data)
	}
}

// receive hands a packet to the call, or keeps it while the call is undecided.
func (r route) receive(at time.Time, from netip.AddrPort, data []byte) {
	// Captures merged from several files hold small steps back.
	r.last = later(r.last, at)
	for len(r.packets) <= r.line {
		r.packets = append(r.packets, 0)
	}
	if !r.rtcp {
		r.packets[r.line]++
	}
	if r.call.Held() && len(r.held) < heldPackets {
		r.held = append(r.held, heldPacket{r, r.last, from, bytes.Clone(data)})
		return
	}
	r.call.Path().Packet(r.line, r.rtcp, r.last.UnixNano(), from, data)
	if r.last.Sub(r.flushed) >= flushEvery {
		r.flushed = r.last
		r.flush()
	}
}

// flush hands what was kept to the tape's file. The path keeps its error for
// the end of the call.
func (t *take) flush() { _ = t.call.Path().Flush() }

// release hands over what waited for the decision.
func (t *take) release() {
	if t.call.Held() {
		return
	}
	for _, h := range t.held {
		t.call.Path().Packet(h.line, h.rtcp, h.at.UnixNano(), h.from, h.data)
	}
	t.held = nil
	t.flush()
}

// end finishes a take: its recording is rendered and sealed at once, so that
// memory and disk hold one tape for each call in progress.
func (p *Player) end(ctx context.Context, t *take, at time.Time, side, reason string) error {
	p.takes = slices.DeleteFunc(p.takes, func(other *take) bool { return other == t })
	if t.call == nil {
		return nil
	}
	rows := t.call.End(at, side, reason)
	for i := range rows {
		if t.refused != "" {
			rows[i].Notes = append(rows[i].Notes, t.refused)
		}
		for line, place := range t.places {
			if t.open[line] && (line >= len(t.packets) || t.packets[line] == 0) {
				rows[i].Notes = append(rows[i].Notes, silent(line, place))
			}
		}
	}
	return p.seal(ctx, rows...)
}

func (p *Player) seal(ctx context.Context, ended ...store.Row) error {
	for _, row := range ended {
		if err := p.Recorder.Seal(ctx, &row); err != nil {
			return fmt.Errorf("the call of %s: %w", row.Start.Format(time.RFC3339), err)
		}
		p.rows = append(p.rows, row)
	}
	return nil
}

// offered lists the formats of an offer's audio lines.
func offered(o *sip.Offer) string {
	var names []string
	if o.Media == nil {
		return "nothing"
	}
	for _, l := range o.Media.Lines {
		for _, c := range l.Codecs {
			if name := fmt.Sprintf("%s/%d", c.Name, c.Clock); !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return strings.Join(names, ", ")
}

func silent(line int, place Place) string {
	if len(place.To) == 0 {
		return fmt.Sprintf("line %d: the capture holds no packet from %s", line, place.From)
	}
	return fmt.Sprintf("line %d: the capture holds no packet to %s", line, place.To[0])
}

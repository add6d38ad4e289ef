package recorder

import (
	"net/netip"
	"slices"
	"time"

	"siprecd/media"
	"siprecd/policy"
	"siprecd/sip"
	"siprecd/sip/rsmeta"
	"siprecd/store"
)

// recordedLine is a line of the RS as one recording has it.
type recordedLine struct {
	index    int  // of the RS's line
	has      bool // it is the recording's now
	spec     media.LineSpec
	holdings []holding // who sent it when
}

// sends reports whether the SRC sends a line that we take.
func (l *line) sends() bool {
	return len(l.codecs) > 0 && (l.offered.Direction == sip.SendOnly || l.offered.Direction == sip.SendRecv)
}

// wants reports whether line l is to be received as things stand. One of no
// recording is, so that the next call finds it ready; no gate lets it through.
func (c *Call) wants(l *line) bool {
	return l.sends() && (!c.recorded(l.index) || slices.ContainsFunc(c.recordings, func(rec *recording) bool {
		return rec.has(l.index) && (rec.undecided || !rec.of.idle.IsZero() || rec.decision.Mode != policy.Off)
	}))
}

// recorded reports whether a line of the RS is of any recording.
func (c *Call) recorded(index int) bool {
	return slices.ContainsFunc(c.recordings, func(rec *recording) bool { return rec.has(index) })
}

func (rec *recording) has(index int) bool {
	return slices.ContainsFunc(rec.lines, func(x recordedLine) bool { return x.has && x.index == index })
}

// spec is what a line is, whoever records it.
func (c *Call) spec(l *line) media.LineSpec {
	return media.LineSpec{
		Label:     l.offered.Label,
		Receiving: c.wants(l),
		Held:      l.offered.Addr.Addr().IsUnspecified() || c.understood && len(c.view.Owners(l.index)) == 0 && c.attended(),
		Source:    l.offered.Addr,
		Latch:     c.source.Latch,
		Formats:   formats(l.carried()),
		Local:     netip.AddrPortFrom(c.ports.Addr, l.port),
		Remote:    l.offered.Addr,
		Secure:    l.secured.on,
		Keys:      l.secured.theirs,
		DTLS:      l.secured.peers != nil,
		Own:       l.secured.own(),
		RTCP:      l.offered.RTCP,
		Mux:       l.offered.Mux,
		NoReports: l.offered.NoReports,
	}
}

// attended reports whether anybody is in a call of the RS: between two of them,
// nobody is on hold.
func (c *Call) attended() bool {
	return slices.ContainsFunc(c.view.Parties(), func(p rsmeta.Party) bool { return p.Left.IsZero() })
}

// describe tells the track and the row what every line is now.
func (rec *recording) describe(at time.Time) {
	c, ours := rec.rs, rec.ourIDs()
	rec.mu.Lock()
	streams := slices.Clone(rec.row.Streams)
	rec.mu.Unlock()
	for as := range rec.lines {
		x := &rec.lines[as]
		for len(streams) <= as {
			streams = append(streams, store.Stream{Gaps: []store.Gap{}})
		}
		if !x.has {
			streams[as].HeldBy = x.heldBy()
			continue
		}
		l := &c.lines[x.index]
		senders := rec.senders(l)
		x.spec = c.spec(l)
		foreign := false
		for _, id := range senders {
			if slices.Contains(ours, id) {
				x.spec.Ours = true
			} else {
				foreign = true
			}
		}
		x.spec.Mixed = x.spec.Ours && foreign
		rec.track.Take(x.index, as, at.UnixNano(), x.spec)
		c.shake(l)
		x.hold(rec.sending(l), rec.clock(at))
		streams[as] = store.Stream{
			Label: l.offered.Label, Participant: rec.aors(senders), HeldBy: x.heldBy(),
			Codec: codecName(l.codecs), SRTP: l.secured.suite, Gaps: []store.Gap{},
		}
	}
	rec.mu.Lock()
	defer rec.mu.Unlock()
	rec.row.Streams = streams
}

// carried is what may come on the line: all that was offered, for an SRC may
// change to a codec that was not accepted, and what it sent is kept.
func (l *line) carried() []sip.Codec {
	if len(l.codecs) == 0 || len(l.offered.Codecs) == 0 {
		return l.codecs
	}
	return l.offered.Codecs
}

// ourLines are the lines, by their numbers on the tape, on which our side speaks.
func (rec *recording) ourLines() (ours []int) {
	for as := range rec.lines {
		if x := &rec.lines[as]; x.has && x.spec.Ours {
			ours = append(ours, as)
		}
	}
	return ours
}

package recorder

import (
	"slices"
	"time"

	"siprecd/media"
	"siprecd/sip"
	"siprecd/sip/rsmeta"
	"siprecd/store"
)

// idleAtMost is how long a recording whose CS has ended waits for another CS of
// the same group: a transfer may end the one before it names the next.
const idleAtMost = 5 * time.Second

// remembered is how long an RS that goes on remembers who has left: some
// documents name a participant without describing it again.
const remembered = time.Hour

// course is which CSs a recording is of. A persistent RS carries one after the
// other, and none between them (RFC 8068 section 3.4), a turret's several at
// once (section 3.5): each is a recording of its own.
type course struct {
	sessions []string
	groups   []string
	idle     time.Time // the last of them ended then; zero: one goes on, or none was ever named
	waits    bool      // no CS was named at first, and lines may be sent all the same
	beside   bool      // there were other recordings of the RS at the same time
}

func (o *course) deadline() time.Time {
	if o.idle.IsZero() {
		return time.Time{}
	}
	return o.idle.Add(idleAtMost)
}

// follow takes CSs into the recording.
func (o *course) follow(current []rsmeta.Session) {
	o.idle = time.Time{}
	for _, cs := range current {
		if !slices.Contains(o.sessions, cs.ID) {
			o.sessions = append(o.sessions, cs.ID)
		}
		if cs.GroupRef != "" && !slices.Contains(o.groups, cs.GroupRef) {
			o.groups = append(o.groups, cs.GroupRef)
		}
	}
}

// goesOn reports whether one of the recording's CSs is among those that go on.
func (o *course) goesOn(current []rsmeta.Session) bool {
	return slices.ContainsFunc(current, func(cs rsmeta.Session) bool { return slices.Contains(o.sessions, cs.ID) })
}

// continues reports whether a new CS belongs to the recording, whose own have
// ended: it is of the same group. Any belongs to one that has none yet.
func (o *course) continues(cs rsmeta.Session) bool {
	return len(o.sessions) == 0 || cs.GroupRef != "" && slices.Contains(o.groups, cs.GroupRef)
}

// turn looks at what the offer made of the CSs: its metadata, which may have
// been unreadable, and its lines, which may have been sent before it already.
// It returns the recordings that ended by it and those that began.
func (c *Call) turn(o *sip.Offer, unreadable, sent bool) (ended []store.Row, begun []*recording) {
	current := c.view.Current()
	switch {
	case o.Method == "BYE":
		return nil, nil
	case len(current) > 0:
		ended, begun = c.share(o, current)
	case len(c.recordings) == 0 && c.sent() && (unreadable || !sent):
		// Media without a CS is a call all the same.
		begun = []*recording{c.next(o)}
		c.note("media began on a persistent session that names no call: taken as one")
	}
	for _, rec := range slices.Clone(c.recordings) {
		switch {
		case len(rec.of.sessions) > 0 && rec.of.idle.IsZero() && !rec.of.goesOn(current):
			rec.of.idle = o.At
		case len(current) > 0 || !c.opensEmpty(o, rec):
		case c.sent():
			rec.of.waits = true
		default:
			c.part(rec)
		}
	}
	for _, rec := range c.recordings {
		rec.participants()
	}
	return ended, begun
}

// share gives every CS that goes on to a recording: to the one it is of, to one
// whose own has ended and that it continues, else to a new one.
func (c *Call) share(o *sip.Offer, current []rsmeta.Session) (ended []store.Row, begun []*recording) {
	fresh := slices.DeleteFunc(slices.Clone(current), func(cs rsmeta.Session) bool {
		return slices.ContainsFunc(c.recordings, func(rec *recording) bool { return slices.Contains(rec.of.sessions, cs.ID) })
	})
	for _, rec := range slices.Clone(c.recordings) {
		if rec.of.goesOn(current) {
			rec.of.follow(slices.DeleteFunc(slices.Clone(current), func(cs rsmeta.Session) bool { return !slices.Contains(rec.of.sessions, cs.ID) }))
			continue
		}
		at, next := o.At, slices.IndexFunc(fresh, rec.of.continues)
		if rec.waited() {
			rec.note("the session was open and nothing was sent: it waited for a call")
			next = -1
		}
		if next >= 0 {
			rec.of.follow(fresh[next : next+1])
			fresh = slices.Delete(fresh, next, next+1)
			continue
		}
		if len(fresh) > 0 {
			if !rec.of.idle.IsZero() {
				at = rec.of.idle
			}
			ended = append(ended, rec.cut(at))
		}
	}
	for _, cs := range fresh {
		rec := c.next(o)
		rec.of.follow([]rsmeta.Session{cs})
		begun = append(begun, rec)
	}
	if len(c.recordings) > 1 {
		c.several = true
		for _, rec := range c.recordings {
			rec.of.beside = true
		}
	}
	return ended, begun
}

// waited reports whether the recording is of an RS that waited for its first CS
// with lines that could have been sent, and were not.
func (rec *recording) waited() bool {
	return rec.of.waits && !rec.undecided && len(rec.of.sessions) == 0 &&
		!slices.ContainsFunc(rec.track.Counts(), func(n media.LineCounts) bool { return n.Received > 0 })
}

// opensEmpty reports whether an INVITE opens a persistent RS: its metadata is
// understood and says that there is no CS.
func (c *Call) opensEmpty(o *sip.Offer, rec *recording) bool {
	return rec.undecided && c.understood && len(rec.of.sessions) == 0 && len(o.Metadata) > 0 && o.Media != nil &&
		len(c.view.Parties()) == 0
}

// sent reports whether the SRC sends any line that we take.
func (c *Call) sent() bool {
	return slices.ContainsFunc(c.lines, func(l line) bool { return l.sends() })
}

// next begins another recording of the RS with the metadata of o.
func (c *Call) next(o *sip.Offer) *recording {
	var documents []document
	for _, m := range o.Metadata {
		documents = append(documents, newDocument(o.At, m))
	}
	c.view.Forget(o.At.Add(-remembered))
	return c.begin(o.At, documents)
}

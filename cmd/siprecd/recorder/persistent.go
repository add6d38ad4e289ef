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

// course is which CSs the recording is of. A persistent RS carries one after
// the other, and none between them (RFC 8068 section 3.4): each is a recording
// of its own.
type course struct {
	sessions []string
	groups   []string
	idle     time.Time // the last of them ended then; zero: one goes on, or none was ever named
	between  bool      // there is no recording until the next CS
	waits    bool      // no CS was named at first, and lines may be sent all the same
}

func (o *course) deadline() time.Time {
	if o.idle.IsZero() || o.between {
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

// continues reports whether one of the CSs belongs to the recording: it is in
// it already, or of the same group; any belongs to one that has none yet.
func (o *course) continues(current []rsmeta.Session) bool {
	return len(o.sessions) == 0 || slices.ContainsFunc(current, func(cs rsmeta.Session) bool {
		return slices.Contains(o.sessions, cs.ID) || cs.GroupRef != "" && slices.Contains(o.groups, cs.GroupRef)
	})
}

// turn looks at what the offer made of the CSs: its metadata, which may have
// been unreadable, and its lines, which may have been sent before it already.
// It returns the recording that ended by it; another may have begun.
func (c *Call) turn(o *sip.Offer, unreadable, sent bool) (ended []store.Row) {
	current := c.view.Current()
	switch {
	case o.Method == "BYE":
		return nil
	case len(current) > 0 && c.of.between:
		c.next(o)
	case len(current) > 0 && c.waited():
		c.note("the session was open and nothing was sent: it waited for a call")
		ended = []store.Row{c.cut(o.At)}
		c.next(o)
	case len(current) > 0 && !c.of.continues(current):
		at := o.At
		if !c.of.idle.IsZero() {
			at = c.of.idle
		}
		ended = []store.Row{c.cut(at)}
		c.next(o)
	case len(current) == 0 && len(c.of.sessions) > 0 && c.of.idle.IsZero():
		c.of.idle = o.At
	case len(current) == 0 && c.opensEmpty(o) && c.sent():
		c.of.waits = true
	case len(current) == 0 && c.opensEmpty(o):
		c.r.leave(c)
		c.undecided, c.of.between = false, true
	case len(current) == 0 && c.of.between && c.sent() && (unreadable || !sent):
		// Media without a CS is a call all the same.
		c.next(o)
		c.note("media began on a persistent session that names no call: taken as one")
	}
	if len(current) > 1 {
		c.note("%d communication sessions at once in one recording session: they are one recording", len(current))
	}
	if len(current) > 0 {
		c.of.follow(current)
	}
	c.participants()
	return ended
}

// waited reports whether the recording is of an RS that waited for its first CS
// with lines that could have been sent, and were not.
func (c *Call) waited() bool {
	return c.of.waits && !c.undecided && len(c.of.sessions) == 0 &&
		!slices.ContainsFunc(c.track.Counts(), func(n media.LineCounts) bool { return n.Received > 0 })
}

// opensEmpty reports whether an INVITE opens a persistent RS: its metadata is
// understood and says that there is no CS.
func (c *Call) opensEmpty(o *sip.Offer) bool {
	return c.undecided && c.understood && len(c.of.sessions) == 0 && len(o.Metadata) > 0 && o.Media != nil &&
		len(c.view.Parties()) == 0
}

// sent reports whether the SRC sends any line that we take.
func (c *Call) sent() bool {
	return slices.ContainsFunc(c.lines, func(l line) bool {
		return len(l.codecs) > 0 && (l.offered.Direction == sip.SendOnly || l.offered.Direction == sip.SendRecv)
	})
}

// next begins the next recording of the RS with the metadata of o.
func (c *Call) next(o *sip.Offer) {
	var documents []document
	for _, m := range o.Metadata {
		documents = append(documents, newDocument(o.At, m))
	}
	c.view.Forget(o.At.Add(-remembered))
	c.track = c.path.Branch(c.trackConfig())
	c.renew(o.At, documents)
}

// rest ends a recording whose CS ended and had no successor.
func (c *Call) rest() []store.Row {
	row := c.cut(c.of.idle)
	c.of = course{between: true}
	return []store.Row{row}
}

// cut ends the recording while the RS goes on.
func (c *Call) cut(at time.Time) store.Row {
	if c.undecided {
		c.expire(at)
	}
	c.settle()
	return c.close(at, "src", "the communication session ended")
}

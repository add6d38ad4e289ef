package recorder

import (
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"siprecd/media"
	"siprecd/sip"
	"siprecd/sip/rsmeta"
	"siprecd/store"
)

// holdAtMost is how long packets may wait in the socket buffer for the SRC to
// name the parties.
const holdAtMost = 2 * time.Second

// Ports is where the lines of a Call get their sockets. Live they are an
// Intake's; in replay they are the ports of the capture.
type Ports struct {
	Addr   netip.Addr // for the c= line
	Add    func(line int) (port uint16, err error)
	Remove func(line int)
	Hold   func(on bool) // leave packets where they are until released
	Close  func()        // returns when no more packets come

	// HoldLimit is how long a line's packets can stay there; nil: for any time.
	HoldLimit func(line int, formats []media.Format, ptime time.Duration) time.Duration

	// Secure lets a line's keys be made by DTLS with whoever has one of the
	// fingerprints; failed may be called from any goroutine. nil: it cannot be done.
	Secure func(line int, fingerprints []string, failed func(error))
}

// Reply is what a step asks the driver to do.
type Reply struct {
	Answer   sip.Answer
	Reject   int    // a SIP status instead of the answer; 0: answer
	Reason   string // of Reject
	Snapshot string // ask the SRC for complete metadata, with this reason
	Redirect bool   // tell the SRC our new directions: Answer holds them

	Ended []store.Row // recordings that ended while the RS goes on, to be sealed
	Begun []store.Row // those that have begun, after the first one
}

// Call is one RS from the INVITE to the BYE, as a machine: every input carries
// its time, and there is neither goroutine nor clock inside. Its recordings are
// one as a rule; on a persistent RS one after the other, and of several CSs at
// once each its own. Its driver calls it from one goroutine; Row may be called
// from any.
type Call struct {
	r        *Recorder
	settings *Settings
	info     sip.Info
	source   Source
	ports    Ports
	path     *media.Path

	lines      []line
	told       []sip.Direction // of each line, what the SRC knows
	view       rsmeta.View
	understood bool        // metadata has said something, be it that there is no CS
	byHeaders  []sip.Named // parties as the newest headers that name any do
	several    bool        // there have been several recordings at once
	complaints []complaint // of recordings that have ended, for the log

	mu         sync.Mutex // guards the rest; the driver alone changes recordings, and reads them without
	recordings []*recording
	said       []string // notes of the newest offer
}

// Begin opens a recording for the RS that info's INVITE opens. open is given
// the path that packets are to be fed into.
func (r *Recorder) Begin(info sip.Info, open func(*media.Path) Ports) *Call {
	s := r.Settings()
	c := &Call{r: r, settings: s, info: info, source: s.Sources[info.Source]}
	c.begin(info.Arrived, nil)
	c.ports = open(c.path)
	return c
}

// ID returns the id of the recording that began first of those that go on; ""
// when there is none.
func (c *Call) ID() string { return c.Row().ID }

// Row returns the row of that recording as it stands.
func (c *Call) Row() store.Row {
	c.mu.Lock()
	recordings := c.recordings
	c.mu.Unlock()
	if len(recordings) == 0 {
		return store.Row{}
	}
	return recordings[0].Row()
}

// Path is where the driver feeds packets.
func (c *Call) Path() *media.Path { return c.path }

// Held reports whether packets are to be kept from the path until Tick or an
// offer decides every recording.
func (c *Call) Held() bool {
	return slices.ContainsFunc(c.recordings, func(rec *recording) bool { return rec.undecided })
}

// Deadline is when Tick must be called at the latest; zero: no need.
func (c *Call) Deadline() time.Time {
	var first time.Time
	for _, rec := range c.recordings {
		if at := rec.when(); first.IsZero() || !at.IsZero() && at.Before(first) {
			first = at
		}
	}
	return first
}

// note keeps a guess or a fault for the readers of every recording, those that
// the offer begins as well.
func (c *Call) note(format string, args ...any) {
	n := fmt.Sprintf(format, args...)
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.said) < 200 {
		c.said = append(c.said, n)
	}
	for _, rec := range c.recordings {
		rec.noted(n)
	}
}

// Offer takes one offer of the RS and returns how to answer it.
func (c *Call) Offer(o *sip.Offer) Reply {
	c.mu.Lock()
	c.said = nil
	c.mu.Unlock()
	for _, n := range o.Notes {
		c.note("%s", n)
	}
	before, sent, opening := make(map[*recording][]string), c.sent(), len(c.lines) == 0
	for _, rec := range c.recordings {
		before[rec] = rec.presence()
	}
	reply := Reply{}
	if o.Media != nil || o.WantOffer {
		if code, reason := c.negotiate(o); code != 0 {
			if len(c.lines) == 0 {
				// The row is to say whose call was refused.
				documents, _ := c.metadata(o)
				for _, rec := range c.recordings {
					rec.participants()
					rec.extensions(documents)
				}
			}
			c.note("the offer was refused with %d: %s", code, reason)
			return Reply{Reject: code, Reason: reason}
		}
	}
	documents, unreadable := c.metadata(o)
	if opening {
		c.profiled(o)
	}
	if c.view.NeedSnapshot && len(documents) > 0 && o.Method != "BYE" {
		reply.Snapshot = "partial metadata without a complete document before it"
	}
	var begun []*recording
	reply.Ended, begun = c.turn(o, unreadable, sent)
	for _, rec := range c.recordings {
		rec.extensions(documents)
	}
	if o.Method != "BYE" { // else everyone leaves; there is nothing to decide
		c.settleOn(o.At, before)
	}
	c.ports.Hold(c.awaitsKeys() || c.Held())
	c.press(o)
	for _, rec := range c.recordings {
		rec.save(o.At)
	}
	for _, rec := range begun {
		reply.Begun = append(reply.Begun, rec.Row())
	}
	reply.Answer = c.answer()
	// An answer of its own carries new directions already.
	reply.Redirect = c.tell(reply.Answer) && o.Media == nil && !o.WantOffer && o.Method != "BYE"
	return reply
}

// settleOn takes the decisions that are due, of those whose parties were others
// before.
func (c *Call) settleOn(at time.Time, before map[*recording][]string) {
	c.deal(at)
	for _, rec := range c.recordings {
		if rec.undecided || !slices.Equal(before[rec], rec.presence()) {
			rec.decide(at)
		} else {
			rec.describe(at)
		}
	}
	c.describe(at)
}

// describe tells what every line is now that all is decided: a line of several
// recordings is received while one of them wants it, and one of none is known to
// the path all the same.
func (c *Call) describe(at time.Time) {
	if len(c.recordings) > 1 {
		for _, rec := range c.recordings {
			rec.describe(at)
		}
	}
	for i := range c.lines {
		if l := &c.lines[i]; !c.recorded(i) {
			c.path.Negotiate(i, at.UnixNano(), c.spec(l))
			c.shake(l)
		}
	}
}

// Tick tells the call that it is at. What was due by then happens.
func (c *Call) Tick(at time.Time) Reply {
	if d := c.Deadline(); d.IsZero() || at.Before(d) {
		return Reply{}
	}
	reply := Reply{}
	for _, rec := range slices.Clone(c.recordings) {
		switch due := rec.when(); {
		case due.IsZero() || at.Before(due):
		case rec.undecided:
			rec.expire(due)
			rec.save(at)
		default:
			reply.Ended = append(reply.Ended, rec.cut(rec.of.idle))
		}
	}
	c.describe(at)
	c.ports.Hold(c.awaitsKeys() || c.Held())
	reply.Answer = c.answer()
	reply.Redirect = c.tell(reply.Answer)
	return reply
}

// document is metadata as it came: its type, a zero byte, its body.
type document struct {
	at   time.Time
	data []byte
}

func newDocument(at time.Time, m sip.Metadata) document {
	return document{at: at, data: slices.Concat([]byte(m.Type), []byte{0}, m.Body)}
}

// metadata applies the documents of an offer. It returns those that could be
// read, and whether one could not.
func (c *Call) metadata(o *sip.Offer) (documents []*rsmeta.Document, unreadable bool) {
	c.labelByIndex(o)
	for _, n := range c.view.SetLines(c.labels()) {
		c.note("metadata: %s", n)
	}
	if doc := c.fromNamed(o); doc != nil {
		c.view.Apply(doc, o.At)
		c.note("no metadata: SIP headers name the parties")
	}
	for _, m := range o.Metadata {
		for _, rec := range c.recordings {
			rec.keep(newDocument(o.At, m))
		}
		doc, notes, err := rsmeta.Parse(m.Body, m.Charset, c.source.Location)
		for _, n := range notes {
			c.note("metadata: %s", n)
		}
		if err != nil {
			c.note("metadata not understood (%v): the audio is kept, the parties are not known from it", err)
			unreadable = true
			continue
		}
		c.understood = c.understood || len(notes) == 0 || len(doc.Participants)+len(doc.Sessions) > 0
		for _, n := range c.view.Apply(doc, o.At) {
			c.note("metadata: %s", n)
		}
		documents = append(documents, doc)
		if c.view.NeedSnapshot {
			c.note("metadata: partial document without a base, a snapshot was asked for")
		}
	}
	return documents, unreadable
}

// press takes the keys of a SIP INFO. The RS is our side's recording and INFO
// names no line, so the key counts as our first line's.
func (c *Call) press(o *sip.Offer) {
	if len(o.Presses) == 0 || len(c.recordings) == 0 {
		return
	}
	if len(c.recordings) > 1 {
		c.note("a key came by SIP INFO, which names no call, while %d went on: it had no effect", len(c.recordings))
		return
	}
	rec, as := c.recordings[0], 0
	if ours := rec.ourLines(); len(ours) > 0 {
		as = ours[0]
	}
	for _, p := range o.Presses {
		rec.track.Press(as, o.At.UnixNano(), p.Digit, "info")
	}
}

// End ends the RS at at. It returns the rows to be sealed; their tapes are closed
// and no packet will reach them any more. A persistent RS that ends between two
// calls leaves none.
func (c *Call) End(at time.Time, side, reason string) []store.Row {
	for _, rec := range c.recordings {
		if rec.undecided {
			rec.expire(at)
		}
		rec.settle()
	}
	c.ports.Close()
	var rows []store.Row
	for _, rec := range slices.Clone(c.recordings) {
		end := at
		if !rec.of.idle.IsZero() {
			end = rec.of.idle
		}
		rows = append(rows, rec.close(end, side, reason))
	}
	return rows
}

func seconds(d time.Duration) float64 {
	return float64(d.Round(time.Millisecond)) / float64(time.Second)
}

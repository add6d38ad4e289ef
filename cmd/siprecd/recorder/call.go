package recorder

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"siprecd/media"
	"siprecd/policy"
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
	Begun bool        // another one has begun since
}

// Call is one recording from the INVITE to the BYE, as a machine: every input
// carries its time, and there is neither goroutine nor clock inside. On a
// persistent RS it is one recording after the other. Its driver calls it from
// one goroutine; Row may be called from any.
type Call struct {
	r        *Recorder
	settings *Settings
	info     sip.Info
	source   Source
	id       string
	start    time.Time
	ports    Ports
	path     *media.Path
	track    *media.Track
	tape     atomic.Pointer[store.Tape] // nil: nothing is kept

	lines       []line
	told        []sip.Direction // of each line, what the SRC knows
	view        rsmeta.View
	decision    policy.Decision
	undecided   bool // nobody known is ours yet: packets are held
	provisional bool // the default applies until our party is named
	deadline    time.Time
	understood  bool // metadata has said something, be it that there is no CS
	of          course
	byHeaders   []sip.Named // parties as the newest headers that name any do
	documents   []document  // all of them, for a tape that is opened later

	mu  sync.Mutex // guards row; id and start are changed under it
	row store.Row
}

// Begin opens a recording for the RS that info's INVITE opens. open is given
// the path that packets are to be fed into.
func (r *Recorder) Begin(info sip.Info, open func(*media.Path) Ports) *Call {
	s := r.Settings()
	c := &Call{r: r, settings: s, info: info, source: s.Sources[info.Source]}
	c.path = media.NewPath(c.trackConfig())
	c.track = c.path.Track
	c.renew(info.Arrived, nil)
	c.ports = open(c.path)
	return c
}

func (c *Call) trackConfig() media.PathConfig {
	byDefault := c.settings.Rules.Decide(policy.Facts{})
	return media.PathConfig{
		Sink:    media.Sink{Append: c.append, Flush: c.flush},
		Mode:    media.ModeOff,
		Start:   byDefault.Start,
		Stop:    byDefault.Stop,
		InBand:  !c.settings.DeafToTones,
		OnEvent: c.event,
	}
}

// renew begins a recording with nothing on it.
func (c *Call) renew(at time.Time, documents []document) {
	c.decision, c.undecided, c.provisional, c.deadline = policy.Decision{}, true, false, time.Time{}
	c.documents, c.of = documents, course{}
	for i := range c.lines {
		c.lines[i].holdings = nil
	}
	c.mu.Lock()
	c.id, c.start = c.r.NewID(at, c.info.CallID), at
	c.row = store.Row{
		ID: c.id, State: store.Live, Start: at.UTC(), Source: c.info.Source,
		Direction: "unknown", CallID: c.info.CallID, Vendor: c.info.Correlation,
		Participants: []store.Participant{}, Segments: []store.Segment{}, Streams: []store.Stream{},
		Keys: []store.Key{}, Notes: []string{},
	}
	c.mu.Unlock()
	c.r.enter(c)
}

// ID returns the recording's id.
func (c *Call) ID() string { return c.id }

// Path is where the driver feeds packets.
func (c *Call) Path() *media.Path { return c.path }

// Held reports whether packets are to be kept from the path until Tick or an
// offer decides the call.
func (c *Call) Held() bool { return c.undecided }

// Deadline is when Tick must be called at the latest; zero: no need.
func (c *Call) Deadline() time.Time {
	if c.undecided {
		return c.deadline
	}
	return c.of.deadline()
}

// Row returns the call's row as it stands.
func (c *Call) Row() store.Row {
	counts := c.track.Counts()
	c.mu.Lock()
	defer c.mu.Unlock()
	row := c.row
	row.Participants = slices.Clone(row.Participants)
	row.Keys = slices.Clone(row.Keys)
	row.Notes = slices.Clone(row.Notes)
	row.Streams = slices.Clone(row.Streams)
	for _, n := range counts {
		if n.Line < len(row.Streams) {
			s := &row.Streams[n.Line]
			s.Packets, s.Refused, s.Unauthenticated = n.Kept, n.Refused, n.Unauthenticated
			s.Lost, s.Jitter = n.Lost, round(n.Jitter, 100)
		}
	}
	row.Notes = slices.Concat(row.Notes, deaf(counts, row.Streams), paused(counts), dropped(counts))
	return row
}

// append is the path's sink. It runs under the path's lock, on the thread that
// drains sockets.
func (c *Call) append(kind media.Kind, at int64, line uint16, data []byte) {
	if t := c.tape.Load(); t != nil {
		t.Append(uint8(kind), at, line, data)
	}
}

func (c *Call) flush() error {
	if t := c.tape.Load(); t != nil {
		return t.Flush()
	}
	return nil
}

// event is told of keys under the path's lock.
func (c *Call) event(e media.Event) {
	if e.Key == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	k := store.Key{At: seconds(time.Unix(0, e.At).Sub(c.start)), Command: e.Key.Command, Via: e.Key.Via}
	if e.Line < len(c.row.Streams) {
		k.Stream = c.row.Streams[e.Line].Label
	}
	c.row.Keys = append(c.row.Keys, k)
}

// note keeps a guess or a fault for the reader of the row, once.
func (c *Call) note(format string, args ...any) {
	n := fmt.Sprintf(format, args...)
	c.mu.Lock()
	defer c.mu.Unlock()
	if !slices.Contains(c.row.Notes, n) && len(c.row.Notes) < 200 {
		c.row.Notes = append(c.row.Notes, n)
	}
}

// Offer takes one offer of the RS and returns how to answer it.
func (c *Call) Offer(o *sip.Offer) Reply {
	for _, n := range o.Notes {
		c.note("%s", n)
	}
	before, sent, id, opening := c.presence(), c.sent(), c.id, len(c.lines) == 0
	reply := Reply{}
	if o.Media != nil || o.WantOffer {
		if code, reason := c.negotiate(o); code != 0 {
			if len(c.lines) == 0 {
				// The row is to say whose call was refused.
				c.metadata(o)
				c.participants()
			}
			return Reply{Reject: code, Reason: reason}
		}
	}
	var unreadable bool
	reply.Snapshot, unreadable = c.metadata(o)
	if opening {
		c.profiled(o)
	}
	reply.Ended = c.turn(o, unreadable, sent)
	reply.Begun = c.id != id
	switch {
	case c.of.between:
		c.describe(o.At)
	case o.Method == "BYE":
		// Everyone leaves; there is nothing to decide and nobody to ask.
		reply.Snapshot = ""
	case c.undecided, !slices.Equal(before, c.presence()):
		c.decide(o.At)
	default:
		c.describe(o.At)
	}
	if awaited := c.awaitsKeys(); awaited || o.Method == "ACK" {
		// The first packets come on the heels of the ACK that brings their keys.
		c.ports.Hold(awaited || c.undecided)
	}
	c.press(o)
	c.save(o.At)
	reply.Answer = c.answer()
	// An answer of its own carries new directions already.
	reply.Redirect = c.tell(reply.Answer) && o.Media == nil && !o.WantOffer && o.Method != "BYE"
	return reply
}

// Tick tells the call that it is at. What was due by then happens.
func (c *Call) Tick(at time.Time) Reply {
	if d := c.Deadline(); d.IsZero() || at.Before(d) {
		return Reply{}
	}
	reply := Reply{}
	if c.undecided {
		c.expire(c.deadline)
		c.save(at)
	} else {
		reply.Ended = c.rest()
	}
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

// documentsMost bounds what is remembered for a tape that is not open yet.
const documentsMost = 64

// keep puts a document on the tape, and remembers it for another one.
func (c *Call) keep(d document) {
	if c.tape.Load() != nil {
		c.track.Append(kindMetadata, d.at.UnixNano(), 0, d.data)
	}
	if len(c.documents) < documentsMost {
		c.documents = append(c.documents, d)
	}
}

// metadata applies the documents of an offer. It returns the reason to ask for
// a snapshot, if there is one, and whether a document could not be read.
func (c *Call) metadata(o *sip.Offer) (snapshot string, unreadable bool) {
	c.labelByIndex(o)
	for _, n := range c.view.SetLines(c.labels()) {
		c.note("metadata: %s", n)
	}
	if doc := c.fromNamed(o); doc != nil {
		c.view.Apply(doc, o.At)
		c.note("no metadata: SIP headers name the parties")
	}
	for _, m := range o.Metadata {
		c.keep(newDocument(o.At, m))
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
		c.extensions(doc)
		if c.view.NeedSnapshot {
			snapshot = "partial metadata without a complete document before it"
			c.note("metadata: partial document without a base, a snapshot was asked for")
		}
	}
	return snapshot, unreadable
}

// press takes the keys of a SIP INFO. The RS is our side's recording and INFO
// names no line, so the key counts as our first line's.
func (c *Call) press(o *sip.Offer) {
	if len(o.Presses) == 0 {
		return
	}
	i := 0
	for _, l := range c.lines {
		if l.spec.Ours {
			i = l.index
			break
		}
	}
	for _, p := range o.Presses {
		c.track.Press(i, o.At.UnixNano(), p.Digit, "info")
	}
}

// save puts the row on the tape, so that a crash finds it there.
func (c *Call) save(at time.Time) {
	row := c.Row()
	if b, err := json.Marshal(row); err == nil {
		c.track.Append(kindRow, at.UnixNano(), 0, b)
	}
	if err := c.track.Flush(); err != nil {
		c.note("tape: %v", err)
	}
}

// End ends the RS at at. It returns the row to be sealed; the tape is closed
// and no packet will reach it any more. On a persistent RS that ends between
// two calls the row has no ID: there is nothing to seal.
func (c *Call) End(at time.Time, side, reason string) store.Row {
	if c.of.between {
		c.ports.Close()
		return store.Row{}
	}
	if c.undecided {
		c.expire(at)
	}
	c.settle()
	c.ports.Close()
	if idle := c.of.idle; !idle.IsZero() {
		at = idle
	}
	return c.close(at, side, reason)
}

// close ends the recording at at.
func (c *Call) close(at time.Time, side, reason string) store.Row {
	c.closeViews(at)
	c.letGo(at)
	c.mu.Lock()
	c.row.State, c.row.End, c.row.Ended = store.Ending, at.UTC(), side+": "+reason
	c.row.Duration = seconds(at.Sub(c.start))
	c.mu.Unlock()
	c.save(at)
	row := c.Row()
	note := func(err error) {
		if err != nil {
			row.Notes = append(row.Notes, fmt.Sprintf("tape: %v", err))
		}
	}
	note(c.track.Finish(at.UnixNano()))
	if t := c.tape.Swap(nil); t != nil {
		note(t.Close())
	}
	c.r.leave(c)
	return row
}

func seconds(d time.Duration) float64 {
	return float64(d.Round(time.Millisecond)) / float64(time.Second)
}

package recorder

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"siprecd/media"
	"siprecd/policy"
	"siprecd/store"
)

// recording is one recording of an RS: of one CS, or of several that are one
// conversation, one after the other. Its Call drives it; Row and note may be
// called from any goroutine.
type recording struct {
	rs    *Call
	id    string
	start time.Time
	track *media.Track
	tape  atomic.Pointer[store.Tape] // nil: nothing is kept
	lines []recordedLine             // by their numbers on the tape
	of    course

	decision    policy.Decision
	undecided   bool // nobody known is ours yet: packets are held
	provisional bool // the default applies until our party is named
	deadline    time.Time
	documents   []document // all of them, for a tape that is opened later

	hearing hearing

	mu  sync.Mutex // guards row
	row store.Row
}

// begin begins a recording with nothing on it.
func (c *Call) begin(at time.Time, documents []document) *recording {
	rec := &recording{rs: c, id: c.r.NewID(at, c.info.CallID), start: at, undecided: true, documents: documents}
	rec.row = store.Row{
		ID: rec.id, State: store.Live, Start: at.UTC(), Source: c.info.Source,
		Direction: "unknown", CallID: c.info.CallID, Vendor: c.info.Correlation,
		Participants: []store.Participant{}, Segments: []store.Segment{}, Streams: []store.Stream{},
		Keys: []store.Key{}, Notes: []string{},
	}
	byDefault := c.settings.Rules.Decide(policy.Facts{})
	config := media.PathConfig{
		Sink:    media.Sink{Append: rec.append, Flush: rec.flush},
		Mode:    media.ModeOff,
		Start:   byDefault.Start,
		Stop:    byDefault.Stop,
		InBand:  !c.settings.DeafToTones,
		OnEvent: rec.event,
	}
	if c.path == nil {
		c.path = media.NewPath(config)
		rec.track = c.path.Track
	} else {
		rec.track = c.path.Branch(config)
	}
	c.mu.Lock()
	for _, n := range c.said {
		rec.noted(n)
	}
	c.recordings = append(slices.Clone(c.recordings), rec)
	c.mu.Unlock()
	c.r.enter(rec)
	return rec
}

// Row returns the recording's row as it stands.
func (rec *recording) Row() store.Row {
	counts := rec.track.Counts()
	rec.mu.Lock()
	defer rec.mu.Unlock()
	row := rec.row
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
	row.Notes = append(row.Notes, tell(counts, row.Streams)...)
	return row
}

// append is the track's sink. It runs under the path's lock, on the thread that
// drains sockets.
func (rec *recording) append(kind media.Kind, at int64, line uint16, data []byte) {
	if t := rec.tape.Load(); t != nil {
		t.Append(uint8(kind), at, line, data)
	}
}

func (rec *recording) flush() error {
	if t := rec.tape.Load(); t != nil {
		return t.Flush()
	}
	return nil
}

// event is told of keys under the path's lock.
func (rec *recording) event(e media.Event) {
	if e.Key == nil {
		return
	}
	rec.mu.Lock()
	defer rec.mu.Unlock()
	k := store.Key{At: rec.clock(time.Unix(0, e.At)), Command: e.Key.Command, Via: e.Key.Via}
	if e.Line < len(rec.row.Streams) {
		k.Stream = rec.row.Streams[e.Line].Label
	}
	rec.row.Keys = append(rec.row.Keys, k)
}

// clock is a time in seconds from the recording's start.
func (rec *recording) clock(at time.Time) float64 { return seconds(at.Sub(rec.start)) }

// note keeps a guess or a fault for the reader of the row, once.
func (rec *recording) note(format string, args ...any) { rec.noted(fmt.Sprintf(format, args...)) }

func (rec *recording) noted(n string) {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	if !slices.Contains(rec.row.Notes, n) && len(rec.row.Notes) < 200 {
		rec.row.Notes = append(rec.row.Notes, n)
	}
}

// documentsMost bounds what is remembered for a tape that is not open yet.
const documentsMost = 64

// keep puts a document on the tape, and remembers it for another one.
func (rec *recording) keep(d document) {
	if rec.tape.Load() != nil {
		rec.track.Append(kindMetadata, d.at.UnixNano(), 0, d.data)
	}
	if len(rec.documents) < documentsMost {
		rec.documents = append(rec.documents, d)
	}
}

// save puts the row on the tape, so that a crash finds it there.
func (rec *recording) save(at time.Time) {
	row := rec.Row()
	if b, err := json.Marshal(row); err == nil {
		rec.track.Append(kindRow, at.UnixNano(), 0, b)
	}
	if err := rec.track.Flush(); err != nil {
		rec.note("tape: %v", err)
	}
}

// when is the time at which something is due; zero: nothing is.
func (rec *recording) when() time.Time {
	if rec.undecided {
		return rec.deadline
	}
	return rec.of.deadline()
}

// cut ends the recording while the RS goes on.
func (rec *recording) cut(at time.Time) store.Row {
	if rec.undecided {
		rec.expire(at)
	}
	rec.settle()
	return rec.close(at, "src", "the communication session ended")
}

// close ends the recording at at. Its row is to be sealed.
func (rec *recording) close(at time.Time, side, reason string) store.Row {
	rec.closeViews(at)
	rec.letGo(at)
	rec.mu.Lock()
	rec.row.State, rec.row.End, rec.row.Ended = store.Ending, at.UTC(), side+": "+reason
	rec.row.Duration = rec.clock(at)
	rec.mu.Unlock()
	rec.save(at)
	row := rec.Row()
	note := func(err error) {
		if err != nil {
			row.Notes = append(row.Notes, fmt.Sprintf("tape: %v", err))
		}
	}
	note(rec.track.Finish(at.UnixNano()))
	if t := rec.tape.Swap(nil); t != nil {
		note(t.Close())
	}
	rec.complain()
	rec.rs.part(rec)
	return row
}

// part takes a recording that has ended from the RS.
func (c *Call) part(rec *recording) {
	c.mu.Lock()
	c.recordings = slices.DeleteFunc(slices.Clone(c.recordings), func(other *recording) bool { return other == rec })
	c.mu.Unlock()
	c.r.leave(rec)
	for _, x := range rec.lines {
		if x.has && c.several {
			c.lines[x.index].orphaned = true
		}
	}
}

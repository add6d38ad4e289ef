package recorder

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"siprecd/media"
	"siprecd/store"
)

// hearing is what was heard of a recording that goes on. Nobody listens until
// somebody asks, and then only to what came since the last time. It reads the
// tape, as far as that is flushed, and shares no lock with those who write it:
// where nothing is kept, nothing is heard.
type hearing struct {
	mu    sync.Mutex // guards what follows
	of    *store.Tape
	tape  *store.Follower
	heard *media.Hearing
	facts media.Facts
	asked time.Time // when somebody listened last
	err   error
}

// Listen hears the live recordings whose id begins so, until a time: those first
// that were not listened to for longest. What it did not get to is heard the
// next time.
func (r *Recorder) Listen(id string, until time.Time) {
	type waiting struct {
		rec   *recording
		since time.Time
	}
	var all []waiting
	for _, rec := range r.recordings() {
		if strings.HasPrefix(rec.id, id) {
			all = append(all, waiting{rec, rec.hearing.since()})
		}
	}
	slices.SortFunc(all, func(a, b waiting) int {
		return cmp.Or(a.since.Compare(b.since), strings.Compare(a.rec.id, b.rec.id))
	})
	for _, w := range all {
		if !time.Now().Before(until) {
			return
		}
		w.rec.listen(time.Now(), until)
	}
}

func (h *hearing) since() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.asked
}

// listen hears at a time of the call what its tape has gained.
func (rec *recording) listen(at, until time.Time) {
	h, tape := &rec.hearing, rec.tape.Load()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.asked = time.Now()
	if tape != h.of { // opened later, or another one after that was forgotten
		h.of, h.facts, h.err = tape, media.Facts{}, nil
		h.tape, h.heard = rec.rs.r.Store.FollowTape(rec.id), media.NewHearing()
	}
	if tape == nil {
		return
	}
	_, h.err = h.tape.Next(until, func(r store.Record) {
		h.heard.Take(media.Record{Kind: media.Kind(r.Kind), At: r.At, Line: r.Line, Data: r.Data})
	})
	h.heard.Count(rec.track.Counts())
	h.facts = h.heard.Facts(at.UnixNano())
}

// tell adds to a row of the recording what was heard last, unless that was of a
// tape which was forgotten since.
func (rec *recording) tell(row *store.Row) {
	h, tape := &rec.hearing, rec.tape.Load()
	h.mu.Lock()
	defer h.mu.Unlock()
	if tape == nil || tape != h.of {
		return
	}
	if h.err != nil {
		row.Notes = said(row.Notes, fmt.Sprintf("how it fares is not known: %v", h.err))
		return
	}
	row.Heard = round(h.heard.Reached(), 100)
	row.Segments = nil
	for _, s := range h.facts.Segments {
		row.Segments = append(row.Segments, store.Segment{Start: round(s.Start, 1000), End: round(s.End, 1000)})
	}
	for _, s := range h.facts.Streams {
		if s.Line >= len(row.Streams) {
			continue
		}
		st := &row.Streams[s.Line]
		st.Lost, st.Late, st.Duplicates = s.Lost, s.Late, s.Duplicates
		st.Jitter, st.JitterMax, st.Drift = round(s.Jitter, 100), round(s.JitterMax, 100), round(s.Drift, 10)
	}
	hear(row, &h.facts)
}

package recorder

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"siprecd/media"
	"siprecd/policy"
	"siprecd/store"
)

// The kinds of tape record that are the loom's own.
const (
	kindRow      = media.KindLoom
	kindMetadata = media.KindLoom + 1
	kindDecision = media.KindLoom + 2
)

// Settings is what a Recorder reads anew for every call: a reload replaces it
// whole, and a call keeps the one it began with.
type Settings struct {
	Rules       *policy.Rules
	CountryCode string
	Sources     map[string]Source // by the name in sip.Info.Source
	DeafToTones bool              // keys count by telephone-event and INFO alone, not as tones in the sound
	Address     netip.Addr        // c= of answers; invalid: the address the SRC reached us at

	// Dies tells on which day a recording of extension that ended at end is
	// dead; nil: by the regulation, in UTC.
	Dies func(extension string, end time.Time) store.Day

	// Accepts reports whether a line may be accepted with a format; nil: with what
	// is decoded here.
	Accepts func(media.Format) bool
	FFmpeg  *media.FFmpeg // decodes the rest; nil: nothing does

	Originals string // which tapes are kept, sealed: "always", "never"; else "auto": of recordings that are not all that was received
}

// keeps reports whether the tape of a recording is kept.
func (s *Settings) keeps(lossy bool) bool {
	return s.Originals == "always" || lossy && s.Originals != "never"
}

func (s *Settings) dies(row *store.Row) store.Day {
	if s.Dies != nil {
		return s.Dies(row.Extension, row.End)
	}
	return store.Day(policy.Dies(row.End, policy.DefaultDays, time.UTC))
}

// Source is what the loom needs to know of one SRC.
type Source struct {
	Location *time.Location // of its zone-less timestamps; nil: UTC
	Latch    bool           // its media comes from behind NAT

	Encryption Encryption // of its media
	Profile    Profile    // how it tells what it sends
}

// Recorder records. Its fields are set before Start.
type Recorder struct {
	Store    *store.Store
	Media    *media.Receiver // nil when only a capture is replayed
	Settings func() *Settings
	NewID    func(start time.Time, callID string) string // nil: store.NewID
	Workers  int                                         // renderers at once; 0: 1
	Log      *slog.Logger

	queue    chan job
	retry    chan struct{}
	stop     context.CancelFunc // of the retries
	wg       sync.WaitGroup
	waiting  sync.Mutex      // held while what waits is rendered: one at a time
	identity *media.Identity // of the passive side of DTLS

	mu     sync.Mutex // guards the next fields
	live   map[string]*recording
	pairs  map[string]*pair // by the leg of a forked call; the newest of each
	failed []store.Row      // not sealed, as a full disk does, and to be tried again
}

// job is one tape to be rendered. done is closed when it has been.
type job struct {
	row  store.Row
	done chan struct{}
}

// Start recovers what a crash left behind and starts the rendering workers.
// Left-over tapes are queued, not awaited.
func (r *Recorder) Start(ctx context.Context) error {
	r.live, r.pairs = make(map[string]*recording), make(map[string]*pair)
	r.queue, r.retry = make(chan job, 1<<14), make(chan struct{}, 1)
	if r.Log == nil {
		r.Log = slog.New(slog.DiscardHandler)
	}
	if r.NewID == nil {
		r.NewID = func(start time.Time, _ string) string { return store.NewID(start) }
	}
	var err error
	if r.identity, err = media.NewIdentity(); err != nil {
		return err
	}
	left, err := r.leftovers(ctx)
	if err != nil {
		return fmt.Errorf("left-over tapes: %w", err)
	}
	for range max(r.Workers, 1) {
		r.wg.Go(r.render)
	}
	for _, row := range left {
		r.queue <- job{row: row}
	}
	retrying, stop := context.WithCancel(context.Background())
	r.stop = stop
	r.wg.Go(func() { r.retries(retrying) })
	r.Retry()
	return nil
}

// Close renders what is queued and waits for it. No call may be live any more.
func (r *Recorder) Close() {
	close(r.queue)
	r.stop()
	r.wg.Wait()
}

// render is one worker. Rendering outlives the cancellation of whoever queued
// it: a recording that was begun is finished.
func (r *Recorder) render() {
	for j := range r.queue {
		ended := j.row // as it was handed over: a try may leave it half filled
		if err := r.Seal(context.Background(), &j.row); err != nil {
			r.Log.Error("recording not sealed, its tape stays and is tried again", "call", j.row.ID, "side", "srs", "reason", err)
			r.mu.Lock()
			r.failed = append(r.failed, ended)
			r.mu.Unlock()
		}
		if j.done != nil {
			close(j.done)
		}
	}
}

// Live returns the rows of the calls that are being recorded now, oldest
// first, with what Listen heard of them.
func (r *Recorder) Live() []store.Row {
	live := r.recordings()
	rows := make([]store.Row, 0, len(live))
	for _, rec := range live {
		row := rec.Row()
		rec.tell(&row)
		rows = append(rows, row)
	}
	sortByStart(rows)
	return rows
}

// recordings are those being made, in no order.
func (r *Recorder) recordings() []*recording {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Values(r.live))
}

// LiveCount returns the number of recordings being made.
func (r *Recorder) LiveCount() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.live)
}

func (r *Recorder) enter(rec *recording) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.live[rec.id] = rec
}

func (r *Recorder) leave(rec *recording) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.live, rec.id)
}

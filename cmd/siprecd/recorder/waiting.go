package recorder

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"siprecd/media"
	"siprecd/store"
)

// wait seals the tape itself, until there is a decoder.
func (r *Recorder) wait(ctx context.Context, row *store.Row, codecs []string) error {
	row.WaitingFor = codecs
	return r.Store.Wait(ctx, row)
}

// custodian is what a call waits for whose tape only a custodian can open.
const custodian = "custodian"

// lockedIn leaves a call whose tape the daemon cannot open itself until a
// custodian unlocks the keys. Its day is that of the tape's key.
func (r *Recorder) lockedIn(ctx context.Context, row *store.Row) error {
	day, err := r.Store.TapeDay(row.ID)
	if err != nil {
		return err
	}
	row.State, row.WaitingFor, row.Dies = store.Waiting, []string{custodian}, day
	row.Notes = said(row.Notes, "the recorder's own key of this call's tape is gone, as after a power cut: a custodian's opens it")
	// The row alone: facts beside a tape would say that it is done with.
	return r.Store.Catalog.Put(ctx, row)
}

// Repair is what a call waits for whose tape cannot be read.
const Repair = "repair"

// unreadable leaves a call whose tape is damaged beyond reading until somebody
// mends it, or its day is over: the tape dies with it.
func (r *Recorder) unreadable(ctx context.Context, row *store.Row, why error) error {
	r.Log.Error("tape cannot be read, it waits", "call", row.ID, "side", "srs", "reason", why)
	row.State, row.WaitingFor = store.Waiting, []string{Repair}
	row.Notes = said(row.Notes, fmt.Sprintf("its tape cannot be read: %v", why))
	var err error
	if row.Dies, err = r.Store.TapeDay(row.ID); err != nil || row.Dies == "" {
		dated := *row
		if dated.End.IsZero() {
			dated.End = dated.Start
		}
		if dated.End.IsZero() {
			dated.End = time.Now()
		}
		row.Dies = r.Settings().dies(&dated)
	}
	// The row alone: facts beside a tape would say that it is done with.
	return r.Store.Catalog.Put(ctx, row)
}

// undecoded is a recording of which the program made less than it was given: its
// tape waits for a better one.
func (r *Recorder) undecoded(ctx context.Context, row *store.Row, f *media.Facts, why error) error {
	if row.Original == nil {
		if err := r.Store.KeepOriginal(ctx, row); err != nil || row.Original == nil {
			return errors.Join(why, err)
		}
	}
	r.Log.Error("recording not decoded, its tape waits", "call", row.ID, "side", "srs", "reason", why)
	var codecs []string
	for _, s := range f.Streams {
		if !slices.Contains(codecs, s.Codec) && s.Codec != "" {
			codecs = append(codecs, s.Codec)
		}
	}
	return r.wait(ctx, row, codecs)
}

// Waited is what became of a waiting recording.
type Waited struct {
	ID         string   `json:"id"`
	Rendered   bool     `json:"rendered"`
	WaitingFor []string `json:"waiting_for,omitempty"`
	Why        string   `json:"why,omitempty"` // of one that still waits
}

// RenderWaiting renders, oldest first, what waits for a decoder or a custodian and
// can be rendered now. The keys must be unlocked: what cannot be opened says so, and the
// others go on.
func (r *Recorder) RenderWaiting(ctx context.Context) (done []Waited, err error) {
	r.waiting.Lock()
	defer r.waiting.Unlock()
	var rows []store.Row
	for row, err := range r.Store.Catalog.Find(ctx, store.Query{States: []store.State{store.Waiting}}) {
		if err != nil {
			return nil, err
		}
		rows = append(rows, *row)
	}
	sortByStart(rows)
	for i := range rows {
		if err := ctx.Err(); err != nil {
			return done, err
		}
		w := Waited{ID: rows[i].ID}
		if err := r.renderWaiting(ctx, &rows[i]); err != nil {
			w.Why = err.Error()
		}
		w.Rendered, w.WaitingFor = rows[i].State != store.Waiting, rows[i].WaitingFor
		done = append(done, w)
	}
	return done, nil
}

func (r *Recorder) renderWaiting(ctx context.Context, row *store.Row) error {
	if row.Original == nil {
		found, err := r.leftover(ctx, row.ID)
		if err != nil {
			return err
		}
		*row = *found
		row.WaitingFor = nil
		return r.Seal(ctx, row)
	}
	tape, kept, err := Original(ctx, r.Store, row)
	if err != nil {
		return err
	}
	defer kept.Close()
	rendering, err := r.Settings().FFmpeg.Measure(tape)
	if err != nil {
		return err
	}
	if w := rendering.Facts.Waiting; len(w) > 0 {
		return fmt.Errorf("no decoder for %s here", strings.Join(w, ", "))
	}
	sealed := *row
	state(&sealed, &rendering.Facts)
	keeps := r.Settings().keeps(rendering.Facts.Lossy)
	if !keeps {
		sealed.Original = nil
	}
	if err := r.write(ctx, &sealed, rendering); err != nil {
		return err
	}
	*row = sealed
	if !keeps {
		return r.Store.DropOriginal(ctx, row)
	}
	return nil
}

// sealFailed tries again what could not be sealed, oldest first. After a failed
// sync it is the next start's.
func (r *Recorder) sealFailed(ctx context.Context) {
	r.mu.Lock()
	failed := r.failed
	r.failed = nil
	r.mu.Unlock()
	var still []store.Row
	for i, ended := range failed {
		if ctx.Err() != nil || r.Store.Err() != nil {
			still = append(still, failed[i:]...)
			break
		}
		row := ended
		if r.Seal(context.WithoutCancel(ctx), &row) != nil {
			// What is said of the first time holds still; those behind it may go.
			still = append(still, ended)
			continue
		}
		r.Log.Info("recording sealed that could not be before", "call", row.ID)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed = append(still, r.failed...)
}

// Retry has what waits tried again, soon.
func (r *Recorder) Retry() {
	select {
	case r.retry <- struct{}{}:
	default: // it will be anyway
	}
}

// sealPause is how long a tape rests whose recording could not be sealed.
const sealPause = time.Minute

// retries renders what waits whenever something may have changed, and seals what
// could not be sealed.
func (r *Recorder) retries(ctx context.Context) {
	again := time.NewTicker(sealPause)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-again.C:
			r.sealFailed(ctx)
			continue
		case <-r.retry:
			r.sealFailed(ctx)
		}
		done, err := r.RenderWaiting(ctx)
		if err != nil && ctx.Err() == nil {
			r.Log.Error("recordings that wait", "side", "srs", "reason", err)
		}
		for _, w := range done {
			if w.Rendered {
				r.Log.Info("recording rendered that had waited", "call", w.ID)
			}
		}
	}
}

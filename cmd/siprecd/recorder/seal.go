package recorder

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"math"
	"slices"
	"strings"
	"time"

	"siprecd/media"
	"siprecd/store"
)

// Seal renders the tape of an ended call and seals the recording, or writes
// the row alone when nothing was kept. It is what happens at BYE, at start-up
// to what a crash left, and to a replayed capture.
func (r *Recorder) Seal(ctx context.Context, row *store.Row) error {
	open, err := r.Store.ReadTape(row.ID)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, store.ErrForgotten) {
		if known, err := r.Store.Catalog.Get(ctx, row.ID); err == nil && (known.File != "" || known.State == store.Deleted) {
			// Sealed before, all but for the end of its tape, or ended with it.
			*row = *known
			return r.Store.RemoveTape(row.ID)
		}
		return r.withoutAudio(ctx, row)
	}
	if errors.Is(err, store.ErrDamaged) {
		return r.unreadable(ctx, row, err)
	}
	if err != nil {
		return fmt.Errorf("tape %s: %w", row.ID, err)
	}
	rendering, err := r.Settings().FFmpeg.Measure(records(open))
	if err != nil {
		return r.unreadable(ctx, row, err)
	}
	state(row, &rendering.Facts)
	if rendering.Facts.Empty {
		hear(row, &rendering.Facts)
		return r.withoutAudio(ctx, row)
	}
	if err := r.Store.Err(); err != nil {
		row.Notes = append(row.Notes, "the disk is suspect: "+err.Error())
	}
	row.Dies = r.Settings().dies(row)
	row.Original = nil
	if err = r.keep(ctx, row, rendering); errors.Is(err, store.ErrDead) {
		return r.outlived(ctx, row)
	}
	return err
}

// keep seals what was rendered, or the tape itself where that has to wait.
func (r *Recorder) keep(ctx context.Context, row *store.Row, rendering *media.Rendering) error {
	waiting := len(rendering.Facts.Waiting) > 0
	if waiting || r.Settings().keeps(rendering.Facts.Lossy) {
		if err := r.Store.KeepOriginal(ctx, row); err != nil {
			return err
		}
	}
	if waiting && row.Original != nil {
		return r.wait(ctx, row, rendering.Facts.Waiting)
	}
	if waiting { // a store in clear, as of a replay, keeps no tape
		row.Notes = said(row.Notes, fmt.Sprintf("the packets of %s are not kept: replay it again with a decoder", strings.Join(rendering.Facts.Waiting, ", ")))
	}
	err := r.write(ctx, row, rendering)
	if errors.Is(err, media.ErrUndecoded) {
		return r.undecoded(ctx, row, &rendering.Facts, err)
	}
	return err
}

// outlived ends a call whose day was over before it could be sealed, as after
// months without the recorder: its tape must not outlive the day either.
func (r *Recorder) outlived(ctx context.Context, row *store.Row) error {
	if err := r.Store.RemoveTape(row.ID); err != nil {
		return err
	}
	if known, err := r.Store.Catalog.Get(ctx, row.ID); err == nil && known.State == store.Deleted {
		return nil // ended while it was rendered
	}
	return r.Store.Retire(ctx, row, "its day was over before it could be sealed", row.Dies)
}

// write seals the recording of a tape.
func (r *Recorder) write(ctx context.Context, row *store.Row, rendering *media.Rendering) error {
	note(row, &rendering.Facts)
	row.State, row.WaitingFor = store.Sealed, nil
	if rendering.Facts.Interrupted {
		row.State = store.Interrupted
	}
	return r.Store.Seal(ctx, row, rendering.Facts.Container, func(w io.Writer) error {
		_, err := rendering.WriteTo(w)
		hear(row, &rendering.Facts)
		return err
	})
}

// withoutAudio ends a call of which nothing is kept.
func (r *Recorder) withoutAudio(ctx context.Context, row *store.Row) error {
	row.State, row.Dies = store.NotRecorded, r.Settings().dies(row)
	if err := r.Store.Record(ctx, row); err != nil {
		return err
	}
	return r.Store.RemoveTape(row.ID)
}

// Tape opens the tape of a call, live or left over, for rendering or export.
func Tape(s *store.Store, id string) (media.Tape, error) {
	open, err := s.ReadTape(id)
	if err != nil {
		return nil, err
	}
	return records(open), nil
}

// Original opens the tape that was kept of a sealed recording; its owner closes
// it.
func Original(ctx context.Context, s *store.Store, row *store.Row) (media.Tape, io.Closer, error) {
	open, closer, err := s.OpenOriginal(ctx, row)
	if err != nil {
		return nil, nil, err
	}
	return records(open), closer, nil
}

// WriteMetadata writes the metadata documents of a tape as they were received,
// each after a line with its time of arrival.
func WriteMetadata(w io.Writer, t media.Tape) error {
	for rec, err := range t() {
		if err != nil || rec.Kind != kindMetadata { // damage costs what it hit
			continue
		}
		if _, err := fmt.Fprintf(w, "--- %s, %d bytes\n%s\n", time.Unix(0, rec.At).UTC().Format(time.RFC3339Nano), len(rec.Data), rec.Data); err != nil {
			return err
		}
	}
	return nil
}

// records turns a store's tape into media's.
func records(open func() store.Records) media.Tape {
	return func() iter.Seq2[media.Record, error] {
		return func(yield func(media.Record, error) bool) {
			for rec, err := range open() {
				if !yield(media.Record{Kind: media.Kind(rec.Kind), At: rec.At, Line: rec.Line, Data: rec.Data}, err) {
					return
				}
			}
		}
	}
}

// state writes what the rendering found into the row.
func state(row *store.Row, f *media.Facts) {
	row.Duration = f.Duration
	if f.Interrupted {
		row.End = row.Start.Add(time.Duration(f.Duration * float64(time.Second))).UTC()
		row.Ended = "srs: interrupted"
		letGo(row)
		row.Notes = said(row.Notes, "interrupted: the recorder stopped during the call, what it had received until then is here")
	}
	row.Format = fmt.Sprintf("%s %s %d Hz %d ch", f.Container, f.Encoding, f.Rate, f.Channels)
	row.Segments = row.Segments[:0]
	for _, s := range f.Segments {
		row.Segments = append(row.Segments, store.Segment(s))
	}
	for _, s := range f.Streams {
		for len(row.Streams) <= s.Line {
			row.Streams = append(row.Streams, store.Stream{Gaps: []store.Gap{}})
		}
		st := &row.Streams[s.Line]
		if st.Label == "" {
			st.Label = s.Label
		}
		if s.Codec != "" {
			st.Codec = s.Codec
		}
		st.Channel = channel(f.Channels, s.Channel)
		st.HeldBy = bySide(st.HeldBy, s.Sides, f.Channels)
		st.Packets, st.Lost, st.Late, st.Duplicates, st.Refused = s.Packets, s.Lost, s.Late, s.Duplicates, s.Refused
		st.Unauthenticated = s.Unauthenticated
		st.Jitter, st.JitterMax, st.Drift = round(s.Jitter, 100), round(s.JitterMax, 100), round(s.Drift, 10)
		st.Gaps, st.Corrections = st.Gaps[:0], st.Corrections[:0]
		for _, g := range s.Gaps {
			st.Gaps = append(st.Gaps, store.Gap(g))
		}
	}
	for _, c := range f.Corrections {
		st := &row.Streams[c.Line]
		st.Corrections = append(st.Corrections, store.Correction{round(c.At, 1e6), float64(c.Samples)})
	}
	row.Keys = row.Keys[:0]
	for _, k := range f.Keys {
		key := store.Key{At: k.At, Command: k.Command, Via: k.Via}
		if k.Line < len(row.Streams) {
			key.Stream = row.Streams[k.Line].Label
		}
		if !k.Obeyed {
			key.Ignored = k.Why
		}
		row.Keys = append(row.Keys, key)
	}
}

// note adds what the rendering says in words.
func note(row *store.Row, f *media.Facts) {
	for _, n := range f.Notes {
		row.Notes = said(row.Notes, n)
	}
}

// said adds a note, unless it is there.
func said(notes []string, n string) []string {
	if slices.Contains(notes, n) {
		return notes
	}
	return append(notes, n)
}

// hear writes what could be heard into the row.
func hear(row *store.Row, f *media.Facts) {
	for _, s := range f.Streams {
		if l := s.Level; l != nil && s.Line < len(row.Streams) {
			row.Streams[s.Line].Level = &store.Level{
				RMS: round(l.RMS, 10), Peak: round(l.Peak, 10),
				Speech: round(l.Speech, 100), Silence: round(l.Silence, 100), Clipped: round(l.Clipped, 1e6),
			}
		}
	}
	row.Quality = row.Quality[:0]
	for _, q := range f.Quality {
		row.Quality = append(row.Quality, string(q))
	}
	note(row, f)
}

// round keeps as much of a figure as it is known to.
func round(v, parts float64) float64 { return math.Round(v*parts) / parts }

func channel(channels, c int) string {
	switch {
	case channels == 1:
		return "mono"
	case c == 0:
		return "left"
	default:
		return "right"
	}
}

// leftovers finds the tapes a crash left behind, and their rows. Calls that
// were live without a tape are closed in the catalogue.
func (r *Recorder) leftovers(ctx context.Context) ([]store.Row, error) {
	if err := r.Store.Recover(ctx); err != nil {
		return nil, err
	}
	ids, err := r.Store.Leftovers()
	if err != nil {
		return nil, err
	}
	var rows []store.Row
	for _, id := range ids {
		row, err := r.leftover(ctx, id)
		if errors.Is(err, store.ErrLocked) {
			err = r.lockedIn(ctx, row)
			if err == nil {
				continue
			}
		}
		if err != nil {
			if err := r.unreadable(ctx, row, err); err != nil {
				return nil, err
			}
			continue
		}
		rows = append(rows, *row)
	}
	for row, err := range r.Store.Catalog.Find(ctx, store.Query{States: []store.State{store.Live, store.Ending}}) {
		if err != nil {
			return nil, err
		}
		if slices.Contains(ids, row.ID) {
			continue
		}
		row.Notes = append(row.Notes, "the recorder stopped during this call and no tape of it is left")
		row.Ended = "srs: interrupted"
		if row.Policy == "off" {
			row.Notes = row.Notes[:len(row.Notes)-1]
		}
		rows = append(rows, *row)
	}
	return rows, nil
}

// leftover reads the newest row from a tape, else from the catalogue.
func (r *Recorder) leftover(ctx context.Context, id string) (*store.Row, error) {
	row, err := r.Store.Catalog.Get(ctx, id)
	if err != nil {
		row = &store.Row{ID: id, State: store.Ending, Direction: "unknown"}
	}
	open, err := r.Store.ReadTape(id)
	if errors.Is(err, store.ErrForgotten) {
		row.Notes = append(row.Notes, "the recorder stopped before our party was named: the provisional tape's key is gone with it")
		return row, nil
	}
	if err != nil {
		return row, err
	}
	for rec, err := range open() {
		if err != nil {
			// Damage costs what it hit; the reader goes on behind it.
			continue
		}
		switch media.Kind(rec.Kind) {
		case kindRow:
			var newer store.Row
			if json.Unmarshal(rec.Data, &newer) == nil && newer.ID == id {
				row = &newer
			}
		case media.KindStart:
			if row.Start.IsZero() {
				row.Start = time.Unix(0, rec.At).UTC()
			}
		}
	}
	return row, nil
}

func sortByStart(rows []store.Row) {
	slices.SortFunc(rows, func(a, b store.Row) int { return a.Start.Compare(b.Start) })
}

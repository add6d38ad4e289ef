package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
)

// Retire ends one recording before its day: its header is destroyed first, so
// that nothing opens it any more whatever fails later; then body and facts go,
// and the row is reduced to what may be kept. why is the readable row beside its
// leaf: it may name somebody. What is held on that day stays, with ErrHeld.
func (s *Store) Retire(ctx context.Context, row *Row, why string, today Day) error {
	s.ends.Lock()
	defer s.ends.Unlock()
	defer s.changing.begin(row.ID)()
	// It may have been held since the caller looked.
	if now, err := s.Catalog.Get(ctx, row.ID); err == nil && now.heldOn(today) {
		return fmt.Errorf("%s is %w until %s (%s): release it before", row.ID, ErrHeld, now.Hold.Until, now.Hold.Document)
	} else if err != nil && !errors.Is(err, ErrNotFound) {
		return fmt.Errorf("end %s: %w", row.ID, err)
	}
	if row.Dies != "" {
		if err := s.Keys.DestroyHeader(row.Dies, row.ID); err != nil {
			return fmt.Errorf("end %s: %w", row.ID, err)
		}
		original, err := originalID(row.ID)
		if err == nil && s.Keys != nil {
			err = s.Keys.DestroyHeader(row.Dies, original)
		}
		if err != nil {
			return fmt.Errorf("end %s: %w", row.ID, err)
		}
	}
	s.Tell(Entry{Kind: EventDeleted, Subject: row.ID, Row: reason{why}, Public: s.receipt(map[string]string{"dies": string(row.Dies), onFact: string(today)})})
	if err := s.signed(); err != nil {
		return fmt.Errorf("end %s: %w", row.ID, err)
	}
	if err := s.reduce(ctx, row); err != nil {
		return fmt.Errorf("end %s: %w", row.ID, err)
	}
	return nil
}

// onFact is the site's date on which a death was decided.
const onFact = "on"

// reason is a readable row of the ledger.
type reason struct {
	Why string `json:"why"`
}

// signed makes what the ledger was told durable, before what it speaks of goes:
// else a power cut would leave it missing without a word.
func (s *Store) signed() error {
	if s.Ledger == nil {
		return nil
	}
	_, err := s.Ledger.Checkpoint()
	return err
}

// receipt says in a leaf about a death that copies of keys were made before,
// which the store cannot destroy.
func (s *Store) receipt(public map[string]string) map[string]string {
	if s.Keys == nil {
		return public
	}
	copies, err := s.Keys.Copies()
	switch {
	case err != nil:
		public["key-copies"] = "unknown"
	case len(copies) > 0:
		public["key-copies"] = strconv.Itoa(len(copies))
	}
	return public
}

// reduce removes what lies in the vault of a recording that nothing opens any
// more, and leaves of its row what names nobody.
func (s *Store) reduce(ctx context.Context, row *Row) error {
	name, err := s.nameOf(row)
	if err != nil {
		return err
	}
	if err := s.Blobs.Remove(ctx, name); err != nil {
		return err
	}
	if err := s.forgetOriginal(ctx, row.ID); err != nil {
		return err
	}
	if row.State == Waiting {
		if err := s.RemoveTape(row.ID); err != nil {
			return err
		}
	}
	rest := row.reduced()
	if err := s.Catalog.Put(ctx, rest); err != nil {
		return err
	}
	*row = *rest
	return nil
}

// reduced is what may be kept of a row for good: times, digests and states, no
// number, no name, nothing the call was about.
func (r *Row) reduced() *Row {
	return &Row{
		ID: r.ID, State: Deleted, Start: r.Start, End: r.End, Duration: r.Duration,
		Direction: "unknown", Policy: r.Policy, Dies: r.Dies, Format: r.Format,
		Bytes: r.Bytes, SHA256: r.SHA256, SealedBytes: r.SealedBytes, SealedSHA256: r.SealedSHA256,
	}
}

// withOriginals adds the ids of the originals.
func withOriginals(held []string) ([]string, error) {
	all := slices.Clone(held)
	for _, id := range held {
		original, err := originalID(id)
		if err != nil {
			return nil, err
		}
		all = append(all, original)
	}
	return all, nil
}

// ids is a readable row of the ledger.
type ids []string

// Deaths is what the death of a day did.
type Deaths struct {
	Day     Day
	Retired []string // recordings that nothing opens any more, and rows reduced with them
	Held    []string // that a hold keeps
	Gone    bool     // the day's secret is destroyed: nothing of the day is left
}

// RetireDay lets a day die: all headers but the held ones, with the last of
// them the secret, then bodies and rows. It may be called again after a crash,
// and when a hold has ended.
func (s *Store) RetireDay(ctx context.Context, d Day, today Day) (Deaths, error) {
	s.ends.Lock()
	defer s.ends.Unlock()
	out := Deaths{Day: d}
	defer s.changing.begin(string(d))()
	// A hold that the ledger was told of keeps, though the disk may be too full
	// for its facts; the day that dies makes room.
	unfinished, unwritten := s.finishChange(ctx)
	if unwritten != nil && unfinished == "" {
		return out, fmt.Errorf("day %s: %w", d, unwritten)
	}
	var rows []*Row
	unread := []error{unwritten}
	for row, err := range s.Catalog.Find(ctx, Query{Dies: d}) {
		if err != nil {
			return out, fmt.Errorf("day %s: %w", d, err)
		}
		if row.heldOn(today) || row.ID == unfinished {
			out.Held = append(out.Held, row.ID)
			continue
		}
		if row.State == Live || row.State == Ending {
			return out, fmt.Errorf("day %s: recording %s is not sealed yet", d, row.ID)
		}
		if row.State == Deleted {
			continue
		}
		kept, err := s.heldByFacts(ctx, row, today)
		if err != nil {
			unread = append(unread, fmt.Errorf("day %s: whether recording %s is held: %w", d, row.ID, err))
		}
		if kept || err != nil {
			out.Held = append(out.Held, row.ID)
			continue
		}
		rows = append(rows, row)
	}
	keep, err := withOriginals(out.Held)
	if err != nil {
		return out, err
	}
	var destroyed []string
	if destroyed, out.Gone, err = s.Keys.DestroyDay(d, keep); err != nil {
		return out, err
	}
	if len(destroyed) > 0 || len(rows) > 0 || out.Gone {
		s.Tell(Entry{Kind: EventDayDestroyed, Subject: string(d), Row: ids(destroyed), Public: s.receipt(map[string]string{
			"headers": strconv.Itoa(len(destroyed)), "held": strconv.Itoa(len(out.Held)), "secret-destroyed": strconv.FormatBool(out.Gone),
			onFact: string(today),
		})})
		if err := s.signed(); err != nil {
			return out, fmt.Errorf("day %s: %w", d, err)
		}
	}
	errs := append(s.reduceAll(ctx, rows, &out), unread...)
	slices.Sort(out.Retired)
	if err := errors.Join(errs...); err != nil || !out.Gone {
		return out, err
	}
	return out, s.Keys.finish(d)
}

// heldByFacts asks the facts, which the ledger states, whether a recording is
// held that is not by the catalogue, which nothing states: then that is mended.
// Facts that are damaged hold nothing: Verify says what happened to them.
func (s *Store) heldByFacts(ctx context.Context, row *Row, today Day) (bool, error) {
	if row.File == "" && row.Original == nil {
		return false, nil // nothing that could be held
	}
	name, err := s.nameOf(row)
	if err != nil {
		return false, err
	}
	facts, err := s.Blobs.Facts(ctx, name)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	stated, err := Stored{Name: name, ID: row.ID, Facts: facts}.row()
	if err != nil || !stated.heldOn(today) {
		return false, nil
	}
	s.log.Error("the catalogue had lost a hold: it is kept as its facts say", "call", row.ID, "side", "srs", "until", stated.Hold.Until)
	row.Hold = stated.Hold
	return true, s.Catalog.Put(ctx, row)
}

// reducers is how many recordings of a dead day are removed at a time: each
// waits for the disk, which serves several at once no slower.
const reducers = 8

func (s *Store) reduceAll(ctx context.Context, rows []*Row, out *Deaths) (errs []error) {
	var mu sync.Mutex // guards errs and out
	var wg sync.WaitGroup
	next := make(chan *Row)
	for range min(reducers, len(rows)) {
		wg.Go(func() {
			for row := range next {
				err := s.reduce(ctx, row)
				mu.Lock()
				if err != nil {
					errs = append(errs, fmt.Errorf("recording %s: %w", row.ID, err))
				} else {
					out.Retired = append(out.Retired, row.ID)
				}
				mu.Unlock()
			}
		})
	}
	for _, row := range rows {
		next <- row
	}
	close(next)
	wg.Wait()
	return errs
}

// DueDays returns the days up to today on which something is left that may die,
// or whose end a crash interrupted, oldest first. A day of which a hold keeps all
// that is left is not due: the night would spend its time on it in vain.
func (s *Store) DueDays(ctx context.Context, today Day) ([]Day, error) {
	days, err := s.DaysThrough(ctx, today)
	if err != nil {
		return nil, err
	}
	var due []Day
	for _, d := range days {
		kept, err := s.keptByHolds(ctx, d, today)
		if err != nil {
			return nil, fmt.Errorf("day %s: %w", d, err)
		}
		if !kept {
			due = append(due, d)
		}
	}
	return due, nil
}

// DaysThrough returns the days through the last one of which keys or rows are
// left, oldest first, whatever holds keep of them.
func (s *Store) DaysThrough(ctx context.Context, last Day) ([]Day, error) {
	days, err := s.Keys.Days()
	if err != nil {
		return nil, err
	}
	unfinished, err := s.Keys.unfinished()
	if err != nil {
		return nil, err
	}
	// Rows have days that have no keys where a backup was restored without them.
	rows, err := s.bolt.days(ctx, last)
	if err != nil {
		return nil, err
	}
	days = slices.Concat(days, unfinished, slices.DeleteFunc(rows, s.Keys.over))
	days = slices.DeleteFunc(days, func(d Day) bool { return d > last })
	slices.Sort(days)
	return slices.Compact(days), nil
}

// keptByHolds reports whether something is left of a day, and holds keep all of
// it.
func (s *Store) keptByHolds(ctx context.Context, d, today Day) (bool, error) {
	var held []string
	for row, err := range s.Catalog.Find(ctx, Query{Dies: d}) {
		switch {
		case err != nil:
			return false, err
		case row.heldOn(today):
			held = append(held, row.ID)
		case row.State != Deleted:
			return false, nil
		}
	}
	if len(held) == 0 {
		return false, nil
	}
	keep, err := withOriginals(held)
	if err != nil {
		return false, err
	}
	headers, err := s.Keys.Headers(d)
	return !slices.ContainsFunc(headers, func(id string) bool { return !slices.Contains(keep, id) }), err
}

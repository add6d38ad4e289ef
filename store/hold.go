package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Hold keeps one recording past the day it dies on: for a dispute, by order of
// a court.
type Hold struct {
	Reason   string    `json:"reason"`
	Document string    `json:"document"` // number of the document that orders it
	By       string    `json:"by"`
	Since    time.Time `json:"since"`
	Until    Day       `json:"until"` // the hold ends by itself with the first moment of this day
}

// heldOn reports whether a hold keeps the recording on a day.
func (r *Row) heldOn(today Day) bool { return r.Hold != nil && today < r.Hold.Until }

// Hold holds the recording of id, in place of what held it before. What is dead
// or dying cannot be held: ErrDead.
func (s *Store) Hold(ctx context.Context, id string, h Hold, today Day) (*Row, error) {
	// A hold said to be placed must be seen by the night that is under way.
	s.ends.Lock()
	defer s.ends.Unlock()
	row, err := s.Catalog.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	switch {
	case strings.TrimSpace(h.Reason) == "" || strings.TrimSpace(h.Document) == "" || strings.TrimSpace(h.By) == "":
		return nil, errors.New("a hold needs its reason, its document and who orders it")
	case row.State == Live, row.State == Ending, row.State == NotRecorded:
		return nil, fmt.Errorf("%s has no audio to hold (%s)", id, row.State)
	case !h.Until.Valid() || h.Until <= row.Dies:
		return nil, fmt.Errorf("a hold until %q keeps nothing: %s dies on %s", h.Until, id, row.Dies)
	case h.Until <= today:
		return nil, fmt.Errorf("a hold until %s keeps nothing: today is %s", h.Until, today)
	}
	if err := s.opensYet(row); err != nil {
		return nil, fmt.Errorf("%s cannot be held any more: %w", id, err)
	}
	row.Hold = &h
	return row, s.changed(ctx, row, Entry{Kind: EventHeld, Subject: id, Row: h, Public: map[string]string{"until": string(h.Until)}})
}

// opensYet returns ErrDead when what opens a recording has been destroyed.
func (s *Store) opensYet(row *Row) error {
	switch {
	case row.State == Deleted || row.Dies != "" && s.Keys.over(row.Dies):
		return ErrDead
	case row.File != "" && row.Dies != "":
		_, err := s.Keys.Header(row.Dies, row.ID)
		return err
	case row.Original != nil:
		id, err := originalID(row.ID)
		if err != nil {
			return err
		}
		_, err = s.Keys.Header(row.Dies, id)
		return err
	}
	return nil
}

// Release ends a hold. A recording whose day has passed is held through today, and
// dies the next night.
func (s *Store) Release(ctx context.Context, id string, today Day) (*Row, error) {
	s.ends.Lock()
	defer s.ends.Unlock()
	row, err := s.Catalog.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	if !row.heldOn(today) {
		return nil, fmt.Errorf("%s is not held", id)
	}
	public := make(map[string]string)
	if row.Dies > today {
		row.Hold = nil
	} else {
		row.Hold.Until = today.next()
		public["until"] = string(row.Hold.Until)
	}
	return row, s.changed(ctx, row, Entry{Kind: EventReleased, Subject: id, Public: public})
}

// HeldOf returns how many recordings are held, of how many there are.
func (s *Store) HeldOf(ctx context.Context) (held, of int, err error) {
	if held, err = s.Catalog.Count(ctx, Query{Held: true}); err != nil {
		return 0, 0, err
	}
	of, err = s.Catalog.Count(ctx, Query{States: []State{Sealed, Interrupted, Waiting}})
	return held, of, err
}

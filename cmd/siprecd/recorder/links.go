package recorder

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"siprecd/store"
)

// failOver is how long after a recording of a call another one may begin and
// still be its continuation: some sources use a session's id again.
const failOver = 5 * time.Minute

// Link says of each row which other recordings there are of its call: those with
// a CS in common, or with the same leg of a phone that forks its two sides by
// themselves; and which calls the same RS carried at the same time. It is found anew whenever rows are read and stored nowhere, for
// the other one may come later, or die sooner.
func Link(ctx context.Context, catalog store.Catalog, rows []store.Row) error {
	for i := range rows {
		row := &rows[i]
		row.Linked, row.DuplicateOf = nil, ""
		for _, cs := range row.Sessions {
			for other, err := range catalog.Find(ctx, store.Query{CS: cs}) {
				if err != nil {
					return err
				}
				relate(row, other, cs)
			}
		}
	}
	return nil
}

// sameRS begins an id that the recordings of one RS have in common, when it
// carried several calls at once.
const sameRS = "rs "

// overlap reports whether two recordings were being made at the same time.
func overlap(a, b *store.Row) bool {
	before := func(a, b *store.Row) bool { return !a.End.IsZero() && !a.End.After(b.Start) }
	return !before(a, b) && !before(b, a)
}

// relate adds the relation of a row to another of the same CS, if there is one.
func relate(row, other *store.Row, cs string) {
	linked := slices.ContainsFunc(row.Linked, func(l store.Link) bool { return l.ID == other.ID })
	if other.ID == row.ID || linked {
		return
	}
	if strings.HasPrefix(cs, sameRS) {
		if other.CallID == row.CallID && overlap(row, other) {
			row.Linked = append(row.Linked, store.Link{ID: other.ID, Why: store.LinkBeside})
		}
		return
	}
	if !sameParties(row, other) {
		return
	}
	first, second := row, other
	if other.Start.Before(row.Start) || other.Start.Equal(row.Start) && other.ID < row.ID {
		first, second = other, row
	}
	link := store.Link{ID: other.ID}
	switch gap := second.Start.Sub(first.End); {
	case first.End.IsZero() || gap < 0:
		link.Why = store.LinkDuplicate
		if halves(row, other) {
			link.Why = store.LinkOtherHalf
		} else if second == row {
			row.DuplicateOf = other.ID
		}
	case gap > failOver:
		return
	case first.Source != second.Source:
		link.Why, link.Gap = store.LinkFailOver, gap.Seconds()
		note := fmt.Sprintf("the call is on another recording too, %s by way of %s: %.1f s between the two are on neither",
			other.ID, other.Source, gap.Seconds())
		if !slices.Contains(row.Notes, note) {
			row.Notes = append(slices.Clone(row.Notes), note)
		}
	default:
		link.Why, link.Gap = store.LinkContinued, gap.Seconds()
	}
	row.Linked = append(row.Linked, link)
}

// sameParties reports whether two rows have somebody in common, or one of them
// names nobody: sources that give every call the same session exist.
func sameParties(a, b *store.Row) bool {
	named := 0
	for _, p := range a.Participants {
		for _, q := range b.Participants {
			named++
			if p.AOR == q.AOR || p.Number != "" && p.Number == q.Number {
				return true
			}
		}
	}
	return named == 0
}

// halves reports whether each of two recordings holds a side that the other has
// not.
func halves(a, b *store.Row) bool {
	heard := func(r *store.Row) (who []string) {
		for _, s := range r.Streams {
			for aor := range strings.SplitSeq(s.Participant, ", ") {
				if aor != "" {
					who = append(who, aor)
				}
			}
		}
		return who
	}
	here, there := heard(a), heard(b)
	return len(here) > 0 && len(there) > 0 && !slices.ContainsFunc(here, func(aor string) bool { return slices.Contains(there, aor) })
}

// leg is how a phone that forks its two sides in dialogs of their own names the
// call in both; "" for all others.
func leg(correlation map[string]string) string {
	id := correlation["x-refci"]
	if id == "" {
		return ""
	}
	return "x-refci " + id + " " + correlation["x-nearendclusterid"]
}

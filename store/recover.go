package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// clockSlack is how far the clock may have been set back between two runs
// without Recover missing anything.
const clockSlack = 24 * time.Hour

// Recover completes what a crash left between the steps of a Seal or a Record.
// Call it once after Open, before the first Seal and before rendering the
// Leftovers: a tape whose recording is whole is removed here, a recording that
// is not whole is removed when its tape is there to render it again.
func (s *Store) Recover(ctx context.Context) error {
	begun := time.Now()
	lock, err := os.Stat(s.lockPath())
	if err != nil {
		return fmt.Errorf("recover: %w", err)
	}
	since := lock.ModTime().Add(-clockSlack)
	if err := s.Blobs.Sweep(ctx, since); err != nil {
		return fmt.Errorf("recover: %w", err)
	}
	if s.originals != nil {
		if err := s.originals.Sweep(ctx, since); err != nil {
			return fmt.Errorf("recover: %w", err)
		}
	}
	left, err := s.Leftovers()
	if err != nil {
		return fmt.Errorf("recover: %w", err)
	}
	taped := map[string]bool{}
	for _, id := range left {
		taped[id] = true
	}
	for st, err := range s.Blobs.All(ctx, since) {
		if err == nil {
			err = s.complete(ctx, st, taped[st.ID])
		}
		if err != nil {
			return fmt.Errorf("recover %s: %w", st.ID, err)
		}
	}
	if _, err := s.finishChange(ctx); err != nil {
		return fmt.Errorf("recover: %w", err)
	}
	// What changed before this moment need not be looked at again.
	return os.Chtimes(s.lockPath(), begun, begun)
}

func (s *Store) lockPath() string { return filepath.Join(s.dir, "lock") }

// complete does the steps of a Seal that are missing.
func (s *Store) complete(ctx context.Context, st Stored, taped bool) error {
	row, err := st.row()
	whole := err == nil && row.stored() == max(st.Size, 0)
	if taped && !whole {
		return s.discard(ctx, st)
	}
	if !taped {
		known, getErr := s.Catalog.Get(ctx, st.ID)
		switch {
		case getErr == nil && whole && known.SealedSHA256 == row.SealedSHA256 && !s.told(row):
			return s.tellAgain(ctx, st, row)
		case getErr == nil:
			return nil
		case !errors.Is(getErr, ErrNotFound):
			return getErr
		}
	}
	// A recording without tape or row is from nobody knows where: it stays untold,
	// for Verify to find. A call of which nothing was kept has no tape.
	if (taped || whole && row.State == NotRecorded) && !s.told(row) {
		if err := s.tellAgain(ctx, st, row); err != nil {
			return err
		}
	}
	if err != nil {
		if row, err = s.guess(ctx, st); err != nil {
			return err
		}
	}
	if !taped {
		return s.Catalog.Put(ctx, row)
	}
	// Whether the facts had reached the disk nobody knows; the tape, from which
	// they could be made again, goes after them.
	if err := s.record(ctx, st.Name, row); err != nil {
		return err
	}
	return s.RemoveTape(st.ID)
}

// told reports whether the ledger holds the leaf that a row speaks of. A full disk
// may have kept it out, a power cut may have taken it, and a log that was set aside
// took all of its own along.
func (s *Store) told(row *Row) bool {
	if s.Ledger == nil {
		return true
	}
	leaf, err := s.Ledger.at(row.Leaf - 1)
	return err == nil && leaf.Subject == row.ID
}

// tellAgain tells the ledger of a recording, and its facts of the leaf. That it
// was told at a start, not when it was sealed, stays visible.
func (s *Store) tellAgain(ctx context.Context, st Stored, row *Row) error {
	if s.tellOutcome(row, true); row.Leaf == 0 {
		return nil // the next start tries again
	}
	return s.record(ctx, st.Name, row)
}

// discard removes a recording that will be rendered again, and the row that
// leads to it, which a rebuilt catalogue may have.
func (s *Store) discard(ctx context.Context, st Stored) error {
	row, err := s.Catalog.Get(ctx, st.ID)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	if err == nil && row.File == st.Name {
		if err := s.Catalog.Delete(ctx, st.ID); err != nil {
			return err
		}
	}
	return s.Blobs.Remove(ctx, st.Name)
}

// row returns the facts as a row.
func (st Stored) row() (*Row, error) {
	if st.Facts == nil {
		return nil, fmt.Errorf("facts of %s: missing: %w", st.ID, ErrDamaged)
	}
	row := new(Row)
	if err := json.Unmarshal(st.Facts, row); err != nil {
		return nil, fmt.Errorf("facts of %s: %w: %w", st.ID, ErrDamaged, err)
	}
	if row.ID != st.ID {
		return nil, fmt.Errorf("facts of %s: are of %q: %w", st.ID, row.ID, ErrDamaged)
	}
	return row, nil
}

// guess returns the row of a body whose facts are gone: what can be told
// without opening it.
func (s *Store) guess(ctx context.Context, st Stored) (*Row, error) {
	start, err := began(st.ID)
	if err != nil {
		return nil, err
	}
	row := &Row{
		ID: st.ID, State: Interrupted, Start: start, Direction: "unknown",
		Notes: []string{"facts missing or damaged: only the audio and the time it began are known"},
	}
	if st.Size < 0 {
		row.State = NotRecorded
		return row, nil
	}
	d := newDigest(io.Discard)
	if err := digestBody(ctx, s.Blobs, st.Name, d); err != nil {
		return nil, err
	}
	row.File = st.Name
	if s.Keys != nil {
		if row.Dies, err = s.Keys.DayOf(st.ID); err != nil {
			return nil, err
		}
	}
	if row.Dies == "" {
		row.Bytes, row.SHA256 = d.n, d.hex()
	} else {
		row.SealedBytes, row.SealedSHA256 = d.n, d.hex()
	}
	return row, nil
}

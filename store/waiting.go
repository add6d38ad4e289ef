package store

import (
	"context"
	"errors"
	"fmt"
)

// Wait leaves a call that cannot be rendered yet as its tape, which KeepOriginal
// has sealed to its day: the row says so, and the tape in clear reach of the
// daemon is removed last. Seal ends the waiting; like that, Wait is idempotent by
// row.ID and keeps the tape on an error.
func (s *Store) Wait(ctx context.Context, row *Row) error {
	if row.Original == nil {
		return fmt.Errorf("waiting %s: its tape is not sealed", row.ID)
	}
	if err := s.Err(); err != nil {
		return err
	}
	defer s.changing.begin(row.ID)()
	row.State, row.File, row.Bytes, row.SHA256, row.SealedBytes, row.SealedSHA256 = Waiting, "", 0, "", 0, ""
	s.tellOutcome(row, false)
	if err := s.Record(ctx, row); err != nil {
		return fmt.Errorf("waiting %s: %w", row.ID, err)
	}
	return s.RemoveTape(row.ID)
}

// DropOriginal destroys the original of a recording that is sealed without it,
// once its row says so.
func (s *Store) DropOriginal(ctx context.Context, row *Row) error {
	if row.Original != nil {
		return fmt.Errorf("the original of %s is still in its row", row.ID)
	}
	if s.clear {
		return nil
	}
	id, err := originalID(row.ID)
	if err != nil {
		return err
	}
	defer s.changing.begin(row.ID)()
	return errors.Join(s.Keys.DestroyHeader(row.Dies, id), s.forgetOriginal(ctx, row.ID))
}

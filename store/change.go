package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// changeFile holds what is about to be written, from before its leaf until after
// its facts.
const changeFile = "change.json"

// change is its JSON.
type change struct {
	Leaves int64 `json:"leaves"` // that the ledger had before the one that states Row
	Row    *Row  `json:"row"`
}

// changed writes facts that are not what their leaf states any more. The new leaf
// is durable before them: without it they would be found altered. What a crash or
// a full disk keeps from being written then is in changeFile. The caller holds
// ends.
func (s *Store) changed(ctx context.Context, row *Row, e Entry) error {
	defer s.changing.begin(row.ID)()
	if _, err := s.finishChange(ctx); err != nil {
		return fmt.Errorf("the change before this one: %w", err)
	}
	row.state(e.Public)
	text, err := json.Marshal(change{Leaves: s.Ledger.Size(), Row: row})
	if err != nil {
		return err
	}
	path := filepath.Join(s.dir, changeFile)
	if err := s.sys.replace(path, text); err != nil {
		return err
	}
	if s.Tell(e) < 0 {
		return errors.Join(errors.New("the ledger cannot be told, and nothing is changed that it does not know: see the log"), s.sys.removeIfThere(path))
	}
	if _, err := s.Ledger.Checkpoint(); err != nil {
		return err
	}
	if err := s.Record(ctx, row); err != nil {
		return err
	}
	return s.sys.removeIfThere(path)
}

// finishChange writes the facts of a change that the ledger was told of and that
// did not come to its end; one that it was not told of did not happen. With an
// error, left is the recording that it still is to change, "" when that cannot be
// read. ends is held, or nothing else runs yet.
func (s *Store) finishChange(ctx context.Context) (left string, err error) {
	path := filepath.Join(s.dir, changeFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	var c change
	if json.Unmarshal(text, &c) != nil || c.Row == nil || !s.statedSince(c) {
		return "", s.sys.removeIfThere(path)
	}
	now, err := s.Catalog.Get(ctx, c.Row.ID)
	switch {
	case errors.Is(err, ErrNotFound), err == nil && now.State == Deleted:
		// It has ended since.
	case err != nil:
		return c.Row.ID, err
	default:
		if err := s.Record(ctx, c.Row); err != nil {
			return c.Row.ID, err
		}
	}
	return "", s.sys.removeIfThere(path)
}

// statedSince reports whether the newest leaf of the change's recording states
// the facts of the change.
func (s *Store) statedSince(c change) (stated bool) {
	facts, err := json.Marshal(c.Row)
	if err != nil || s.Ledger == nil {
		return false
	}
	want := factsDigest(facts)
	for seq := c.Leaves; seq < s.Ledger.Size(); seq++ {
		leaf, err := s.Ledger.at(seq)
		if err == nil && leaf.Subject == c.Row.ID && leaf.Public[factsFact] != "" {
			stated = leaf.Public[factsFact] == want
		}
	}
	return stated
}

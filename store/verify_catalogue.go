package store

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// row holds the catalogue's row against the facts, which are what the ledger
// states: a hold that it has lost would keep nothing.
func (l *looking) row(ctx context.Context, st Stored) error {
	facts, err := st.row()
	if err != nil || l.s.Catalog == nil { // a backup that is being restored
		return nil
	}
	row, err := l.s.Catalog.Get(ctx, st.ID)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, ErrNotFound):
		l.find(st, "missing", "the catalogue has no row of it: siprecd reindex makes it again")
		return nil
	case err != nil:
		l.find(st, "unreadable", err.Error())
		return nil
	}
	differ, err := differing(row, facts)
	if err != nil {
		return err
	}
	// A crash between facts and row leaves the tape, for the next start to go on.
	if len(differ) > 0 && !l.s.taped(st.ID) {
		l.find(st, "altered", fmt.Sprintf("the catalogue's row is not what the facts are, which the ledger states: %s differ; siprecd reindex makes it again", strings.Join(differ, ", ")))
	}
	return nil
}

// differing names the fields in which two rows are not the same.
func differing(a, b *Row) (names []string, err error) {
	var fields [2]map[string]json.RawMessage
	var texts [2][]byte
	for i, row := range []*Row{a, b} {
		if texts[i], err = json.Marshal(row); err != nil {
			return nil, err
		}
	}
	if bytes.Equal(texts[0], texts[1]) {
		return nil, nil
	}
	for i, text := range texts {
		if err := json.Unmarshal(text, &fields[i]); err != nil {
			return nil, err
		}
	}
	for i, of := range fields {
		for name, value := range of {
			if !bytes.Equal(value, fields[1-i][name]) && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return names, nil
}

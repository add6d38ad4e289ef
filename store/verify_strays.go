package store

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"
)

// placed reports whether a body, or facts alone, lie under the name that their id
// gives them: whatever opens them looks nowhere else.
func placed(in Blobs, st Stored) bool {
	ext := bodyExt
	if st.Size < 0 {
		ext = ""
	}
	day, err := began(st.ID)
	if err != nil {
		return false
	}
	name, err := in.Name(st.ID, ext, day)
	return err == nil && name == st.Name
}

// astray reports bodies that no leaf at hand speaks of: the leaves of days that
// died are not at hand, so they are looked for once more.
func (l *looking) astray(ctx context.Context) error {
	if len(l.strays) == 0 {
		return nil
	}
	dir := filepath.Join(l.s.dir, ledgerDir)
	dies := make(map[string]Day)
	for text, err := range leavesOf(dir, sizeOf(filepath.Join(dir, leavesFile))) {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		var leaf Leaf
		if err == nil && leaf.UnmarshalText(text) == nil && l.strays[leaf.Subject] != nil && leaf.Public["dies"] != "" {
			dies[leaf.Subject] = Day(leaf.Public["dies"])
		}
	}
	for id, bodies := range l.strays {
		detail := "the ledger knows no such recording"
		if day, known := dies[id]; known {
			detail = "the ledger says that its day is over; it is there"
			if l.w.changed(string(day)) {
				continue // it is dying
			}
		}
		for _, st := range bodies {
			l.find(st, "added", detail)
		}
	}
	return nil
}

// strange reports what lies in a vault and does not belong into one. What was begun
// since the start may be under way.
func (l *looking) strange(ctx context.Context) error {
	begun := l.s.recovered()
	for root, in := range map[string]Blobs{"": l.s.Blobs, originalsDir: l.s.originals} {
		vault, ok := in.(*Vault)
		if !ok {
			continue
		}
		err := vault.strange(ctx, begun, func(name, what, detail string) {
			l.find(Stored{Name: path.Join(root, name)}, what, detail)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// recovered is when the newest Recover began; zero: never.
func (s *Store) recovered() time.Time {
	lock, err := os.Stat(s.lockPath())
	if err != nil {
		return time.Time{}
	}
	return lock.ModTime()
}

// tapes reports tapes that no call needs. One that a crash left is the next
// start's, which renders or removes it.
func (l *looking) tapes(ctx context.Context) error {
	entries, err := os.ReadDir(l.s.tapeDir())
	if errors.Is(err, fs.ErrNotExist) {
		return nil // a backup has none
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		id, ok := strings.CutSuffix(e.Name(), tapeSuffix)
		st := Stored{Name: path.Join(filepath.Base(l.s.tapeDir()), e.Name())}
		if _, err := began(id); !ok || err != nil {
			l.find(st, "added", "it is no tape")
			continue
		}
		st.ID = id
		// One that was removed meanwhile is none.
		if what, detail := l.tapeOf(ctx, id); what != "" && l.s.taped(id) {
			l.find(st, what, detail)
		}
	}
	return nil
}

// tapeOf says why there should be no tape of a call, or not this one; "": it may
// be one that goes on, or that a crash left.
func (l *looking) tapeOf(ctx context.Context, id string) (what, detail string) {
	l.s.mu.Lock()
	open := l.s.open[id] != nil
	l.s.mu.Unlock()
	if open {
		return "", ""
	}
	leaf := l.stated.of(id)
	if leaf != nil && leaf.found && leaf.at < l.s.recovered().UnixNano() {
		return "added", "the ledger says what became of its call, before the newest start: no tape of it should be left"
	}
	if l.s.Catalog != nil {
		if row, err := l.s.Catalog.Get(ctx, id); err == nil && row.State == Deleted {
			return "added", "its recording was ended, or its day is over"
		}
	}
	if _, _, err := l.s.tapeHeader(id); err != nil {
		return "altered", err.Error()
	}
	return "", ""
}

// taped reports whether there is a tape of a call.
func (s *Store) taped(id string) bool {
	_, err := os.Lstat(s.tapePath(id))
	return err == nil
}

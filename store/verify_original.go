package store

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"path"
	"strings"
	"time"
)

// originals holds every original against the leaf of its recording.
func (l *looking) originals(ctx context.Context) error {
	if l.s.originals == nil {
		return nil
	}
	expected := make(map[string]bool) // by the id of the recording
	for _, leaves := range l.stated.days {
		for id, leaf := range leaves {
			if leaf.original != nil && !leaf.over {
				expected[id.String()] = true
			}
		}
	}
	for st, err := range l.s.originals.All(ctx, time.Time{}) {
		if ctx.Err() != nil || err != nil && st.Name == "" {
			return cmp.Or(context.Cause(ctx), err)
		}
		if err == nil && !placed(l.s.originals, st) {
			l.find(l.beside(st), "added", "the original of that id lies elsewhere, and nothing looks for it here")
			continue
		}
		delete(expected, l.beside(st).ID)
		if err != nil {
			l.find(l.beside(st), "unreadable", err.Error())
			continue
		}
		if err := l.original(ctx, st); err != nil {
			return err
		}
	}
	for id := range expected {
		l.miss(id, l.stated.of(id), "the original that it speaks of is not there")
	}
	return nil
}

// beside is an original as the data directory sees it: under the id of the
// recording, which is to that of the original what that is to it.
func (l *looking) beside(st Stored) Stored {
	id, err := originalID(st.ID)
	if err != nil {
		id = ""
	}
	st.Name, st.ID = path.Join(originalsDir, st.Name), id
	return st
}

// original holds one against its leaf.
func (l *looking) original(ctx context.Context, st Stored) error {
	at := l.beside(st)
	leaf := l.stated.of(at.ID)
	if detail := l.unstated(st, leaf); detail != "" {
		l.find(at, "added", detail)
		return nil
	}
	switch {
	case leaf == nil && l.s.taped(at.ID): // its call is being sealed, or a start will do that again
		return nil
	case leaf == nil:
		l.strays[at.ID] = append(l.strays[at.ID], at)
		return nil
	case leaf.original == nil, l.o.passes(leaf), strings.HasPrefix(l.o.Behind, originalsDir) && at.Name <= l.o.Behind:
		return nil
	}
	d := newDigest(io.Discard)
	err := l.o.digestBody(ctx, l.s.originals, st.Name, d)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		l.find(at, "unreadable", err.Error())
	case digestIn(d.hex()) != leaf.original.sha256:
		l.find(at, "altered", fmt.Sprintf("the original is not what leaf %d states", leaf.seq))
	}
	l.header(at, st.ID, leaf, leaf.original.header)
	l.v.Bytes += d.n
	if l.o.Read != nil {
		l.o.Read(at.Name, &l.v)
	}
	return nil
}

// unstated says why an original should not be there, by what the ledger says of
// its recording; "": it may be.
func (l *looking) unstated(st Stored, leaf *sealedLeaf) string {
	switch {
	case st.Facts != nil:
		return "no facts lie beside originals"
	case leaf == nil:
		return ""
	case leaf.over:
		return "the ledger says that its recording was ended; it is there"
	case leaf.original != nil:
		return ""
	case leaf.dropped && l.keys == nil:
		return "" // whether it is being dropped its header would tell
	case leaf.dropped:
		// Its header goes first: until then it is being dropped, or a crash kept it.
		if _, err := l.keys.Header(leaf.dies, st.ID); err == nil {
			return ""
		}
	case l.s.taped(l.beside(st).ID):
		return "" // of a call that a crash interrupted, and that is sealed anew
	}
	return fmt.Sprintf("leaf %d says of no original that was kept; it is there", leaf.seq)
}

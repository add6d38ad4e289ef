package store

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"time"
)

// VerifyOptions says how much is looked at. The ledger is always read whole.
type VerifyOptions struct {
	Since    time.Time             // recordings sealed since; zero: all
	Sample   float64               // share of the recordings whose bodies are read, 0 < Sample < 1; else all
	Progress func(checked, of int) // may be nil
}

// Verification is what Verify found. Nothing of it needs a key.
type Verification struct {
	LogReport
	Recordings int // whose bodies were read
	Bytes      int64
	Gone       int // that the ledger says are destroyed
}

// Verify re-reads the ledger, and every recording that it says should be there,
// in its sealed form, with its header and its facts: what is missing, altered or
// added is found without opening anything.
func (s *Store) Verify(ctx context.Context, o VerifyOptions) (Verification, error) {
	l := looking{s: s, o: o, stated: newStatement(), strays: make(map[string][]Stored)}
	var err error
	if l.v.LogReport, err = VerifyLog(filepath.Join(s.dir, ledgerDir), l.stated.take); err != nil {
		return l.v, err
	}
	keys := s.Keys
	if keys == nil { // a backup that is being restored
		keys = &Keys{dir: filepath.Join(s.dir, keysDir)}
	}
	if l.keys, err = keys.withHeaders(); err != nil {
		return l.v, err
	}
	if err := errors.Join(l.bodies(ctx), l.originals(ctx)); err != nil {
		return l.v, err
	}
	slices.SortFunc(l.v.Findings, func(a, b Finding) int {
		return slices.Compare([]string{a.What, a.Where, a.Subject}, []string{b.What, b.Where, b.Subject})
	})
	return l.v, nil
}

// looking is one look at all recordings.
type looking struct {
	s      *Store
	v      Verification
	o      VerifyOptions
	stated *statement
	strays map[string][]Stored // that no leaf at hand speaks of
	keys   *Keys               // nil: the headers are not here, as in a backup
}

func (l *looking) bodies(ctx context.Context) error {
	checked, of := 0, l.stated.len()
	for st, err := range l.s.Blobs.All(ctx, time.Time{}) {
		if err != nil {
			return err
		}
		leaf := l.stated.of(st.ID)
		switch {
		case leaf == nil:
			l.strays[st.ID] = append(l.strays[st.ID], st)
			continue
		case leaf.over:
			leaf.found = true
			l.find(st, leaf, "added", "the ledger says it was ended; it is there")
			continue
		}
		leaf.found = true
		if l.o.passes(leaf) {
			continue
		}
		if err := l.one(ctx, st, leaf); err != nil {
			return err
		}
		if checked++; l.o.Progress != nil {
			l.o.Progress(checked, of)
		}
	}
	l.v.Gone = l.stated.gone
	for _, leaves := range l.stated.days {
		for id, leaf := range leaves {
			switch {
			case leaf.found:
			case !leaf.over:
				l.miss(id.String(), leaf, "the recording it speaks of is not in the vault")
			case !leaf.noAudio:
				l.v.Gone++
			}
		}
	}
	return l.astray(ctx)
}

// passes reports whether a recording is not among those to be looked at.
func (o *VerifyOptions) passes(leaf *sealedLeaf) bool {
	return !o.Since.IsZero() && leaf.at < o.Since.UnixNano() || o.Sample > 0 && o.Sample < 1 && rand.Float64() >= o.Sample
}

// astray reports bodies that no leaf at hand speaks of: the leaves of days that
// died are not at hand, so they are looked for once more.
func (l *looking) astray(ctx context.Context) error {
	if len(l.strays) == 0 {
		return nil
	}
	known := make(map[string]bool)
	for text, err := range leavesOf(filepath.Join(l.s.dir, ledgerDir)) {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		var leaf Leaf
		if err == nil && leaf.UnmarshalText(text) == nil && l.strays[leaf.Subject] != nil {
			known[leaf.Subject] = true
		}
	}
	for id, bodies := range l.strays {
		detail := "the ledger knows no such recording"
		if known[id] {
			detail = "the ledger says that its day is over; it is there"
		}
		for _, st := range bodies {
			l.find(st, nil, "added", detail)
		}
	}
	return nil
}

// one holds a body, its header and its facts against their leaf.
func (l *looking) one(ctx context.Context, st Stored, leaf *sealedLeaf) error {
	if st.Size >= 0 {
		d := newDigest(io.Discard)
		if err := l.s.sum(ctx, st.Name, d); err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if !errors.Is(err, ErrNotFound) {
				l.find(st, leaf, "unreadable", err.Error())
			}
			return nil
		}
		l.v.Recordings++
		l.v.Bytes += d.n
		if digestIn(d.hex()) != leaf.sha256 {
			l.find(st, leaf, "altered", fmt.Sprintf("its %d bytes are not the %d that leaf %d states", d.n, leaf.bytes, leaf.seq))
		}
		l.header(st, leaf, leaf.header)
	} else if leaf.sha256 != (sum256{}) {
		l.find(st, leaf, "missing", fmt.Sprintf("the body that leaf %d speaks of is not beside it", leaf.seq))
	}
	if wrong := leaf.factsHold(st); wrong != "" {
		what := "altered"
		if st.Facts == nil {
			what = "missing"
		}
		l.find(st, leaf, what, wrong)
	}
	return nil
}

// header holds an age header against its digest in the leaf; zero: there is
// none.
func (l *looking) header(st Stored, leaf *sealedLeaf, stated sum256) {
	if l.keys == nil || stated == (sum256{}) {
		return
	}
	b, err := l.keys.Header(leaf.dies, st.ID)
	switch {
	case errors.Is(err, ErrDead):
		l.find(st, leaf, "missing", "its age header is not among the keys: nothing opens it")
	case err != nil:
		l.find(st, leaf, "unreadable", err.Error())
	case sha256.Sum256(b) != stated:
		l.find(st, leaf, "altered", fmt.Sprintf("its age header is not what leaf %d states: nothing opens it", leaf.seq))
	}
}

func (l *looking) miss(id string, leaf *sealedLeaf, detail string) {
	l.find(Stored{Name: fmt.Sprintf("leaf %d", leaf.seq), ID: id}, leaf, "missing", detail)
}

// find adds a finding, unless the recording became another while all were
// looked at.
func (l *looking) find(st Stored, leaf *sealedLeaf, what, detail string) {
	if !l.s.toldSince(l.v.Leaves, st.ID, leaf) {
		l.v.Findings = append(l.v.Findings, Finding{What: what, Where: st.Name, Subject: st.ID, Detail: detail})
	}
}

// toldSince reports whether a leaf from seq on speaks of a recording, or of the
// death of its day.
func (s *Store) toldSince(seq int64, id string, leaf *sealedLeaf) bool {
	if s.Ledger == nil {
		return false
	}
	// What ends or holds it at this moment is told when it is done.
	s.ends.Lock()
	defer s.ends.Unlock()
	for ; seq < s.Ledger.Size(); seq++ {
		told, err := s.Ledger.at(seq)
		if err == nil && (told.Subject == id || leaf != nil && told.Subject == string(leaf.dies)) {
			return true
		}
	}
	return false
}

// originals holds every original against the leaf of its recording.
func (l *looking) originals(ctx context.Context) error {
	if l.s.originals == nil {
		return nil
	}
	expected := make(map[string]*sealedLeaf)
	for _, leaves := range l.stated.days {
		for id, leaf := range leaves {
			if sibling, err := originalID(id.String()); err == nil && leaf.original != nil && !leaf.over {
				expected[sibling] = leaf
			}
		}
	}
	for st, err := range l.s.originals.All(ctx, time.Time{}) {
		if err != nil {
			return err
		}
		leaf := expected[st.ID]
		delete(expected, st.ID)
		if leaf == nil || l.o.passes(leaf) {
			continue // a call that is being sealed, or one of a day that is over
		}
		d := newDigest(io.Discard)
		body, err := l.s.originals.Open(ctx, st.Name)
		if err == nil {
			_, err = io.Copy(d, body)
			err = errors.Join(err, body.Close())
		}
		st.Name = originalsDir + "/" + st.Name
		switch {
		case err != nil:
			l.find(st, leaf, "unreadable", err.Error())
		case digestIn(d.hex()) != leaf.original.sha256:
			l.find(st, leaf, "altered", fmt.Sprintf("the original is not what leaf %d states", leaf.seq))
		}
		l.header(st, leaf, leaf.original.header)
	}
	for id, leaf := range expected {
		l.miss(id, leaf, "the original that it speaks of is not there")
	}
	return nil
}

package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/oklog/ulid/v2"
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

// sealedLeaf is what the ledger says of one recording. There are millions.
type sealedLeaf struct {
	seq      int64
	at       int64 // Unix nanoseconds
	bytes    int64
	sha256   sum256
	original sum256 // of the sealed original; zero: none was kept
	found    bool   // its body is there
	over     bool   // it was ended before its day
}

type sum256 [sha256.Size]byte

// digestIn reads a digest in hex; what is none is zero.
func digestIn(text string) (s sum256) {
	if n, err := hex.Decode(s[:], []byte(text[:min(len(text), 2*len(s))])); err != nil || n != len(s) {
		return sum256{}
	}
	return s
}

// statement is what the ledger says should be there.
type statement struct {
	days map[Day]map[ulid.ULID]*sealedLeaf // by the day they die on
	over map[Day]bool                      // days that died, whose recordings are not kept in days
	gone int                               // how many those were
}

func newStatement() *statement {
	return &statement{days: make(map[Day]map[ulid.ULID]*sealedLeaf), over: make(map[Day]bool)}
}

// take takes the next leaf.
func (t *statement) take(seq int64, l Leaf) {
	switch l.Kind {
	case EventSealed, EventWaiting:
		id, err := ulid.ParseStrict(l.Subject)
		if err != nil {
			return // no recording of ours
		}
		dies := Day(l.Public["dies"])
		for d, leaves := range t.days {
			if d != dies {
				delete(leaves, id) // sealed anew after a crash, to another day
			}
		}
		if t.days[dies] == nil {
			t.days[dies] = make(map[ulid.ULID]*sealedLeaf)
		}
		bytes, _ := strconv.ParseInt(l.Public["sealed-bytes"], 10, 64)
		t.days[dies][id] = &sealedLeaf{
			seq: seq, at: l.Time.UnixNano(), bytes: bytes,
			sha256: digestIn(l.Public["sealed-sha256"]), original: digestIn(l.Public["original-sealed-sha256"]),
		}
	case EventDeleted:
		if leaf := t.of(l.Subject); leaf != nil {
			leaf.over = true
		}
	case EventDayDestroyed:
		d := Day(l.Subject)
		t.over[d] = true
		t.gone += len(t.days[d])
		delete(t.days, d)
	}
}

// of returns the leaf of a recording, or nil.
func (t *statement) of(id string) *sealedLeaf {
	u, err := ulid.ParseStrict(id)
	if err != nil {
		return nil
	}
	for _, leaves := range t.days {
		if leaf := leaves[u]; leaf != nil {
			return leaf
		}
	}
	return nil
}

func (t *statement) len() (n int) {
	for _, leaves := range t.days {
		n += len(leaves)
	}
	return n
}

// Verify re-reads the ledger, and every recording that it says should be there,
// in its sealed form: what is missing, altered or added is found without
// opening anything.
func (s *Store) Verify(ctx context.Context, o VerifyOptions) (Verification, error) {
	stated := newStatement()
	report, err := VerifyLog(filepath.Join(s.dir, ledgerDir), stated.take)
	v := Verification{LogReport: report}
	if err != nil {
		return v, err
	}
	if err := s.verifyBodies(ctx, &v, o, stated); err != nil {
		return v, err
	}
	return v, s.verifyOriginals(ctx, &v, o, stated)
}

func (s *Store) verifyBodies(ctx context.Context, v *Verification, o VerifyOptions, stated *statement) error {
	checked, of := 0, stated.len()
	strays := make(map[string][]Stored) // bodies whose leaf is not at hand
	for st, err := range s.Blobs.All(ctx, time.Time{}) {
		if err != nil {
			return err
		}
		if st.Size < 0 {
			continue // facts of a call without audio
		}
		leaf := stated.of(st.ID)
		if leaf == nil || leaf.over {
			strays[st.ID] = append(strays[st.ID], st)
			continue
		}
		leaf.found = true
		if o.passes(leaf) {
			continue
		}
		if err := s.verifyBody(ctx, v, st, leaf); err != nil {
			return err
		}
		if checked++; o.Progress != nil {
			o.Progress(checked, of)
		}
	}
	return s.verifyRest(ctx, v, o, stated, strays)
}

// passes reports whether a body is not to be read.
func (o *VerifyOptions) passes(leaf *sealedLeaf) bool {
	return leaf.at < o.Since.UnixNano() && !o.Since.IsZero() || o.Sample > 0 && o.Sample < 1 && rand.Float64() >= o.Sample
}

// verifyRest looks at bodies whose leaf was not at hand, and at leaves whose body
// was not found. Recordings are sealed and destroyed while it runs, and what is
// held outlives its day: only what the ledger still says when it is read once
// more is wrong.
func (s *Store) verifyRest(ctx context.Context, v *Verification, o VerifyOptions, stated *statement, strays map[string][]Stored) error {
	missing := make(map[string]*sealedLeaf)
	for _, leaves := range stated.days {
		for id, leaf := range leaves {
			if !leaf.found && !leaf.over && leaf.sha256 != (sum256{}) {
				missing[id.String()] = leaf
			}
			if leaf.over {
				v.Gone++
			}
		}
	}
	v.Gone += stated.gone
	if len(strays)+len(missing) == 0 {
		return nil
	}
	held := newStatement() // as the ledger says it of these now
	seq := int64(-1)
	for text, err := range leavesOf(filepath.Join(s.dir, ledgerDir)) {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		seq++
		var l Leaf
		if err != nil || l.UnmarshalText(text) != nil {
			continue // found before
		}
		if _, stray := strays[l.Subject]; stray || missing[l.Subject] != nil {
			held.take(seq, l)
		} else if l.Kind == EventDayDestroyed {
			held.over[Day(l.Subject)] = true
		}
	}
	return s.verifyStrays(ctx, v, o, held, strays, missing)
}

func (s *Store) verifyStrays(ctx context.Context, v *Verification, o VerifyOptions, held *statement, strays map[string][]Stored, missing map[string]*sealedLeaf) error {
	for id, bodies := range strays {
		leaf := held.of(id)
		for _, st := range bodies {
			switch {
			case leaf == nil:
				v.add("added", st, "the ledger knows no such recording")
			case leaf.over:
				v.add("added", st, "the ledger says it was ended; its body is there")
			case !o.passes(leaf):
				if err := s.verifyBody(ctx, v, st, leaf); err != nil {
					return err
				}
			}
		}
	}
	for day, leaves := range held.days {
		for u, leaf := range leaves {
			id := u.String()
			switch {
			case held.over[day] && strays[id] != nil: // a hold keeps it
				v.Gone--
			case missing[id] == nil:
			case held.over[day], leaf.over:
				v.Gone++
			default:
				v.Findings = append(v.Findings, Finding{What: "missing", Where: fmt.Sprintf("leaf %d", missing[id].seq), Subject: id,
					Detail: "the recording it speaks of is not in the vault"})
			}
		}
	}
	slices.SortFunc(v.Findings, func(a, b Finding) int {
		return slices.Compare([]string{a.What, a.Where, a.Subject}, []string{b.What, b.Where, b.Subject})
	})
	return nil
}

// verifyOriginals holds every original against the leaf of its recording.
func (s *Store) verifyOriginals(ctx context.Context, v *Verification, o VerifyOptions, stated *statement) error {
	if s.originals == nil {
		return nil
	}
	expected := make(map[string]*sealedLeaf)
	for _, leaves := range stated.days {
		for id, leaf := range leaves {
			if sibling, err := originalID(id.String()); err == nil && leaf.original != (sum256{}) && !leaf.over {
				expected[sibling] = leaf
			}
		}
	}
	for st, err := range s.originals.All(ctx, time.Time{}) {
		if err != nil {
			return err
		}
		leaf := expected[st.ID]
		delete(expected, st.ID)
		if leaf == nil || o.passes(leaf) {
			continue // a call that is being sealed, or one of a day that is over
		}
		d := newDigest(io.Discard)
		body, err := s.originals.Open(ctx, st.Name)
		if err == nil {
			_, err = io.Copy(d, body)
			err = errors.Join(err, body.Close())
		}
		st.Name = originalsDir + "/" + st.Name
		switch {
		case err != nil:
			v.add("unreadable", st, err.Error())
		case digestIn(d.hex()) != leaf.original:
			v.add("altered", st, fmt.Sprintf("the original is not what leaf %d states", leaf.seq))
		}
	}
	for id, leaf := range expected {
		v.Findings = append(v.Findings, Finding{What: "missing", Where: fmt.Sprintf("leaf %d", leaf.seq), Subject: id, Detail: "the original that it speaks of is not there"})
	}
	return nil
}

// verifyBody holds one body against its leaf.
func (s *Store) verifyBody(ctx context.Context, v *Verification, st Stored, leaf *sealedLeaf) error {
	d := newDigest(io.Discard)
	if err := s.sum(ctx, st.Name, d); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if !errors.Is(err, ErrNotFound) {
			v.add("unreadable", st, err.Error())
		}
		return nil
	}
	v.Recordings++
	v.Bytes += d.n
	if digestIn(d.hex()) != leaf.sha256 {
		v.add("altered", st, fmt.Sprintf("its %d bytes are not the %d that leaf %d states", d.n, leaf.bytes, leaf.seq))
	}
	if _, err := st.row(); err != nil {
		v.add("missing", st, err.Error())
	}
	return nil
}

func (v *Verification) add(what string, st Stored, detail string) {
	v.Findings = append(v.Findings, Finding{What: what, Where: st.Name, Subject: st.ID, Detail: detail})
}

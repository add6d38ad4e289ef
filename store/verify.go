package store

import (
	"context"
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

// sealedLeaf is what the ledger says of one recording.
type sealedLeaf struct {
	seq           int64
	at            time.Time
	sha256, bytes string
	original      string // of the sealed original; "": none was kept
	dies          Day
	over          bool
}

// Verify re-reads the ledger, and every recording that it says should be there,
// in its sealed form: what is missing, altered or added is found without
// opening anything.
func (s *Store) Verify(ctx context.Context, o VerifyOptions) (Verification, error) {
	stated := make(map[string]*sealedLeaf)
	destroyed := make(map[Day]bool)
	report, err := VerifyLog(filepath.Join(s.dir, ledgerDir), func(seq int64, l Leaf) {
		switch l.Kind {
		case EventSealed, EventWaiting:
			stated[l.Subject] = &sealedLeaf{seq: seq, at: l.Time, sha256: l.Public["sealed-sha256"], bytes: l.Public["sealed-bytes"],
				original: l.Public["original-sealed-sha256"], dies: Day(l.Public["dies"])}
		case EventDeleted:
			if leaf := stated[l.Subject]; leaf != nil {
				leaf.over = true
			}
		case EventDayDestroyed:
			destroyed[Day(l.Subject)] = true
		}
	})
	v := Verification{LogReport: report}
	if err != nil {
		return v, err
	}
	if err := s.verifyBodies(ctx, &v, o, stated, destroyed); err != nil {
		return v, err
	}
	return v, s.verifyOriginals(ctx, &v, o, stated, destroyed)
}

func (s *Store) verifyBodies(ctx context.Context, v *Verification, o VerifyOptions, stated map[string]*sealedLeaf, destroyed map[Day]bool) error {
	found := make(map[string]bool)
	checked := 0
	for st, err := range s.Blobs.All(ctx, time.Time{}) {
		if err != nil {
			return err
		}
		if st.Size < 0 {
			continue // facts of a call without audio
		}
		found[st.ID] = true
		leaf := stated[st.ID]
		switch {
		case leaf == nil:
			v.add("added", st, "the ledger knows no such recording")
			continue
		case leaf.over:
			v.add("added", st, "the ledger says it was ended; its body is there")
			continue
		case leaf.at.Before(o.Since), o.Sample > 0 && o.Sample < 1 && rand.Float64() >= o.Sample:
			continue
		}
		if err := s.verifyBody(ctx, v, st, leaf); err != nil {
			return err
		}
		if checked++; o.Progress != nil {
			o.Progress(checked, len(stated))
		}
	}
	for id, leaf := range stated {
		switch {
		case found[id]:
		case leaf.over, destroyed[leaf.dies]:
			v.Gone++
		case leaf.sha256 == "": // only its tape is there yet
		default:
			v.Findings = append(v.Findings, Finding{What: "missing", Where: fmt.Sprintf("leaf %d", leaf.seq), Subject: id,
				Detail: "the recording it speaks of is not in the vault"})
		}
	}
	slices.SortFunc(v.Findings, func(a, b Finding) int {
		return slices.Compare([]string{a.What, a.Where, a.Subject}, []string{b.What, b.Where, b.Subject})
	})
	return nil
}

// verifyOriginals holds every original against the leaf of its recording.
func (s *Store) verifyOriginals(ctx context.Context, v *Verification, o VerifyOptions, stated map[string]*sealedLeaf, destroyed map[Day]bool) error {
	if s.originals == nil {
		return nil
	}
	expected := make(map[string]*sealedLeaf)
	for id, leaf := range stated {
		if sibling, err := originalID(id); err == nil && leaf.original != "" && !leaf.over && !destroyed[leaf.dies] {
			expected[sibling] = leaf
		}
	}
	for st, err := range s.originals.All(ctx, time.Time{}) {
		if err != nil {
			return err
		}
		leaf := expected[st.ID]
		delete(expected, st.ID)
		if leaf == nil || leaf.at.Before(o.Since) || o.Sample > 0 && o.Sample < 1 && rand.Float64() >= o.Sample {
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
		case d.hex() != leaf.original:
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
	if d.hex() != leaf.sha256 {
		v.add("altered", st, fmt.Sprintf("its %d bytes are not the %s that leaf %d states", d.n, leaf.bytes, leaf.seq))
	}
	if _, err := st.row(); err != nil {
		v.add("missing", st, err.Error())
	}
	return nil
}

func (v *Verification) add(what string, st Stored, detail string) {
	v.Findings = append(v.Findings, Finding{What: what, Where: st.Name, Subject: st.ID, Detail: detail})
}

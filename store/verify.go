package store

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// VerifyOptions says how much is looked at. The ledger is always read whole.
type VerifyOptions struct {
	Since  time.Time // recordings sealed since; zero: all
	Sample float64   // share of the recordings whose bodies are read, 0 < Sample < 1; else all

	// Behind is the file, of those that Read was told of, behind which bodies are
	// read: an earlier Verify read the others. Empty: all are.
	Behind string
	// Read is told of each body that was read, and what was found so far. It may
	// be nil.
	Read func(name string, found *Verification)
	// Pace is called before so many bytes are read, and may wait; its error ends
	// Verify. Nil: as fast as it goes.
	Pace func(ctx context.Context, bytes int) error
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
// added is found without opening anything. Calls may be sealed and days may die
// meanwhile: the ledger is read first and as it stands then, and what is changed
// until the end is left for the next time. With an error, what was found until
// then is returned too.
func (s *Store) Verify(ctx context.Context, o VerifyOptions) (Verification, error) {
	w := s.changing.watch()
	defer w.end()
	l := looking{s: s, w: w, o: o, stated: newStatement(), strays: make(map[string][]Stored)}
	err := l.all(ctx)
	l.v.Findings = slices.DeleteFunc(l.v.Findings, func(f Finding) bool {
		leaf := l.stated.of(f.Subject)
		return f.Subject != "" && (w.changed(f.Subject) || leaf != nil && w.changed(string(leaf.dies)))
	})
	slices.SortFunc(l.v.Findings, func(a, b Finding) int {
		return slices.Compare([]string{a.What, a.Where, a.Subject}, []string{b.What, b.Where, b.Subject})
	})
	return l.v, err
}

// looking is one look at all recordings.
type looking struct {
	s      *Store
	w      *watch
	v      Verification
	o      VerifyOptions
	stated *statement
	strays map[string][]Stored // that no leaf at hand speaks of
	ring   statedKeys          // what it says of keys
	keys   *Keys               // nil: the headers are not here, as in a backup
}

func (l *looking) all(ctx context.Context) (err error) {
	log := verification{see: l.see}
	if l.o.Pace != nil {
		log.each = func(n int) error { return l.o.Pace(ctx, n) }
	}
	if l.s.Ledger != nil {
		log.ledger = l.s.Ledger
	}
	if l.v.LogReport, err = log.run(filepath.Join(l.s.dir, ledgerDir)); err != nil {
		return err
	}
	keys := l.s.Keys
	if keys != nil && l.s.Ledger == nil && keys.told.stated < 0 {
		keys.told = nil // a log that says nothing of custodians is no judge of them
	}
	if keys == nil { // a backup that is being restored
		keys = &Keys{dir: filepath.Join(l.s.dir, keysDir)}
	}
	if l.keys, err = keys.withHeaders(); err != nil {
		return err
	}
	for _, lost := range l.stated.lost {
		l.find(Stored{Name: fmt.Sprintf("leaf %d", lost.seq), ID: lost.id}, "missing",
			fmt.Sprintf("it was destroyed, and the ledger says that it was held until %s", lost.until))
	}
	for _, look := range []func(context.Context) error{
		l.aside,
		l.bodies,
		l.originals,
		l.astray,
		l.strange,
		l.tapes,
		l.keyring,
	} {
		if err := look(ctx); err != nil {
			return err
		}
	}
	return nil
}

// see takes the next leaf.
func (l *looking) see(seq int64, leaf Leaf) {
	l.stated.take(seq, leaf)
	l.ring.take(leaf)
	if l.s.Keys != nil && l.s.Ledger == nil {
		l.s.Keys.told.take(seq, leaf) // keys that are only looked at have not read it yet
	}
}

// aside reports logs that were found damaged at a start.
func (l *looking) aside(context.Context) error {
	aside, err := l.s.SetAside()
	for _, a := range aside {
		if a.Missing != "" {
			continue // a leaf says it
		}
		l.find(Stored{Name: a.Name}, "altered", "it did not hold what was stated of it, and was set aside: keep it for the auditor, elsewhere")
	}
	return err
}

func (l *looking) bodies(ctx context.Context) error {
	for st, err := range l.s.Blobs.All(ctx, time.Time{}) {
		if ctx.Err() != nil || err != nil && st.Name == "" {
			return cmp.Or(context.Cause(ctx), err)
		}
		leaf := l.stated.of(st.ID)
		there := err != nil || placed(l.s.Blobs, st)
		if leaf != nil && there {
			leaf.found = true
		}
		switch {
		case err != nil:
			// One that the disk does not give does not hide the others.
			l.find(st, "unreadable", err.Error())
			continue
		case leaf == nil:
			l.strays[st.ID] = append(l.strays[st.ID], st)
			continue
		case leaf.over:
			l.find(st, "added", "the ledger says it was ended; it is there")
			continue
		case !there:
			l.find(st, "added", "the recording of that id lies elsewhere, and nothing looks for it here")
			continue
		case l.o.passes(leaf), l.o.Behind != "" && (strings.HasPrefix(l.o.Behind, originalsDir) || st.Name <= l.o.Behind):
			continue
		}
		if err := l.one(ctx, st, leaf); err != nil {
			return err
		}
		if l.o.Read != nil {
			l.o.Read(st.Name, &l.v)
		}
	}
	l.v.Gone = l.stated.gone
	for _, leaves := range l.stated.days {
		for id, leaf := range leaves {
			switch {
			case leaf.found, leaf.sha256 == (sum256{}) && leaf.facts == (sum256{}): // it stated nothing that could be missing
			case !leaf.over:
				l.miss(id.String(), leaf, "the recording it speaks of is not in the vault")
			case !leaf.noAudio:
				l.v.Gone++
			}
		}
	}
	return nil
}

// passes reports whether a recording is not among those to be looked at.
func (o *VerifyOptions) passes(leaf *sealedLeaf) bool {
	return !o.Since.IsZero() && leaf.at < o.Since.UnixNano() || o.Sample > 0 && o.Sample < 1 && rand.Float64() >= o.Sample
}

// one holds a body, its header and its facts against their leaf.
func (l *looking) one(ctx context.Context, st Stored, leaf *sealedLeaf) error {
	if st.Size >= 0 {
		d := newDigest(io.Discard)
		if err := l.o.digestBody(ctx, l.s.Blobs, st.Name, d); err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if !errors.Is(err, ErrNotFound) {
				l.find(st, "unreadable", err.Error())
			}
			return nil
		}
		l.v.Recordings++
		l.v.Bytes += d.n
		if digestIn(d.hex()) != leaf.sha256 {
			l.find(st, "altered", fmt.Sprintf("its %d bytes are not the %d that leaf %d states", d.n, leaf.bytes, leaf.seq))
		}
		l.header(st, st.ID, leaf, leaf.header)
	} else if leaf.sha256 != (sum256{}) {
		l.find(st, "missing", fmt.Sprintf("the body that leaf %d speaks of is not beside it", leaf.seq))
	}
	if wrong := leaf.factsHold(st); wrong != "" {
		what := "altered"
		if st.Facts == nil {
			what = "missing"
		}
		l.find(st, what, wrong)
		return nil
	}
	return l.row(ctx, st)
}

// header holds the age header with a name against its digest in the leaf; zero:
// there is none.
func (l *looking) header(st Stored, name string, leaf *sealedLeaf, stated sum256) {
	if l.keys == nil || stated == (sum256{}) {
		return
	}
	b, err := l.keys.Header(leaf.dies, name)
	switch {
	case errors.Is(err, ErrDead):
		l.find(st, "missing", "its age header is not among the keys: nothing opens it")
	case err != nil:
		l.find(st, "unreadable", err.Error())
	case sha256.Sum256(b) != stated:
		l.find(st, "altered", fmt.Sprintf("its age header is not what leaf %d states: nothing opens it", leaf.seq))
	}
}

func (l *looking) miss(id string, leaf *sealedLeaf, detail string) {
	l.find(Stored{Name: fmt.Sprintf("leaf %d", leaf.seq), ID: id}, "missing", detail)
}

func (l *looking) find(st Stored, what, detail string) {
	l.v.Findings = append(l.v.Findings, Finding{What: what, Where: st.Name, Subject: st.ID, Detail: detail})
}

// digestBody gives a committed body to d, at the pace. What has time for that reads
// the disk itself, and leaves in memory what others read.
func (o *VerifyOptions) digestBody(ctx context.Context, in Blobs, name string, d *digest) error {
	if o.Pace == nil {
		return digestBody(ctx, in, name, d)
	}
	body, err := in.Open(ctx, name)
	if err != nil {
		return err
	}
	defer body.Close()
	uncache(body)
	defer uncache(body)
	_, err = io.Copy(pacedWriter{ctx, o.Pace, d}, body)
	return err
}

type pacedWriter struct {
	ctx  context.Context
	pace func(ctx context.Context, bytes int) error
	to   io.Writer
}

func (w pacedWriter) Write(p []byte) (int, error) {
	if err := w.pace(w.ctx, len(p)); err != nil {
		return 0, err
	}
	return w.to.Write(p)
}

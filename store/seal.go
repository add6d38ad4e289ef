package store

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"strconv"
	"time"
)

// bodyExt is the extension of a sealed body: an age file without its header.
const bodyExt = "body"

// Seal writes a recording: body through write, then facts, then the row, and
// removes the tape last. The body is sealed to the day row.Dies; its header is
// durable before the rename of the body, which commits. It is idempotent by
// row.ID: what is there already is written anew. It fills row.File and the
// sizes and digests, in clear and sealed; the caller sets the rest, State too.
// ext, "wav" or "flac", names a body that stays in clear. On an error the tape
// is still there, or the recording is whole, and Seal may be called again. After a
// failed sync it refuses, with ErrSuspect: nothing may be called complete.
func (s *Store) Seal(ctx context.Context, row *Row, ext string, write func(io.Writer) error) error {
	if err := s.Err(); err != nil {
		return err
	}
	defer s.changing.begin(row.ID)()
	var err error
	if s.clear {
		err = s.commitClear(ctx, row, ext, write)
	} else {
		err = s.commitSealed(ctx, s.Blobs, row, write)
	}
	if err != nil {
		return fmt.Errorf("seal %s: %w", row.ID, err)
	}
	if err := s.conclude(ctx, row); err != nil {
		return fmt.Errorf("seal %s: %w", row.ID, err)
	}
	// A sync may have failed meanwhile, of this file or of another.
	if err := s.Err(); err != nil {
		return err
	}
	if err := s.RemoveTape(row.ID); err != nil {
		return err
	}
	// The recording is whole, but on a disk that lost a sync while the tape went.
	return s.Err()
}

// conclude tells the ledger of a committed body and writes facts and row. While
// one that waited was rendered it may have been held, or ended: the hold is kept,
// and what was ended does not come back.
func (s *Store) conclude(ctx context.Context, row *Row) error {
	now, err := s.Catalog.Get(ctx, row.ID)
	if err == nil && now.State != Live && now.State != Ending {
		// Those cannot be held or ended, and need not wait for a night.
		s.ends.Lock()
		defer s.ends.Unlock()
		now, err = s.Catalog.Get(ctx, row.ID)
	}
	switch {
	case err == nil && now.State == Deleted && row.Dies != "":
		return errors.Join(ErrDead, s.Keys.DestroyHeader(row.Dies, row.ID), s.Blobs.Remove(ctx, row.File))
	case err == nil:
		row.Hold = now.Hold
	case !errors.Is(err, ErrNotFound):
		return err
	}
	s.tellOutcome(row, false)
	return s.record(ctx, row.File, row)
}

// summary is the readable row beside a leaf: what the ledger may keep for as
// long as it keeps rows.
type summary struct {
	Extension string    `json:"extension"`
	Direction string    `json:"direction"`
	Policy    string    `json:"policy"`
	DecidedBy string    `json:"decided_by"`
	Source    string    `json:"src"`
	Start     time.Time `json:"start"`
	Duration  float64   `json:"duration"`
	State     State     `json:"state"`
}

func (r *Row) summary() summary {
	return summary{r.Extension, r.Direction, r.Policy, r.DecidedBy, r.Source, r.Start, r.Duration, r.State}
}

// sealedEntry is what the ledger is told of a sealed recording.
func sealedEntry(row *Row) Entry {
	var packets, gaps int64
	for _, st := range row.Streams {
		packets, gaps = packets+st.Packets, gaps+int64(len(st.Gaps))
	}
	public := map[string]string{
		"sha256": row.SHA256, "bytes": strconv.FormatInt(row.Bytes, 10),
		"sealed-sha256": row.SealedSHA256, "sealed-bytes": strconv.FormatInt(row.SealedBytes, 10),
		"dies": string(row.Dies), "state": string(row.State),
		"milliseconds": strconv.FormatInt(int64(row.Duration*1000), 10),
		"packets":      strconv.FormatInt(packets, 10), "gaps": strconv.FormatInt(gaps, 10),
	}
	if o := row.Original; o != nil {
		public["original-sha256"], public["original-sealed-sha256"] = o.SHA256, o.SealedSHA256
	}
	return Entry{Kind: EventSealed, Subject: row.ID, Row: row.summary(), Public: public}
}

// tellOutcome tells the ledger, if there is one, what became of a call, and fills
// row.Leaf; 0: it could not be told. again: not when it became so, but at a later
// start.
func (s *Store) tellOutcome(row *Row, again bool) {
	if s.Ledger == nil {
		return
	}
	var e Entry
	switch row.State {
	case NotRecorded:
		e = Entry{Kind: EventNotRecorded, Subject: row.ID, Row: row.summary(), Public: map[string]string{"dies": string(row.Dies)}}
	case Waiting:
		e = Entry{Kind: EventWaiting, Subject: row.ID, Row: row.summary(), Public: map[string]string{
			"dies": string(row.Dies), "state": string(row.State), "milliseconds": strconv.FormatInt(int64(row.Duration*1000), 10),
			"original-sha256": row.Original.SHA256, "original-sealed-sha256": row.Original.SealedSHA256,
		}}
	default:
		e = sealedEntry(row)
	}
	if again {
		e.Public["recovered"] = "true"
	}
	row.Leaf = 0
	s.stateHeaders(row, e.Public)
	s.stateDayRecipient(row, e.Public)
	row.state(e.Public)
	row.Leaf = s.Tell(e) + 1
}

// Tell puts an event into the ledger and returns its leaf, -1 when there is
// none. A ledger that cannot be written stops nothing: it is said aloud, and
// verification misses the leaf.
func (s *Store) Tell(e Entry) (seq int64) {
	if s.Ledger == nil {
		return -1
	}
	seq, err := s.Ledger.Append(e)
	if err != nil {
		s.log.Error("the ledger was not told", "event", e.Kind, "subject", e.Subject, "side", "srs", "reason", err)
		return -1
	}
	s.Keys.heard(seq, e)
	return seq
}

// commitClear writes the body as it is.
func (s *Store) commitClear(ctx context.Context, row *Row, ext string, write func(io.Writer) error) error {
	w, err := create(ctx, s.Blobs, row.ID, ext)
	if err != nil {
		return err
	}
	defer w.Abort()
	clear := newDigest(w)
	if err := buffered(clear, write); err != nil {
		return err
	}
	if row.File, err = w.Commit(); err != nil {
		return err
	}
	row.Dies, row.SealedBytes, row.SealedSHA256 = "", 0, ""
	row.Bytes, row.SHA256 = clear.n, clear.hex()
	return nil
}

// commitSealed writes the body sealed to the day the recording dies on.
func (s *Store) commitSealed(ctx context.Context, in Blobs, row *Row, write func(io.Writer) error) error {
	to, err := s.Keys.Recipient(row.Dies)
	if err != nil {
		return err
	}
	w, err := create(ctx, in, row.ID, bodyExt)
	if err != nil {
		return err
	}
	defer w.Abort()
	sealed := newDigest(w)
	body, err := sealTo(sealed, to)
	if err != nil {
		return err
	}
	clear := newDigest(body.w)
	if err := buffered(clear, write); err != nil {
		return err
	}
	if err := body.w.Close(); err != nil {
		return err
	}
	if err := s.Keys.keep(row.Dies, row.ID, body.header, to); err != nil {
		return err
	}
	if row.File, err = w.Commit(); err != nil {
		return err
	}
	row.Bytes, row.SHA256 = clear.n, clear.hex()
	row.SealedBytes, row.SealedSHA256 = sealed.n, sealed.hex()
	return nil
}

func create(ctx context.Context, in Blobs, id, ext string) (BlobWriter, error) {
	day, err := began(id)
	if err != nil {
		return nil, err
	}
	return in.Create(ctx, id, ext, day)
}

// buffered gives write a buffer in front of to.
func buffered(to io.Writer, write func(io.Writer) error) error {
	b := bufio.NewWriterSize(to, 64<<10)
	if err := write(b); err != nil {
		return err
	}
	// Says also what went wrong before, should write have swallowed it: half a
	// file must not be committed.
	return b.Flush()
}

// Record writes the facts and the row of a call: of one that has no body, so
// that a rebuilt catalogue knows it too, or of a sealed one whose row changed.
func (s *Store) Record(ctx context.Context, row *Row) error {
	if err := s.Err(); err != nil {
		return err
	}
	defer s.changing.begin(row.ID)()
	name, err := s.nameOf(row)
	if err != nil {
		return err
	}
	if row.State == NotRecorded && row.Leaf == 0 {
		s.tellOutcome(row, false)
	}
	return s.record(ctx, name, row)
}

// nameOf is the name under which the facts of a row lie: beside its body, or alone.
func (s *Store) nameOf(row *Row) (string, error) {
	if row.File != "" {
		return row.File, nil
	}
	day, err := began(row.ID)
	if err != nil {
		return "", err
	}
	return s.Blobs.Name(row.ID, "", day)
}

func (s *Store) record(ctx context.Context, name string, row *Row) error {
	facts, err := json.Marshal(row)
	if err != nil {
		return err
	}
	if err := s.Blobs.PutFacts(ctx, name, append(facts, '\n')); err != nil {
		return fmt.Errorf("facts: %w", err)
	}
	if err := s.Catalog.Put(ctx, row); err != nil {
		return fmt.Errorf("row: %w", err)
	}
	return nil
}

// digestBody gives a committed body to d, or returns ErrNotFound.
func digestBody(ctx context.Context, in Blobs, name string, d io.Writer) error {
	body, err := in.Open(ctx, name)
	if err != nil {
		return err
	}
	defer body.Close()
	_, err = io.Copy(d, body)
	return err
}

// digest counts and sums what goes through it.
type digest struct {
	to  io.Writer
	sum hash.Hash
	n   int64
}

func newDigest(to io.Writer) *digest { return &digest{to: to, sum: sha256.New()} }

func (d *digest) hex() string { return hex.EncodeToString(d.sum.Sum(nil)) }

func (d *digest) Write(p []byte) (int, error) {
	n, err := d.to.Write(p)
	d.sum.Write(p[:n])
	d.n += int64(n)
	return n, err
}

package store

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"time"

	"github.com/oklog/ulid/v2"
)

// sealedLeaf is what the ledger says of one recording. There are millions.
type sealedLeaf struct {
	seq      int64
	factsSeq int64 // of the newest leaf that states its facts
	at       int64 // Unix nanoseconds
	bytes    int64
	dies     Day
	until    Day    // of a hold; "": none
	sha256   sum256 // of the sealed body; zero: there is none
	header   sum256 // of its age header; zero: not stated
	facts    sum256 // zero: not stated
	original *statedOriginal
	dropped  bool // the original of an earlier leaf is not kept any more
	noAudio  bool
	over     bool // ended by itself
	found    bool // it is there
}

// statedOriginal is what a leaf states of the original that is kept.
type statedOriginal struct{ sha256, header sum256 }

type sum256 [sha256.Size]byte

// digestIn reads a digest in hex; what is none is zero.
func digestIn(text string) (s sum256) {
	if n, err := hex.Decode(s[:], []byte(text[:min(len(text), 2*len(s))])); err != nil || n != len(s) {
		return sum256{}
	}
	return s
}

// statement is what the ledger says should be there. The leaves of a day that
// died are forgotten, but for those that a hold keeps.
type statement struct {
	days  map[Day]map[ulid.ULID]*sealedLeaf // by the day they die on
	early map[string]Day                    // until when recordings are held of which no leaf says yet what became of them
	gone  int                               // recordings that died with their days
	lost  []lostHold
}

// lostHold is a recording that was destroyed although a hold was in force.
type lostHold struct {
	id    string
	seq   int64 // of the leaf that says it was destroyed
	until Day
}

func newStatement() *statement {
	return &statement{days: make(map[Day]map[ulid.ULID]*sealedLeaf), early: make(map[string]Day)}
}

// take takes the next leaf.
func (t *statement) take(seq int64, l Leaf) {
	leaf := t.of(l.Subject)
	switch l.Kind {
	case EventSealed, EventWaiting, EventNotRecorded:
		leaf = t.outcome(seq, l, leaf)
	case EventHeld, EventReleased:
		until := Day(l.Public["until"]) // of a release: none, or the next day
		if leaf != nil {
			leaf.until = until
		} else {
			t.early[l.Subject] = until
		}
	case EventDeleted:
		if leaf != nil {
			t.ended(l.Subject, seq, leaf, l)
			leaf.over = true
		}
	case EventDayDestroyed:
		t.destroy(seq, l)
	}
	if facts := digestIn(l.Public[factsFact]); facts != (sum256{}) && leaf != nil {
		leaf.facts, leaf.factsSeq = facts, seq
	}
}

// outcome takes what became of a call; before is what an earlier leaf said of
// it, or nil. It returns nil for a leaf of no recording of ours.
func (t *statement) outcome(seq int64, l Leaf, before *sealedLeaf) *sealedLeaf {
	id, err := ulid.ParseStrict(l.Subject)
	if err != nil {
		return nil
	}
	leaf := &sealedLeaf{
		seq: seq, at: l.Time.UnixNano(), dies: Day(l.Public["dies"]), noAudio: l.Kind == EventNotRecorded,
		sha256: digestIn(l.Public["sealed-sha256"]), header: digestIn(l.Public[headerFact]),
	}
	leaf.bytes, _ = strconv.ParseInt(l.Public["sealed-bytes"], 10, 64)
	if original := digestIn(l.Public["original-sealed-sha256"]); original != (sum256{}) {
		leaf.original = &statedOriginal{original, digestIn(l.Public[originalHeaderFact])}
	}
	leaf.until = t.early[l.Subject] // it was held while it waited for a custodian
	delete(t.early, l.Subject)
	if before != nil {
		leaf.until = before.until       // or for a decoder
		delete(t.days[before.dies], id) // or sealed anew after a crash, to another day
		leaf.dropped = before.original != nil && leaf.original == nil
	}
	if t.days[leaf.dies] == nil {
		t.days[leaf.dies] = make(map[ulid.ULID]*sealedLeaf)
	}
	t.days[leaf.dies][id] = leaf
	return leaf
}

// destroy takes the death of a day. What a hold keeps stays, with its header: that
// is held against what is there.
func (t *statement) destroy(seq int64, l Leaf) {
	day := Day(l.Subject)
	for id, leaf := range t.days[day] {
		if l.Public["secret-destroyed"] == "false" && leaf.until > latest(l) {
			continue
		}
		if !leaf.over {
			t.ended(id.String(), seq, leaf, l)
		}
		if !leaf.noAudio {
			t.gone++
		}
		delete(t.days[day], id)
	}
	if len(t.days[day]) == 0 {
		delete(t.days, day)
	}
}

// ended notes a recording that was destroyed although a hold was in force.
func (t *statement) ended(id string, seq int64, leaf *sealedLeaf, by Leaf) {
	if leaf.until > latest(by) {
		t.lost = append(t.lost, lostHold{id, seq, leaf.until})
	}
}

// latest is the site's date by which a death was decided, or of a leaf that does
// not say it the last that it may have been: no zone is farther ahead.
func latest(l Leaf) Day {
	if on := Day(l.Public[onFact]); on.Valid() {
		return on
	}
	return Day(l.Time.Add(14 * time.Hour).Format(time.DateOnly))
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

package store

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
)

// The ledger states facts by a digest under a salt that lies in the facts
// themselves: they hold numbers, which could be tried out against a plain digest
// for ever, and cannot any more once facts and salt are gone.

// salted gives the facts a salt of their own.
func (r *Row) salted() {
	salt := make([]byte, 16)
	rand.Read(salt)
	r.Salt = hex.EncodeToString(salt)
}

// factsDigest is what the ledger states of facts: HMAC-SHA256 of them without
// the number of their leaf, which is not known before. It is made of the text as
// it lies there, in order of its keys, so that another version's Row does not
// matter. "" when they are no facts that a leaf could state.
func factsDigest(facts []byte) string {
	var fields map[string]json.RawMessage
	var salt string
	if json.Unmarshal(facts, &fields) != nil || json.Unmarshal(fields["salt"], &salt) != nil {
		return ""
	}
	key, err := hex.DecodeString(salt)
	if err != nil || len(key) == 0 {
		return ""
	}
	delete(fields, "leaf")
	text, err := json.Marshal(fields)
	if err != nil {
		return ""
	}
	return saltedDigest(key, text)
}

// state adds what an event leaves the facts as, under a new salt, to the public
// facts of its leaf.
func (r *Row) state(public map[string]string) {
	r.salted()
	if facts, err := json.Marshal(r); err == nil {
		public[factsFact] = factsDigest(facts)
	}
}

// asWritten reports whether facts are spelled as record writes them. The digest
// does not see spaces, nor a field that is there twice: both make the text longer.
func asWritten(facts []byte) bool {
	var fields map[string]json.RawMessage
	if json.Unmarshal(facts, &fields) != nil {
		return false
	}
	shortest, err := json.Marshal(fields)
	return err == nil && len(facts) == len(shortest)+1 && facts[len(facts)-1] == '\n'
}

// Public facts of a leaf that speak of what is in no bundle.
const (
	factsFact          = "facts-hmac"
	headerFact         = "header-sha256"
	originalHeaderFact = "original-header-sha256"
)

// stateHeaders adds the digests of a recording's age headers.
func (s *Store) stateHeaders(row *Row, public map[string]string) {
	if s.Keys == nil || row.Dies == "" {
		return
	}
	original, err := originalID(row.ID)
	if row.Original == nil || err != nil {
		original = ""
	}
	for fact, id := range map[string]string{headerFact: row.ID, originalHeaderFact: original} {
		if id == "" {
			continue
		}
		if b, err := s.Keys.Header(row.Dies, id); err == nil {
			sum := sha256.Sum256(b)
			public[fact] = hex.EncodeToString(sum[:])
		}
	}
}

// factsHold says what is wrong with facts, by the leaf that stated them; "":
// nothing.
func (leaf *sealedLeaf) factsHold(st Stored) string {
	if _, err := st.row(); err != nil {
		return err.Error()
	}
	var stated struct {
		Leaf int64 `json:"leaf"`
	}
	switch {
	case leaf.facts == (sum256{}): // by a version that did not state them
	case digestIn(factsDigest(st.Facts)) != leaf.facts:
		return fmt.Sprintf("the facts are not those that leaf %d states", leaf.factsSeq)
	case !asWritten(st.Facts):
		return "the facts are as stated, but spelled otherwise than they were written"
	case json.Unmarshal(st.Facts, &stated) != nil || stated.Leaf != leaf.seq+1:
		return fmt.Sprintf("the facts name another leaf than %d", leaf.seq)
	}
	return ""
}

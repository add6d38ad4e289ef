package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// What happened to the custodians, as the leaves of it say.
const (
	custodianAdded     = "added"
	custodianReplaced  = "replaced"
	custodianRemoved   = "removed"
	custodianFirst     = "first"     // made at the first start
	custodianEmergency = "emergency" // made when no other could be sealed to
	custodiansFound    = "found"     // by a version that states them first
	custodiansAgain    = "again"     // nothing: the leaf before is far behind
	custodiansNone     = "none"      // known to a log that is new while keys are not
)

// Public facts of the leaves about custodians and about sealed recordings. A
// recipient names nobody, and its digest cannot even be compared with those that
// are used elsewhere.
const (
	recipientFact    = "recipient-sha256"     // of whom the leaf speaks
	oldRecipientFact = "old-recipient-sha256" // that it took the place of
	custodiansFact   = "custodians"           // how many there are from then on
	custodianFact    = "custodian-"           // and 1, 2, …: the digest of each
	keyCopiesFact    = "key-copies"           // how many copies of keys were made until then
	dayRecipientFact = "day-recipient-sha256" // that a recording is sealed to
)

// toldFar is how many leaves may follow one that states the custodians before it
// is stated again: a start reads back as far.
const toldFar = 20_000

// toldKeys is what the ledger says of keys. It has a lock of its own: leaves are
// told while those of the keys and of the ledger are held.
type toldKeys struct {
	mu         sync.Mutex
	custodians map[string]bool // digests of their recipients
	untold     map[string]bool // digests of those that the recorder made and could not tell of yet
	copies     []time.Time     // of keys; zero: when is too far behind
	stated     int64           // leaf of the newest statement; -1: none
	log        *Ledger
}

// recipientDigest is what a leaf says instead of a recipient.
func recipientDigest(recipient string) string {
	sum := sha256.Sum256([]byte(recipient))
	return hex.EncodeToString(sum[:])
}

func (t *toldKeys) has(digest string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.custodians[digest] || t.untold[digest]
}

// take takes a leaf.
func (t *toldKeys) take(seq int64, l Leaf) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch l.Kind {
	case EventBackup:
		if l.Public["keys"] == "true" {
			t.copies = append(t.copies, l.Time)
		}
	case EventCustodians:
		n, err := strconv.Atoi(l.Public[custodiansFact])
		if err != nil {
			return // one that changed nobody
		}
		t.stated, t.custodians = seq, make(map[string]bool)
		for i := range n {
			digest := l.Public[custodianFact+strconv.Itoa(i+1)]
			t.custodians[digest] = true
			delete(t.untold, digest)
		}
		copies, _ := strconv.Atoi(l.Public[keyCopiesFact])
		for len(t.copies) < min(copies, 1<<16) {
			t.copies = append(t.copies, time.Time{})
		}
	}
}

// entry is a leaf that states the custodians as they are with one more and one
// less; "": none.
func (t *toldKeys) entry(what, added, removed string, row any) Entry {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := maps.Clone(t.custodians)
	if all == nil {
		all = make(map[string]bool)
	}
	delete(all, removed)
	if added != "" {
		all[added] = true
	}
	public := map[string]string{"what": what, custodiansFact: strconv.Itoa(len(all)), keyCopiesFact: strconv.Itoa(len(t.copies))}
	for i, digest := range slices.Sorted(maps.Keys(all)) {
		public[custodianFact+strconv.Itoa(i+1)] = digest
	}
	switch {
	case added != "" && removed != "":
		public[recipientFact], public[oldRecipientFact] = added, removed
	case added != "" || removed != "":
		public[recipientFact] = added + removed
	}
	return Entry{Kind: EventCustodians, Row: row, Public: public}
}

// heed makes the ledger the judge of who is a custodian: of whom it was not told
// gets no key. What was made by OpenKeys just now it is told. A log that is new
// while keys are not, as after the one before it was lost, knows nobody.
func (k *Keys) heed(l *Ledger, tell func(Entry) int64) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	told := &toldKeys{untold: make(map[string]bool), stated: -1, log: l}
	size, began, err := l.lookBack(told)
	if err != nil {
		return fmt.Errorf("keys: what the ledger says of them: %w", err)
	}
	k.told, k.tell, k.looked = told, tell, time.Time{}
	if told.stated < 0 && size > 0 && began != EventBroken {
		if err := k.adopt(); err != nil {
			return err
		}
	}
	for name, what := range k.made {
		k.tellMade(what, name)
	}
	if size == 0 && told.stated < 0 {
		k.tell(told.entry(custodiansNone, "", "", nil)) // else the next start would adopt what is there
	}
	k.tellWhenFar()
	return nil
}

// tellMade tells of a custodian that the recorder made. One that it cannot tell
// of is sealed to all the same.
func (k *Keys) tellMade(what, name string) {
	b, err := os.ReadFile(k.pubFile(name))
	if err != nil || k.told == nil {
		return
	}
	digest := recipientDigest(strings.TrimSpace(string(b)))
	k.told.mu.Lock()
	k.told.untold[digest] = true
	k.told.mu.Unlock()
	k.tell(k.told.entry(what, digest, "", map[string]string{"custodian": name}))
}

// adopt tells of custodians from before leaves stated them.
func (k *Keys) adopt() error {
	all, err := k.Custodians()
	if err != nil {
		return err
	}
	k.told.mu.Lock()
	k.told.custodians = make(map[string]bool)
	for _, c := range all {
		k.told.custodians[recipientDigest(c.Recipient)] = true
	}
	k.told.mu.Unlock()
	k.tell(k.told.entry(custodiansFound, "", "", nil))
	return nil
}

// lookBack takes the newest leaves about keys, back to one that states all, and
// returns the size of the log and the kind of its first leaf.
func (l *Ledger) lookBack(told *toldKeys) (size int64, began string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	type numbered struct {
		seq  int64
		leaf Leaf
	}
	var found []numbered
	for seq := l.edge.size - 1; seq >= 0; seq-- {
		text, err := l.leaf(seq)
		if err != nil {
			return 0, "", err
		}
		if seq > 0 && !bytes.Contains(text, []byte("\nkind "+EventCustodians+"\n")) && !bytes.Contains(text, []byte("\nkind "+EventBackup+"\n")) {
			continue
		}
		var leaf Leaf
		if err := leaf.UnmarshalText(text); err != nil {
			return 0, "", err
		}
		if began = leaf.Kind; seq > 0 {
			began = ""
		}
		found = append(found, numbered{seq, leaf})
		if leaf.Public[custodiansFact] != "" {
			break
		}
	}
	for _, n := range slices.Backward(found) {
		told.take(n.seq, n.leaf)
	}
	return l.edge.size, began, nil
}

// tellCustodian tells the ledger who came, and who went; "": nobody did.
func (k *Keys) tellCustodian(what, name, added, removed string) error {
	if k.told == nil {
		return nil
	}
	if k.tell(k.told.entry(what, added, removed, map[string]string{"custodian": name})) < 0 {
		return errors.New("the ledger cannot be told of custodian " + name + ": see the log")
	}
	return nil
}

// tellUntold tells of custodians that the recorder made while the ledger could
// not be written.
func (k *Keys) tellUntold() {
	if k.told == nil {
		return
	}
	k.told.mu.Lock()
	untold := slices.Sorted(maps.Keys(k.told.untold))
	k.told.mu.Unlock()
	for _, digest := range untold {
		k.tell(k.told.entry(custodianEmergency, digest, "", nil))
	}
}

// tellWhenFar states the custodians again when the log has left that far behind.
// The caller holds mu.
func (k *Keys) tellWhenFar() {
	size := k.told.log.Size()
	k.told.mu.Lock()
	far := k.told.stated >= 0 && size-1-k.told.stated > toldFar
	k.told.mu.Unlock()
	if far {
		k.tell(k.told.entry(custodiansAgain, "", "", nil))
	}
}

// heard takes a leaf that was told just now.
func (k *Keys) heard(seq int64, e Entry) {
	if k == nil || k.told == nil || e.Kind != EventCustodians && e.Kind != EventBackup {
		return
	}
	k.told.take(seq, Leaf{Time: time.Now().UTC(), Kind: e.Kind, Public: e.Public})
}

// unknown reports whether the ledger was not told of a custodian.
func (k *Keys) unknown(c Custodian) bool {
	return k.told != nil && !k.told.has(recipientDigest(c.Recipient))
}

// lost counts the custodians that the ledger knows and whose public half is not
// here.
func (k *Keys) lost(all []Custodian) (digests []string) {
	if k.told == nil {
		return nil
	}
	k.told.mu.Lock()
	defer k.told.mu.Unlock()
	for digest := range k.told.custodians {
		if !slices.ContainsFunc(all, func(c Custodian) bool { return recipientDigest(c.Recipient) == digest }) {
			digests = append(digests, digest)
		}
	}
	slices.Sort(digests)
	return digests
}

// canonical is a recipient in the one spelling it has.
func canonical(recipient string) (string, error) {
	r, err := parseRecipient(recipient)
	if err != nil {
		return "", err
	}
	if s, ok := r.(fmt.Stringer); ok {
		return s.String(), nil
	}
	return recipient, nil
}

// takenBy refuses a recipient that another custodian has: one could not be taken
// away without the other.
func takenBy(all []Custodian, c Custodian) error {
	for _, other := range all {
		if own, err := canonical(other.Recipient); err == nil && own == c.Recipient && other.Name != c.Name {
			return fmt.Errorf("that is the recipient of custodian %s: each has one of their own", other.Name)
		}
	}
	return nil
}

// toldCopies returns when copies of keys were made, as the ledger says; zero: too
// far behind.
func (k *Keys) toldCopies() []time.Time {
	if k.told == nil {
		return nil
	}
	k.told.mu.Lock()
	defer k.told.mu.Unlock()
	return slices.Clone(k.told.copies)
}

// copyTold bounds what may pass between a line in the list of copies and its leaf.
const copyTold = time.Minute

// withTold adds the copies that the ledger knows and that the list lacks: one that
// is gone hides none. Where they were made, it does not say.
func (k *Keys) withTold(listed []KeyCopy, err error) ([]KeyCopy, error) {
	told := k.toldCopies()
	if err != nil && len(told) == 0 {
		return nil, err
	}
	all := slices.Clone(listed)
	for _, at := range told {
		near := func(c KeyCopy) bool { return !c.Time.After(at.Add(copyTold)) && at.Before(c.Time.Add(copyTold)) }
		if !at.IsZero() && len(all) < len(told) && !slices.ContainsFunc(listed, near) {
			all = append(all, KeyCopy{Time: at})
		}
	}
	for len(all) < len(told) {
		all = append(all, KeyCopy{})
	}
	slices.SortStableFunc(all, func(a, b KeyCopy) int { return a.Time.Compare(b.Time) })
	return all, nil
}

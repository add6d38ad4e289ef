package store

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// The kinds of ledger entry. The word is part of the leaf: added to, never
// renamed.
const (
	EventStarted       = "started"        // the daemon; version, configuration digest
	EventStopped       = "stopped"        // the daemon, in order
	EventCrashed       = "crashed"        // found at a start: the run before did not stop in order
	EventConfigured    = "configured"     // configuration or extensions changed, with digests
	EventSealed        = "sealed"         // a recording: hash, length, packets, gaps
	EventNotRecorded   = "not-recorded"   // a call of which nothing was kept
	EventWaiting       = "waiting"        // a tape, sealed until it can be decoded: hash of it
	EventHeard         = "heard"          // a recording was played
	EventExported      = "exported"       // a copy left the store
	EventHeld          = "held"           // retention stopped for a recording
	EventReleased      = "released"       // a hold ended
	EventDeleted       = "deleted"        // one recording ended: its header is destroyed
	EventDayDestroyed  = "day-destroyed"  // the secret and all headers of a day are destroyed
	EventUnlocked      = "unlocked"       // a custodian unlocked keys
	EventLocked        = "locked"         // keys were locked again
	EventCustodians    = "custodians"     // who may unlock changed
	EventKeys          = "keys"           // keys are damaged or missing, or no longer: how many troubles
	EventDisk          = "disk"           // a disk state: full, suspect, well again
	EventScrubbed      = "scrubbed"       // all of it was read again: how many, and findings by what they are
	EventBackup        = "backup"         // a copy of what is sealed was made; whether with keys
	EventRefused       = "refused"        // an access that was not allowed
	EventClock         = "clock"          // the clock is in doubt, or again is not
	EventRowsDestroyed = "rows-destroyed" // the readable rows of a month; subject 2026-11
	EventWitness       = "witness"        // a witness refuses what the log states, or again agrees
	EventBroken        = "broken"         // first leaf of a log that follows a damaged one

	// EventCheckpointMissing is of a start that found leaves, and not all the files
	// that state how many there must be: which were missing, how many there are.
	EventCheckpointMissing = "checkpoint-missing"
)

// Entry is one event as it is told to the Ledger.
type Entry struct {
	Kind    string
	Subject string            // ULID of a recording, a date, or empty
	Public  map[string]string // goes into the leaf: digests and counts, never a name or number
	Row     any               // marshalled beside the leaf, which holds its salted digest only; nil: none
}

// Ledger is the append-only Merkle log (RFC 6962 hashes) of everything that
// happens to recordings and to access. Its methods may be called from any
// goroutine.
type Ledger struct {
	dir    string
	sys    System
	log    *slog.Logger
	now    func() time.Time
	signer note.Signer
	vkey   string

	stop chan struct{} // closed by Close; nil when nothing signs by itself
	done chan struct{}

	mu     sync.Mutex // guards what follows, and the order of writes
	leaves *os.File   // frames; the authority on what the log holds
	index  *os.File   // where each leaf's frame begins; derived
	hashes *os.File   // stored hashes of the tree; derived
	rows   *os.File   // of month, or nil
	month  string
	edge   treeEdge // of all leaves: what is signed does not hang on the stored hashes
	end    int64    // bytes of the leaves' file
	last   time.Time
	signed Checkpoint
	kept   Checkpoint // the last that was kept among all
	torn   bool       // behind it may stand a part of another, which the disk refused
	broken error      // a write that could not be undone; permanent
	gone   error      // why index and hashes cannot be made again from the leaves; permanent

	// Of its opening alone.
	begins  string   // the signer's secret half, of a log that begins; "": it goes on
	missing []string // files that state what the log holds, and are not there

	witnessed  Cosigned
	witnessKey string // that witnessed was cosigned with
	refusal    Refusal
}

const (
	leafFrame = 8       // length and CRC-32C before each leaf
	leafMost  = 1 << 16 // bytes of a leaf
)

// Size returns the number of leaves.
func (l *Ledger) Size() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.edge.size
}

// Last returns the time of the newest leaf; zero when there is none.
func (l *Ledger) Last() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}

// Newest returns the newest leaf; its Kind is empty when there is none.
func (l *Ledger) Newest() (leaf Leaf, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.edge.size == 0 {
		return leaf, nil
	}
	return l.read(l.edge.size - 1)
}

// at returns leaf seq.
func (l *Ledger) at(seq int64) (leaf Leaf, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if seq < 0 || seq >= l.edge.size {
		return leaf, fmt.Errorf("ledger: no leaf %d in a log of %d", seq, l.edge.size)
	}
	return l.read(seq)
}

func (l *Ledger) read(seq int64) (leaf Leaf, err error) {
	var text []byte
	err = l.derived(func() error {
		text, err = l.leaf(seq)
		return err
	})
	if err == nil {
		err = leaf.UnmarshalText(text)
	}
	return leaf, err
}

// VerifierKey returns the key that checkpoints are verified with, in the form
// of golang.org/x/mod/sumdb/note.
func (l *Ledger) VerifierKey() string { return l.vkey }

// signPeriod is how often the tree is signed when there is news.
const signPeriod = 10 * time.Second

// signEvery starts the goroutine that signs the tree; Close waits for it.
func (l *Ledger) signEvery(period time.Duration) {
	l.stop, l.done = make(chan struct{}), make(chan struct{})
	go func() {
		defer close(l.done)
		tick := time.NewTicker(period)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
			case <-l.stop:
				return
			}
			if _, err := l.sign(keepPeriod); err != nil {
				l.log.Error("the ledger is not signed", "side", "srs", "reason", err)
			}
		}
	}()
}

// Append adds an event and returns the number of its leaf, from 0. It is on
// disk for good after the store's next sync, or after Checkpoint.
func (l *Ledger) Append(e Entry) (seq int64, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.append(e)
}

func (l *Ledger) append(e Entry) (seq int64, err error) {
	if l.broken != nil {
		return 0, l.broken
	}
	at := l.now().UTC()
	if at.Before(l.last) {
		// The log is in order even where the clock is not.
		at = l.last
	}
	leaf := Leaf{Time: at, Kind: e.Kind, Subject: e.Subject, Public: e.Public}
	if e.Row != nil {
		if leaf.Row, err = l.putRow(at, e.Row); err != nil {
			return 0, fmt.Errorf("ledger: row beside leaf %d: %w", l.edge.size, err)
		}
	}
	text, err := leaf.MarshalText()
	if err != nil {
		return 0, fmt.Errorf("ledger: %w", err)
	}
	if err := l.write(text); err != nil {
		return 0, fmt.Errorf("ledger: leaf %d: %w", l.edge.size, err)
	}
	l.last = at
	return l.edge.size - 1, nil
}

// write appends one leaf to all three files. When the disk refuses, what was
// written of it is taken back, so that the next leaf finds the same place.
func (l *Ledger) write(text []byte) error {
	frame := make([]byte, leafFrame, leafFrame+len(text))
	binary.LittleEndian.PutUint32(frame, uint32(len(text)))
	binary.LittleEndian.PutUint32(frame[4:], crc32.Checksum(text, castagnoli))
	frame = append(frame, text...)
	if err := l.sys.writeAll(l.leaves, frame, l.end); err != nil {
		return l.takeBack(err)
	}
	if err := l.derive(text); err != nil {
		return l.takeBack(err)
	}
	return nil
}

// derive takes a leaf that stands in the leaves' file at the end of the log: it
// brings index and hashes to it.
func (l *Ledger) derive(text []byte) error {
	next := treeEdge{l.edge.size, slices.Clone(l.edge.nodes)}
	if err := l.writeDerived(&next, l.end, text); err != nil {
		return err
	}
	l.edge = next
	l.end += leafFrame + int64(len(text))
	return nil
}

// writeDerived writes what index and hashes hold of the leaf that follows edge,
// whose frame begins at at.
func (l *Ledger) writeDerived(edge *treeEdge, at int64, text []byte) error {
	n := edge.size
	var stored []byte
	for _, h := range edge.add(tlog.RecordHash(text), nil) {
		stored = append(stored, h[:]...)
	}
	if err := l.sys.writeAll(l.index, binary.LittleEndian.AppendUint64(nil, uint64(at)), n*8); err != nil {
		return err
	}
	return l.sys.writeAll(l.hashes, stored, tlog.StoredHashIndex(0, n)*tlog.HashSize)
}

// takeBack cuts the files to the last whole leaf.
func (l *Ledger) takeBack(cause error) error {
	err := errors.Join(
		l.sys.Truncate(l.leaves, l.end),
		l.sys.Truncate(l.index, l.edge.size*8),
		l.sys.Truncate(l.hashes, tlog.StoredHashCount(l.edge.size)*tlog.HashSize),
	)
	if err != nil {
		l.broken = fmt.Errorf("ledger cannot be written any more: %w", errors.Join(cause, err))
	}
	return cause
}

// reader reads stored hashes. The caller holds mu.
func (l *Ledger) reader() tlog.HashReaderFunc {
	return func(indexes []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(indexes))
		for i, x := range indexes {
			if _, err := l.hashes.ReadAt(out[i][:], x*tlog.HashSize); err != nil {
				return nil, fmt.Errorf("hash %d: %w", x, err)
			}
		}
		return out, nil
	}
}

func saltedDigest(salt, row []byte) string {
	m := hmac.New(sha256.New, salt)
	m.Write(row)
	return hex.EncodeToString(m.Sum(nil))
}

package store

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	damagedMark  = ".damaged-" // and the time, behind the name of what was set aside
	missingMark  = ".missing-" // and the time, behind the name of a notice
	asideTime    = "20060102T150405.000"
	anchoredFile = "checkpoint.anchored" // what lay beside a log, in the log set aside
)

// anchor is where the newest checkpoint lies once more, outside of the log: a
// log that is replaced as a whole by an older copy of itself, or by none,
// agrees with all that lies in it.
func (l *Ledger) anchor() string { return anchorOf(l.dir) }

func anchorOf(ledger string) string { return filepath.Join(filepath.Dir(ledger), checkpointFile) }

// anchored holds the log against the checkpoint beside it. One that is no signed
// note at all accuses itself, not the log: it is set aside, and the next one takes
// its place.
func (l *Ledger) anchored() error {
	signed, err := os.ReadFile(l.anchor())
	if errors.Is(err, fs.ErrNotExist) {
		l.missing = append(l.missing, checkpointFile)
		return nil
	}
	if err != nil {
		return err
	}
	if l.begins != "" && statedSize(signed) == 0 {
		return nil // a beginning that was interrupted
	}
	c, err := ReadCheckpoint(signed, l.vkey)
	if err != nil {
		if origin := noteOrigin(signed); origin != "" && origin != l.signer.Name() {
			return fmt.Errorf("%w: the newest checkpoint is of another log, %s", errLog, origin)
		}
		aside := l.anchor() + damagedMark + l.now().UTC().Format(asideTime)
		l.log.Error("the checkpoint beside the ledger is damaged; the ledger agrees with its own and goes on", "side", "srs", "reason", err, "kept", filepath.Base(aside))
		return l.sys.Rename(l.anchor(), aside)
	}
	if c.Size > l.edge.size {
		return fmt.Errorf("%w: it holds %d leaves, the checkpoint beside it states %d: an older copy of it, or cut off", errLog, l.edge.size, c.Size)
	}
	if err := l.holds(c); err != nil {
		return fmt.Errorf("the checkpoint beside it: %w", err)
	}
	return nil
}

// noteOrigin returns the origin of a note that names its signer twice, in its
// first line and in the signature, as whole ones do; "": it does not.
func noteOrigin(signed []byte) string {
	text, signatures, _ := bytes.Cut(signed, []byte("\n\n"))
	origin, _, _ := strings.Cut(string(text), "\n")
	signer := strings.Fields(string(signatures))
	if len(signer) < 3 || signer[1] != origin {
		return ""
	}
	return origin
}

// newestOf reads the checkpoint of the larger tree; nil when there is none.
func newestOf(names ...string) (newest []byte) {
	most := int64(-2)
	for _, name := range names {
		signed, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		size := statedSize(signed)
		if size > most {
			newest, most = signed, size
		}
	}
	return newest
}

// statedSize is how many leaves a checkpoint states, whoever signed it; -1: it
// cannot be read.
func statedSize(signed []byte) int64 {
	lines := strings.Split(string(signed), "\n")
	if len(lines) < 3 {
		return -1
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 {
		return -1
	}
	return size
}

// SetAside is a log, or a checkpoint of one, that did not hold what was stated; or
// a notice that checkpoints were missing.
type SetAside struct {
	Name    string    `json:"name"`              // in the data directory
	At      time.Time `json:"at"`                // found; zero: its name does not say
	Missing string    `json:"missing,omitempty"` // what the notice says, else empty
}

// SetAside lists what of the ledger was found damaged and still lies in the data
// directory. Whoever has taken it to the auditor takes it away, and with it the
// alarm.
func (s *Store) SetAside() ([]SetAside, error) {
	var all []SetAside
	for _, mark := range []string{ledgerDir + damagedMark, checkpointFile + damagedMark, checkpointFile + missingMark} {
		found, err := filepath.Glob(filepath.Join(s.dir, mark+"*"))
		if err != nil {
			return nil, err
		}
		for _, f := range found {
			// A name that somebody changed is listed all the same.
			when, _ := time.Parse(asideTime, strings.TrimPrefix(filepath.Base(f), mark))
			a := SetAside{Name: filepath.Base(f), At: when}
			if strings.HasPrefix(mark, checkpointFile+missingMark) {
				text, err := os.ReadFile(f)
				if err != nil {
					text = []byte(err.Error())
				}
				a.Missing = cmp.Or(printable(strings.TrimSpace(string(text))), "it does not say what was missing")
			}
			all = append(all, a)
		}
	}
	slices.SortFunc(all, func(a, b SetAside) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

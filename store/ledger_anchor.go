package store

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

const (
	damagedMark  = ".damaged-"           // and the time, behind the name of what was set aside
	anchoredFile = "checkpoint.anchored" // what lay beside a log, in the log set aside
)

// anchor is where the newest checkpoint lies once more, outside of the log: a
// log that is replaced as a whole by an older copy of itself, or by none,
// agrees with all that lies in it.
func (l *Ledger) anchor() string { return anchorOf(l.dir) }

func anchorOf(ledger string) string { return filepath.Join(filepath.Dir(ledger), checkpointFile) }

// anchored holds the log against the checkpoint beside it. Without one it is an
// older siprecd's, or a restored backup. One that is no signed note at all
// accuses itself, not the log: it is set aside, and the next one takes its
// place.
func (l *Ledger) anchored() error {
	signed, err := os.ReadFile(l.anchor())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	c, err := ReadCheckpoint(signed, l.vkey)
	if err != nil {
		if origin := noteOrigin(signed); origin != "" && origin != l.signer.Name() {
			return fmt.Errorf("%w: the newest checkpoint is of another log, %s", errLog, origin)
		}
		aside := l.anchor() + damagedMark + l.now().UTC().Format("20060102T150405.000")
		l.log.Error("the checkpoint beside the ledger is damaged; the ledger agrees with its own and goes on", "side", "srs", "reason", err, "kept", filepath.Base(aside))
		return l.sys.Rename(l.anchor(), aside)
	}
	if c.Size > l.size {
		return fmt.Errorf("%w: it holds %d leaves, the checkpoint beside it states %d: an older copy of it, or cut off", errLog, l.size, c.Size)
	}
	root, err := tlog.TreeHash(c.Size, l.reader())
	if err != nil {
		return fmt.Errorf("%w: %w", errLog, err)
	}
	if root != c.Root {
		return fmt.Errorf("%w: its first %d leaves are not those that the checkpoint beside it states", errLog, c.Size)
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
	most := int64(-1)
	for _, name := range names {
		signed, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		var size int64
		if lines := strings.Split(string(signed), "\n"); len(lines) > 1 {
			fmt.Sscan(lines[1], &size)
		}
		if size > most {
			newest, most = signed, size
		}
	}
	return newest
}

// SetAside is a log, or a checkpoint of one, that did not hold what was stated.
type SetAside struct {
	Name string    `json:"name"` // in the data directory
	At   time.Time `json:"at"`   // found; zero: its name does not say
}

// SetAside lists what of the ledger was found damaged and still lies in the data
// directory. Whoever has taken it to the auditor takes it away, and with it the
// alarm.
func (s *Store) SetAside() ([]SetAside, error) {
	var all []SetAside
	for _, name := range []string{ledgerDir, checkpointFile} {
		found, err := filepath.Glob(filepath.Join(s.dir, name+damagedMark+"*"))
		if err != nil {
			return nil, err
		}
		for _, f := range found {
			_, at, _ := strings.Cut(filepath.Base(f), damagedMark)
			// A name that somebody changed is listed all the same.
			when, _ := time.Parse("20060102T150405.000", at)
			all = append(all, SetAside{filepath.Base(f), when})
		}
	}
	slices.SortFunc(all, func(a, b SetAside) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

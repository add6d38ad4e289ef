package store

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	ledgerDir       = "ledger"
	rowsDir         = "rows"
	rowsMonth       = "2006-01" // a file of rows a month
	leavesFile      = "leaves"
	indexFile       = "index"
	hashesFile      = "hashes"
	checkpointFile  = "checkpoint"
	checkpointsFile = "checkpoints"
	signerFile      = "signer.key"
	verifierFile    = "verifier.pub"
)

// errLog is why a log cannot be gone on with.
var errLog = errors.New("the ledger is damaged")

// OpenLedger opens the log in dir, making it when there is none. A torn tail is
// cut off, derived files are made again. A log that is shorter than its newest
// checkpoint, or another than it states, is renamed aside and a new one begun
// whose first leaf says so: what was recorded cannot be changed, recording
// itself must go on. The checkpoint counts that lies in dir, and the one that
// lies beside it: see [Ledger.anchored]. A log beside which one of them is
// missing is gone on with, and tells so with a leaf: see [Ledger.tellMissing].
func OpenLedger(dir string, sys System, log *slog.Logger, now func() time.Time) (*Ledger, error) {
	l := &Ledger{dir: dir, sys: sys.orReal(), log: log, now: now}
	err := l.open()
	if err == nil {
		return l, nil
	}
	if !errors.Is(err, errLog) {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	l.closeFiles()
	last := newestOf(filepath.Join(dir, checkpointFile), l.anchor())
	aside := dir + damagedMark + now().UTC().Format(asideTime)
	if err := l.sys.Rename(dir, aside); err != nil {
		return nil, fmt.Errorf("ledger: set aside: %w", err)
	}
	// It is evidence of what the log held, and not of the new one.
	if err := l.sys.Rename(l.anchor(), filepath.Join(aside, anchoredFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("ledger: set aside: %w", err)
	}
	log.Error("the ledger does not hold what it once stated; a new one was begun, keep the old one for the auditor",
		"side", "srs", "reason", err, "kept", filepath.Base(aside))
	next := &Ledger{dir: dir, sys: l.sys, log: log, now: now}
	if err := next.open(); err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	_, err = next.Append(Entry{Kind: EventBroken, Public: map[string]string{
		"reason": printable(err.Error()), "kept": filepath.Base(aside), "checkpoint": lastRoot(last),
	}})
	if err == nil {
		// Signed at once: the anchor would be another log's again.
		_, err = next.Checkpoint()
	}
	return next, err
}

// lastRoot is size and root of a checkpoint, as far as it can be read.
func lastRoot(signed []byte) string {
	lines := strings.Split(string(signed), "\n")
	if len(lines) < 3 {
		return "none"
	}
	return printable(lines[1] + " " + lines[2])
}

func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
	return s[:min(len(s), 500)]
}

func (l *Ledger) open() error {
	if err := l.sys.makeDir(filepath.Join(l.dir, rowsDir)); err != nil {
		return err
	}
	for _, f := range []struct {
		name string
		to   **os.File
	}{{leavesFile, &l.leaves}, {indexFile, &l.index}, {hashesFile, &l.hashes}} {
		file, err := l.sys.OpenFile(filepath.Join(l.dir, f.name), os.O_RDWR|os.O_CREATE, fileMode)
		if err != nil {
			return err
		}
		*f.to = file
	}
	for _, step := range []func() error{
		l.identify, l.newest, l.resume, l.compare, l.anchored, l.compareWitnessed, l.mendCheckpoints, l.lookForKept,
	} {
		if err := step(); err != nil {
			return err
		}
	}
	var err error
	if l.refusal, err = readRefusal(l.dir); err != nil {
		return err
	}
	// It is gone on with: what is no whole leaf at its end is cut off.
	if err := l.takeBack(nil); err != nil || l.broken != nil {
		return errors.Join(err, l.broken)
	}
	if err := l.sys.syncDir(l.dir); err != nil {
		return err
	}
	if l.begins != "" {
		return l.begin()
	}
	if err := l.putVerifier(); err != nil || len(l.missing) == 0 {
		return err
	}
	return l.tellMissing()
}

// mendCheckpoints cuts off a note that a crash tore. Nobody was told of it. It
// reads the end of the file only, which grows for ever.
func (l *Ledger) mendCheckpoints() error {
	name := filepath.Join(l.dir, checkpointsFile)
	b, before, err := readTail(name, noteMost)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	whole := wholeNotes(b)
	if whole == 0 && before > 0 {
		return nil // no note is so long: Verify reports what this is
	}
	// What cannot be read is kept anew; Verify reports it.
	begins := max(0, bytes.LastIndex(b[:max(0, whole-2)], []byte("\n\n")))
	begins = max(0, bytes.LastIndex(b[:begins], []byte("\n\n")))
	if signed := bytes.TrimLeft(b[begins:max(begins, whole-1)], "\n"); len(signed) > 0 {
		l.kept, _ = ReadCheckpoint(bytes.Clone(signed), l.vkey)
	}
	if whole == len(b) {
		return nil
	}
	f, err := l.sys.OpenFile(name, os.O_WRONLY, fileMode)
	if err != nil {
		return err
	}
	return errors.Join(l.sys.Truncate(f, before+int64(whole)), f.Close())
}

// wholeNotes is where the last whole note of a file ends; 0: there is none.
func wholeNotes(b []byte) int {
	whole := bytes.LastIndex(b, []byte("\n\n")) + 2
	for whole >= 2 && !bytes.HasPrefix(lastLine(b[:whole-1]), []byte("—")) {
		whole = bytes.LastIndex(b[:whole-2], []byte("\n\n")) + 2
	}
	if whole < 2 {
		return 0
	}
	return whole
}

// readTail reads the last bytes of a file, at most so many; before is where they
// begin.
func readTail(name string, most int64) (b []byte, before int64, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	before = max(0, info.Size()-most)
	b, err = io.ReadAll(io.NewSectionReader(f, before, info.Size()-before))
	return b, before, err
}

// lastLine returns the last line of b, which ends with a newline.
func lastLine(b []byte) []byte {
	b = b[:len(b)-1]
	return b[bytes.LastIndexByte(b, '\n')+1:]
}

// Close signs what is new and closes the files.
func (l *Ledger) Close() error {
	if l.stop != nil {
		close(l.stop)
		<-l.done
	}
	_, err := l.Checkpoint()
	l.mu.Lock()
	defer l.mu.Unlock()
	return errors.Join(err, l.closeFiles())
}

func (l *Ledger) closeFiles() error {
	var err error
	for _, f := range []*os.File{l.leaves, l.index, l.hashes, l.rows} {
		if f != nil {
			err = errors.Join(err, f.Close())
		}
	}
	if l.broken == nil {
		l.broken = os.ErrClosed
	}
	return err
}

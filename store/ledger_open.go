package store

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
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
// cut off, derived files are mended. A log that is shorter than its newest
// checkpoint, or another than it states, is renamed aside and a new one begun
// whose first leaf says so: what was recorded cannot be changed, recording
// itself must go on. The checkpoint counts that lies in dir, and the one that
// lies beside it: see [Ledger.anchored].
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
	aside := dir + damagedMark + now().UTC().Format("20060102T150405.000")
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
	if err := l.identify(); err != nil {
		return err
	}
	if err := l.resume(); err != nil {
		return err
	}
	if err := l.mendCheckpoints(); err != nil {
		return err
	}
	err := l.sys.syncDir(l.dir)
	if err != nil {
		return err
	}
	if l.refusal, err = readRefusal(l.dir); err != nil {
		return err
	}
	if err := l.compare(); err != nil {
		return err
	}
	if err := l.anchored(); err != nil {
		return err
	}
	return l.compareWitnessed()
}

// identify reads the signer's key, or makes one for a log that is empty.
func (l *Ledger) identify() error {
	name := filepath.Join(l.dir, signerFile)
	skey, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		info, err := l.leaves.Stat()
		if err != nil {
			return err
		}
		if info.Size() > 0 {
			return fmt.Errorf("%w: %s is missing", errLog, signerFile)
		}
		if skey, err = l.makeSigner(name); err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	if l.signer, err = note.NewSigner(strings.TrimSpace(string(skey))); err != nil {
		return fmt.Errorf("%w: %s: %w", errLog, signerFile, err)
	}
	vkey, err := os.ReadFile(filepath.Join(l.dir, verifierFile))
	if err != nil {
		return fmt.Errorf("%w: %w", errLog, err)
	}
	l.vkey = strings.TrimSpace(string(vkey))
	return nil
}

// makeSigner writes the public half first: a secret half alone would be a log
// nobody can verify.
func (l *Ledger) makeSigner(name string) ([]byte, error) {
	id := make([]byte, 6)
	rand.Read(id)
	skey, vkey, err := note.GenerateKey(rand.Reader, "siprecd-"+hex.EncodeToString(id)+"/ledger")
	if err != nil {
		return nil, err
	}
	if err := l.sys.replace(filepath.Join(l.dir, verifierFile), []byte(vkey+"\n")); err != nil {
		return nil, err
	}
	return []byte(skey), l.sys.replace(name, []byte(skey+"\n"))
}

// resume finds the end of the leaves and brings index and hashes to it.
func (l *Ledger) resume() error {
	if err := l.indexed(); err != nil {
		return err
	}
	info, err := l.leaves.Stat()
	if err != nil {
		return err
	}
	for l.end < info.Size() {
		text, err := l.frame(l.end)
		if err != nil {
			l.log.Warn("the ledger ends in the middle of a leaf, the rest is cut off", "leaf", l.size, "bytes", info.Size()-l.end)
			break
		}
		if err := l.write(text); err != nil {
			return err
		}
	}
	if err := l.takeBack(nil); err != nil || l.broken != nil {
		return errors.Join(err, l.broken)
	}
	if l.size == 0 {
		return nil
	}
	text, err := l.leaf(l.size - 1)
	if err != nil {
		return err
	}
	var newest Leaf
	if err := newest.UnmarshalText(text); err != nil {
		return fmt.Errorf("%w: leaf %d: %w", errLog, l.size-1, err)
	}
	l.last = newest.Time
	return nil
}

// indexed takes what index and hashes agree on, back to a leaf that is whole.
func (l *Ledger) indexed() error {
	index, err := l.index.Stat()
	if err != nil {
		return err
	}
	hashes, err := l.hashes.Stat()
	if err != nil {
		return err
	}
	n := index.Size() / 8
	for n > 0 && tlog.StoredHashCount(n)*tlog.HashSize > hashes.Size() {
		n--
	}
	for ; n > 0; n-- {
		at, err := l.offset(n - 1)
		if err != nil {
			return err
		}
		text, err := l.frame(at)
		if err != nil {
			continue
		}
		l.size = n
		h, err := l.reader()([]int64{tlog.StoredHashIndex(0, n-1)})
		if err == nil && h[0] == tlog.RecordHash(text) {
			l.end = at + leafFrame + int64(len(text))
			return nil
		}
	}
	l.size, l.end = 0, 0
	return nil
}

func (l *Ledger) offset(seq int64) (int64, error) {
	var b [8]byte
	if _, err := l.index.ReadAt(b[:], seq*8); err != nil {
		return 0, err
	}
	return int64(binary.LittleEndian.Uint64(b[:])), nil
}

func (l *Ledger) leaf(seq int64) ([]byte, error) {
	at, err := l.offset(seq)
	if err != nil {
		return nil, err
	}
	return l.frame(at)
}

// frame reads the leaf whose frame begins at at.
func (l *Ledger) frame(at int64) ([]byte, error) {
	return readFrame(io.NewSectionReader(l.leaves, at, leafFrame+leafMost))
}

func readFrame(r io.Reader) ([]byte, error) {
	var head [leafFrame]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := binary.LittleEndian.Uint32(head[:])
	if n == 0 || n > leafMost {
		return nil, fmt.Errorf("%w: a leaf of %d bytes", ErrDamaged, n)
	}
	text := make([]byte, n)
	if _, err := io.ReadFull(r, text); err != nil {
		return nil, err
	}
	if crc32.Checksum(text, castagnoli) != binary.LittleEndian.Uint32(head[4:]) {
		return nil, fmt.Errorf("%w: a leaf's checksum is wrong", ErrDamaged)
	}
	return text, nil
}

// compare holds the log against its newest checkpoint.
func (l *Ledger) compare() error {
	signed, err := os.ReadFile(filepath.Join(l.dir, checkpointFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	c, err := ReadCheckpoint(signed, l.vkey)
	if err != nil {
		return fmt.Errorf("%w: its checkpoint: %w", errLog, err)
	}
	if err := l.holds(c); err != nil {
		return err
	}
	l.signed = c
	return nil
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
	whole := bytes.LastIndex(b, []byte("\n\n")) + 2
	for whole >= 2 && !bytes.HasPrefix(lastLine(b[:whole-1]), []byte("—")) {
		whole = bytes.LastIndex(b[:whole-2], []byte("\n\n")) + 2
	}
	if whole < 2 {
		if before > 0 {
			return nil // no note is so long: Verify reports what this is
		}
		whole = 0
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

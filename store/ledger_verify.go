package store

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// Finding is one thing that verification found wrong.
type Finding struct {
	What    string `json:"what"`    // missing, altered, added, out-of-order, unreadable, refused
	Where   string `json:"where"`   // "leaf 17", a path in the data directory, a recording's id
	Detail  string `json:"detail"`  // in words
	Subject string `json:"subject"` // a recording's id, or empty
}

// LogReport is what VerifyLog found.
type LogReport struct {
	Leaves      int64
	Checkpoints int
	Rows        int // readable rows whose digest stands in a leaf
	RowsGone    int // leaves whose row was destroyed with its month
	RowsLoose   int // rows without a leaf
	Newest      Checkpoint
	Witnessed   Cosigned // its Note is nil when no witness cosigned anything
	Findings    []Finding
}

// treeEdge is the right edge of a growing Merkle tree: all that is needed to
// know the root at every size while the leaves pass by once.
type treeEdge struct {
	size  int64
	nodes []tlog.Hash // roots of the complete subtrees, largest first
}

func (e *treeEdge) add(leaf []byte) {
	h := tlog.RecordHash(leaf)
	for n := e.size; n&1 == 1; n >>= 1 {
		h = tlog.NodeHash(e.nodes[len(e.nodes)-1], h)
		e.nodes = e.nodes[:len(e.nodes)-1]
	}
	e.nodes = append(e.nodes, h)
	e.size++
}

// root follows RFC 6962 section 2.1.
func (e *treeEdge) root() tlog.Hash {
	if len(e.nodes) == 0 {
		h, _ := tlog.TreeHash(0, nil)
		return h
	}
	h := e.nodes[len(e.nodes)-1]
	for i := len(e.nodes) - 2; i >= 0; i-- {
		h = tlog.NodeHash(e.nodes[i], h)
	}
	return h
}

// VerifyLog reads the whole log in dir by itself: it needs no secret and trusts
// neither index nor stored hashes. Each leaf is given to see, when see is not
// nil. The error is of reading; what is wrong with the log is in the report.
func VerifyLog(dir string, see func(seq int64, l Leaf)) (LogReport, error) {
	v := verification{see: see, gone: make(map[string]*goneRows)}
	vkey, err := os.ReadFile(filepath.Join(dir, verifierFile))
	if err != nil {
		return v.LogReport, err
	}
	v.vkey = strings.TrimSpace(string(vkey))
	if err := v.newest(dir); err != nil {
		return v.LogReport, err
	}
	if err := v.witness(dir); err != nil {
		return v.LogReport, err
	}
	v.notes, v.endNotes = iter.Pull2(notesOf(dir))
	defer v.endNotes()
	v.rows = rowReader{dir: dir, find: v.find}
	defer v.rows.close()
	if err := v.compare(); err != nil {
		return v.LogReport, err
	}
	for text, err := range leavesOf(dir) {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			// A crash tears the last leaf. What a checkpoint states is missed
			// in the end.
			break
		}
		if err != nil {
			v.find("unreadable", v.here(), "%v", err)
			break
		}
		if err := v.leaf(text); err != nil {
			return v.LogReport, err
		}
		if err := v.compare(); err != nil {
			return v.LogReport, err
		}
	}
	return v.LogReport, v.finish()
}

// verification is one reading of a log. Leaves, checkpoints and rows pass by
// side by side, in the order in which they were written: none of the three,
// which grow for ever, is held in memory.
type verification struct {
	LogReport
	vkey      string
	see       func(seq int64, l Leaf)
	notes     func() (signed []byte, err error, ok bool)
	endNotes  func()
	noted     int          // notes read
	next      []Checkpoint // of them, those not reached yet
	apart     []Checkpoint // the newest, and what a witness cosigned: those not reached yet
	rows      rowReader
	gone      map[string]*goneRows // leaves without their row, by month
	destroyed []string             // months whose rows the log says are destroyed
	edge      treeEdge
	before    time.Time
}

// goneRows are the leaves of a month whose row is not there.
type goneRows struct {
	n     int
	first []int64 // of them, at most goneMost
}

// goneMost is how many of a month are reported one by one.
const goneMost = 1000

func (v *verification) here() string { return fmt.Sprintf("leaf %d", v.edge.size) }

// leaf takes the next leaf.
func (v *verification) leaf(text []byte) error {
	var leaf Leaf
	if err := leaf.UnmarshalText(text); err != nil {
		v.find("altered", v.here(), "%v", err)
	}
	if leaf.Time.Before(v.before) {
		v.find("out-of-order", v.here(), "its time %s is before that of the leaf before it", leaf.Time.Format(time.RFC3339))
	}
	v.before = leaf.Time
	if leaf.Row != "" {
		month := leaf.Time.Format(rowsMonth)
		there, err := v.rows.has(month, leaf.Row)
		if err != nil {
			return err
		}
		if there {
			v.Rows++
		} else {
			v.missRow(month)
		}
	}
	if leaf.Kind == EventRowsDestroyed {
		v.destroyed = append(v.destroyed, leaf.Subject)
	}
	if v.see != nil {
		v.see(v.edge.size, leaf)
	}
	v.edge.add(text)
	return nil
}

func (v *verification) missRow(month string) {
	g := v.gone[month]
	if g == nil {
		g = new(goneRows)
		v.gone[month] = g
	}
	if g.n++; len(g.first) < goneMost {
		g.first = append(g.first, v.edge.size)
	}
}

// compare holds the tree as it is now against the checkpoints of its size.
func (v *verification) compare() error {
	if err := v.readNotes(v.edge.size); err != nil {
		return err
	}
	v.next = slices.DeleteFunc(v.next, v.reached)
	v.apart = slices.DeleteFunc(v.apart, v.reached)
	return nil
}

// reached holds the tree against a checkpoint of its size; false: of another.
func (v *verification) reached(c Checkpoint) bool {
	if c.Size == v.edge.size && c.Root != v.edge.root() {
		v.find("altered", fmt.Sprintf("leaves 0-%d", v.edge.size-1),
			"the checkpoint of %d leaves states another root: leaves were changed, removed or put in", v.edge.size)
	}
	return c.Size == v.edge.size
}

// readNotes reads checkpoints up to the first that states more leaves than
// size. Each states as many as the one before it, or more.
func (v *verification) readNotes(size int64) error {
	for v.notes != nil && !slices.ContainsFunc(v.next, func(c Checkpoint) bool { return c.Size > size }) {
		signed, err, ok := v.notes()
		if !ok {
			v.notes = nil
			return nil
		}
		if err != nil {
			return err
		}
		v.noted++
		where := fmt.Sprintf("%s/%s, note %d", ledgerDir, checkpointsFile, v.noted)
		c, err := v.take(where, signed)
		switch {
		case err != nil:
		case c.Size < size:
			v.find("out-of-order", where, "it states %d leaves, one before it more", c.Size)
		default:
			v.next = append(v.next, c)
		}
	}
	return nil
}

// take reads a checkpoint, and reports one that is none.
func (v *verification) take(where string, signed []byte) (Checkpoint, error) {
	c, err := ReadCheckpoint(signed, v.vkey)
	if err != nil {
		v.find("altered", where, "%v", err)
		return c, err
	}
	v.Checkpoints++
	if c.Size >= v.Newest.Size {
		v.Newest = c
	}
	return c, nil
}

// newest reads the newest checkpoint, which lies apart.
func (v *verification) newest(dir string) error {
	signed, err := os.ReadFile(filepath.Join(dir, checkpointFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if c, err := v.take(ledgerDir+"/"+checkpointFile, signed); err == nil {
		v.apart = append(v.apart, c)
	}
	return nil
}

// finish reports what did not come.
func (v *verification) finish() error {
	v.Leaves = v.edge.size
	var err error
	if v.RowsLoose, err = v.rows.finish(); err != nil {
		return err
	}
	for month, g := range v.gone {
		if slices.Contains(v.destroyed, month) {
			v.RowsGone += g.n
			continue
		}
		for _, seq := range g.first {
			v.find("missing", fmt.Sprintf("leaf %d", seq), "the readable row beside it is not in %s/%s/%s.jsonl", ledgerDir, rowsDir, month)
		}
		if more := g.n - len(g.first); more > 0 {
			v.find("missing", fmt.Sprintf("%s/%s/%s.jsonl", ledgerDir, rowsDir, month), "%d more rows of leaves are not in it", more)
		}
	}
	return v.finishNotes()
}

// finishNotes reports the checkpoints that state more leaves than there are.
func (v *verification) finishNotes() error {
	sizes := make(map[int64]bool)
	for _, c := range v.apart {
		sizes[c.Size] = true
	}
	for {
		for _, c := range v.next {
			sizes[c.Size] = true
		}
		if v.next = nil; v.notes == nil {
			break
		}
		if err := v.readNotes(v.edge.size); err != nil {
			return err
		}
	}
	for size := range sizes {
		v.find("missing", fmt.Sprintf("leaves %d-%d", v.edge.size, size-1), "a checkpoint states %d leaves, the log holds %d", size, v.edge.size)
	}
	return nil
}

func (r *LogReport) find(what, where, format string, args ...any) {
	r.Findings = append(r.Findings, Finding{What: what, Where: where, Detail: fmt.Sprintf(format, args...)})
}

// witness reads what a witness cosigned, which the log must hold as it must what
// it signed itself, and what a witness refused.
func (v *verification) witness(dir string) error {
	c, _, err := readWitnessed(dir, v.vkey)
	switch {
	case err == nil:
		v.Witnessed = c
		v.apart = append(v.apart, c.Checkpoint)
	case !errors.Is(err, fs.ErrNotExist):
		v.find("altered", ledgerDir+"/"+witnessedFile, "%v", err)
	}
	refused, err := readRefusal(dir)
	if refused.Why != "" {
		v.find("refused", ledgerDir, "a witness refuses what this log states, since %s: %s", refused.Since.Format(time.RFC3339), refused.Why)
	}
	return err
}

// linesOf returns the lines of a file that are not empty; a missing file has
// none.
func linesOf(name string) ([][]byte, error) {
	b, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var lines [][]byte
	for line := range bytes.Lines(b) {
		if line = bytes.TrimSpace(line); len(line) > 0 {
			lines = append(lines, line)
		}
	}
	return lines, nil
}

// leavesOf yields the leaves of a log in order. An error ends it.
func leavesOf(dir string) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		f, err := os.Open(filepath.Join(dir, leavesFile))
		if err != nil {
			yield(nil, err)
			return
		}
		defer f.Close()
		in := bufio.NewReaderSize(f, 1<<18)
		for {
			text, err := readFrame(in)
			if errors.Is(err, io.EOF) {
				return
			}
			if !yield(text, err) || err != nil {
				return
			}
		}
	}
}

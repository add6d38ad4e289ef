package store

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
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
	What    string `json:"what"`    // missing, altered, added, out-of-order, unreadable
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
	v := verification{see: see, gone: make(map[string][]int64)}
	vkey, err := os.ReadFile(filepath.Join(dir, verifierFile))
	if err != nil {
		return v.LogReport, err
	}
	if v.stated, err = v.checkpoints(dir, strings.TrimSpace(string(vkey))); err != nil {
		return v.LogReport, err
	}
	if v.rows, err = v.rowDigests(dir); err != nil {
		return v.LogReport, err
	}
	v.compare()
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
		v.leaf(text)
		v.compare()
	}
	v.finish()
	return v.LogReport, nil
}

// verification is one reading of a log.
type verification struct {
	LogReport
	see       func(seq int64, l Leaf)
	stated    map[int64][]Checkpoint // by size, those not reached yet
	rows      map[string]bool        // digests of rows whose leaf did not come yet
	gone      map[string][]int64     // leaves without their row, by month
	destroyed []string               // months whose rows the log says are destroyed
	edge      treeEdge
	before    time.Time
}

func (v *verification) here() string { return fmt.Sprintf("leaf %d", v.edge.size) }

// leaf takes the next leaf.
func (v *verification) leaf(text []byte) {
	var leaf Leaf
	if err := leaf.UnmarshalText(text); err != nil {
		v.find("altered", v.here(), "%v", err)
	}
	if leaf.Time.Before(v.before) {
		v.find("out-of-order", v.here(), "its time %s is before that of the leaf before it", leaf.Time.Format(time.RFC3339))
	}
	v.before = leaf.Time
	if leaf.Row != "" && v.rows[leaf.Row] {
		v.Rows++
		delete(v.rows, leaf.Row)
	} else if leaf.Row != "" {
		month := leaf.Time.Format(rowsMonth)
		v.gone[month] = append(v.gone[month], v.edge.size)
	}
	if leaf.Kind == EventRowsDestroyed {
		v.destroyed = append(v.destroyed, leaf.Subject)
	}
	if v.see != nil {
		v.see(v.edge.size, leaf)
	}
	v.edge.add(text)
}

// compare holds the tree as it is now against the checkpoints of its size.
func (v *verification) compare() {
	for _, c := range v.stated[v.edge.size] {
		if c.Root != v.edge.root() {
			v.find("altered", fmt.Sprintf("leaves 0-%d", v.edge.size-1),
				"the checkpoint of %d leaves states another root: leaves were changed, removed or put in", v.edge.size)
		}
	}
	delete(v.stated, v.edge.size)
}

// finish reports what did not come.
func (v *verification) finish() {
	v.Leaves = v.edge.size
	for month, seqs := range v.gone {
		if slices.Contains(v.destroyed, month) {
			v.RowsGone += len(seqs)
			continue
		}
		for _, seq := range seqs {
			v.find("missing", fmt.Sprintf("leaf %d", seq), "the readable row beside it is not in %s/%s/%s.jsonl", ledgerDir, rowsDir, month)
		}
	}
	for size := range v.stated {
		v.find("missing", fmt.Sprintf("leaves %d-%d", v.edge.size, size-1), "a checkpoint states %d leaves, the log holds %d", size, v.edge.size)
	}
	// A row is written before its leaf: a crash between leaves it alone. It
	// proves nothing, and nothing refers to it.
	v.RowsLoose = len(v.rows)
}

func (r *LogReport) find(what, where, format string, args ...any) {
	r.Findings = append(r.Findings, Finding{What: what, Where: where, Detail: fmt.Sprintf(format, args...)})
}

// checkpoints reads all that were signed, by size.
func (r *LogReport) checkpoints(dir, vkey string) (map[int64][]Checkpoint, error) {
	stated := make(map[int64][]Checkpoint)
	take := func(where string, signed []byte) {
		c, err := ReadCheckpoint(signed, vkey)
		if err != nil {
			r.find("altered", where, "%v", err)
			return
		}
		stated[c.Size] = append(stated[c.Size], c)
		r.Checkpoints++
		if c.Size >= r.Newest.Size {
			r.Newest = c
		}
	}
	all, err := os.ReadFile(filepath.Join(dir, checkpointsFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for i := 1; len(all) > 0; i++ {
		// A note is text, an empty line, signatures; another empty line ends it.
		text, rest, _ := bytes.Cut(all, []byte("\n\n"))
		signatures, after, _ := bytes.Cut(rest, []byte("\n\n"))
		take(fmt.Sprintf("%s/%s, note %d", ledgerDir, checkpointsFile, i), fmt.Appendf(nil, "%s\n\n%s\n", text, signatures))
		all = after
	}
	newest, err := os.ReadFile(filepath.Join(dir, checkpointFile))
	if errors.Is(err, fs.ErrNotExist) {
		return stated, nil
	}
	if err != nil {
		return nil, err
	}
	take(ledgerDir+"/"+checkpointFile, newest)
	return stated, nil
}

// rowDigests reads the readable rows and holds each against its own digest.
func (r *LogReport) rowDigests(dir string) (map[string]bool, error) {
	files, err := filepath.Glob(filepath.Join(dir, rowsDir, "*.jsonl"))
	if err != nil {
		return nil, err
	}
	digests := make(map[string]bool)
	for _, name := range files {
		lines, err := linesOf(name)
		if err != nil {
			return nil, err
		}
		for i, line := range lines {
			var saved savedRow
			where := fmt.Sprintf("%s/%s/%s:%d", ledgerDir, rowsDir, filepath.Base(name), i+1)
			if err := json.Unmarshal(line, &saved); err != nil {
				// A crash tears a line before its leaf is written.
				continue
			}
			salt, err := hex.DecodeString(saved.Salt)
			if err != nil || saltedDigest(salt, saved.Row) != saved.Digest {
				r.find("altered", where, "the row is not the one its digest was made of")
				continue
			}
			digests[saved.Digest] = true
		}
	}
	return digests, nil
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

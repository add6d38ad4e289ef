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

// VerifyLog reads the whole log in dir by itself: it needs no secret and trusts
// neither index nor stored hashes. Each leaf is given to see, when see is not
// nil. The error is of reading; what is wrong with the log is in the report.
func VerifyLog(dir string, see func(seq int64, l Leaf)) (LogReport, error) {
	return (&verification{see: see}).run(dir)
}

// run reads the log as it stands when it begins: what is appended meanwhile is
// another reading's.
func (v *verification) run(dir string) (LogReport, error) {
	v.gone = make(map[string]*goneRows)
	if _, err := os.Lstat(filepath.Join(dir, leavesFile)); errors.Is(err, fs.ErrNotExist) {
		v.find("missing", ledgerDir+"/"+leavesFile, "the ledger is not there")
		return v.LogReport, nil
	}
	if err := v.verifier(dir); err != nil {
		return v.LogReport, err
	}
	if err := v.begin(dir); err != nil {
		return v.LogReport, err
	}
	defer v.endNotes()
	defer v.derived.close()
	v.rows = rowReader{dir: dir, find: v.find}
	defer v.rows.close()
	if err := v.compare(); err != nil {
		return v.LogReport, err
	}
	for text, err := range leavesOf(dir, v.until) {
		if v.each != nil && err == nil {
			if err := v.each(len(text)); err != nil {
				return v.LogReport, err
			}
		}
		if err != nil {
			// A crash tears the last leaf. What a checkpoint states is missed
			// in the end.
			torn, cause := v.torn(dir)
			if cause != nil {
				return v.LogReport, cause
			}
			if !torn {
				v.find("unreadable", v.here(), "%v", err)
			}
			break
		}
		if err := v.leaf(text); err != nil {
			return v.LogReport, err
		}
		if err := v.compare(); err != nil {
			return v.LogReport, err
		}
	}
	if v.derived.wrong && v.ledger != nil {
		v.ledger.mend()
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
	each      func(bytes int) error // before a leaf is looked at; nil: nobody slows it. An error ends it
	ledger    *Ledger               // that may be appended to meanwhile, or nil
	signed    int64                 // leaves that the newest checkpoint of the log states
	until     int64                 // bytes of the leaves' file when the reading began
	notes     func() (signed []byte, err error, ok bool)
	endNotes  func()
	noted     int          // notes read
	next      []Checkpoint // of them, those not reached yet
	apart     []Checkpoint // the newest, and what a witness cosigned: those not reached yet
	rows      rowReader
	gone      map[string]*goneRows // leaves without their row, by month
	destroyed []string             // months whose rows the log says are destroyed
	derived   derivedReader
	edge      treeEdge
	at        int64 // where the frame of the next leaf begins
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
	if leaf.Kind == EventCheckpointMissing {
		v.find("missing", v.here(), "a start found %s leaves, and not %s: whether there were more nobody can tell; only a witness, or checkpoints that others hold",
			leaf.Public["leaves"], strings.ReplaceAll(leaf.Public["missing"], " ", ", "))
	}
	v.derived.hold(v, text)
	v.at += leafFrame + int64(len(text))
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

func (r *LogReport) find(what, where, format string, args ...any) {
	r.Findings = append(r.Findings, Finding{What: what, Where: where, Detail: fmt.Sprintf(format, args...)})
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

// leavesOf yields the leaves of a log in order, of the first bytes of their file.
// An error ends it.
func leavesOf(dir string, until int64) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		f, err := os.Open(filepath.Join(dir, leavesFile))
		if err != nil {
			yield(nil, err)
			return
		}
		defer f.Close()
		in := bufio.NewReaderSize(io.LimitReader(f, until), 1<<18)
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

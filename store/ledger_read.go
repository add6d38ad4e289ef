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
)

// noteMost bounds what is read as one checkpoint, in bytes.
const noteMost = 1 << 16

// notesOf yields the checkpoints that a log keeps as they were signed, the oldest
// first, of the first bytes of their file. A note is text, an empty line, signatures; another empty line ends it.
func notesOf(dir string, until int64) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		f, err := os.Open(filepath.Join(dir, checkpointsFile))
		if errors.Is(err, fs.ErrNotExist) {
			return
		}
		if err != nil {
			yield(nil, err)
			return
		}
		defer f.Close()
		in := bufio.NewReaderSize(io.LimitReader(f, until), noteMost)
		var signed []byte
		empty := 0
		for {
			line, err := in.ReadSlice('\n')
			signed = append(signed, line...)
			if len(line) == 1 && line[0] == '\n' {
				empty++
			}
			if errors.Is(err, bufio.ErrBufferFull) {
				err = nil // no note has such a line: what there is of it tells that
			}
			ends := err != nil || len(signed) > noteMost
			if empty == 2 {
				signed, ends = signed[:len(signed)-1], true // without the line that ends it
			}
			if ends && len(signed) > 0 && !yield(bytes.Clone(signed), nil) {
				return
			}
			if err != nil {
				if !errors.Is(err, io.EOF) {
					yield(nil, err)
				}
				return
			}
			if ends {
				signed, empty = signed[:0], 0
			}
		}
	}
}

// rowReader reads the readable rows beside the leaves, month by month, as the
// leaves pass by: a row is written before its leaf, and in the same order.
type rowReader struct {
	dir  string
	find func(what, where, format string, args ...any)

	month string
	file  *os.File // nil: none is open
	in    *bufio.Reader
	line  int
	ahead map[[32]byte]int // lines of rows that were read, and whose leaf did not come yet, by their digests
	seen  []string         // months that were opened
	loose int              // rows of months before without a leaf

	newest   int // line of the last row whose leaf came
	disorder int // rows of the month that stand before one of an earlier leaf
}

// has reports whether the row of a leaf is there. Months come in order.
func (r *rowReader) has(month, digest string) (bool, error) {
	if month < r.month {
		return false, nil // its leaf is out of order, which is found as such
	}
	if month != r.month {
		if err := r.open(month); err != nil {
			return false, err
		}
	}
	var want [32]byte
	if n, err := hex.Decode(want[:], []byte(digest[:min(len(digest), 64)])); err != nil || n != len(want) {
		return false, nil
	}
	if line := r.ahead[want]; line > 0 {
		delete(r.ahead, want)
		if line < r.newest {
			r.disorder++
		}
		r.newest = max(r.newest, line)
		return true, nil
	}
	for {
		got, err := r.row()
		if errors.Is(err, io.EOF) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		if got == want {
			r.newest = r.line
			return true, nil
		}
		r.ahead[got] = r.line
	}
}

// open goes to a month, having read the one before to its end.
func (r *rowReader) open(month string) error {
	if err := r.drain(); err != nil {
		return err
	}
	r.month, r.line, r.ahead = month, 0, make(map[[32]byte]int)
	r.seen = append(r.seen, month)
	f, err := os.Open(filepath.Join(r.dir, rowsDir, month+rowsExt))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	r.file, r.in = f, bufio.NewReaderSize(f, 1<<18)
	return nil
}

// drain reads the rest of a month. A crash between a row and its leaf leaves a
// row alone: it proves nothing, and nothing refers to it.
func (r *rowReader) drain() error {
	for {
		digest, err := r.row()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if r.ahead[digest] > 0 {
			r.loose++ // it is there twice, and counted as such
		}
		r.ahead[digest] = r.line
	}
	if r.disorder > 0 {
		r.find("out-of-order", r.where(), "%d rows are not in the order of their leaves", r.disorder)
	}
	err := errors.Join(r.twice(), r.close())
	r.loose += len(r.ahead)
	r.ahead, r.newest, r.disorder = nil, 0, 0
	return err
}

// twice looks for rows without a leaf that have one in a copy: each has a salt of
// its own, no two are the same.
func (r *rowReader) twice() error {
	if len(r.ahead) == 0 {
		return nil
	}
	if _, err := r.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	again := rowReader{dir: r.dir, find: func(string, string, string, ...any) {}, file: r.file, in: bufio.NewReaderSize(r.file, 1<<18)}
	copies := -len(r.ahead)
	for {
		digest, err := again.row()
		switch {
		case errors.Is(err, io.EOF):
			if copies > 0 {
				r.find("added", r.where(), "%d rows are copies of others in it", copies)
			}
			return nil
		case err != nil:
			return err
		case r.ahead[digest] > 0:
			copies++
		}
	}
}

func (r *rowReader) where() string {
	return fmt.Sprintf("%s/%s/%s%s", ledgerDir, rowsDir, r.month, rowsExt)
}

// rowHead begins every row.
var rowHead = []byte(`{"digest":"`)

// row reads the next row and returns its digest, or io.EOF.
func (r *rowReader) row() (digest [32]byte, err error) {
	for r.file != nil {
		text, err := r.in.ReadBytes('\n')
		if len(text) == 0 && err != nil {
			return digest, err
		}
		r.line++
		if text = bytes.TrimSpace(text); len(text) == 0 {
			continue
		}
		var saved savedRow
		if err := json.Unmarshal(text, &saved); err != nil {
			// A crash tears a line before its leaf is written.
			if begins := bytes.Trim(text, "\x00"); !bytes.HasPrefix(begins, rowHead[:min(len(begins), len(rowHead))]) {
				r.find("altered", fmt.Sprintf("%s:%d", r.where(), r.line), "it is no row, and not the beginning of one")
			}
			continue
		}
		salt, err := hex.DecodeString(saved.Salt)
		again, _ := json.Marshal(saved)
		if err != nil || saltedDigest(salt, saved.Row) != saved.Digest || !bytes.Equal(again, text) {
			r.find("altered", fmt.Sprintf("%s:%d", r.where(), r.line), "the row is not the one its digest was made of")
			continue
		}
		_, err = hex.Decode(digest[:], []byte(saved.Digest))
		return digest, err
	}
	return digest, io.EOF
}

// finish reads what no leaf led to, and returns the number of rows without one.
func (r *rowReader) finish() (loose int, err error) {
	files, err := filepath.Glob(filepath.Join(r.dir, rowsDir, "*"+rowsExt))
	if err != nil {
		return 0, err
	}
	for _, name := range files {
		month := strings.TrimSuffix(filepath.Base(name), ".jsonl")
		if slices.Contains(r.seen, month) {
			continue
		}
		if err := r.open(month); err != nil {
			return 0, err
		}
	}
	err = r.drain()
	return r.loose, err
}

func (r *rowReader) close() error {
	if r.file == nil {
		return nil
	}
	err := r.file.Close()
	r.file = nil
	return err
}

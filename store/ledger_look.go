package store

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

// verifier reads the public half of the signer's key. Where it is not, or is
// another than the secret half's, that one tells.
func (v *verification) verifier(dir string) error {
	b, err := os.ReadFile(filepath.Join(dir, verifierFile))
	v.vkey = strings.TrimSpace(string(b))
	secret, missing := os.ReadFile(filepath.Join(dir, signerFile))
	if missing != nil {
		if errors.Is(err, fs.ErrNotExist) {
			v.find("missing", ledgerDir+"/"+verifierFile, "without it no checkpoint can be verified")
			err = nil
		}
		return errors.Join(err, v.signer(dir, missing))
	}
	of, cause := verifierOf(strings.TrimSpace(string(secret)))
	switch {
	case cause != nil:
		v.find("altered", ledgerDir+"/"+signerFile, "%v", cause)
		return err
	case err != nil:
		v.find("missing", ledgerDir+"/"+verifierFile, "it is the public half of %s, and made again at the next start", signerFile)
		v.vkey = of
	case of != v.vkey:
		v.find("altered", ledgerDir+"/"+verifierFile, "it is not the public half of %s", signerFile)
		if signed, err := os.ReadFile(filepath.Join(dir, checkpointFile)); err == nil {
			if _, err := ReadCheckpoint(signed, of); err == nil {
				v.vkey = of
			}
		}
	}
	return nil
}

// signer reports a secret half that is not there. In a backup without keys there is
// none, and no day has one either.
func (v *verification) signer(dir string, missing error) error {
	if !errors.Is(missing, fs.ErrNotExist) {
		v.find("unreadable", ledgerDir+"/"+signerFile, "%v", missing)
		return nil
	}
	if _, err := os.Lstat(filepath.Join(filepath.Dir(dir), keysDir, daysDir)); err == nil {
		v.find("missing", ledgerDir+"/"+signerFile, "without it the next start cannot go on with this ledger, and sets it aside: bring it back from a copy of the keys")
	}
	return nil
}

var (
	ledgerFiles = []string{leavesFile, indexFile, hashesFile, rowsDir, checkpointFile, checkpointsFile,
		signerFile, verifierFile, witnessedFile, witnessFile, refusedFile}
	rowsShape = regexp.MustCompile(`^\d{4}-\d{2}\` + rowsExt + `(\` + goneExt + `)?$`)
)

// strays reports files of the log's directory that are none of its own. What was
// being written, or destroyed, when a crash came is its own.
func (v *verification) strays(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !slices.Contains(ledgerFiles, strings.TrimSuffix(e.Name(), partSuffix)) || e.IsDir() != (e.Name() == rowsDir) {
			v.find("added", ledgerDir+"/"+printable(e.Name()), "nothing of the ledger is called so")
		}
	}
	rows, err := os.ReadDir(filepath.Join(dir, rowsDir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // no leaf has a row
	}
	for _, e := range rows {
		if !rowsShape.MatchString(e.Name()) || e.IsDir() {
			v.find("added", ledgerDir+"/"+rowsDir+"/"+printable(e.Name()), "no rows are called so")
		}
	}
	return err
}

// torn reports whether what follows the last whole leaf is what a crash leaves: the
// beginning of one leaf, or the place of it, which the disk had no time to fill.
func (v *verification) torn(dir string) (bool, error) {
	f, err := os.Open(filepath.Join(dir, leavesFile))
	if err != nil {
		return false, err
	}
	defer f.Close()
	const most = leafFrame + leafMost
	tail, err := io.ReadAll(io.NewSectionReader(f, v.at, min(v.until-v.at, most+1)))
	if err != nil || len(tail) > most {
		return false, err
	}
	tail = bytes.TrimRight(tail, "\x00")
	if len(tail) <= leafFrame {
		return len(tail) < 4 || binary.LittleEndian.Uint32(tail) <= leafMost, nil
	}
	n, text := binary.LittleEndian.Uint32(tail), tail[leafFrame:]
	begins := []byte(leafHead + "\ntime ")
	begins = begins[:min(len(begins), len(text))]
	return n <= leafMost && len(text) < int(n) && bytes.HasPrefix(text, begins), nil
}

// derivedReader holds index and hashes against the leaves as they pass by, as far as
// the newest checkpoint reaches: to there both were durable before it.
type derivedReader struct {
	until         int64 // leaves
	files         [2]*os.File
	index, hashes *bufio.Reader // nil: there is none, or what is wrong with it was found
	stored        []tlog.Hash
	wrong         bool
}

func (d *derivedReader) open(dir string, signed int64) error {
	d.until = signed
	for i, to := range []**bufio.Reader{&d.index, &d.hashes} {
		f, err := os.Open(filepath.Join(dir, []string{indexFile, hashesFile}[i]))
		if errors.Is(err, fs.ErrNotExist) {
			continue // the next start makes it
		}
		if err != nil {
			return err
		}
		d.files[i] = f
		if info, err := f.Stat(); err != nil || info.Size() > 0 {
			*to = bufio.NewReaderSize(f, 1<<16)
		}
	}
	return nil
}

// hold takes the next leaf.
func (d *derivedReader) hold(v *verification, text []byte) {
	seq := v.edge.size
	d.stored = v.edge.add(tlog.RecordHash(text), d.stored[:0])
	if seq >= d.until {
		return
	}
	if d.index != nil {
		var at [8]byte
		if _, err := io.ReadFull(d.index, at[:]); err != nil || int64(binary.LittleEndian.Uint64(at[:])) != v.at {
			d.index = d.find(v, indexFile, seq, err)
		}
	}
	for _, h := range d.stored {
		if d.hashes == nil {
			return
		}
		var got tlog.Hash
		if _, err := io.ReadFull(d.hashes, got[:]); err != nil || got != h {
			d.hashes = d.find(v, hashesFile, seq, err)
		}
	}
}

func (d *derivedReader) find(v *verification, name string, seq int64, err error) *bufio.Reader {
	detail := fmt.Sprintf("from leaf %d on it is not what the leaves give", seq)
	if err != nil {
		detail = fmt.Sprintf("it ends before leaf %d, which was signed", seq)
	}
	d.wrong = true
	v.find("altered", ledgerDir+"/"+name, "%s; it is derived, and the daemon makes it again from the leaves when it verifies or proves", detail)
	return nil
}

func (d *derivedReader) close() {
	for _, f := range d.files {
		if f != nil {
			_ = f.Close()
		}
	}
}

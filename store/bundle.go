package store

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

// The files of a bundle's contents. Of each recording there is a folder named by
// its id:
//
//	<ULID>/audio.wav            as it was sealed, or audio.flac
//	<ULID>/facts.json           the Row
//	<ULID>/…                    what the bundle was given beside them
//	<ULID>/ledger/17.leaf       each leaf that speaks of it
//	<ULID>/ledger/17.tlog-proof that it is in the tree of the checkpoint (C2SP tlog-proof)
//	<ULID>/ledger/17.row.json   the readable row beside it, with its salt
//	checkpoint                  a signed note
//	ledger.pub                  the key it is signed with
//	witnessed, witness.pub      an earlier one that a witness cosigned, and its key;
//	                            absent where there is no witness
//	growth                      that it is the beginning of the checkpoint (the request
//	                            of C2SP tlog-witness)
//	report.html, READ-ME.txt    for people; they prove nothing
//	SHA256SUMS                  of all files but itself, for sha256sum -c
const (
	bundleCheckpoint = "checkpoint"
	bundleKey        = "ledger.pub"
	bundleWitnessed  = "witnessed"
	bundleWitness    = "witness.pub"
	bundleGrowth     = "growth"
	bundleReport     = "report.html"
	bundleReadMe     = "READ-ME.txt"
	bundleSums       = "SHA256SUMS"
	bundleFacts      = "facts.json"
	bundleLedger     = "ledger"
)

// bundleFormat is the fact of the leaf by which a bundle is told from another
// export.
const bundleFormat = "bundle"

// BundleFile is one file that goes into a bundle. Write is called twice and
// writes the same both times.
type BundleFile struct {
	Name  string // without a folder
	Write func(io.Writer) error
}

// Bundled is one recording for a bundle, and what lies beside it.
type Bundled struct {
	Row    *Row
	Beside []BundleFile
}

// Bundle is what is handed to a court or an auditor.
type Bundle struct {
	Recordings []Bundled
	Reason     string
	Document   string // number of the document that asks for it
	ReadMe     []byte
	// Report writes the page that people read; it is given what is stated, and
	// what a witness saw of it, whose Note is nil when there is none.
	Report func(w io.Writer, c Checkpoint, seen Cosigned, key string) error
}

// handedOut is the readable row beside the leaf of a bundle.
type handedOut struct {
	Reason   string `json:"reason"`
	Document string `json:"document"`
}

// WriteBundle writes the contents of a bundle, in clear, as a zip: who calls it
// seals them with SealBundle. The ledger is told of each recording before its
// first byte is written. The keys must be unlocked.
func (s *Store) WriteBundle(ctx context.Context, w io.Writer, b Bundle) error {
	if s.Ledger == nil {
		return errors.New("a store in clear has no ledger to prove anything with")
	}
	out := bundleWriter{zip: zip.NewWriter(w), sums: map[string]string{}}
	files := make([][]BundleFile, len(b.Recordings))
	ids := map[string]bool{}
	for i, r := range b.Recordings {
		if ids[r.Row.ID] {
			return fmt.Errorf("%s is named twice", r.Row.ID)
		}
		ids[r.Row.ID] = true
		audio, err := s.OpenAudio(ctx, r.Row)
		if err != nil {
			return err
		}
		defer audio.Close()
		if files[i], err = filesOfBundled(r, audio); err != nil {
			return err
		}
	}
	for i, r := range b.Recordings {
		digest, err := contentsDigest(files[i])
		if err != nil {
			return err
		}
		if _, err := s.Ledger.Append(Entry{Kind: EventExported, Subject: r.Row.ID, Row: handedOut{b.Reason, b.Document},
			Public: map[string]string{"format": bundleFormat, "contents-sha256": digest}}); err != nil {
			return err
		}
	}
	seen, witnessKey := s.Ledger.Witnessed()
	c, err := s.Ledger.Checkpoint()
	if err != nil {
		return err
	}
	if err := out.put(bundleReadMe, fixed(b.ReadMe)); err != nil {
		return err
	}
	if err := out.put(bundleReport, func(w io.Writer) error { return b.Report(w, c, seen, s.Ledger.VerifierKey()) }); err != nil {
		return err
	}
	for i, r := range b.Recordings {
		for _, f := range files[i] {
			if err := out.put(path.Join(r.Row.ID, f.Name), f.Write); err != nil {
				return err
			}
		}
	}
	if err := s.bundleLeaves(&out, ids, c); err != nil {
		return err
	}
	if err := errors.Join(out.put(bundleCheckpoint, fixed(c.Note)), out.put(bundleKey, fixed([]byte(s.Ledger.VerifierKey()+"\n")))); err != nil {
		return err
	}
	if err := s.bundleWitness(&out, seen, witnessKey, c); err != nil {
		return err
	}
	if err := out.put(bundleSums, fixed(sumList(out.sums))); err != nil {
		return err
	}
	return out.zip.Close()
}

func fixed(b []byte) func(io.Writer) error {
	return func(w io.Writer) error { _, err := w.Write(b); return err }
}

// filesOfBundled are the files of a recording's folder but for the ledger's.
func filesOfBundled(r Bundled, audio *Audio) ([]BundleFile, error) {
	facts, err := json.MarshalIndent(r.Row, "", "  ")
	if err != nil {
		return nil, err
	}
	ext, _, _ := strings.Cut(r.Row.Format, " ")
	if !extShape.MatchString(ext) {
		ext = "wav"
	}
	return append([]BundleFile{
		{"audio." + ext, func(w io.Writer) error {
			_, err := io.Copy(w, io.NewSectionReader(audio, 0, audio.Size()))
			return err
		}},
		{bundleFacts, fixed(append(facts, '\n'))},
	}, r.Beside...), nil
}

// contentsDigest is the SHA-256 of the list of the files' sums, sorted by name.
func contentsDigest(files []BundleFile) (string, error) {
	sums := map[string]string{}
	for _, f := range files {
		d := newDigest(io.Discard)
		if err := f.Write(d); err != nil {
			return "", fmt.Errorf("%s: %w", f.Name, err)
		}
		sums[f.Name] = d.hex()
	}
	return sumsDigest(sums), nil
}

func sumsDigest(sums map[string]string) string {
	sum := sha256.Sum256(sumList(sums))
	return hex.EncodeToString(sum[:])
}

// sumList is what sha256sum prints, in order of names.
func sumList(sums map[string]string) []byte {
	var b bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(sums)) {
		fmt.Fprintf(&b, "%s  %s\n", sums[name], name)
	}
	return b.Bytes()
}

// bundleWriter writes files and remembers their sums.
type bundleWriter struct {
	zip  *zip.Writer
	sums map[string]string
}

func (o *bundleWriter) put(name string, write func(io.Writer) error) error {
	w, err := o.zip.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store})
	if err != nil {
		return err
	}
	d := newDigest(w)
	if err := write(d); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	o.sums[name] = d.hex()
	return nil
}

// bundleLeaves puts every leaf that speaks of one of the recordings, with its
// proof and its row.
func (s *Store) bundleLeaves(out *bundleWriter, ids map[string]bool, c Checkpoint) error {
	dir := filepath.Join(s.dir, ledgerDir)
	seq := int64(-1)
	for text, err := range leavesOf(dir, math.MaxInt64) {
		if err != nil {
			return fmt.Errorf("ledger: %w", err)
		}
		if seq++; seq >= c.Size {
			return nil
		}
		var leaf Leaf
		if err := leaf.UnmarshalText(text); err != nil || !ids[leaf.Subject] {
			continue
		}
		_, proof, err := s.Ledger.ProveLeaf(seq, c)
		if err != nil {
			return err
		}
		name := path.Join(leaf.Subject, bundleLedger, fmt.Sprint(seq))
		if err := errors.Join(out.put(name+".leaf", fixed(text)), out.put(name+".tlog-proof", fixed(proofText(seq, proof, c)))); err != nil {
			return err
		}
		row, err := rowBeside(dir, leaf)
		if err != nil {
			return err
		}
		if row == nil {
			continue // destroyed with its month, or there never was one
		}
		if err := out.put(name+".row.json", fixed(append(row, '\n'))); err != nil {
			return err
		}
	}
	return nil
}

// bundleWitness puts what a witness cosigned before, and the proof that c begins
// with it.
func (s *Store) bundleWitness(out *bundleWriter, seen Cosigned, witnessKey string, c Checkpoint) error {
	if seen.Note == nil {
		return nil
	}
	proof, err := s.Ledger.ProveGrowth(seen.Size, c.Size)
	if err != nil {
		return err
	}
	growth, err := WitnessRequest{Old: seen.Size, Proof: proof, Note: c.Note}.MarshalText()
	if err != nil {
		return err
	}
	return errors.Join(out.put(bundleWitnessed, fixed(seen.Note)), out.put(bundleWitness, fixed([]byte(witnessKey+"\n"))), out.put(bundleGrowth, fixed(growth)))
}

const proofHead = "c2sp.org/tlog-proof@v1\n"

// proofText writes an inclusion proof with the checkpoint it leads to.
func proofText(seq int64, proof tlog.RecordProof, c Checkpoint) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%sindex %d\n", proofHead, seq)
	for _, h := range proof {
		fmt.Fprintln(&b, base64.StdEncoding.EncodeToString(h[:]))
	}
	b.WriteByte('\n')
	b.Write(c.Note)
	return b.Bytes()
}

// rowBeside finds the readable row of a leaf as it was saved; nil when it is
// gone.
func rowBeside(dir string, leaf Leaf) ([]byte, error) {
	if leaf.Row == "" {
		return nil, nil
	}
	lines, err := linesOf(filepath.Join(dir, rowsDir, leaf.Time.Format(rowsMonth)+rowsExt))
	if err != nil {
		return nil, err
	}
	for _, line := range lines {
		var saved savedRow
		if json.Unmarshal(line, &saved) == nil && saved.Digest == leaf.Row {
			return line, nil
		}
	}
	return nil, nil
}

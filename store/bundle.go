package store

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
)

// The files of a bundle's contents. Of each recording there is a folder named by
// its id:
//
//	<ULID>/audio.wav            as it was sealed, or audio.flac
//	<ULID>/facts.json           the Row
//	<ULID>/…                    what the bundle was given beside them
//	<ULID>/ledger/17.leaf       each leaf that speaks of it
//	<ULID>/ledger/17.tlog-proof that it is in the tree of the checkpoint (C2SP tlog-proof)
//	<ULID>/ledger/17.row.json   the readable row beside it, with its salt; absent
//	                            where the leaf names none, or it was destroyed
//	ledger/12.leaf, …           that the rows of such a month were destroyed
//	checkpoint                  a signed note
//	ledger.pub                  the key it is signed with
//	witnessed, witness.pub      an earlier one that a witness cosigned, and its key;
//	                            absent where there is no witness
//	growth                      that it is the beginning of the checkpoint (the request
//	                            of C2SP tlog-witness)
//	report.html, READ-ME.txt    for people
//	SHA256SUMS                  of all files but itself, for sha256sum -c
//
// The leaf of the handing out states what is for people and for ears; ledger/,
// checkpoint, witnessed, witness.pub and growth prove themselves. Another file is
// none of a bundle.
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
	// Report writes the page that people read; it is given what the ledger stated
	// before the handing out, and what a witness saw of it, whose Note is nil when
	// there is none.
	Report func(w io.Writer, c Checkpoint, seen Cosigned, key string) error
}

// handedOut is the readable row beside the leaf of a bundle.
type handedOut struct {
	Reason   string `json:"reason"`
	Document string `json:"document"`
}

// Public facts of the leaf of a bundle.
const (
	contentsFact = "contents-sha256" // of the list of sums of the recording's folder, but for ledger/
	bundleFact   = "bundle-sha256"   // of the list of sums of all files but those that prove
	sizeFact     = "ledger-size"     // leaves of the ledger before it
	leavesFact   = "leaves-sha256"   // of the list of sums of those of them that speak of the recording
)

// WriteBundle writes the contents of a bundle, in clear, as a zip: who calls it
// seals them with BeginBundle. The ledger is told of each recording before its
// first byte is written. The keys must be unlocked.
func (s *Store) WriteBundle(ctx context.Context, w io.Writer, b Bundle) error {
	if s.Ledger == nil {
		return errors.New("a store in clear has no ledger to prove anything with")
	}
	h := handing{s: s, Bundle: b, ids: map[string]bool{}, out: bundleWriter{zip: zip.NewWriter(w), sums: map[string]string{}}}
	for _, r := range b.Recordings {
		if h.ids[r.Row.ID] {
			return fmt.Errorf("%s is named twice", r.Row.ID)
		}
		h.ids[r.Row.ID] = true
		audio, err := s.OpenAudio(ctx, r.Row)
		if err != nil {
			return err
		}
		defer audio.Close()
		files, err := filesOfBundled(r, audio)
		if err != nil {
			return err
		}
		h.files = append(h.files, files)
	}
	if err := h.prepare(); err != nil {
		return err
	}
	if err := h.tell(); err != nil {
		return err
	}
	return h.write()
}

// handing is one handing out of a bundle.
type handing struct {
	s *Store
	Bundle
	ids    map[string]bool
	files  [][]BundleFile // of each recording
	report []byte

	before     Checkpoint // of the ledger as the report knows it
	seen       Cosigned
	witnessKey string
	spoken     bundledLeaves
	out        bundleWriter
}

// prepare makes what the leaves will state: all files but those that prove.
func (h *handing) prepare() (err error) {
	h.seen, h.witnessKey = h.s.Ledger.Witnessed()
	if h.before, err = h.s.Ledger.Checkpoint(); err != nil {
		return err
	}
	var report bytes.Buffer
	if err := h.Report(&report, h.before, h.seen, h.s.Ledger.VerifierKey()); err != nil {
		return fmt.Errorf("%s: %w", bundleReport, err)
	}
	h.report = report.Bytes()
	h.spoken, err = h.s.leavesAbout(h.ids, h.before.Size)
	return err
}

// forPeople are the files beside the folders that the leaves state, too.
func (h *handing) forPeople() []BundleFile {
	return []BundleFile{
		{bundleReadMe, fixed(h.ReadMe)},
		{bundleReport, fixed(h.report)},
		{bundleKey, fixed([]byte(h.s.Ledger.VerifierKey() + "\n"))},
	}
}

// tell has the ledger hold what is handed out.
func (h *handing) tell() error {
	whole, err := sumsOf(h.forPeople())
	if err != nil {
		return err
	}
	var contents []string
	for i, r := range h.Recordings {
		sums, err := sumsOf(h.files[i])
		if err != nil {
			return err
		}
		contents = append(contents, sumsDigest(sums))
		for name, sum := range sums {
			whole[path.Join(r.Row.ID, name)] = sum
		}
	}
	for i, r := range h.Recordings {
		if _, err := h.s.Ledger.Append(Entry{Kind: EventExported, Subject: r.Row.ID, Row: handedOut{h.Reason, h.Document}, Public: map[string]string{
			"format": bundleFormat, contentsFact: contents[i], bundleFact: sumsDigest(whole),
			sizeFact: strconv.FormatInt(h.before.Size, 10), leavesFact: sumsDigest(h.spoken.sums(r.Row.ID)),
		}}); err != nil {
			return err
		}
	}
	return nil
}

// write writes all files: the leaves, and their proofs, as the ledger stands now.
func (h *handing) write() error {
	c, err := h.s.Ledger.Checkpoint()
	if err != nil {
		return err
	}
	for _, f := range h.forPeople() {
		if err := h.out.put(f.Name, f.Write); err != nil {
			return err
		}
	}
	for i, r := range h.Recordings {
		for _, f := range h.files[i] {
			if err := h.out.put(path.Join(r.Row.ID, f.Name), f.Write); err != nil {
				return err
			}
		}
	}
	if err := h.leaves(c); err != nil {
		return err
	}
	if err := h.out.put(bundleCheckpoint, fixed(c.Note)); err != nil {
		return err
	}
	if err := h.s.bundleWitness(&h.out, h.seen, h.witnessKey, c); err != nil {
		return err
	}
	if err := h.out.put(bundleSums, fixed(sumList(h.out.sums))); err != nil {
		return err
	}
	return h.out.zip.Close()
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

// sumsOf are the SHA-256 of files, by name.
func sumsOf(files []BundleFile) (map[string]string, error) {
	sums := map[string]string{}
	for _, f := range files {
		d := newDigest(io.Discard)
		if err := f.Write(d); err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name, err)
		}
		sums[f.Name] = d.hex()
	}
	return sums, nil
}

// sumsDigest is the SHA-256 of the list of sums, sorted by name.
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

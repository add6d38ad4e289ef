package store

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"filippo.io/age"
	"golang.org/x/mod/sumdb/tlog"
)

// BundleStep is one thing that was looked at.
type BundleStep struct {
	What   string `json:"what"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"` // what was found; when not OK, what is wrong
}

// BundleReport is what VerifyBundle found.
type BundleReport struct {
	Steps []BundleStep `json:"steps"`
	Key   string       `json:"key"` // that the ledger is signed with, as the bundle states it
	OK    bool         `json:"ok"`
}

func (r *BundleReport) step(what string, err error, format string, args ...any) bool {
	s := BundleStep{What: what, OK: err == nil, Detail: fmt.Sprintf(format, args...)}
	if err != nil {
		s.Detail = err.Error()
	}
	r.Steps = append(r.Steps, s)
	return err == nil
}

// BundleWith opens a bundle: an identity file, else a passphrase. Key, when it
// is not empty, is the ledger's public key as it is known from elsewhere.
type BundleWith struct {
	Identity   []byte
	Passphrase func() (string, error)
	Key        string
}

// VerifyBundle looks at a bundle without anything but itself. Nothing of it is
// written anywhere. The error is of reading the file; what does not hold is in
// the report.
func VerifyBundle(name string, with BundleWith) (BundleReport, error) {
	f, err := os.Open(name)
	if err != nil {
		return BundleReport{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return BundleReport{}, err
	}
	var r BundleReport
	r.verify(f, info.Size(), with)
	r.OK = !slices.ContainsFunc(r.Steps, func(s BundleStep) bool { return !s.OK })
	return r, nil
}

func (r *BundleReport) verify(f io.ReaderAt, size int64, with BundleWith) {
	readMe, sealed, err := openOuter(f, size)
	if !r.step("the file is a bundle, whole and as it was written", err, "%d bytes", size) {
		return
	}
	in, err := openSealed(sealed, with)
	if !r.step("what is sealed in it opens", err, "%d files", countFiles(in)) {
		return
	}
	c := bundleContents{BundleReport: r, zip: in}
	if !r.step("every file is listed in SHA256SUMS and is what it was", c.readSums(), "%d files", len(c.sums)) {
		return
	}
	r.step("there is no file that does not belong into a bundle", c.others(), "")
	inner, err := c.read(bundleReadMe)
	if err == nil && !bytes.Equal(inner, readMe) {
		err = errors.New("it was changed after it was sealed")
	}
	r.step("what the bundle says of itself is what was sealed", err, "%s", bundleOuterReadMe)
	if !r.step("the state of the ledger is signed", c.readCheckpoint(), "%d leaves on %s, by the key %s", c.state.Size, c.state.Time.Format(time.RFC3339), r.Key) {
		return
	}
	if with.Key != "" {
		err = nil
		if strings.TrimSpace(with.Key) != r.Key {
			err = fmt.Errorf("it is signed with %s, not with %s", r.Key, strings.TrimSpace(with.Key))
		}
		r.step("the key is the one known from elsewhere", err, "%s", r.Key)
	}
	if c.sums[bundleWitnessed] != "" {
		key, err := c.readWitness()
		r.step("a witness, another machine, had cosigned this ledger before", err, "leaves 0-%d on %s, by the key %s", c.seen.Size-1, c.seen.At.Format(time.RFC3339), key)
	}
	ids := c.recordings()
	if len(ids) == 0 {
		r.step("there are recordings", errors.New("there is none"), "")
	}
	for _, id := range ids {
		c.recording(id)
	}
}

func countFiles(z *zip.Reader) int {
	if z == nil {
		return 0
	}
	return len(z.File)
}

// openOuter opens the zip that was handed over, when not a byte of it is another
// than writeOuter's.
func openOuter(f io.ReaderAt, size int64) (readMe []byte, sealed *io.SectionReader, err error) {
	z, err := zip.NewReader(f, size)
	if err != nil {
		return nil, nil, fmt.Errorf("it is no zip, or damaged: %w", err)
	}
	if len(z.File) != 2 || z.File[0].Name != bundleOuterReadMe || z.File[1].Name != bundleSealed {
		return nil, nil, fmt.Errorf("it does not hold %s and %s alone", bundleOuterReadMe, bundleSealed)
	}
	var parts [2]*io.SectionReader
	for i, part := range z.File {
		at, err := part.DataOffset()
		if err == nil && part.Method != zip.Store {
			err = errOtherBytes
		}
		if err != nil {
			return nil, nil, err
		}
		parts[i] = io.NewSectionReader(f, at, int64(part.CompressedSize64))
	}
	const most = 1 << 20
	if readMe, err = io.ReadAll(io.LimitReader(parts[0], most)); err != nil {
		return nil, nil, err
	}
	whole := io.NewSectionReader(f, 0, size)
	if err := writeOuter(&comparer{with: whole}, readMe, parts[1], z.File[1].CRC32); err != nil {
		return nil, nil, err
	}
	if at, err := whole.Seek(0, io.SeekCurrent); err != nil || at != size {
		return nil, nil, errors.Join(errOtherBytes, err)
	}
	return readMe, parts[1], nil
}

// openSealed opens the contents; they are decrypted where they are read.
func openSealed(sealed *io.SectionReader, with BundleWith) (*zip.Reader, error) {
	ids, err := with.identities()
	if err != nil {
		return nil, err
	}
	clear, size, err := age.DecryptReaderAt(sealed, sealed.Size(), ids...)
	if _, ok := errors.AsType[*age.NoIdentityMatchError](err); ok {
		return nil, errors.New("wrong passphrase or identity, or the beginning of the sealed part is damaged")
	}
	if err != nil {
		return nil, err
	}
	// All of it is authenticated, whatever of it is read later.
	if _, err := io.Copy(io.Discard, io.NewSectionReader(clear, 0, size)); err != nil {
		return nil, err
	}
	return zip.NewReader(exact{clear}, size)
}

func (with BundleWith) identities() ([]age.Identity, error) {
	if with.Identity != nil {
		return ReadIdentity(bytes.NewReader(with.Identity), with.Passphrase)
	}
	p, err := with.Passphrase()
	if err != nil {
		return nil, err
	}
	id, err := age.NewScryptIdentity(p)
	return []age.Identity{id}, err
}

// bundleContents is an opened bundle.
type bundleContents struct {
	*BundleReport
	zip   *zip.Reader
	sums  map[string]string
	state Checkpoint
	seen  Cosigned // by a witness; its Note is nil when there is none, or it does not hold
}

const bundleSmall = 1 << 24 // bytes of a file that is read as a whole

func (c *bundleContents) read(name string) ([]byte, error) {
	for _, f := range c.zip.File {
		if f.Name != name {
			continue
		}
		in, err := f.Open()
		if err != nil {
			return nil, err
		}
		defer in.Close()
		b, err := io.ReadAll(io.LimitReader(in, bundleSmall))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		return b, nil
	}
	return nil, fmt.Errorf("%s is missing", name)
}

var sumLine = regexp.MustCompile(`^([0-9a-f]{64})  ([^\n]+)$`)

// readSums holds every file against the list.
func (c *bundleContents) readSums() error {
	list, err := c.read(bundleSums)
	if err != nil {
		return err
	}
	c.sums = map[string]string{}
	for line := range strings.Lines(string(list)) {
		m := sumLine.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
		if m == nil || c.sums[m[2]] != "" {
			return fmt.Errorf("%s: %q is no line of such a list", bundleSums, line)
		}
		c.sums[m[2]] = m[1]
	}
	seen := map[string]bool{}
	for _, f := range c.zip.File {
		if seen[f.Name] {
			return fmt.Errorf("%s is there twice", f.Name)
		}
		seen[f.Name] = true
		if f.Name == bundleSums {
			continue
		}
		sum, err := sumOf(f)
		if err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
		if sum != c.sums[f.Name] {
			return fmt.Errorf("%s is not what the list says, or not in it", f.Name)
		}
	}
	for name := range c.sums {
		if !seen[name] {
			return fmt.Errorf("%s is missing", name)
		}
	}
	return nil
}

func sumOf(f *zip.File) (string, error) {
	in, err := f.Open()
	if err != nil {
		return "", err
	}
	defer in.Close()
	d := newDigest(io.Discard)
	_, err = io.Copy(d, in)
	return d.hex(), err
}

func (c *bundleContents) readCheckpoint() error {
	key, err := c.read(bundleKey)
	if err != nil {
		return err
	}
	c.Key = strings.TrimSpace(string(key))
	signed, err := c.read(bundleCheckpoint)
	if err != nil {
		return err
	}
	c.state, err = ReadCheckpoint(signed, c.Key)
	return err
}

// readWitness holds what a witness cosigned against the signed state, and returns
// the witness's key.
func (c *bundleContents) readWitness() (key string, err error) {
	var files [3][]byte
	for i, name := range []string{bundleWitness, bundleWitnessed, bundleGrowth} {
		if files[i], err = c.read(name); err != nil {
			return "", err
		}
	}
	key = strings.TrimSpace(string(files[0]))
	seen, err := ReadCosigned(files[1], c.Key, key)
	if err != nil {
		return key, err
	}
	var growth WitnessRequest
	if err := growth.UnmarshalText(files[2]); err != nil {
		return key, err
	}
	if growth.Old != seen.Size || !bytes.Equal(growth.Note, c.state.Note) {
		return key, errors.New("its proof leads from another state, or to another")
	}
	if err := tlog.CheckTree(growth.Proof, c.state.Size, c.state.Root, seen.Size, seen.Root); err != nil {
		return key, errors.New("the ledger does not begin with what the witness cosigned: it was rewritten")
	}
	c.seen = seen
	return key, nil
}

// recordings are the folders, sorted.
func (c *bundleContents) recordings() []string {
	var ids []string
	for name := range c.sums {
		id, _, below := strings.Cut(path.Clean(name), "/")
		if _, err := began(id); below && err == nil && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

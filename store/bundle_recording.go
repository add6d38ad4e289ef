package store

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

// provenLeaf is a leaf of a bundle that is in the tree.
type provenLeaf struct {
	seq int64
	Leaf
	row []byte // the readable row, nil when the bundle holds none
}

// recording looks at one folder.
func (c *bundleContents) recording(id string) {
	leaves, err := c.leaves(id)
	if !c.step(id+": every leaf that speaks of it is in the signed ledger", err, "%d leaves", len(leaves)) {
		return
	}
	sealed, err := theLeaf(leaves, "that it was sealed", func(l provenLeaf) bool { return l.Kind == EventSealed })
	cosigned := ""
	if err == nil && sealed.seq < c.seen.Size {
		cosigned = ", cosigned by the witness"
	}
	if !c.step(id+": the ledger says that it was sealed", err, "leaf %d, on %s%s", sealed.seq, sealed.Time.Format("2006-01-02 15:04:05 MST"), cosigned) {
		return
	}
	audio, err := c.audio(id)
	if err == nil && c.sums[audio] != sealed.Public["sha256"] {
		err = fmt.Errorf("it is %s, what was sealed is %s", c.sums[audio], sealed.Public["sha256"])
	}
	c.step(id+": the audio is what was sealed", err, "SHA-256 %s", c.sums[audio])
	c.step(id+": the facts agree with the ledger", c.facts(id, sealed), "%s ms, %s packets, %s gaps, state %s", sealed.Public["milliseconds"], sealed.Public["packets"], sealed.Public["gaps"], sealed.Public["state"])
	rows, destroyed, err := c.rowsOf(leaves)
	c.step(id+": the readable rows beside its leaves are here", err, "here: %d; destroyed with their month: %d", rows, destroyed)
	c.handedOut(id, leaves)
}

// handedOut holds the files, and the leaves that speak of a recording, against the
// leaf of the handing out.
func (c *bundleContents) handedOut(id string, leaves []provenLeaf) {
	ofFolder := func(l provenLeaf) bool {
		return l.Kind == EventExported && l.Public["format"] == bundleFormat && l.Public[contentsFact] == c.contents(id)
	}
	whole := c.whole()
	// The same may have been handed out before, with another report.
	out, err := theLeaf(leaves, "that it was handed out so", func(l provenLeaf) bool { return ofFolder(l) && l.Public[bundleFact] == whole })
	if err != nil {
		out, err = theLeaf(leaves, "that these files were handed out", ofFolder)
	}
	if !c.step(id+": the ledger says that these files were handed out", err, "leaf %d, on %s", out.seq, out.Time.Format("2006-01-02 15:04:05 MST")) {
		return
	}
	if out.Public[bundleFact] != whole {
		err = fmt.Errorf("%s, %s or a recording is not what leaf %d states", bundleReport, bundleReadMe, out.seq)
	}
	c.step(id+": it was handed out with this report and these recordings, and no others", err, "leaf %d", out.seq)

	size, err := strconv.ParseInt(out.Public[sizeFact], 10, 64)
	if err != nil {
		err = fmt.Errorf("leaf %d does not state which those are", out.seq)
	}
	before := map[string]string{}
	for _, l := range leaves {
		if l.seq < size {
			before[leafName("", l.seq)] = c.sums[leafName(id, l.seq)]
		}
		if l.Kind == EventDeleted {
			err = fmt.Errorf("leaf %d says that it was destroyed", l.seq)
		}
	}
	if err == nil && sumsDigest(before) != out.Public[leavesFact] {
		err = errors.New("leaves that spoke of it were taken out")
	}
	c.step(id+": none of the leaves that spoke of it before says that it was destroyed", err, "as leaf %d states there were: %d", out.seq, len(before))
}

// rowsOf counts the readable rows of leaves that are here, and those that the
// ledger says were destroyed; another that is missing is an error.
func (c *bundleContents) rowsOf(leaves []provenLeaf) (here, destroyed int, err error) {
	gone, err := c.leaves("")
	if err != nil {
		return 0, 0, err
	}
	for _, l := range leaves {
		month := l.Time.Format(rowsMonth)
		switch {
		case l.Row == "":
		case l.row != nil:
			here++
		case slices.ContainsFunc(gone, func(g provenLeaf) bool { return g.Subject == month }):
			destroyed++
		default:
			return here, destroyed, fmt.Errorf("leaf %d has one, and it was taken out", l.seq)
		}
	}
	return here, destroyed, nil
}

func theLeaf(leaves []provenLeaf, what string, is func(provenLeaf) bool) (provenLeaf, error) {
	// The newest counts: what a crash interrupted is said again.
	for _, l := range slices.Backward(leaves) {
		if is(l) {
			return l, nil
		}
	}
	return provenLeaf{}, fmt.Errorf("no leaf says %s", what)
}

// below returns the files of a recording's folder, by their names in it.
func (c *bundleContents) below(id string) map[string]string {
	files := map[string]string{}
	for name, sum := range c.sums {
		if rest, ok := strings.CutPrefix(name, id+"/"); ok {
			files[rest] = sum
		}
	}
	return files
}

// whole is the digest of all files but those that prove themselves.
func (c *bundleContents) whole() string {
	files := maps.Clone(c.sums)
	for _, name := range []string{bundleCheckpoint, bundleWitnessed, bundleWitness, bundleGrowth} {
		delete(files, name)
	}
	maps.DeleteFunc(files, func(name, _ string) bool { return bundleProof.MatchString(name) })
	return sumsDigest(files)
}

var (
	bundleProof  = regexp.MustCompile(`^(?:[0-9A-Z]{26}/)?ledger/(?:0|[1-9][0-9]*)(\.leaf|\.tlog-proof|\.row\.json)$`)
	bundleFolder = regexp.MustCompile(`^([0-9A-Z]{26})/[^/]+$`)
)

// others looks for files that no bundle holds, or that prove nothing in it.
func (c *bundleContents) others() error {
	for _, name := range slices.Sorted(maps.Keys(c.sums)) {
		known := slices.Contains([]string{bundleCheckpoint, bundleKey, bundleReport, bundleReadMe}, name)
		switch {
		case name == bundleWitnessed, name == bundleWitness, name == bundleGrowth:
			known = c.sums[bundleWitnessed] != ""
		case bundleProof.MatchString(name):
			ext := bundleProof.FindStringSubmatch(name)[1]
			known = c.sums[strings.TrimSuffix(name, ext)+leafExt] != ""
		case bundleFolder.MatchString(name):
			_, err := began(bundleFolder.FindStringSubmatch(name)[1])
			known = err == nil
		}
		if !known {
			return fmt.Errorf("%s was added: it is no file of a bundle", name)
		}
	}
	return nil
}

func (c *bundleContents) audio(id string) (string, error) {
	for name := range c.below(id) {
		if strings.HasPrefix(name, "audio.") {
			return id + "/" + name, nil
		}
	}
	return "", errors.New("there is no audio")
}

// contents is the digest that the leaf of a bundle states.
func (c *bundleContents) contents(id string) string {
	files := c.below(id)
	maps.DeleteFunc(files, func(name, _ string) bool { return strings.HasPrefix(name, bundleLedger+"/") })
	return sumsDigest(files)
}

// leaves proves each leaf of a recording, in order; of "" those that say of rows
// that they were destroyed.
func (c *bundleContents) leaves(id string) ([]provenLeaf, error) {
	var list []provenLeaf
	for name := range c.sums {
		number, ok := strings.CutSuffix(name, leafExt)
		if !ok || path.Dir(number) != path.Join(id, bundleLedger) {
			continue
		}
		seq, err := strconv.ParseInt(path.Base(number), 10, 64)
		if err != nil || leafName(id, seq) != name {
			return nil, fmt.Errorf("%s is no name of a leaf", name)
		}
		leaf, err := c.leaf(id, seq)
		if err != nil {
			return nil, fmt.Errorf("leaf %d: %w", seq, err)
		}
		list = append(list, leaf)
	}
	slices.SortFunc(list, func(a, b provenLeaf) int { return cmp.Compare(a.seq, b.seq) })
	return list, nil
}

func (c *bundleContents) leaf(id string, seq int64) (l provenLeaf, err error) {
	name := strings.TrimSuffix(leafName(id, seq), leafExt)
	text, err := c.read(name + leafExt)
	if err != nil {
		return l, err
	}
	proof, err := c.read(name + proofExt)
	if err != nil {
		return l, err
	}
	path, err := readProof(proof, seq, c.state)
	if err != nil {
		return l, err
	}
	if err := tlog.CheckRecord(path, c.state.Size, c.state.Root, seq, tlog.RecordHash(text)); err != nil {
		return l, fmt.Errorf("it is not in the tree: %w", err)
	}
	l.seq = seq
	if err := l.UnmarshalText(text); err != nil {
		return l, err
	}
	if l.Subject != id && (id != "" || l.Kind != EventRowsDestroyed) {
		return l, fmt.Errorf("it speaks of %s", l.Subject)
	}
	if c.sums[name+rowExt] == "" {
		return l, nil
	}
	saved, err := c.read(name + rowExt)
	if err == nil {
		l.row, err = openRow(saved, l.Row)
	}
	return l, err
}

// openRow returns a readable row, when it is the one its leaf speaks of.
func openRow(line []byte, digest string) ([]byte, error) {
	var saved savedRow
	if err := json.Unmarshal(line, &saved); err != nil {
		return nil, err
	}
	salt, err := hex.DecodeString(saved.Salt)
	if err != nil || saved.Digest != digest || saltedDigest(salt, saved.Row) != digest {
		return nil, errors.New("the readable row is not the one that its digest in the leaf was made of")
	}
	return saved.Row, nil
}

// readProof reads what proofText wrote, and nothing else.
func readProof(text []byte, seq int64, c Checkpoint) (tlog.RecordProof, error) {
	bad := errors.New("its proof is not a tlog-proof that leads to the checkpoint")
	head, note, ok := bytes.Cut(text, []byte("\n\n"))
	lines := strings.Split(string(head), "\n")
	if !ok || !bytes.Equal(note, c.Note) || len(lines) < 2 {
		return nil, bad
	}
	var proof tlog.RecordProof
	for _, line := range lines[2:] {
		var h tlog.Hash
		b, err := base64.StdEncoding.DecodeString(line)
		if err != nil || copy(h[:], b) != len(h) || len(b) != len(h) {
			return nil, bad
		}
		proof = append(proof, h)
	}
	if !bytes.Equal(proofText(seq, proof, c), text) {
		return nil, bad
	}
	return proof, nil
}

// facts holds the facts against what the ledger stated when it was sealed.
func (c *bundleContents) facts(id string, sealed provenLeaf) error {
	text, err := c.read(id + "/" + bundleFacts)
	if err != nil {
		return err
	}
	var row Row
	if err := json.Unmarshal(text, &row); err != nil {
		return err
	}
	if row.ID != id {
		return fmt.Errorf("they are of %s", row.ID)
	}
	now := sealedEntry(&row)
	for _, k := range slices.Sorted(maps.Keys(sealed.Public)) {
		if k == factsFact || k == headerFact || k == originalHeaderFact || k == dayRecipientFact {
			continue
		}
		if now.Public[k] != sealed.Public[k] {
			return fmt.Errorf("%s is %q in the facts, and %q in the ledger", k, now.Public[k], sealed.Public[k])
		}
	}
	if sealed.row == nil {
		return nil
	}
	var stated summary
	if err := json.Unmarshal(sealed.row, &stated); err != nil {
		return err
	}
	said := row.summary()
	if !said.Start.Equal(stated.Start) {
		return fmt.Errorf("the start is %s in the facts, and %s in the ledger", said.Start, stated.Start)
	}
	said.Start = stated.Start
	if !reflect.DeepEqual(said, stated) {
		return fmt.Errorf("they say %+v, the ledger %+v", said, stated)
	}
	return nil
}

package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

// bundledLeaves are the leaves of which a bundle may need something.
type bundledLeaves struct {
	about     []bundledLeaf
	destroyed map[string]bundledLeaf // rows of months, by month
}

type bundledLeaf struct {
	seq  int64
	text []byte
	Leaf
}

// take takes a leaf, when it speaks of one of the recordings or says that the
// readable rows of a month were destroyed.
func (b *bundledLeaves) take(ids map[string]bool, seq int64, text []byte) {
	l := bundledLeaf{seq: seq, text: bytes.Clone(text)}
	switch err := l.UnmarshalText(text); {
	case err != nil: // Verify says so
	case ids[l.Subject]:
		b.about = append(b.about, l)
	case l.Kind == EventRowsDestroyed:
		b.destroyed[l.Subject] = l
	}
}

// sums are those of the leaves that speak of a recording, by the names they have
// in its folder.
func (b *bundledLeaves) sums(id string) map[string]string {
	sums := map[string]string{}
	for _, l := range b.about {
		if l.Subject == id {
			sum := sha256.Sum256(l.text)
			sums[leafName("", l.seq)] = hex.EncodeToString(sum[:])
		}
	}
	return sums
}

// leafName is the name of a leaf in a bundle: of a recording, in its folder.
func leafName(folder string, seq int64) string {
	return path.Join(folder, bundleLedger, fmt.Sprint(seq)+leafExt)
}

const (
	leafExt  = ".leaf"
	proofExt = ".tlog-proof"
	rowExt   = ".row.json"
)

// leavesAbout reads the first leaves of the ledger.
func (s *Store) leavesAbout(ids map[string]bool, size int64) (bundledLeaves, error) {
	b := bundledLeaves{destroyed: map[string]bundledLeaf{}}
	dir := filepath.Join(s.dir, ledgerDir)
	seq := int64(0)
	for text, err := range leavesOf(dir, sizeOf(filepath.Join(dir, leavesFile))) {
		if seq == size {
			break
		}
		if err != nil {
			return b, fmt.Errorf("ledger: %w", err)
		}
		b.take(ids, seq, text)
		seq++
	}
	return b, nil
}

// leaves puts every leaf that speaks of one of the recordings, with its proof and
// its row; where that was destroyed, the leaf that says so.
func (h *handing) leaves(c Checkpoint) error {
	for seq := h.before.Size; seq < c.Size; seq++ {
		text, _, err := h.s.Ledger.ProveLeaf(seq, c)
		if err != nil {
			return err
		}
		h.spoken.take(h.ids, seq, text)
	}
	gone := map[string]bool{} // months of rows that are not there
	for _, l := range h.spoken.about {
		if err := h.prove(l.Subject, l, c); err != nil {
			return err
		}
		if l.Row == "" {
			continue
		}
		row, err := rowBeside(filepath.Join(h.s.dir, ledgerDir), l.Leaf)
		if err != nil {
			return err
		}
		if row == nil {
			gone[l.Time.Format(rowsMonth)] = true
			continue
		}
		if err := h.out.put(strings.TrimSuffix(leafName(l.Subject, l.seq), leafExt)+rowExt, fixed(append(row, '\n'))); err != nil {
			return err
		}
	}
	for month, l := range h.spoken.destroyed {
		if gone[month] {
			if err := h.prove("", l, c); err != nil {
				return err
			}
		}
	}
	return nil
}

// prove puts a leaf and its proof.
func (h *handing) prove(folder string, l bundledLeaf, c Checkpoint) error {
	_, proof, err := h.s.Ledger.ProveLeaf(l.seq, c)
	if err != nil {
		return err
	}
	name := leafName(folder, l.seq)
	return errors.Join(h.out.put(name, fixed(l.text)), h.out.put(strings.TrimSuffix(name, leafExt)+proofExt, fixed(proofText(l.seq, proof, c))))
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

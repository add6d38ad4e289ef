package store

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

// WitnessRequest asks a witness to cosign a checkpoint (C2SP tlog-witness,
// add-checkpoint).
type WitnessRequest struct {
	Old   int64          // size of the tree that the witness is thought to know
	Proof tlog.TreeProof // that it is the beginning of this one; empty for 0, and for the same size
	Note  []byte         // the signed checkpoint
}

// mostProof is how many lines of proof a request may have (tlog-witness).
const mostProof = 63

// WitnessRequestMost is how long a request may be, in bytes: a whole proof and
// a checkpoint with many signatures.
const WitnessRequestMost = 1 << 16

// ErrWitnessRequest is wrapped by every error about a request that is not
// written as it should be.
var ErrWitnessRequest = errors.New("not a request to cosign a checkpoint")

// MarshalText writes the body of the request.
func (r WitnessRequest) MarshalText() ([]byte, error) {
	b := fmt.Appendf(nil, "old %d\n", r.Old)
	for _, h := range r.Proof {
		b = append(base64.StdEncoding.AppendEncode(b, h[:]), '\n')
	}
	return append(append(b, '\n'), r.Note...), nil
}

// UnmarshalText reads what MarshalText writes, and nothing else.
func (r *WitnessRequest) UnmarshalText(text []byte) error {
	head, signed, ok := bytes.Cut(text, []byte("\n\n"))
	if !ok || len(signed) == 0 {
		return fmt.Errorf("%w: no empty line before a checkpoint", ErrWitnessRequest)
	}
	lines := strings.Split(string(head), "\n")
	size, ok := strings.CutPrefix(lines[0], "old ")
	old, err := readSize(size)
	if !ok || err != nil {
		return fmt.Errorf("%w: its first line is no old size", ErrWitnessRequest)
	}
	if len(lines)-1 > mostProof {
		return fmt.Errorf("%w: %d lines of proof, more than %d", ErrWitnessRequest, len(lines)-1, mostProof)
	}
	var proof tlog.TreeProof
	for _, line := range lines[1:] {
		h, err := readHash(line)
		if err != nil {
			return fmt.Errorf("%w: a line of the proof is no hash", ErrWitnessRequest)
		}
		proof = append(proof, h)
	}
	*r = WitnessRequest{Old: old, Proof: proof, Note: signed}
	return nil
}

// readSize reads a tree size: decimal, without leading zeroes.
func readSize(text string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err == nil && (n < 0 || strconv.FormatInt(n, 10) != text) {
		err = fmt.Errorf("%q is not a tree size", text)
	}
	return n, err
}

// readHash reads a hash in its one spelling.
func readHash(line string) (h tlog.Hash, err error) {
	raw, err := base64.StdEncoding.Strict().DecodeString(line)
	if err == nil && (len(raw) != tlog.HashSize || base64.StdEncoding.EncodeToString(raw) != line) {
		err = errors.New("not a hash")
	}
	copy(h[:], raw)
	return h, err
}

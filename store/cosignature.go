package store

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/mod/sumdb/note"
)

// Cosigned is a checkpoint that a witness has signed too (C2SP
// tlog-cosignature, Ed25519): until At it saw no larger tree of this log, and
// whatever it saw before is the beginning of this one.
type Cosigned struct {
	Checkpoint           // its Note bears both signatures
	Witness    string    // name of the witness's key
	At         time.Time // by the witness's clock, whole seconds
}

const (
	// cosignatureKey is the kind of a witness's key among those of signed notes.
	cosignatureKey = 0x04
	cosignatureOf  = "cosignature/v1\n"
	stampBytes     = 8 // before the signature proper: seconds of Unix time, big-endian
	privatePrefix  = "PRIVATE+KEY+"
)

var errWitnessKey = errors.New(`not the key of a witness: it looks like "name+01234567+BB…", as siprecd witness prints it`)

// cosigner is the public half of a witness's key; a note.Verifier.
type cosigner struct {
	name   string
	public ed25519.PublicKey
}

// Name implements note.Verifier.
func (c cosigner) Name() string { return c.name }

// KeyHash implements note.Verifier (tlog-cosignature, Format).
func (c cosigner) KeyHash() uint32 {
	sum := sha256.Sum256(append([]byte(c.name+"\n\x04"), c.public...))
	return binary.BigEndian.Uint32(sum[:])
}

// Verify implements note.Verifier.
func (c cosigner) Verify(msg, sig []byte) bool {
	if len(sig) != stampBytes+ed25519.SignatureSize {
		return false
	}
	at := binary.BigEndian.Uint64(sig)
	return at <= math.MaxInt64 && ed25519.Verify(c.public, cosignedText(msg, at), sig[stampBytes:])
}

func (c cosigner) String() string {
	return fmt.Sprintf("%s+%08x+%s", c.name, c.KeyHash(), base64.StdEncoding.EncodeToString(append([]byte{cosignatureKey}, c.public...)))
}

// cosignedText is what a witness signs: the time, and the whole text of the
// checkpoint with its extension lines, of which it states nothing.
func cosignedText(checkpoint []byte, at uint64) []byte {
	return append(fmt.Appendf(nil, "%stime %d\n", cosignatureOf, at), checkpoint...)
}

// readCosigner reads a witness's verifier key.
func readCosigner(vkey string) (cosigner, error) {
	name, public, err := readNoteKey(vkey, ed25519.PublicKeySize)
	if err != nil {
		return cosigner{}, err
	}
	c := cosigner{name, public}
	if c.String() != vkey {
		return cosigner{}, errWitnessKey
	}
	return c, nil
}

// readNoteKey takes name and key material out of "name+hash+base64".
func readNoteKey(text string, size int) (name string, material []byte, err error) {
	parts := strings.SplitN(text, "+", 3)
	if len(parts) != 3 || parts[0] == "" || !utf8.ValidString(parts[0]) || strings.ContainsFunc(parts[0], unicode.IsSpace) {
		return "", nil, errWitnessKey
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(parts[2])
	if err != nil || len(raw) != 1+size || raw[0] != cosignatureKey {
		return "", nil, errWitnessKey
	}
	return parts[0], raw[1:], nil
}

// cosigning is the secret half of a witness's key.
type cosigning struct {
	cosigner
	private ed25519.PrivateKey
}

// newCosigning makes a key with a name of its own.
func newCosigning() cosigning {
	id := make([]byte, 6)
	rand.Read(id)
	seed := make([]byte, ed25519.SeedSize)
	rand.Read(seed)
	private := ed25519.NewKeyFromSeed(seed)
	return cosigning{cosigner{"siprecd-" + hex.EncodeToString(id) + "/witness", private.Public().(ed25519.PublicKey)}, private}
}

// secret is the key as a file keeps it, in the form of sumdb/note.
func (c cosigning) secret() string {
	return fmt.Sprintf("%s%s+%08x+%s", privatePrefix, c.name, c.KeyHash(),
		base64.StdEncoding.EncodeToString(append([]byte{cosignatureKey}, c.private.Seed()...)))
}

func readCosigning(secret string) (cosigning, error) {
	text, ok := strings.CutPrefix(secret, privatePrefix)
	if !ok {
		return cosigning{}, errors.New("not the secret key of a witness")
	}
	name, seed, err := readNoteKey(text, ed25519.SeedSize)
	if err != nil {
		return cosigning{}, errors.New("not the secret key of a witness")
	}
	private := ed25519.NewKeyFromSeed(seed)
	c := cosigning{cosigner{name, private.Public().(ed25519.PublicKey)}, private}
	if c.secret() != secret {
		return cosigning{}, errors.New("the secret key of the witness is damaged")
	}
	return c, nil
}

// line is the signature line of a checkpoint's text.
func (c cosigning) line(text []byte, at time.Time) []byte {
	seconds := uint64(at.Unix())
	sig := binary.BigEndian.AppendUint32(nil, c.KeyHash())
	sig = binary.BigEndian.AppendUint64(sig, seconds)
	sig = append(sig, ed25519.Sign(c.private, cosignedText(text, seconds))...)
	return fmt.Appendf(nil, "— %s %s\n", c.name, base64.StdEncoding.EncodeToString(sig))
}

// ReadCosigned opens a checkpoint that bears the signatures of its log and of a
// witness, with the verifier keys of both.
func ReadCosigned(signed []byte, logKey, witnessKey string) (Cosigned, error) {
	c, err := ReadCheckpoint(signed, logKey)
	if err != nil {
		return Cosigned{}, err
	}
	w, err := readCosigner(strings.TrimSpace(witnessKey))
	if err != nil {
		return Cosigned{}, fmt.Errorf("witness key: %w", err)
	}
	n, err := note.Open(signed, note.VerifierList(w))
	if _, ok := errors.AsType[*note.UnverifiedNoteError](err); ok {
		return Cosigned{}, fmt.Errorf("no cosignature of %s", w.name)
	}
	if err != nil {
		return Cosigned{}, fmt.Errorf("cosignature: %w", err)
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(n.Sigs[0].Base64)
	if err != nil {
		return Cosigned{}, fmt.Errorf("cosignature: %w", err)
	}
	at := binary.BigEndian.Uint64(raw[4:])
	return Cosigned{Checkpoint: c, Witness: w.name, At: time.Unix(int64(at), 0).UTC()}, nil
}

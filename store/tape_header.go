package store

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"filippo.io/age"
)

const (
	headerSize  = 4096
	magic       = "SRCTAPE\n"
	version     = 2
	keySize     = 32
	slotAt      = 64
	slotSize    = 12 + keySize + 16 // nonce, key, tag
	headerCRCAt = 60                // of the bytes before it
	sealedAt    = 128               // behind the slot and its CRC: day 10, length 2, age file, CRC

	blockMax   = 4096 // bytes of clear text in a block, at most
	frameMagic = "\xa7tpe"
	frameHead  = 4 + 4 + 4 // magic, block number, length
	sealExtra  = 12 + 16   // nonce and tag
	frameExtra = frameHead + sealExtra + 4
	frameMax   = frameExtra + blockMax

	// A fragment's header: kind, flags, line, time since the fragment before,
	// length; the last two are varints.
	fragmentHead = 1 + 1 + 2 + binary.MaxVarintLen64 + 3

	flagMore      = 1 // the record goes on in the next block
	flagContinues = 2 // the record began in the block before

	// recordMax bounds what a reader puts together from fragments.
	recordMax = 1 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// newHeader returns the header page of a tape; where its key goes are zeros.
func newHeader(id string) []byte {
	h := make([]byte, headerSize)
	copy(h, magic)
	binary.LittleEndian.PutUint32(h[8:], version)
	copy(h[16:headerCRCAt], id)
	binary.LittleEndian.PutUint32(h[headerCRCAt:], crc32.Checksum(h[:headerCRCAt], castagnoli))
	return h
}

// tapeHeader is what the header page of a tape says of its key.
type tapeHeader struct {
	slot    []byte // sealed with the run key; nil: it never was
	day     Day    // whose identity opens sealed
	sealed  []byte // an age file; nil: there is none
	damaged error  // of what is not needed while the slot opens
}

// readHeader checks a header page. One whose key was never written has neither
// slot nor sealed.
func readHeader(h []byte, id string) (t tapeHeader, err error) {
	// A header that the disk never got has nothing behind it that was ever
	// promised to be kept.
	if len(h) < headerSize || bytes.Equal(h, make([]byte, headerSize)) {
		return t, nil
	}
	if string(h[:len(magic)]) != magic || binary.LittleEndian.Uint32(h[headerCRCAt:]) != crc32.Checksum(h[:headerCRCAt], castagnoli) {
		return t, fmt.Errorf("tape %s: header: %w", id, ErrDamaged)
	}
	if v := binary.LittleEndian.Uint32(h[8:]); v != version {
		return t, fmt.Errorf("tape %s: of version %d, this siprecd reads %d", id, v, version)
	}
	if string(bytes.TrimRight(h[16:headerCRCAt], "\x00")) != id {
		return t, fmt.Errorf("tape %s: header of another tape: %w", id, ErrDamaged)
	}
	if slot := h[slotAt : slotAt+slotSize+4]; !zeros(slot) {
		t.slot = slot[:slotSize]
		if binary.LittleEndian.Uint32(slot[slotSize:]) != crc32.Checksum(t.slot, castagnoli) {
			t.damaged = fmt.Errorf("tape %s: its key's first wrapping: %w", id, ErrDamaged)
		}
	}
	used := sealedAt
	if !zeros(h[sealedAt : sealedAt+12]) {
		n := int(binary.LittleEndian.Uint16(h[sealedAt+10:]))
		end := sealedAt + 12 + n
		if end+4 > headerSize || binary.LittleEndian.Uint32(h[end:]) != crc32.Checksum(h[sealedAt:end], castagnoli) {
			t.damaged = fmt.Errorf("tape %s: its key's second wrapping: %w", id, ErrDamaged)
			return t, nil
		}
		t.day, t.sealed, used = Day(h[sealedAt:sealedAt+10]), h[sealedAt+12:end], end+4
	}
	if !zeros(h[used:]) {
		t.damaged = fmt.Errorf("tape %s: header: %w", id, ErrDamaged)
	}
	return t, nil
}

func zeros(b []byte) bool {
	for _, x := range b {
		if x != 0 {
			return false
		}
	}
	return true
}

// wrappings returns a header page from slotAt on: the key sealed with the run
// key, and to the day's identity, for when the run key is gone. Without the
// second the call is recorded all the same.
func (s *Store) wrappings(key []byte, id string, dies Day) ([]byte, error) {
	slot, err := wrapKey(s.runKey, key, id)
	if err != nil {
		return nil, err
	}
	page := make([]byte, headerSize)
	copy(page[slotAt:], slot)
	binary.LittleEndian.PutUint32(page[slotAt+slotSize:], crc32.Checksum(slot, castagnoli))
	if s.Keys == nil || dies == "" {
		return page[slotAt:], nil
	}
	sealed, err := s.sealKey(key, dies)
	if err != nil || sealedAt+12+len(sealed)+4 > headerSize {
		s.log.Error("a tape's key is not sealed to its day: after a power cut nobody opens it", "call", id, "side", "srs", "reason", err)
		return page[slotAt:], nil
	}
	part := append(page[:sealedAt], dies...)
	part = binary.LittleEndian.AppendUint16(part, uint16(len(sealed)))
	part = append(part, sealed...)
	binary.LittleEndian.AppendUint32(part, crc32.Checksum(part[sealedAt:], castagnoli))
	return page[slotAt:], nil
}

func (s *Store) sealKey(key []byte, dies Day) ([]byte, error) {
	to, err := s.Keys.Recipient(dies)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	w, err := age.Encrypt(&b, to)
	if err != nil {
		return nil, err
	}
	_, err = w.Write(key)
	err = errors.Join(err, w.Close())
	return b.Bytes(), err
}

// openKey returns the key of a tape: with a run key, else with its day's secret.
// ErrLocked: a custodian must unlock first; ErrDead: the day is over.
func (s *Store) openKey(t tapeHeader, id string) (key []byte, err error) {
	err = fmt.Errorf("tape %s: no key in its header: %w", id, ErrDamaged)
	for _, run := range append([][]byte{s.runKey}, s.oldRunKeys...) {
		if t.slot == nil {
			break
		}
		if key, err = unwrapKey(run, t.slot, id); err == nil {
			return key, nil
		}
	}
	if t.sealed == nil || s.Keys == nil {
		return nil, err
	}
	secret, err := s.Keys.Secret(t.day)
	if err != nil {
		return nil, fmt.Errorf("tape %s: %w", id, err)
	}
	clear, err := age.Decrypt(bytes.NewReader(t.sealed), secret)
	if err == nil {
		key, err = io.ReadAll(clear)
	}
	if err == nil && len(key) != keySize {
		err = fmt.Errorf("a key of %d bytes", len(key))
	}
	if err != nil {
		return nil, fmt.Errorf("tape %s: its key's second wrapping: %w: %w", id, ErrDamaged, err)
	}
	return key, nil
}

func gcm(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

func wrapKey(runKey, key []byte, id string) ([]byte, error) {
	aead, err := gcm(runKey)
	if err != nil {
		return nil, err
	}
	return aead.Seal(nil, nil, key, []byte(id)), nil
}

func unwrapKey(runKey, slot []byte, id string) ([]byte, error) {
	aead, err := gcm(runKey)
	if err != nil {
		return nil, err
	}
	key, err := aead.Open(nil, nil, slot, []byte(id))
	if err != nil {
		return nil, fmt.Errorf("tape %s: its key does not open with the run key: another one, or %w", id, ErrDamaged)
	}
	return key, nil
}

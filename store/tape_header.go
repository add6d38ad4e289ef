package store

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

const (
	headerSize  = 512
	magic       = "SRCTAPE\n"
	version     = 1
	keySize     = 32
	slotAt      = 64
	slotSize    = 12 + keySize + 16 // nonce, key, tag
	headerCRCAt = 60                // of the bytes before it

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

// newHeader returns the header page of a tape; the key's slot is zeros.
func newHeader(id string) []byte {
	h := make([]byte, headerSize)
	copy(h, magic)
	binary.LittleEndian.PutUint32(h[8:], version)
	copy(h[16:headerCRCAt], id)
	binary.LittleEndian.PutUint32(h[headerCRCAt:], crc32.Checksum(h[:headerCRCAt], castagnoli))
	return h
}

// readHeader checks a header page and returns its slot, nil when it was never
// written.
func readHeader(h []byte, id string) (slot []byte, err error) {
	// A header that the disk never got has nothing behind it that was ever
	// promised to be kept.
	if len(h) < headerSize || bytes.Equal(h, make([]byte, headerSize)) {
		return nil, nil
	}
	if string(h[:len(magic)]) != magic || binary.LittleEndian.Uint32(h[headerCRCAt:]) != crc32.Checksum(h[:headerCRCAt], castagnoli) {
		return nil, fmt.Errorf("tape %s: header: %w", id, ErrDamaged)
	}
	if v := binary.LittleEndian.Uint32(h[8:]); v != version {
		return nil, fmt.Errorf("tape %s: of version %d, this siprecd reads %d", id, v, version)
	}
	if string(bytes.TrimRight(h[16:headerCRCAt], "\x00")) != id {
		return nil, fmt.Errorf("tape %s: header of another tape: %w", id, ErrDamaged)
	}
	slot = h[slotAt : slotAt+slotSize]
	if bytes.Equal(slot, make([]byte, slotSize)) {
		return nil, nil
	}
	return slot, nil
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
		return nil, fmt.Errorf("tape %s: its key does not open with run.key: another run.key, or %w", id, ErrDamaged)
	}
	return key, nil
}

package sip

import (
	"crypto/rand"
	"encoding/hex"
)

// sessionUUID is our half of a Session-ID (RFC 7989): 32 lower-case hex digits
// of a version 4 UUID.
func sessionUUID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return hex.EncodeToString(b[:])
}

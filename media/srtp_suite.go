package media

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"encoding/binary"
	"fmt"
	"hash"
)

// MasterKey is an SRTP master key with its salt, as signalling hands it over.
// It prints as its suite.
type MasterKey struct {
	Suite string // as in SDP: "AES_CM_128_HMAC_SHA1_80" (RFC 4568 section 6.2, 6188, 7714 section 14.2)
	Key   []byte // master key, then master salt
	MKI   []byte // as it stands in packets (RFC 3711 section 3.1); nil: none
}

// Format prints the suite whatever the verb: keys never reach a log.
func (k MasterKey) Format(f fmt.State, _ rune) { fmt.Fprint(f, "key of "+k.Suite) }

// MarshalJSON keeps the key out of JSON too.
func (k MasterKey) MarshalJSON() ([]byte, error) { return []byte(`"key"`), nil }

// srtpSuite is what a suite's name stands for. Sizes are in octets.
type srtpSuite struct {
	name      string
	key, salt int
	tag       int  // of RTP; of RTCP 10, or 16 with gcm
	gcm       bool // AEAD, else counter mode and HMAC-SHA1
}

// srtpSuites are in the order in which we would offer them. The last two are
// the same as RFC 6188's under the name that older devices give them.
var srtpSuites = []srtpSuite{
	{"AEAD_AES_256_GCM", 32, 12, gcmTag, true},
	{"AEAD_AES_128_GCM", 16, 12, gcmTag, true},
	{"AES_256_CM_HMAC_SHA1_80", 32, 14, 10, false},
	{"AES_256_CM_HMAC_SHA1_32", 32, 14, 4, false},
	{"AES_CM_128_HMAC_SHA1_80", 16, 14, 10, false},
	{"AES_CM_128_HMAC_SHA1_32", 16, 14, 4, false},
	{"AES_CM_256_HMAC_SHA1_80", 32, 14, 10, false},
	{"AES_CM_256_HMAC_SHA1_32", 32, 14, 4, false},
}

const (
	gcmTag    = 16
	srtcpTag  = 10 // of counter-mode suites, also of those whose RTP has 4 (RFC 4568 section 6.2)
	srtcpTail = 4  // E flag and index
	authKey   = 20 // of HMAC-SHA1
)

// SRTPSuites lists the suites a Path understands, the strongest first.
func SRTPSuites() (names []string) {
	for _, s := range srtpSuites {
		names = append(names, s.name)
	}
	return names
}

// NewMasterKey makes a random key without MKI; an error names a suite that is
// not known.
func NewMasterKey(suite string) (MasterKey, error) {
	s, err := suiteOf(suite)
	if err != nil {
		return MasterKey{}, err
	}
	k := MasterKey{Suite: suite, Key: make([]byte, s.key+s.salt)}
	rand.Read(k.Key) // never fails
	return k, nil
}

// Check reports why a key cannot be used, without telling it.
func (k MasterKey) Check() error {
	s, err := suiteOf(k.Suite)
	if err == nil && len(k.Key) != s.key+s.salt {
		err = fmt.Errorf("a key of %s has %d octets with its salt, not %d", k.Suite, s.key+s.salt, len(k.Key))
	}
	return err
}

func suiteOf(name string) (srtpSuite, error) {
	for _, s := range srtpSuites {
		if s.name == name {
			return s, nil
		}
	}
	return srtpSuite{}, fmt.Errorf("srtp suite %q is not known", name)
}

// srtpKey is a master key made ready: session keys and room to work in, so that
// a packet costs no allocation. It is not safe for concurrent use.
type srtpKey struct {
	master    MasterKey
	suite     srtpSuite
	rtp, rtcp srtpSession
	counter   [aes.BlockSize]byte
	stream    [aes.BlockSize]byte
	word      [4]byte
	sum       [sha1.Size]byte
	aad       [12]byte
	clear     []byte // what GCM opens into: a failed try spoils it
}

// usualPacket is what hardly a packet exceeds; the longest one so far says how
// much room there is then.
const usualPacket = 2048

// room returns the empty beginning of room for n octets.
func (k *srtpKey) room(n int) []byte {
	if cap(k.clear) < n {
		k.clear = make([]byte, 0, max(n, usualPacket))
	}
	return k.clear[:0]
}

// srtpSession is what RTP and RTCP have each of their own.
type srtpSession struct {
	block cipher.Block // counter mode
	mac   hash.Hash
	aead  cipher.AEAD
	salt  [14]byte
}

// newSRTPKey derives the session keys; the key derivation rate is 0, as nearly
// everywhere.
func newSRTPKey(master MasterKey) (*srtpKey, error) {
	if err := master.Check(); err != nil {
		return nil, err
	}
	suite, _ := suiteOf(master.Suite)
	k := &srtpKey{master: master, suite: suite}
	for label, session := range map[byte]*srtpSession{0: &k.rtp, 3: &k.rtcp} {
		if err := k.derive(session, label); err != nil {
			return nil, err
		}
	}
	return k, nil
}

// derive makes a session's keys with labels from first on (RFC 3711 section 4.3.1).
func (k *srtpKey) derive(s *srtpSession, first byte) error {
	master, err := aes.NewCipher(k.master.Key[:k.suite.key])
	if err != nil {
		return err
	}
	derived := func(label byte, size int) []byte {
		var x [aes.BlockSize]byte
		copy(x[:14], k.master.Key[k.suite.key:])
		x[7] ^= label
		var out []byte
		for i := range uint16((size + aes.BlockSize - 1) / aes.BlockSize) {
			binary.BigEndian.PutUint16(x[14:], i)
			out = append(out, x[:]...)
			master.Encrypt(out[len(out)-aes.BlockSize:], x[:])
		}
		return out[:size]
	}
	if s.block, err = aes.NewCipher(derived(first, k.suite.key)); err != nil {
		return err
	}
	copy(s.salt[:], derived(first+2, k.suite.salt))
	if !k.suite.gcm {
		s.mac = hmac.New(sha1.New, derived(first+1, authKey))
		return nil
	}
	s.aead, err = cipher.NewGCM(s.block)
	return err
}

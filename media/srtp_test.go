package media

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"strings"
	"testing"

	"github.com/pion/srtp/v3"
)

func setSession(t testing.TB, s *srtpSession, key, salt []byte) {
	t.Helper()
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	s.block = block
	copy(s.salt[:], salt)
}

func macOf(key []byte) hash.Hash { return hmac.New(sha1.New, key) }

func aeadOf(t testing.TB, key []byte) cipher.AEAD {
	t.Helper()
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	return aead
}

// peer is an SRC that encrypts with pion's implementation, our oracle.
type peer struct {
	t      testing.TB
	master MasterKey
	ctx    *srtp.Context
}

var profiles = map[string]srtp.ProtectionProfile{
	"AES_CM_128_HMAC_SHA1_80": srtp.ProtectionProfileAes128CmHmacSha1_80,
	"AES_CM_128_HMAC_SHA1_32": srtp.ProtectionProfileAes128CmHmacSha1_32,
	"AES_256_CM_HMAC_SHA1_80": srtp.ProtectionProfileAes256CmHmacSha1_80,
	"AES_256_CM_HMAC_SHA1_32": srtp.ProtectionProfileAes256CmHmacSha1_32,
	"AES_CM_256_HMAC_SHA1_80": srtp.ProtectionProfileAes256CmHmacSha1_80,
	"AES_CM_256_HMAC_SHA1_32": srtp.ProtectionProfileAes256CmHmacSha1_32,
	"AEAD_AES_128_GCM":        srtp.ProtectionProfileAeadAes128Gcm,
	"AEAD_AES_256_GCM":        srtp.ProtectionProfileAeadAes256Gcm,
}

func newPeer(t testing.TB, suite string, mki ...byte) *peer {
	t.Helper()
	master, err := NewMasterKey(suite)
	if err != nil {
		t.Fatal(err)
	}
	master.MKI = mki
	s, _ := suiteOf(suite)
	ctx, err := srtp.CreateContext(master.Key[:s.key], master.Key[s.key:], profiles[suite], srtp.MasterKeyIndicator(mki))
	if err != nil {
		t.Fatal(err)
	}
	return &peer{t, master, ctx}
}

func (p *peer) rtp(clear []byte) []byte {
	p.t.Helper()
	b, err := p.ctx.EncryptRTP(nil, clear, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	return b
}

func (p *peer) rtcp(clear []byte) []byte {
	p.t.Helper()
	b, err := p.ctx.EncryptRTCP(nil, clear, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	return b
}

// secureLine makes line 0 one that takes nothing but SRTP under the peers' keys.
func secureLine(p *Path, at int64, peers ...*peer) {
	spec := LineSpec{Label: "1", Ours: true, Source: srcAddr, Receiving: true, Formats: g711, Secure: true}
	for _, peer := range peers {
		spec.Keys = append(spec.Keys, peer.master)
	}
	p.SetLine(0, at, spec)
}

// says is what line 0 carries at voice packet n.
func says(n int) []byte {
	b := voice(n)
	for i := range b[12:] {
		b[12+i] = byte(n + i)
	}
	return b
}

// onTape returns the packets of line 0 that reached the tape.
func (t *testTape) onTape(k Kind) (packets []string) {
	for _, r := range t.records {
		if r.Kind == k && r.Line == 0 {
			packets = append(packets, string(r.Data))
		}
	}
	return packets
}

func counts(p *Path) LineCounts { return p.Counts()[0] }

// secrets are the forms in which a key could be found somewhere.
func secrets(key []byte) []string {
	return []string{
		string(key), string(key[:16]), base64.StdEncoding.EncodeToString(key)[:20], hex.EncodeToString(key)[:20],
		strings.ToUpper(hex.EncodeToString(key))[:20], strings.Trim(fmt.Sprint(key[:8]), "[]"),
	}
}

// FuzzSRTP: whatever arrives on an encrypted line, only what a key fits gets on
// the tape.
func FuzzSRTP(f *testing.F) {
	f.Add([]byte{0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 3}, false)
	f.Add([]byte{0x9f, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1}, false)
	f.Add([]byte{0x80, 200, 0, 1, 0, 0, 0, 1, 0x80, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, true)
	f.Fuzz(func(t *testing.T, b []byte, rtcp bool) {
		for _, suite := range []string{"AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32", "AEAD_AES_128_GCM"} {
			for _, mki := range [][]byte{nil, {1, 2}} {
				p, tape := newTestPath(ModeFull)
				master := MasterKey{Suite: suite, Key: make([]byte, 30), MKI: mki}
				if suite == "AEAD_AES_128_GCM" {
					master.Key = make([]byte, 28)
				}
				p.SetLine(0, callAt, LineSpec{Receiving: true, Formats: g711, Secure: true, Keys: []MasterKey{master}})
				p.Packet(0, rtcp, callAt, srcAddr, append([]byte(nil), b...))
				c := counts(p)
				if c.Received+c.RTCP+c.Refused+c.Replayed != 1 || tape.count(KindPacket)+tape.count(KindRTCP) > int(c.Received+c.RTCP) {
					t.Fatalf("%s: counted %+v", suite, c)
				}
			}
		}
	})
}

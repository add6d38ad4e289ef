package media

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.NewReplacer(" ", "", "\n", "", "\t", "").Replace(s))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func readyKey(t testing.TB, suite string, key []byte, mki ...byte) *srtpKey {
	t.Helper()
	k, err := newSRTPKey(MasterKey{Suite: suite, Key: key, MKI: mki})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// The key stream of RFC 3711 appendix B.2 and of RFC 6188 section 7.1, by the
// session keys given there.
func TestJ05_CounterModeVectors(t *testing.T) {
	salt := unhex(t, "F0F1F2F3F4F5F6F7F8F9FAFBFCFD")
	for name, c := range map[string]struct{ suite, key, stream string }{
		"RFC 3711 B.2": {"AES_CM_128_HMAC_SHA1_80", "2B7E151628AED2A6ABF7158809CF4F3C",
			"E03EAD0935C95E80E166B16DD92B4EB4 D23513162B02D0F72A43A2FE4A5F97AB 41E95B3BB0A2E8DD477901E4FCA894C0"},
		"RFC 6188 7.1": {"AES_256_CM_HMAC_SHA1_80", "57f82fe3613fd170a85ec93c40b1f092 2ec4cb0dc025b58272147cc438944a98",
			"92bdd28a93c3f52511c677d08b5515a4 9da71b2378a854f67050756ded165bac 63c4868b7096d88421b563b8c94c9a31"},
	} {
		t.Run(name, func(t *testing.T) {
			suite, err := suiteOf(c.suite)
			if err != nil {
				t.Fatal(err)
			}
			k := &srtpKey{suite: suite}
			want := unhex(t, c.stream)
			setSession(t, &k.rtp, unhex(t, c.key), salt)
			k.startCounter(&k.rtp, []byte{0, 0, 0, 0}, 0)
			got := make([]byte, len(want))
			k.crypt(k.rtp.block, got)
			if !bytes.Equal(got, want) {
				t.Errorf("key stream\n%x, want\n%x", got, want)
			}
		})
	}
}

// Session keys of RFC 3711 appendix B.3 and RFC 6188 section 7.2, seen through
// what they encrypt: a zero payload is the key stream.
func TestJ05_KeyDerivationVectors(t *testing.T) {
	for name, c := range map[string]struct{ suite, master, key, salt, auth string }{
		"RFC 3711 B.3": {"AES_CM_128_HMAC_SHA1_80",
			"E1F97A0D3E018BE0D64FA32C06DE4139 0EC675AD498AFEEBB6960B3AABE6",
			"C61E7A93744F39EE10734AFE3FF7A087", "30CBBC08863D8C85D49DB34A9AE1", "CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4"},
		"RFC 6188 7.2": {"AES_256_CM_HMAC_SHA1_80",
			"f0f04914b513f2763a1b1fa130f10e29 98f6f6e43e4309d1e622a0e332b9f1b6 3b04803de51ee7c96423ab5b78d2",
			"5ba1064e30ec51613cad926c5a28ef73 1ec7fb397f70a960653caf06554cd8c4", "fa31791685ca444a9e07c6c64e93", "fd9c32d39ed5fbb5a9dc96b30818454d1313dc05"},
	} {
		t.Run(name, func(t *testing.T) {
			k := readyKey(t, c.suite, unhex(t, c.master))
			want := &srtpKey{suite: k.suite}
			setSession(t, &want.rtp, unhex(t, c.key), unhex(t, c.salt))
			want.rtp.mac = macOf(unhex(t, c.auth))
			packet := append(unhex(t, "800f1234 decafbad cafebabe"), make([]byte, 40)...)
			if got, want := k.sealRTP(nil, packet, 12, 0x1234), want.sealRTP(nil, packet, 12, 0x1234); !bytes.Equal(got, want) {
				t.Errorf("sealed\n%x, want\n%x", got, want)
			}
		})
	}
}

// RFC 7714 sections 16.1 and 17.1: RTP by a session key and salt.
func TestJ05_GCMVectors(t *testing.T) {
	salt := unhex(t, "517569642070726f2071756f")
	clear := unhex(t, "8040f17b 8041f8d3 5501a0b2 47616c6c 69612065 7374206f 6d6e6973 20646976 69736120 696e2070 61727465 73207472 6573")
	for name, c := range map[string]struct{ suite, key, sealed string }{
		"RFC 7714 16.1.1": {"AEAD_AES_128_GCM", "000102030405060708090a0b0c0d0e0f", `8040f17b 8041f8d3 5501a0b2
			f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5 0d294e6f 42a5f47a 51c7d19b 36de3adf 8833899d 7f27beb1 6a9152cf 765ee439 0cce`},
		"RFC 7714 16.2.1": {"AEAD_AES_256_GCM", "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", `8040f17b 8041f8d3 5501a0b2
			32b1de78 a822fe12 ef9f78fa 332e33aa b1801238 9a58e2f3 b50b2a02 76ffae0f 1ba63799 b87b7aa3 db36dfff d6b0f9bb 7878d7a7 6c13`},
	} {
		t.Run(name, func(t *testing.T) {
			suite, err := suiteOf(c.suite)
			if err != nil {
				t.Fatal(err)
			}
			k := &srtpKey{suite: suite}
			setSession(t, &k.rtp, unhex(t, c.key), salt)
			k.rtp.aead = aeadOf(t, unhex(t, c.key))
			got := k.sealRTP(nil, clear, 12, 0xf17b)
			if want := unhex(t, c.sealed); !bytes.Equal(got, want) {
				t.Fatalf("sealed\n%x, want\n%x", got, want)
			}
			if back, ok := k.openRTP(got, 12, 0xf17b); !ok || !bytes.Equal(back, clear) {
				t.Errorf("opened %v\n%x", ok, back)
			}
		})
	}
}

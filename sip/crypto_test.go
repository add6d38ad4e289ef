package sip

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

const someKey = "bm90IGEga2V5IG5vdCBhIGtleSBub3QgYSBrZXkgbm90IGEg"

func TestJ06_CryptoAttributes(t *testing.T) {
	for value, want := range map[string]string{
		"1 AES_CM_128_HMAC_SHA1_80 inline:" + someKey:                                       "1 AES_CM_128_HMAC_SHA1_80 36",
		"1  AES_CM_128_HMAC_SHA1_32  inline:" + someKey + "|2^20|1:4":                       "1 AES_CM_128_HMAC_SHA1_32 36 life 1048576 mki 00000001",
		"7 AEAD_AES_128_GCM inline:" + someKey + "|1066:2;inline:" + someKey + "|2^31|1:2;": "7 AEAD_AES_128_GCM 36 mki 042a, 36 life 2147483648 mki 0001",
		"1 aes_cm_128_hmac_sha1_80 INLINE:YWJjZA==|65536 KDR=0 UNENCRYPTED_SRTCP":           "1 AES_CM_128_HMAC_SHA1_80 4 life 65536 params [KDR=0 UNENCRYPTED_SRTCP]",
		"1 AES_CM_128_HMAC_SHA1_80 inline:YWJjZA|18446744073709551615:8":                    "1 AES_CM_128_HMAC_SHA1_80 4 mki ffffffffffffffff",
		"1 AES_CM_128_HMAC_SHA1_80 inline:YWJjZA|1:16":                                      "1 AES_CM_128_HMAC_SHA1_80 4 mki 00000000000000000000000000000001",
	} {
		c, err := ParseCrypto(value)
		if err != nil {
			t.Errorf("%s: %v", value, err)
			continue
		}
		if got := spellOut(c); got != want {
			t.Errorf("%s\nread  %s\nwanted %s", value, got, want)
		}
		if again, err := ParseCrypto(c.text()); err != nil || spellOut(again) != want {
			t.Errorf("%s is written as %s: %v", value, c.text(), err)
		}
	}
}

func spellOut(c Crypto) string {
	var keys []string
	for _, k := range c.Keys {
		s := fmt.Sprint(len(k.Key))
		if k.Lifetime > 0 {
			s += fmt.Sprint(" life ", k.Lifetime)
		}
		if k.MKI != nil {
			s += fmt.Sprintf(" mki %x", k.MKI)
		}
		keys = append(keys, s)
	}
	s := fmt.Sprintf("%d %s %s", c.Tag, c.Suite, strings.Join(keys, ", "))
	if len(c.Params) > 0 {
		s += fmt.Sprint(" params ", c.Params)
	}
	return s
}

func TestCryptoThatCannotBeRead(t *testing.T) {
	for value, want := range map[string]string{
		"": "missing", "1 AES_CM_128_HMAC_SHA1_80": "missing",
		"x AES_CM_128_HMAC_SHA1_80 inline:" + someKey:                                 "tag",
		"1000000000 AES_CM_128_HMAC_SHA1_80 inline:" + someKey:                        "tag",
		"1 AES:CM inline:" + someKey:                                                  "suite",
		"1 AES_CM_128_HMAC_SHA1_80 uri:" + someKey:                                    "not inline",
		"1 AES_CM_128_HMAC_SHA1_80 inline:":                                           "base64",
		"1 AES_CM_128_HMAC_SHA1_80 inline:" + someKey + "!":                           "base64",
		"1 AES_CM_128_HMAC_SHA1_80 inline:" + someKey + "|2^49":                       "lifetime",
		"1 AES_CM_128_HMAC_SHA1_80 inline:" + someKey + "|soon":                       "lifetime",
		"1 AES_CM_128_HMAC_SHA1_80 inline:" + someKey + "|256:1":                      "MKI",
		"1 AES_CM_128_HMAC_SHA1_80 inline:" + someKey + "|1:129":                      "MKI",
		"1 AES_CM_128_HMAC_SHA1_80 inline:" + someKey + ";inline:" + someKey:          "without an MKI",
		"1 AES_CM_128_HMAC_SHA1_80 inline:YWJj|1:1;inline:YWJj|1:2":                   "length",
		"1 AES_CM_128_HMAC_SHA1_80 inline:YWJj|1:1;inline:YWJk|1:1":                   "one MKI",
		"1 AES_CM_128_HMAC_SHA1_80 " + strings.Repeat("inline:YWJj|1:1;", 17) + "x:y": "too many",
	} {
		_, err := ParseCrypto(value)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want an error about %q", value, err, want)
		}
		if err != nil && strings.Contains(err.Error(), someKey[:8]) {
			t.Errorf("%s: its error holds the key", value)
		}
	}
}

// A description that is printed, logged or marshalled shows no key.
func TestKeysArePrintedNowhere(t *testing.T) {
	d := readOffer(t, sdp("m=audio 40000 RTP/SAVP 0", "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:"+someKey+"|1:4",
		"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:"+someKey, "a=crypto:2 AES_CM_128_HMAC_SHA1_80 inline:"+someKey+"|x"))
	line := d.Lines[0]
	js, err := json.Marshal(line)
	if err != nil {
		t.Fatal(err)
	}
	shown := []string{
		string(js), fmt.Sprintf("%v %+v %#v", line, line, line), fmt.Sprintf("%x %s %q", line.Crypto, line.Crypto, line.Crypto[0].Keys),
		fmt.Sprintf("%v %#v", &line.Crypto[0], line.Crypto[0].Keys[0]), strings.Join(d.Notes, "\n"),
	}
	key := line.Crypto[0].Keys[0].Key
	for _, s := range shown {
		for _, secret := range []string{someKey, string(key), fmt.Sprintf("%x", key), strings.Trim(fmt.Sprint(key), "[]")} {
			if strings.Contains(s, secret) {
				t.Errorf("a key is shown: %s", s)
			}
		}
	}
	if len(d.Notes) < 2 {
		t.Errorf("notes %q: two attributes could not be used", d.Notes)
	}
}

// TestJ04_OneKeyOfOurs: exactly one crypto is answered, with the tag and suite
// offered, whatever the loom says; without a key the line is refused.
func TestJ04_OneKeyOfOurs(t *testing.T) {
	offered := []string{"a=crypto:1 F8_128_HMAC_SHA1_80 inline:" + someKey, "a=crypto:2 AEAD_AES_128_GCM inline:" + someKey}
	ours := Crypto{Tag: 2, Suite: "AEAD_AES_128_GCM", Keys: []CryptoKey{{Key: []byte("abc")}}}
	for name, c := range map[string]struct {
		proto  string
		crypto []Crypto
		want   string
	}{
		"encrypted":      {"RTP/SAVP", []Crypto{ours}, "m=audio 30000 RTP/SAVP 0\na=rtpmap:0 PCMU/8000\na=crypto:2 AEAD_AES_128_GCM inline:YWJj\na=recvonly"},
		"best effort":    {"RTP/AVP", []Crypto{ours}, "m=audio 30000 RTP/AVP 0\na=rtpmap:0 PCMU/8000\na=crypto:2 AEAD_AES_128_GCM inline:YWJj\na=recvonly"},
		"without a key":  {"RTP/SAVPF", nil, "m=audio 0 RTP/SAVPF 0"},
		"another suite":  {"RTP/SAVP", []Crypto{{Tag: 2, Suite: "AES_CM_128_HMAC_SHA1_80"}}, "m=audio 0 RTP/SAVP 0"},
		"another tag":    {"RTP/SAVP", []Crypto{{Tag: 3, Suite: "AEAD_AES_128_GCM"}}, "m=audio 0 RTP/SAVP 0"},
		"over something": {"UDP/TLS/RTP/SAVP", []Crypto{ours}, "m=audio 0 UDP/TLS/RTP/SAVP 0"},
	} {
		t.Run(name, func(t *testing.T) {
			offer := readOffer(t, sdp(append([]string{"m=audio 40000 " + c.proto + " 0"}, offered...)...))
			a := answerAll(offer)
			a.Lines[0].Crypto = c.crypto
			if got := answeredLines(t, offer, a); strings.TrimSpace(got) != c.want {
				t.Errorf("answered\n%s\nwant\n%s", got, c.want)
			}
		})
	}
	offer, _, err := encodeAnswer(nil, Answer{Addr: netip.MustParseAddr("192.0.2.1"), Lines: []AnswerLine{{
		Port: 30000, Direction: RecvOnly, Codecs: []Codec{{Name: "PCMU", Clock: 8000, Channels: 1}}, Crypto: []Crypto{ours}}}}, 1, 1)
	if err != nil || !strings.Contains(string(offer), "m=audio 30000 RTP/SAVP 0\r\n") || !strings.Contains(string(offer), "a=crypto:2 ") {
		t.Errorf("our own offer is\n%s%v", offer, err)
	}
}

// TestJ08_Fingerprints: those of the session hold for the lines without any; the
// answer tells ours and that we are passive.
func TestJ08_Fingerprints(t *testing.T) {
	text := strings.Replace(sdp("m=audio 40000 UDP/TLS/RTP/SAVPF 0", "m=audio 40002 RTP/SAVPF 0", "a=fingerprint:sha-1 cd:01", "a=fingerprint:SHA-256 ef:02", "a=setup:active",
		"m=audio 40004 RTP/SAVP 0", "a=crypto:1 AEAD_AES_128_GCM inline:"+someKey),
		"t=0 0\n", "t=0 0\na=setup:actpass\na=fingerprint:sha-256 ab:0f\n", 1)
	offer := readOffer(t, text)
	for i, want := range []string{"[sha-256 AB:0F] actpass true", "[sha-1 CD:01 sha-256 EF:02] active true", "[sha-256 AB:0F] actpass false"} {
		if l := offer.Lines[i]; fmt.Sprint(l.Fingerprints, " ", l.Setup, " ", l.DTLS()) != want {
			t.Errorf("line %d: %v %s %v, want %s", i, l.Fingerprints, l.Setup, l.DTLS(), want)
		}
	}
	a := answerAll(offer)
	for i := range a.Lines[:2] {
		a.Lines[i].Fingerprint = "sha-256 77:88"
	}
	a.Lines[0].Crypto = []Crypto{{Tag: 1, Suite: "AEAD_AES_128_GCM"}} // there is no place for it
	want := `m=audio 30000 UDP/TLS/RTP/SAVPF 0
a=rtpmap:0 PCMU/8000
a=fingerprint:sha-256 77:88
a=setup:passive
a=recvonly
m=audio 30002 RTP/SAVPF 0
a=rtpmap:0 PCMU/8000
a=fingerprint:sha-256 77:88
a=setup:passive
a=recvonly
m=audio 0 RTP/SAVP 0`
	if got := strings.TrimSpace(answeredLines(t, offer, a)); got != want {
		t.Errorf("answered\n%s\nwant\n%s", got, want)
	}
	own, _, err := encodeAnswer(nil, Answer{Addr: ours, Lines: a.Lines[1:2]}, 1, 1)
	if err != nil || !strings.Contains(string(own), "UDP/TLS/RTP/SAVP 0\r\n") || !strings.Contains(string(own), "a=fingerprint:sha-256 77:88\r\n") {
		t.Errorf("our own offer is\n%s%v", own, err)
	}
}

func FuzzCrypto(f *testing.F) {
	f.Add("1 AES_CM_128_HMAC_SHA1_80 inline:" + someKey + "|2^20|1:4 KDR=0")
	f.Add("1 AEAD_AES_128_GCM inline:YWJj|1:1;inline:YWJk|2:1")
	f.Fuzz(func(t *testing.T, value string) {
		c, err := ParseCrypto(value)
		if err != nil {
			return
		}
		again, err := ParseCrypto(c.text())
		if err != nil || again.text() != c.text() {
			t.Errorf("%q is written as %q, which is read as %q: %v", value, c.text(), again.text(), err)
		}
	})
}

func TestCryptoIsReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := Crypto{Tag: rapid.IntRange(0, 999_999_999).Draw(t, "tag"), Suite: "AES_CM_128_HMAC_SHA1_80"}
		size := rapid.IntRange(1, 8).Draw(t, "mki size")
		for i := range rapid.IntRange(1, 3).Draw(t, "keys") {
			k := CryptoKey{Key: rapid.SliceOfN(rapid.Byte(), 1, 46).Draw(t, "key"), Lifetime: rapid.Uint64Range(0, 1<<48).Draw(t, "lifetime")}
			k.MKI = append(make([]byte, size-1), byte(i))
			c.Keys = append(c.Keys, k)
		}
		again, err := ParseCrypto(c.text())
		if err != nil || again.text() != c.text() || spellOut(again) != spellOut(c) {
			t.Fatalf("%s is read back as %s: %v", c.text(), again.text(), err)
		}
	})
}

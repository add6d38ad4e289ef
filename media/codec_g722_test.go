package media

import (
	"crypto/sha256"
	"encoding/hex"
	"testing"
)

// g722Signals drive every part of the codec: both bands, silence, overload,
// and what changes quickly.
func g722Signals() map[string][]int16 {
	noise, seed := make([]int16, 16000), uint32(1)
	for i := range noise {
		seed = seed*1664525 + 1013904223
		noise[i] = int16(seed >> 16)
	}
	square := tones(16000, 16000, 1, 250)
	bursts := tones(16000, 16000, 15000, 1000, 5500)
	for i := range square {
		square[i] = 32767
		if i/20%2 == 1 {
			square[i] = -32768
		}
		if i/800%2 == 1 {
			bursts[i] = 0
		}
	}
	return map[string][]int16{
		"silence": make([]int16, 16000), "low": tones(16000, 16000, 8000, 440), "high": tones(16000, 16000, 8000, 6000),
		"both": tones(16000, 16000, 4000, 300, 1500, 5000), "quiet": tones(16000, 16000, 12, 700),
		"noise": noise, "square": square, "bursts": bursts,
	}
}

// The digests are of what two other implementations make of the same signals
// too, but for samples that overflow in one of them.
func TestG722Vectors(t *testing.T) {
	vectors := map[string]struct{ head, encoded, decoded string }{
		"both":    {"3afd1559b8f6eb7d", "6fe60497e8a81633", "657caa899588764a"},
		"bursts":  {"b20c8b2084a0a020", "cda2144c77bc9c66", "519cdfa323bca66a"},
		"high":    {"5cdeb8b1767bb8fa", "dc9e208e03f2a73a", "7a1ec0270251c2ef"},
		"low":     {"f9f8f673f2f0afdb", "358006d84fb14999", "2fa538c7a00c0bd2"},
		"noise":   {"8c97c64423041e3a", "a31c74e2ebf074b9", "39e213a51e94b945"},
		"quiet":   {"b6df74f6f9b9fbf9", "28031120b72c5cb9", "a0366da13b9f286f"},
		"silence": {"fbf6f6f6fbdaf9df", "9c0b9b2330c2fa6b", "ad711c7faacc5ec1"},
		"square":  {"4448d93b852161d9", "4f0599f3e3a91b06", "3f41d704d646a675"},
	}
	for name, samples := range g722Signals() {
		encoded := newG722Encoder().encode(nil, samples)
		decoded := decodeAll(t, Format{Name: "G722", Clock: 8000}, encoded[:3000], encoded[3000:])
		v := vectors[name]
		if got := hex.EncodeToString(encoded[4000:4008]); got != v.head {
			t.Errorf("%s: %s in the middle, want %s", name, got, v.head)
		}
		if got := digest(encoded); got != v.encoded {
			t.Errorf("%s: encoded to %s, want %s", name, got, v.encoded)
		}
		if got := digest(linearBytes(decoded)); got != v.decoded {
			t.Errorf("%s: decoded to %s, want %s", name, got, v.decoded)
		}
	}
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8])
}

func TestG722Quality(t *testing.T) {
	for _, c := range []struct{ hz, least float64 }{
		{200, 60}, {440, 55}, {1000, 45}, {2500, 45}, {3500, 33}, {5000, 20}, {6500, 23},
	} {
		encoded := newG722Encoder().encode(nil, tones(16000, 16000, 8000, c.hz))
		got := decodeAll(t, Format{Name: "G722", Clock: 8000}, encoded)
		a, snr := quality(got[8000:], 16000, c.hz)
		t.Logf("%.0f Hz: %.1f dB, amplitude %.0f of 8000", c.hz, snr, a[0])
		if snr < c.least || a[0] < 7000 || a[0] > 9000 {
			t.Errorf("%.0f Hz: %.1f dB, amplitude %.0f", c.hz, snr, a[0])
		}
	}
}

// A decoder that begins in the middle of a stream, or after lost packets, finds
// its way within a tenth of a second.
func TestG722JoinsLate(t *testing.T) {
	encoded := newG722Encoder().encode(nil, tones(16000, 16000, 8000, 440))
	got := decodeAll(t, Format{Name: "G722", Clock: 8000}, encoded[4000:4160], encoded[4480:])
	if _, snr := quality(got[len(got)-3200:], 16000, 440); snr < 38 {
		t.Errorf("%.1f dB", snr)
	}
}

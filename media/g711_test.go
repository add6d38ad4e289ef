package media

import "testing"

// Values from the tables of ITU-T G.711, scaled to 16 bits.
func TestG711KnownValues(t *testing.T) {
	for code, want := range map[byte]int16{0x00: -32124, 0x80: 32124, 0x7f: 0, 0xff: 0, 0xfe: 8, 0x70: -120, 0xef: 132} {
		if got := DecodeULaw[code]; got != want {
			t.Errorf("µ-law %#02x decodes to %d, want %d", code, got, want)
		}
	}
	for code, want := range map[byte]int16{0xd5: 8, 0x55: -8, 0xaa: 32256, 0x2a: -32256, 0xd4: 24} {
		if got := DecodeALaw[code]; got != want {
			t.Errorf("A-law %#02x decodes to %d, want %d", code, got, want)
		}
	}
}

func TestG711EncodeIsNearest(t *testing.T) {
	for _, law := range []struct {
		name   string
		decode *[256]int16
		encode func(int16) byte
	}{{"µ-law", &DecodeULaw, EncodeULaw}, {"A-law", &DecodeALaw, EncodeALaw}} {
		for code := range 256 {
			v := law.decode[code]
			if again := law.decode[law.encode(v)]; again != v {
				t.Fatalf("%s %#02x: %d comes back as %d", law.name, code, v, again)
			}
		}
		for v := -32768; v <= 32767; v++ {
			got := int(law.decode[law.encode(int16(v))])
			// Half of a step of the segment: 1/32 of the value, and the clipping.
			if diff, limit := abs(got-v), max(abs(v)/32+8, abs(v)-32124); diff > limit {
				t.Fatalf("%s: %d becomes %d", law.name, v, got)
			}
		}
	}
}

func abs(v int) int { return max(v, -v) }

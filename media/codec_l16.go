package media

// codecL16 is linear audio, big-endian (RFC 3551 4.5.11), mono, 8 or 16 kHz.
func codecL16() codec {
	decode := func(dst []int16, payload []byte) []int16 {
		for ; len(payload) >= 2; payload = payload[2:] {
			dst = append(dst, int16(uint16(payload[0])<<8|uint16(payload[1])))
		}
		return dst
	}
	return codec{
		name: "L16",
		rate: func(f Format) int {
			if (f.Clock == 8000 || f.Clock == 16000) && f.Channels <= 1 {
				return f.Clock
			}
			return 0
		},
		units: func(_ Format, payload []byte) int { return len(payload) / 2 },
		plain: true,
		open:  func(Format) func([]int16, []byte) []int16 { return decode },
	}
}

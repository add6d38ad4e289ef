package media

// WAVE format tags (RFC 2361).
const (
	tagPCM  = 1
	tagALaw = 6
	tagULaw = 7
)

var (
	codecPCMU = g711Codec("PCMU", 0, &DecodeULaw, EncodeULaw, 0xFF, tagULaw)
	codecPCMA = g711Codec("PCMA", 8, &DecodeALaw, EncodeALaw, 0xD5, tagALaw)
)

func g711Codec(name string, payloadType uint8, table *[256]int16, encode func(int16) byte, silence byte, tag uint16) codec {
	decode := func(dst []int16, payload []byte) []int16 {
		for _, b := range payload {
			dst = append(dst, table[b])
		}
		return dst
	}
	return codec{
		name:   name,
		static: []Format{{Payload: payloadType, Name: name, Clock: 8000}},
		rate: func(f Format) int {
			if f.Clock == 8000 && f.Channels <= 1 {
				return 8000
			}
			return 0
		},
		bytes:   func(Format) int { return 8000 },
		units:   func(_ Format, payload []byte) int { return len(payload) },
		open:    func(Format) decoder { return decode },
		plain:   true,
		silence: silence,
		tag:     tag,
		encode:  encode,
	}
}

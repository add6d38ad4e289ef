package media

// codecG729 is kept on the tape until a decoder is found. Frames are 10 bytes for
// 10 ms; one of 2 bytes, a silence descriptor (annex B), can end a payload
// (RFC 3551 4.5.6).
var codecG729 = codec{
	name:   "G729",
	static: []Format{{Payload: 18, Name: "G729", Clock: 8000}},
	bytes:  func(Format) int { return 1000 },
	units: func(f Format, payload []byte) int {
		frames := len(payload) / 10
		switch len(payload) % 10 {
		case 0:
		case 2:
			frames++
		default:
			return 0
		}
		return frames * f.Clock / 100
	},
	rests: func(payload []byte) bool { return len(payload)%10 == 2 },
}

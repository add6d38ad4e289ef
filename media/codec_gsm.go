package media

import "iter"

// codecGSM is GSM 06.10 full rate: 33 bytes for 20 ms, the first four bits of
// each always 13 (RFC 3551 4.5.8).
var codecGSM = codec{
	name:   "GSM",
	static: []Format{{Payload: 3, Name: "GSM", Clock: 8000}},
	rate:   at(8000),
	bytes:  func(Format) int { return 1650 },
	outside: &outside{
		decoder: "gsm", input: options("gsm"), samples: lasting(160),
		frames: func(_ Format, payload []byte) iter.Seq[[]byte] {
			for i := 0; i < len(payload); i += 33 {
				if payload[i]>>4 != 13 {
					return none
				}
			}
			return equal(payload, 33)
		},
	},
}

package media

import "iter"

// codecG729 is G.729 with its annexes A and B. Frames are 10 bytes for 10 ms;
// one of 2 bytes, a silence descriptor (annex B), can end a payload (RFC 3551
// 4.5.6).
var codecG729 = codec{
	name:   "G729",
	also:   []string{"G729A", "G729AB", "G729B"},
	static: []Format{{Payload: 18, Name: "G729", Clock: 8000}},
	rate:   at(8000),
	bytes:  func(Format) int { return 1000 },
	outside: &outside{
		decoder: "g729", input: options("g729"), samples: lasting(80),
		frames: func(_ Format, payload []byte) iter.Seq[[]byte] { return framesG729(payload) },
	},
}

func framesG729(payload []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		if rest := len(payload) % 10; rest != 0 && rest != 2 {
			return
		}
		for ; len(payload) >= 10; payload = payload[10:] {
			if !yield(payload[:10]) {
				return
			}
		}
		if len(payload) == 2 {
			yield(nil)
		}
	}
}

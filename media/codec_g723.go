package media

import "iter"

// codecG7231 is G.723.1 at either rate: 30 ms in a frame whose first two bits
// tell how long it is (RFC 3551 4.5.3).
var codecG7231 = codec{
	name:   "G723",
	also:   []string{"G723.1", "G7231"},
	static: []Format{{Payload: 4, Name: "G723", Clock: 8000}},
	rate:   at(8000),
	bytes:  func(Format) int { return 800 },
	outside: &outside{
		decoder: "g723_1", input: options("g723_1"), samples: lasting(240),
		frames: func(_ Format, payload []byte) iter.Seq[[]byte] { return framesG7231(payload) },
	},
}

// framesG7231 takes silence descriptors and frames that were not transmitted for
// silence.
func framesG7231(payload []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		if !wholeG7231(payload) {
			return
		}
		for len(payload) > 0 {
			size := sizeG7231[payload[0]&3]
			frame := payload[:size]
			if size < 20 {
				frame = nil
			}
			if !yield(frame) {
				return
			}
			payload = payload[size:]
		}
	}
}

var sizeG7231 = [4]int{24, 20, 4, 1}

func wholeG7231(payload []byte) bool {
	for len(payload) > 0 {
		size := sizeG7231[payload[0]&3]
		if size > len(payload) {
			return false
		}
		payload = payload[size:]
	}
	return true
}

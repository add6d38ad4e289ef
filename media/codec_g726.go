package media

import "fmt"

// codecG726At is ITU-T G.726 with so many bits a sample, 2 to 5: the first sample
// of a byte in its lowest bits (RFC 3551 4.5.4). It is decoded here because
// FFmpeg's decoder lets the predictor of the highest rate forget at the pace of
// the others, and makes 10 dB of noise by it.
func codecG726At(bits int) codec {
	c := adaptive(bits, g726RightFirst)
	if bits == 4 { // what it was called before its other rates
		c.also, c.static = []string{"G721"}, []Format{{Payload: 2, Name: c.name, Clock: 8000}}
	}
	return c
}

// codecAAL2At is the same packed the other way round (RFC 3551 4.5.4, ITU-T
// I.366.2 annex E).
func codecAAL2At(bits int) codec {
	c := adaptive(bits, g726LeftFirst)
	c.name = "AAL2-" + c.name
	return c
}

// adaptive takes payloads of groups of eight samples, the fewest that are whole
// bytes at every rate.
func adaptive(bits int, unpack func(group []byte, bits int) uint64) codec {
	whole := func(payload []byte) bool { return len(payload)%bits == 0 }
	return codec{
		name: fmt.Sprintf("G726-%d", 8*bits),
		rate: func(f Format) int {
			if f.Clock == 8000 && f.Channels <= 1 {
				return 8000
			}
			return 0
		},
		bytes: func(Format) int { return 1000 * bits },
		units: func(_ Format, payload []byte) int {
			if !whole(payload) {
				return 0
			}
			return len(payload) / bits * 8
		},
		open: func(Format) decoder {
			d := newG726Decoder(bits)
			return func(dst []int16, payload []byte) []int16 {
				for ; whole(payload) && len(payload) > 0; payload = payload[bits:] {
					codes := unpack(payload[:bits], bits)
					for range 8 {
						dst = append(dst, d.decode(int(codes&(1<<bits-1))))
						codes >>= bits
					}
				}
				return dst
			}
		},
	}
}

// g726RightFirst returns the codes of a group, the first in the lowest bits.
func g726RightFirst(group []byte, _ int) (codes uint64) {
	for i, b := range group {
		codes |= uint64(b) << (8 * i)
	}
	return codes
}

// g726LeftFirst does so for a group whose first code lies in the highest bits.
func g726LeftFirst(group []byte, bits int) (codes uint64) {
	all := uint64(0)
	for _, b := range group {
		all = all<<8 | uint64(b)
	}
	for range 8 {
		codes = codes<<bits | all&(1<<bits-1)
		all >>= bits
	}
	return codes
}

// g726Table is what the codes of one rate mean, by the magnitude they stand for.
type g726Table struct {
	size    []int // of the difference, logarithm to base two in 128ths (tables 11 to 14/G.726)
	scale   []int // W, how the quantizer follows
	rapid   []int // F, how fast the signal changes
	forgets int   // the zeros' share of 2 to the power of it, a sample
}

// g726Tables are those of 2 to 5 bits a sample.
var g726Tables = map[int]*g726Table{
	2: {[]int{116, 365}, []int{-22, 439}, []int{0, 7}, 8},
	3: {[]int{-2048, 135, 273, 373}, []int{-4, 30, 137, 582}, []int{0, 1, 2, 7}, 8},
	4: {
		[]int{-2048, 4, 135, 213, 273, 323, 373, 425},
		[]int{-12, 18, 41, 64, 112, 198, 355, 1122}, []int{0, 0, 0, 1, 1, 1, 3, 7}, 8,
	},
	5: {
		[]int{-2048, -66, 28, 104, 169, 224, 274, 318, 358, 395, 429, 459, 488, 514, 539, 566},
		[]int{14, 14, 24, 39, 40, 41, 58, 100, 141, 179, 219, 280, 358, 440, 529, 696},
		[]int{0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 2, 3, 4, 5, 6, 6}, 9,
	},
}

package media

import (
	"fmt"
	"iter"
	"strconv"
)

// codecG726At is G.726 with so many bits a sample, 2 to 5: the first sample of a
// byte in its lowest bits (RFC 3551 4.5.4).
func codecG726At(bits int) codec {
	c := adaptive(bits, "g726le")
	if bits == 4 { // what it was called before its other rates
		c.also, c.static = []string{"G721"}, []Format{{Payload: 2, Name: c.name, Clock: 8000}}
	}
	return c
}

// codecAAL2At is the same packed the other way round (RFC 3551 4.5.4, ITU-T
// I.366.2 annex E).
func codecAAL2At(bits int) codec {
	c := adaptive(bits, "g726")
	c.name = "AAL2-" + c.name
	return c
}

// adaptive cuts payloads into groups of eight samples, the fewest that are whole
// bytes at every rate.
func adaptive(bits int, decoder string) codec {
	return codec{
		name:  fmt.Sprintf("G726-%d", 8*bits),
		rate:  at(8000),
		bytes: func(Format) int { return 1000 * bits },
		outside: &outside{
			decoder: decoder, input: options(decoder, "-code_size", strconv.Itoa(bits), "-sample_rate", "8000"), samples: lasting(8),
			frames: func(_ Format, payload []byte) iter.Seq[[]byte] { return equal(payload, bits) },
		},
	}
}

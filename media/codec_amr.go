package media

import "iter"

// AMR and AMR-WB: frames of 20 ms behind a table of contents, either in whole
// bytes (octet-align=1) or bit by bit (RFC 4867 4.3, 4.4). With crc=1 each frame
// has a checksum. Interleaved and robustly sorted payloads are not understood.
var (
	codecAMR   = adaptiveMultiRate("AMR", 8000, "amrnb", "#!AMR\n", bitsAMR[:])
	codecAMRWB = adaptiveMultiRate("AMR-WB", 16000, "amrwb", "#!AMR-WB\n", bitsAMRWB[:])
)

// The bits of a frame by type (RFC 4867 3.6, 3GPP TS 26.101 and 26.201); the last
// one is the silence descriptor. Types behind it carry nothing or do not exist.
var (
	bitsAMR   = [9]int{95, 103, 118, 134, 148, 159, 204, 244, 39}
	bitsAMRWB = [10]int{132, 177, 253, 285, 317, 365, 397, 461, 477, 40}
)

const (
	lostAMR = 14 // of AMR-WB: a frame that was lost
	noneAMR = 15 // no data
)

func adaptiveMultiRate(name string, clock int, decoder, head string, bits []int) codec {
	frames := func(f Format, payload []byte) iter.Seq[[]byte] {
		return func(yield func([]byte) bool) {
			a := amrReader{payload: payload, bits: bits, checked: parameter(f.Fmtp, "crc") == "1"}
			a.aligned = a.checked || parameter(f.Fmtp, "octet-align") == "1"
			if !a.fits() {
				// Some senders announce one packing and use the other; a payload fits
				// only one of them.
				a = amrReader{payload: payload, bits: bits, aligned: !a.aligned}
				if !a.fits() {
					return
				}
			}
			for _, entry := range a.table[:a.n] {
				if !yield(a.frame(entry)) {
					return
				}
			}
		}
	}
	return codec{
		name: name,
		rate: func(f Format) int {
			if parameter(f.Fmtp, "interleaving") != "" || parameter(f.Fmtp, "robust-sorting") == "1" {
				return 0
			}
			return clock
		},
		bytes: func(Format) int { return 4000 },
		outside: &outside{
			decoder: decoder, input: options("amr"), samples: lasting(clock / 50), frames: frames,
			head: func(Format) []byte { return []byte(head) },
		},
	}
}

const longestAMR = 32 // frames of a payload

// amrReader reads one payload.
type amrReader struct {
	payload []byte
	bits    []int // of a frame, by type
	aligned bool
	checked bool // a CRC for each frame

	table   [longestAMR]byte // type and quality of each frame, as in a file (RFC 4867 5.3)
	n       int
	at      int // bits read
	scratch [62]byte
}

// contents reads the mode request and the table of contents.
func (a *amrReader) contents() bool {
	a.take(4)
	if a.aligned {
		a.take(4)
	}
	for more := true; more; a.n++ {
		if a.n == longestAMR || a.at+6 > 8*len(a.payload) {
			return false
		}
		entry := a.take(6)
		if a.aligned {
			a.take(2)
		}
		more = entry&0x20 != 0
		a.table[a.n] = entry & 0x1f << 2
		if kind := int(entry >> 1 & 15); kind >= len(a.bits) && kind != noneAMR && (kind != lostAMR || len(a.bits) == len(bitsAMR)) {
			return false
		}
	}
	if a.checked {
		for _, entry := range a.table[:a.n] {
			if a.size(entry) > 0 {
				a.at += 8
			}
		}
	}
	return true
}

// size is the bits of a frame.
func (a *amrReader) size(entry byte) int {
	if kind := int(entry >> 3 & 15); kind < len(a.bits) {
		return a.bits[kind]
	}
	return 0
}

// fits reads what stands before the frames, and reports whether they fill what is
// left of the payload.
func (a *amrReader) fits() bool {
	if !a.contents() {
		return false
	}
	need := a.at
	for _, entry := range a.table[:a.n] {
		need += a.size(entry)
		if a.aligned {
			need = (need + 7) &^ 7
		}
	}
	return (need+7)/8 == len(a.payload)
}

// frame reads the next frame as it is in a file: empty for one of silence, or one
// that the sender says is damaged.
func (a *amrReader) frame(entry byte) []byte {
	size := a.size(entry)
	out := append(a.scratch[:0], entry)
	for left := size; left > 0; left -= 8 {
		n := min(left, 8)
		out = append(out, a.take(n)<<(8-n))
	}
	if a.aligned {
		a.at = (a.at + 7) &^ 7
	}
	speech, good := int(entry>>3&15) < len(a.bits)-1, entry&4 != 0
	if !speech || !good {
		return nil
	}
	return out
}

// take reads n bits, 8 at most; zeros behind the end.
func (a *amrReader) take(n int) (v byte) {
	for range n {
		v <<= 1
		if i := a.at / 8; i < len(a.payload) {
			v |= a.payload[i] >> (7 - a.at%8) & 1
		}
		a.at++
	}
	return v
}

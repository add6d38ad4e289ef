package media

import (
	"encoding/binary"
	"io"
	"math/bits"
	"slices"
)

const (
	flacBlock   = 4096 // samples
	flacParts   = 16   // stretches of a block with a parameter each, a power of two
	flacOrders  = 5    // polynomials of degree up to 4 that predict a sample (RFC 9639 section 9.2.5)
	riceLargest = 14   // of parameters of four bits; 15 escapes
)

// flacWriter writes FLAC of 16 bits at outputRate, in blocks of flacBlock
// samples but for the last. A library's encoder took half of the time that
// rendering takes.
type flacWriter struct {
	w        io.Writer
	channels int
	blocks   uint64 // written
	bits     bitWriter
	misses   []int32 // of one block
}

// newFLACWriter writes the head of a file of so many samples a channel. Their
// MD5, which stands before them, is not known yet: zero (RFC 9639 section 8.2).
func newFLACWriter(w io.Writer, channels int, samples int64) (*flacWriter, error) {
	h := append([]byte("fLaC"), 0x80, 0, 0, 34) // the last block of metadata, the stream's
	h = binary.BigEndian.AppendUint16(h, flacBlock)
	h = binary.BigEndian.AppendUint16(h, flacBlock)
	h = append(h, make([]byte, 6)...) // how many bytes a frame takes: not known
	h = binary.BigEndian.AppendUint64(h, outputRate<<44|uint64(channels-1)<<41|15<<36|uint64(samples)&(1<<36-1))
	h = append(h, make([]byte, 16)...)
	_, err := w.Write(h)
	return &flacWriter{w: w, channels: channels}, err
}

// write writes one block, the same number of samples for each channel.
func (f *flacWriter) write(sides [][]int32) error {
	b := &f.bits
	b.bytes = f.appendHead(b.bytes[:0], len(sides[0]))
	for _, samples := range sides {
		f.subframe(samples)
	}
	b.align()
	b.bytes = binary.BigEndian.AppendUint16(b.bytes, crc16(b.bytes))
	f.blocks++
	_, err := f.w.Write(b.bytes)
	return err
}

// appendHead appends a frame's header (RFC 9639 section 9.1).
func (f *flacWriter) appendHead(h []byte, samples int) []byte {
	size := byte(7) // 16 bits behind the number of the frame
	common := slices.Index([]int{192, 576, 1152, 2304, 4608}, samples)
	switch {
	case common >= 0:
		size = byte(common) + 1
	case samples >= 256 && bits.OnesCount(uint(samples)) == 1:
		size = byte(bits.Len(uint(samples))) - 1
	case samples <= 256:
		size = 6 // 8 bits
	}
	const at16kHz, of16Bits = 5, 4
	h = append(h, 0xFF, 0xF8, size<<4|at16kHz, byte(f.channels-1)<<4|of16Bits<<1)
	h = appendFrameNumber(h, f.blocks)
	switch size {
	case 6:
		h = append(h, byte(samples-1))
	case 7:
		h = binary.BigEndian.AppendUint16(h, uint16(samples-1))
	}
	return append(h, crc8(h))
}

// appendFrameNumber appends a number of up to 36 bits as UTF-8 would be, were it
// a character.
func appendFrameNumber(h []byte, n uint64) []byte {
	if n < 0x80 {
		return append(h, byte(n))
	}
	more := (bits.Len64(n) - 2) / 5 // bytes behind the first
	h = append(h, byte(uint(0xFF80)>>more)|byte(n>>(6*more)))
	for more--; more >= 0; more-- {
		h = append(h, 0x80|byte(n>>(6*more))&0x3F)
	}
	return h
}

// subframe predicts the samples of a block by the polynomial that misses least
// on the whole, and gives each stretch of it the parameter that its own misses
// ask for, by their sum (RFC 9639 section 9.2.7). An exhaustive search gains
// 1 % of the file and takes ten times as long.
func (f *flacWriter) subframe(samples []int32) {
	const constant, verbatim, fixed = 0, 1 << 1, 8 << 1
	b := &f.bits
	if len(samples)%flacParts != 0 || len(samples)/flacParts < flacOrders {
		b.put(verbatim, 8)
		for _, s := range samples {
			b.put(uint64(uint16(s)), 16)
		}
		return
	}
	if !slices.ContainsFunc(samples, func(x int32) bool { return x != samples[0] }) {
		b.put(constant, 8)
		b.put(uint64(uint16(samples[0])), 16)
		return
	}
	order, sums := predict(samples)
	b.put(fixed|uint64(order)<<1, 8)
	for _, s := range samples[:order] {
		b.put(uint64(uint16(s)), 16)
	}
	const rice = 0 // parameters of four bits
	b.put(rice<<4|uint64(bits.Len(flacParts)-1), 6)
	f.misses = slices.Grow(f.misses[:0], len(samples))[:len(samples)]
	missedBy(f.misses, samples, order)
	size := len(samples) / flacParts
	for part := range flacParts {
		// Misses are folded to twice their size, so that none is negative.
		mean := 2 * sums[part] / uint32(size)
		k := min(riceLargest, max(0, bits.Len32(mean*7/10)))
		b.put(uint64(k), 4)
		from := part * size
		if part == 0 {
			from = order
		}
		b.rice(f.misses[from:(part+1)*size], k)
	}
}

// predict returns the degree of the polynomial that misses least, and what it
// misses in each stretch.
func predict(samples []int32) (order int, sums [flacParts]uint32) {
	var all [flacParts][flacOrders]uint32
	var totals [flacOrders]uint64
	for part := range flacParts {
		all[part] = missed(samples, part)
		for o, sum := range all[part] {
			totals[o] += uint64(sum)
		}
	}
	for o, total := range totals {
		if total < totals[order] {
			order = o
		}
	}
	for part := range sums {
		sums[part] = all[part][order]
	}
	return order, sums
}

// missed sums up what each polynomial misses in one stretch of a block. The
// first samples of a block, which nothing is known before, count for none but
// the constant.
func missed(samples []int32, part int) (sums [flacOrders]uint32) {
	size := len(samples) / flacParts
	from := part * size
	var e0, e1, e2, e3 int32 // differences of the sample before
	begin := from
	if from == 0 {
		begin = flacOrders - 1
	}
	if begin >= 4 {
		a, b, c, d := samples[begin-1], samples[begin-2], samples[begin-3], samples[begin-4]
		e0, e1, e2, e3 = a, a-b, a-2*b+c, a-3*b+3*c-d
	}
	var m0, m1, m2, m3, m4 uint32 // up to 2^20 for each of 256 samples
	for _, d0 := range samples[begin : from+size] {
		d1 := d0 - e0
		d2 := d1 - e1
		d3 := d2 - e2
		d4 := d3 - e3
		e0, e1, e2, e3 = d0, d1, d2, d3
		m0 += magnitude(d0)
		m1 += magnitude(d1)
		m2 += magnitude(d2)
		m3 += magnitude(d3)
		m4 += magnitude(d4)
	}
	return [flacOrders]uint32{m0, m1, m2, m3, m4}
}

func magnitude(x int32) uint32 {
	sign := x >> 31
	return uint32((x ^ sign) - sign)
}

// missedBy sets what the polynomial of a degree misses at each sample from the
// first that it predicts on.
func missedBy(misses, samples []int32, order int) {
	misses = misses[:len(samples)]
	switch order {
	case 0:
		copy(misses, samples)
	case 1:
		for i := 1; i < len(samples); i++ {
			misses[i] = samples[i] - samples[i-1]
		}
	case 2:
		for i := 2; i < len(samples); i++ {
			misses[i] = samples[i] - 2*samples[i-1] + samples[i-2]
		}
	case 3:
		for i := 3; i < len(samples); i++ {
			misses[i] = samples[i] - 3*samples[i-1] + 3*samples[i-2] - samples[i-3]
		}
	case 4:
		for i := 4; i < len(samples); i++ {
			misses[i] = samples[i] - 4*samples[i-1] + 6*samples[i-2] - 4*samples[i-3] + samples[i-4]
		}
	}
}

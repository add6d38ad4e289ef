package media

// g722Band is one sub-band's adaptive predictor and quantizer (G.722 3.3 to
// 3.6). The names behind the fields are the recommendation's.
type g722Band struct {
	scale    int    // DET, the quantizer's scale factor
	log      int    // NB, its logarithm
	predict  int    // S, what the next sample is expected to be
	zeros    int    // SZ, the part of it from the differences
	pole     [2]int // AL or AH
	zero     [6]int // BL or BH
	diff     [6]int // the latest quantized differences, the newest first
	partial  [2]int // PLT or PH, differences and zeros together
	restored [2]int // RLT or RH, what was decoded
}

// lower decodes a code of 6 bits, of which adaptation uses the upper 4.
func (b *g722Band) lower(code byte) int {
	out := clipBand(b.predict + b.scale*g722Low6[code]>>15)
	coarse := code >> 2
	diff := b.scale * g722Low4[coarse] >> 15
	b.log = max(0, min(18432, b.log*127>>7+g722LowLog[coarse]))
	b.scale = g722Scale(b.log, 8)
	b.adapt(diff)
	return out
}

// higher decodes a code of 2 bits.
func (b *g722Band) higher(code byte) int {
	diff := b.scale * g722High2[code] >> 15
	out := clipBand(b.predict + diff)
	b.log = max(0, min(22528, b.log*127>>7+g722HighLog[code]))
	b.scale = g722Scale(b.log, 10)
	b.adapt(diff)
	return out
}

func clipBand(v int) int { return max(-16384, min(16383, v)) }

// g722Scale is 2 to the power of log/2048, from a table of 32 steps.
func g722Scale(log, least int) int {
	mantissa, shift := g722Power[log>>6&31], least-log>>11
	if shift < 0 {
		return mantissa << -shift << 2
	}
	return mantissa >> shift << 2
}

// adapt moves the predictor by a quantized difference (block 4L, 4H).
func (b *g722Band) adapt(diff int) {
	restored := clipInt16(b.predict + diff)
	partial := clipInt16(b.zeros + diff)
	b.adaptPoles(partial)
	b.adaptZeros(diff)

	copy(b.diff[1:], b.diff[:])
	b.diff[0] = diff
	b.restored[1], b.restored[0] = b.restored[0], restored
	b.partial[1], b.partial[0] = b.partial[0], partial

	poles := 0
	for i, a := range b.pole {
		poles += a * clipInt16(2*b.restored[i]) >> 15
	}
	b.zeros = 0
	for i, z := range b.zero {
		b.zeros += z * clipInt16(2*b.diff[i]) >> 15
	}
	b.zeros = clipInt16(b.zeros)
	b.predict = clipInt16(clipInt16(poles) + b.zeros)
}

// adaptPoles is UPPOL2 and UPPOL1, the second pole first.
func (b *g722Band) adaptPoles(partial int) {
	first := clipInt16(4 * b.pole[0])
	if partial^b.partial[0] >= 0 {
		first = clipInt16(-first)
	}
	second := -128
	if partial^b.partial[1] >= 0 {
		second = 128
	}
	b.pole[1] = max(-12288, min(12288, first>>7+second+b.pole[1]*32512>>15))
	step := -192
	if partial^b.partial[0] >= 0 {
		step = 192
	}
	reach := 15360 - b.pole[1]
	b.pole[0] = max(-reach, min(reach, step+b.pole[0]*32640>>15))
}

// adaptZeros is UPZERO.
func (b *g722Band) adaptZeros(diff int) {
	for i := range b.zero {
		step := 0
		switch {
		case diff == 0:
		case b.diff[i]^diff >= 0:
			step = 128
		default:
			step = -128
		}
		b.zero[i] = clipInt16(step + b.zero[i]*32640>>15)
	}
}

func clipInt16(v int) int { return max(-32768, min(32767, v)) }

// quantizeLow returns the code of 6 bits for a sample of the low band.
func (b *g722Band) quantizeLow(sample int) byte {
	off := clipInt16(sample - b.predict)
	size := off
	if off < 0 {
		size = ^off
	}
	step := 0
	for step < len(g722LowSteps) && size >= g722LowSteps[step]*b.scale>>12 {
		step++
	}
	switch {
	case off >= 0:
		return byte(61 - step)
	case step < 2:
		return byte(63 - step)
	}
	return byte(33 - step)
}

// quantizeHigh returns the code of 2 bits for a sample of the high band.
func (b *g722Band) quantizeHigh(sample int) byte {
	off := clipInt16(sample - b.predict)
	size, code := off, byte(3)
	if off < 0 {
		size, code = ^off, 1
	}
	if size >= 564*b.scale>>12 {
		code--
	}
	return code
}

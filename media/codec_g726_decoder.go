package media

import "math/bits"

// g726Decoder is the state of one stream's decoder (G.726 section 4). The names
// behind the fields are the recommendation's.
type g726Decoder struct {
	table *g726Table
	codes int // of the rate

	fast, slow  int    // YU and YL, the quantizer's scale factor
	short, long int    // DMS and DML, how fast the signal changes
	speed       int    // AP, of the two scale factors how much the fast one counts
	pole        [2]int // A1, A2
	zero        [6]int // B1 to B6
	diff        [6]g726Float
	restored    [2]g726Float // SR1, SR2
	falling     [2]bool      // PK1, PK2: signs of differences and zeros together
	tone        bool         // TD: a tone or a modem, not speech
}

func newG726Decoder(bits int) *g726Decoder {
	d := &g726Decoder{table: g726Tables[bits], codes: 1 << bits, fast: 544, slow: 34816}
	nothing := newG726Float(false, 0)
	for i := range d.diff {
		d.diff[i] = nothing
	}
	d.restored = [2]g726Float{nothing, nothing}
	return d
}

// g726Float is a number of four bits of exponent and six of mantissa with a sign
// (blocks FLOATA and FLOATB).
type g726Float struct {
	negative           bool
	exponent, mantissa int
}

func newG726Float(negative bool, magnitude int) g726Float {
	f := g726Float{negative: negative, exponent: bits.Len(uint(magnitude)), mantissa: 32}
	if magnitude > 0 {
		f.mantissa = magnitude << 6 >> f.exponent
	}
	return f
}

// times multiplies a coefficient by f (block FMULT).
func (f g726Float) times(coefficient int) int {
	magnitude := max(coefficient, -coefficient) & 0x1FFF
	a := newG726Float(false, magnitude)
	product := (a.mantissa*f.mantissa + 48) >> 4
	if shift := a.exponent + f.exponent - 19; shift >= 0 {
		product = product << shift & 0x7FFF
	} else {
		product >>= -shift
	}
	if (coefficient < 0) != f.negative {
		return -product
	}
	return product
}

// decode returns the sample of a code.
func (d *g726Decoder) decode(code int) int16 {
	negative, step := code >= d.codes/2, code
	if negative {
		step = d.codes - 1 - code
	}
	// Sums are of 16 bits, and what overflows them comes out on the other side, in
	// the encoder too.
	var sum int16
	for i, z := range d.zero {
		sum += int16(d.diff[i].times(z >> 2))
	}
	zeros := int(sum) >> 1
	for i, p := range d.pole {
		sum += int16(d.restored[i].times(p >> 2))
	}
	expected := int(sum) >> 1
	scale := d.scale()
	size := 0
	if log := d.table.size[step] + scale>>2; log >= 0 {
		size = (128 + log&127) << 7 >> (14 - log>>7&15)
	}
	diff := size
	if negative {
		diff = -size
	}
	restored := int(int16(expected + diff))
	d.adapt(scale, step, negative, size, int(int16(diff+zeros)), restored)
	return clip16(4 * restored)
}

// scale mixes the two scale factors (block MIX).
func (d *g726Decoder) scale() int {
	if d.speed >= 256 {
		return d.fast
	}
	y := d.slow >> 6
	off, share := d.fast-y, d.speed>>2
	if off < 0 {
		return y + (off*share+63)>>6
	}
	return y + off*share>>6
}

// adapt moves everything by a difference of a size. partial is the difference
// and the zeros together.
func (d *g726Decoder) adapt(scale, step int, negative bool, size, partial, restored int) {
	jump := d.tone && size > d.threshold() // TR: from one tone to another
	d.fast = max(544, min(5120, scale+(32*d.table.scale[step]-scale)>>5))
	d.slow += d.fast + (-d.slow)>>6

	falling := partial < 0
	if jump {
		d.pole, d.zero = [2]int{}, [6]int{}
	} else {
		d.adaptPoles(falling, partial)
		d.adaptZeros(negative, size)
	}
	copy(d.diff[1:], d.diff[:])
	d.diff[0] = newG726Float(negative, size)
	d.restored[1] = d.restored[0]
	d.restored[0] = newG726Float(restored < 0, max(restored, -restored)&0x7FFF)
	d.falling[1], d.falling[0] = d.falling[0], falling
	d.tone = !jump && d.pole[1] < -11776
	d.adaptSpeed(scale, 512*d.table.rapid[step], jump)
}

// threshold is what a difference amid a tone may be at most (block TRANS).
func (d *g726Decoder) threshold() int {
	whole, rest := d.slow>>15, d.slow>>10&31
	most := 31 << 10
	if whole <= 9 {
		most = (32 + rest) << whole
	}
	return (most + most>>1) >> 1
}

// adaptPoles is UPA2, LIMC, UPA1 and LIMD.
func (d *g726Decoder) adaptPoles(falling bool, partial int) {
	turned := falling != d.falling[0]
	second := d.pole[1] - d.pole[1]>>7
	if partial != 0 {
		first := d.pole[0]
		if !turned {
			first = -first
		}
		switch {
		case first < -8191:
			second -= 256
		case first > 8191:
			second += 255
		default:
			second += first >> 5
		}
		if falling != d.falling[1] {
			second -= 128
		} else {
			second += 128
		}
	}
	d.pole[1] = max(-12288, min(12288, second))
	d.pole[0] -= d.pole[0] >> 8
	switch {
	case partial == 0:
	case turned:
		d.pole[0] -= 192
	default:
		d.pole[0] += 192
	}
	reach := 15360 - d.pole[1]
	d.pole[0] = max(-reach, min(reach, d.pole[0]))
}

// adaptZeros is UPB. Its 16 bits overflow when a sign never changes, and that is
// part of the recommendation: both ends do it.
func (d *g726Decoder) adaptZeros(negative bool, size int) {
	for i := range d.zero {
		z := d.zero[i] - d.zero[i]>>d.table.forgets
		switch {
		case size == 0:
		case negative == d.diff[i].negative:
			z += 128
		default:
			z -= 128
		}
		d.zero[i] = int(int16(z))
	}
}

// adaptSpeed is FILTA, FILTB, SUBTC and FILTC.
func (d *g726Decoder) adaptSpeed(scale, rapid int, jump bool) {
	d.short += (rapid - d.short) >> 5
	d.long += (4*rapid - d.long) >> 7
	off := 4*d.short - d.long
	switch {
	case jump:
		d.speed = 256
	case scale < 1536, d.tone, max(off, -off) >= d.long>>3:
		d.speed += (512 - d.speed) >> 4
	default:
		d.speed += (-d.speed) >> 4
	}
}

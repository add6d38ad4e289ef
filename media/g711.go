package media

import "math/bits"

// DecodeULaw and DecodeALaw are the 16-bit linear values of each G.711 code.
// They are read only.
var (
	DecodeULaw = expandULaw()
	DecodeALaw = expandALaw()
)

func expandULaw() (table [256]int16) {
	for i := range table {
		code := ^byte(i)
		segment := code >> 4 & 7
		v := (int16(code&15)<<3+ulawBias)<<segment - ulawBias
		if code&0x80 != 0 {
			v = -v
		}
		table[i] = v
	}
	return table
}

func expandALaw() (table [256]int16) {
	for i := range table {
		code := byte(i) ^ 0x55
		v := int16(code&15)<<4 + 8
		if segment := code >> 4 & 7; segment > 0 {
			v = (v + 0x100) << (segment - 1)
		}
		if code&0x80 == 0 {
			v = -v
		}
		table[i] = v
	}
	return table
}

const (
	ulawBias = 132   // moves segment boundaries to powers of two, in 16-bit units
	ulawClip = 32635 // the loudest value that still has a segment
)

// EncodeULaw returns the µ-law code of a 16-bit sample (ITU-T G.711). Zero
// becomes 0xff.
func EncodeULaw(sample int16) byte {
	v, sign := int(sample), byte(0)
	if v < 0 {
		v, sign = -v, 0x80
	}
	v = min(v, ulawClip) + ulawBias
	segment := bits.Len(uint(v)) - 8
	return ^(sign | byte(segment)<<4 | byte(v>>(segment+3))&15)
}

// EncodeALaw returns the A-law code of a 16-bit sample (ITU-T G.711). Zero
// becomes 0xd5.
func EncodeALaw(sample int16) byte {
	v, sign := int(sample), byte(0x80)
	if v < 0 {
		v, sign = ^v, 0
	}
	segment := max(bits.Len(uint(v))-8, 0)
	shift := max(segment+3, 4)
	return (sign | byte(segment)<<4 | byte(v>>shift)&15) ^ 0x55
}

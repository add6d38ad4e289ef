package media

import "encoding/binary"

// bitWriter appends bits to bytes, the highest first.
type bitWriter struct {
	bytes []byte
	held  uint64 // of which the lowest n bits, fewer than 32, are still to be appended
	n     uint
}

// put appends up to 32 bits. The others of value are zero.
func (b *bitWriter) put(value uint64, n uint) {
	b.held = b.held<<n | value
	if b.n += n; b.n >= 32 {
		b.n -= 32
		b.bytes = binary.BigEndian.AppendUint32(b.bytes, uint32(b.held>>b.n))
	}
}

// rice appends numbers in Rice's code (RFC 9639 section 9.2.7.2): what is above
// k bits of a number counted in zeros, a one, then the k bits. Negative ones are
// folded in between the others.
func (b *bitWriter) rice(numbers []int32, k int) {
	held, n, bytes := b.held, b.n, b.bytes
	low, one := uint32(1)<<k-1, uint64(1)<<k
	for _, x := range numbers {
		folded := uint32(x<<1) ^ uint32(x>>31)
		size := uint(folded>>(k&31)) + 1 + uint(k)
		for ; size > 32; size -= min(32, size-32) {
			zeros := min(32, size-32)
			held <<= zeros
			if n += zeros; n >= 32 {
				n -= 32
				bytes = binary.BigEndian.AppendUint32(bytes, uint32(held>>n))
			}
		}
		held = held<<(size&63) | one | uint64(folded&low)
		if n += size; n >= 32 {
			n -= 32
			bytes = binary.BigEndian.AppendUint32(bytes, uint32(held>>(n&63)))
		}
	}
	b.held, b.n, b.bytes = held, n, bytes
}

// align fills up the last byte with zeros.
func (b *bitWriter) align() {
	b.put(0, -b.n&7)
	for ; b.n > 0; b.n -= 8 {
		b.bytes = append(b.bytes, byte(b.held>>(b.n-8)))
	}
}

// crc8 is that of a frame's header: polynomial x^8+x^2+x+1 (RFC 9639 section
// 9.1.8).
func crc8(data []byte) (crc byte) {
	for _, b := range data {
		crc ^= b
		for range 8 {
			high := crc >> 7
			crc = crc<<1 ^ high*0x07
		}
	}
	return crc
}

// crc16Tables are what a byte adds to the remainder with none to seven bytes
// behind it: polynomial x^16+x^15+x^2+1 (RFC 9639 section 9.3).
var crc16Tables = func() (tables [8][256]uint16) {
	for i := range 256 {
		crc := uint16(i) << 8
		for behind := range tables {
			for range 8 {
				high := crc >> 15
				crc = crc<<1 ^ high*0x8005
			}
			tables[behind][i] = crc
		}
	}
	return tables
}()

// crc16 is that of a whole frame.
func crc16(data []byte) (crc uint16) {
	t := &crc16Tables
	for ; len(data) >= 8; data = data[8:] {
		crc ^= uint16(data[0])<<8 | uint16(data[1])
		crc = t[7][crc>>8] ^ t[6][crc&0xFF] ^ t[5][data[2]] ^ t[4][data[3]] ^
			t[3][data[4]] ^ t[2][data[5]] ^ t[1][data[6]] ^ t[0][data[7]]
	}
	for _, b := range data {
		crc = crc<<8 ^ t[0][byte(crc>>8)^b]
	}
	return crc
}

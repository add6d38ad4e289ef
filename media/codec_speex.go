package media

import (
	"encoding/binary"
	"iter"
)

// codecSpeex is Speex at 8, 16 and 32 kHz: frames of 20 ms bit after bit, only
// their last byte padded (RFC 5574 3.1). The program is fed them one by one, in
// an Ogg stream.
var codecSpeex = codec{
	name: "SPEEX",
	rate: func(f Format) int {
		switch f.Clock {
		case 8000, 16000, 32000:
			return f.Clock
		}
		return 0
	},
	bytes: func(Format) int { return 6000 },
	outside: &outside{
		decoder: "speex", input: options("ogg"),
		samples: func(f Format) int { return f.Clock / 50 },
		frames: func(f Format, payload []byte) iter.Seq[[]byte] {
			return func(yield func([]byte) bool) {
				s := speexReader{payload: payload, clock: f.Clock}
				for s.next() {
					if !yield(s.frame) {
						return
					}
				}
			}
		},
		wrap: func(f Format) func(dst, frame []byte) []byte {
			o := oggPages{}
			return func(dst, frame []byte) []byte {
				if o.pages == 0 {
					dst = o.page(dst, speexHeader(f.Clock))
					dst = o.page(dst, make([]byte, 8)) // a comment that names nobody
				}
				o.samples += uint64(f.Clock / 50)
				return o.page(dst, frame)
			}
		},
	},
}

// speexHeader describes a stream of one frame a packet (the Speex manual, Ogg
// file format).
func speexHeader(clock int) []byte {
	mode := map[int]uint32{8000: 0, 16000: 1, 32000: 2}[clock]
	h := make([]byte, 80)
	copy(h, "Speex   1.2")
	for i, v := range map[int]uint32{28: 1, 32: 80, 36: uint32(clock), 40: mode, 44: 4, 48: 1, 52: ^uint32(0), 56: uint32(clock / 50), 64: 1} {
		binary.LittleEndian.PutUint32(h[i:], v)
	}
	return h
}

// The bits of a frame by its mode, with the five or four bits that tell it: of
// the narrow band, and of each layer above it (the Speex manual, tables 9.2 and
// 10.2); 0: there is no such mode.
var (
	speexNarrow = [16]int{5, 43, 119, 160, 220, 300, 364, 492, 79}
	speexWide   = [8]int{4, 36, 112, 192, 352}
)

// speexRequest is the bits of what follows an in-band request, by its number.
var speexRequest = [16]int{1, 1, 4, 4, 4, 4, 4, 4, 8, 8, 16, 16, 32, 32, 64, 64}

// speexReader cuts a payload into frames.
type speexReader struct {
	payload []byte
	clock   int
	at      int // bits
	frame   []byte
}

// next reads a frame with its layers, whatever else stands between frames left
// out; false at the end, or where no frame can be.
func (s *speexReader) next() bool {
	for s.left() >= 5 {
		begin := s.at
		if s.peek(0, 1) == 1 {
			return false // a layer without its narrow band
		}
		switch mode := s.peek(1, 4); mode {
		case 15:
			return false
		case 14:
			s.at += 9 + speexRequest[s.peek(5, 4)]
			continue
		case 13:
			s.at += 10 + 8*s.peek(5, 5)
			continue
		default:
			if speexNarrow[mode] == 0 {
				return false
			}
			s.at += speexNarrow[mode]
		}
		for range s.clock / 16000 { // one layer at 16 kHz, two at 32
			if s.left() < 4 || s.peek(0, 1) == 0 {
				break
			}
			size := speexWide[s.peek(1, 3)]
			if size == 0 {
				return false
			}
			s.at += size
		}
		if s.left() < 0 {
			return false
		}
		s.cut(begin, s.at)
		return true
	}
	return false
}

func (s *speexReader) left() int { return 8*len(s.payload) - s.at }

// peek reads n bits that lie off behind the place reached; zeros behind the end.
func (s *speexReader) peek(off, n int) (v int) {
	for i := s.at + off; i < s.at+off+n; i++ {
		v <<= 1
		if i/8 < len(s.payload) {
			v |= int(s.payload[i/8] >> (7 - i%8) & 1)
		}
	}
	return v
}

// cut copies bits to a frame of its own, padded as the end of a payload is: a
// zero and then ones.
func (s *speexReader) cut(from, to int) {
	s.frame = s.frame[:0]
	reached := s.at
	for s.at = from; s.at < to; s.at += 8 {
		b, n := byte(s.peek(0, 8)), to-s.at
		if n < 8 {
			b = b>>(8-n)<<(8-n) | 1<<(7-n) - 1
		}
		s.frame = append(s.frame, b)
	}
	s.at = reached
}

// oggPages writes packets as pages of one each (RFC 3533 6). Packets are below
// 255 bytes.
type oggPages struct {
	pages   uint32
	samples uint64 // up to the end of this page
}

func (o *oggPages) page(dst, packet []byte) []byte {
	begin := len(dst)
	first := byte(0)
	if o.pages == 0 {
		first = 2
	}
	dst = append(dst, "OggS\x00"...)
	dst = append(dst, first)
	dst = binary.LittleEndian.AppendUint64(dst, o.samples)
	dst = binary.LittleEndian.AppendUint32(dst, 1) // serial number
	dst = binary.LittleEndian.AppendUint32(dst, o.pages)
	dst = append(dst, 0, 0, 0, 0, 1, byte(len(packet)))
	dst = append(dst, packet...)
	binary.LittleEndian.PutUint32(dst[begin+22:], oggSum(dst[begin:]))
	o.pages++
	return dst
}

// oggSum is the CRC-32 of a page: polynomial 0x04c11db7, neither reflected nor
// inverted.
func oggSum(page []byte) (sum uint32) {
	for _, b := range page {
		sum ^= uint32(b) << 24
		for range 8 {
			carry := sum >> 31
			sum = sum<<1 ^ carry*0x04c11db7
		}
	}
	return sum
}

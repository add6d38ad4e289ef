package media

import "slices"

// linearRates are what sound is recorded at (RFC 3551 4.1 and its multiples).
// Any other one would cost a resampler of its own with thousands of phases.
var linearRates = []int{8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 96000}

// codecL16 is linear audio, big-endian (RFC 3551 4.5.11), its channels interleaved.
var codecL16 = codec{
	name: "L16",
	static: []Format{
		{Payload: 10, Name: "L16", Clock: 44100, Channels: 2},
		{Payload: 11, Name: "L16", Clock: 44100},
	},
	rate: func(f Format) int {
		if f.Channels <= 2 && slices.Contains(linearRates, f.Clock) {
			return f.Clock
		}
		return 0
	},
	units: func(f Format, payload []byte) int { return len(payload) / (2 * max(1, f.Channels)) },
	bytes: func(f Format) int { return 2 * f.Clock * max(1, f.Channels) },
	open: func(f Format) decoder {
		if f.Channels == 2 {
			return decodeStereo
		}
		return decodeLinear
	},
	plain: true,
}

func decodeLinear(dst []int16, payload []byte) []int16 {
	for ; len(payload) >= 2; payload = payload[2:] {
		dst = append(dst, bigEndian16(payload))
	}
	return dst
}

// decodeStereo averages the channels of one sender: a recording has a side for
// each party.
func decodeStereo(dst []int16, payload []byte) []int16 {
	for ; len(payload) >= 4; payload = payload[4:] {
		dst = append(dst, int16((int(bigEndian16(payload))+int(bigEndian16(payload[2:])))>>1))
	}
	return dst
}

func bigEndian16(b []byte) int16 { return int16(uint16(b[0])<<8 | uint16(b[1])) }

package media

import "github.com/pion/opus"

const (
	opusClock   = 48000 // Hz, whatever the audio's own rate (RFC 7587 4.1)
	opusRate    = 16000 // Hz that is decoded to
	opusLongest = 120   // ms that a packet may last
)

// codecOpus is Opus (RFC 6716, RFC 7587), decoded to mono. The decoder knows no
// forward error correction and no concealment: what was lost is a gap.
var codecOpus = codec{
	name: "OPUS",
	rate: func(f Format) int {
		if f.Clock == opusClock && f.Channels <= 2 {
			return opusRate
		}
		return 0
	},
	units: func(_ Format, payload []byte) int { return opusUnits(payload) },
	bytes: func(Format) int { return 64_000 },
	open:  openOpus,
	rests: func(payload []byte) bool { return len(payload) <= 2 },
}

func openOpus(Format) decoder {
	d, err := opus.NewDecoderWithOutput(opusRate, 1)
	scratch := make([]int16, opusLongest*opusRate/1000)
	return func(dst []int16, payload []byte) []int16 {
		n := opusUnits(payload) * opusRate / opusClock
		clear(scratch[:n])
		if err == nil && n > 0 {
			if _, broken := d.DecodeToInt16(payload, scratch); broken != nil {
				clear(scratch[:n])
			}
		}
		return append(dst, scratch[:n]...)
	}
}

// opusUnits returns how long a packet lasts by its table of contents (RFC 6716
// 3.1, 3.2), 0 when its framing is broken.
func opusUnits(payload []byte) int {
	if len(payload) == 0 {
		return 0
	}
	frames, ok := opusFrames(payload)
	units := frames * opusFrameUnits(payload[0]>>3)
	if !ok || units > opusLongest*opusClock/1000 {
		return 0
	}
	return units
}

// opusFrameUnits is the length of a frame by configuration (RFC 6716 table 2).
func opusFrameUnits(configuration byte) int {
	switch {
	case configuration < 12: // SILK: 10, 20, 40, 60 ms
		return [4]int{480, 960, 1920, 2880}[configuration&3]
	case configuration < 16: // hybrid: 10, 20 ms
		return [2]int{480, 960}[configuration&1]
	}
	return 120 << (configuration & 3) // CELT: 2.5, 5, 10, 20 ms
}

const opusLargest = 1275 // bytes of a frame

// opusFrames counts the frames of a packet that is not empty; false when their
// lengths do not fit it (RFC 6716 3.4).
func opusFrames(p []byte) (n int, ok bool) {
	rest := len(p) - 1
	switch p[0] & 3 {
	case 0:
		return 1, rest <= opusLargest
	case 1:
		return 2, rest%2 == 0 && rest/2 <= opusLargest
	case 2:
		first, used := opusLength(p[1:])
		return 2, used > 0 && first+used <= rest && rest-first-used <= opusLargest
	}
	return opusManyFrames(p[1:])
}

// opusManyFrames counts the frames of a packet of code 3, from its second byte.
func opusManyFrames(p []byte) (n int, ok bool) {
	if len(p) == 0 {
		return 0, false
	}
	variable, padded := p[0]&0x80 != 0, p[0]&0x40 != 0
	n = int(p[0] & 63)
	p = p[1:]
	for more := padded; more; {
		if len(p) == 0 {
			return 0, false
		}
		padding := int(p[0])
		more = padding == 255
		if more {
			padding--
		}
		p = p[1:]
		if padding > len(p) {
			return 0, false
		}
		p = p[:len(p)-padding]
	}
	if n == 0 {
		return 0, false
	}
	if !variable {
		return n, len(p)%n == 0 && len(p)/n <= opusLargest
	}
	taken := 0
	for range n - 1 {
		size, used := opusLength(p)
		if used == 0 {
			return 0, false
		}
		p, taken = p[used:], taken+size
	}
	return n, taken <= len(p) && len(p)-taken <= opusLargest
}

// opusLength reads the length of a frame, of one or two bytes; used is 0 when
// there is none.
func opusLength(p []byte) (length, used int) {
	switch {
	case len(p) > 0 && p[0] < 252:
		return int(p[0]), 1
	case len(p) > 1:
		return int(p[0]) + 4*int(p[1]), 2
	}
	return 0, 0
}

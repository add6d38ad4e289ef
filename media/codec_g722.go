package media

// codecG722 is ITU-T G.722 at 64 kbit/s. Its RTP clock counts pairs of samples
// (RFC 3551 4.5.2); who announces 16,000 counts samples.
var codecG722 = codec{
	name:   "G722",
	static: []Format{{Payload: 9, Name: "G722", Clock: 8000}},
	rate: func(f Format) int {
		if (f.Clock == 8000 || f.Clock == 16000) && f.Channels <= 1 {
			return 16000
		}
		return 0
	},
	bytes: func(Format) int { return 8000 },
	units: func(f Format, payload []byte) int { return len(payload) * f.Clock / 8000 },
	open: func(Format) decoder {
		return newG722Decoder().decode
	},
}

// qmfTaps are the even coefficients of the quadrature mirror filters (table
// 11/G.722); the odd ones are the same from the end.
var qmfTaps = [12]int{3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11}

// g722Decoder is the state of one stream's decoder (G.722 section 4).
type g722Decoder struct {
	low, high g722Band
	sum, diff [12]int // of the bands, the newest last
}

func newG722Decoder() *g722Decoder {
	return &g722Decoder{low: g722Band{scale: 32}, high: g722Band{scale: 8}}
}

func (d *g722Decoder) decode(dst []int16, payload []byte) []int16 {
	for _, code := range payload {
		low := d.low.lower(code & 63)
		high := d.high.higher(code >> 6)
		copy(d.sum[:], d.sum[1:])
		copy(d.diff[:], d.diff[1:])
		d.sum[11], d.diff[11] = low+high, low-high
		first, second := 0, 0
		for i, tap := range qmfTaps {
			first += d.diff[11-i] * tap
			second += d.sum[i] * tap
		}
		dst = append(dst, clip16(first>>11), clip16(second>>11))
	}
	return dst
}

// g722Encoder is the state of one stream's encoder (G.722 section 3).
type g722Encoder struct {
	low, high g722Band
	odd, even [12]int // samples, the newest last
}

func newG722Encoder() *g722Encoder {
	return &g722Encoder{low: g722Band{scale: 32}, high: g722Band{scale: 8}}
}

// encode appends a byte for each pair of samples.
func (e *g722Encoder) encode(dst []byte, samples []int16) []byte {
	for ; len(samples) >= 2; samples = samples[2:] {
		copy(e.odd[:], e.odd[1:])
		copy(e.even[:], e.even[1:])
		e.odd[11], e.even[11] = int(samples[0]), int(samples[1])
		odd, even := 0, 0
		for i, tap := range qmfTaps {
			odd += e.odd[i] * tap
			even += e.even[11-i] * tap
		}
		low := e.low.quantizeLow((even + odd) >> 14)
		high := e.high.quantizeHigh((even - odd) >> 14)
		e.low.lower(low)
		e.high.higher(high)
		dst = append(dst, high<<6|low)
	}
	return dst
}

func clip16(v int) int16 { return int16(max(-32768, min(32767, v))) }

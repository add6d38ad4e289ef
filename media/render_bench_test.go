package media

import (
	"io"
	"testing"
)

// BenchmarkRender is what rendering a call of ten minutes costs, both passes:
// two lines of one law, which are copied, and of two, which are decoded.
func BenchmarkRender(b *testing.B) {
	const minutes = 10
	for _, test := range []struct {
		name  string
		types [2]uint8
	}{{"one-law", [2]uint8{0, 0}}, {"two-laws", [2]uint8{0, 8}}} {
		b.Run(test.name, func(b *testing.B) {
			s := begin(2)
			for line, pt := range test.types {
				l := &leg{s: s, line: uint16(line), ssrc: uint32(line + 1), pt: pt}
				l.send(0, minutes*60*50)
			}
			tape := s.end(minutes * 60 * nanos).tape()
			for b.Loop() {
				r, err := Measure(tape)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := r.WriteTo(io.Discard); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(minutes*60*float64(b.N)/b.Elapsed().Seconds(), "x-real-time")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkDecode is how many times faster than real time one stream of 20 ms
// packets is decoded.
func BenchmarkDecode(b *testing.B) {
	for name, c := range map[string]struct {
		format  Format
		packets [][]byte
	}{
		"PCMU":       {Format{Name: "PCMU", Clock: 8000}, [][]byte{numbered(1)}},
		"G722":       {Format{Name: "G722", Clock: 8000}, [][]byte{newG722Encoder().encode(nil, tones(16000, 320, 8000, 440))}},
		"L16-48000":  {Format{Name: "L16", Clock: 48000}, [][]byte{make([]byte, 1920)}},
		"Opus-silk":  {Format{Name: "OPUS", Clock: 48000}, opusFixture(b, "silk-narrow-20")},
		"Opus-mixed": {Format{Name: "OPUS", Clock: 48000}, opusFixture(b, "hybrid-20")},
		"Opus-celt":  {Format{Name: "OPUS", Clock: 48000}, opusFixture(b, "celt-20")},
	} {
		b.Run(name, func(b *testing.B) {
			decode := findCodec(c.format.Name).open(c.format)
			var samples []int16
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				samples = decode(samples[:0], c.packets[n%len(c.packets)])
				n++
			}
			b.ReportMetric(0.02*float64(b.N)/b.Elapsed().Seconds(), "x-real-time")
		})
	}
}

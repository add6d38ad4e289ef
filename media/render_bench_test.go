package media

import (
	"io"
	"testing"
)

// BenchmarkRender is what rendering a call of ten minutes costs, both passes:
// two lines of one law, which are copied, and of two, which are decoded.
func BenchmarkRender(b *testing.B) {
	const minutes = 10
	for name, types := range map[string][2]uint8{"one-law": {0, 0}, "two-laws": {0, 8}} {
		b.Run(name, func(b *testing.B) {
			s := begin(2)
			for line, pt := range types {
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
		})
	}
}

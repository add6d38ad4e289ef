package media

import (
	"fmt"
	"io"
	"iter"
	"runtime"
	"testing"
)

// BenchmarkRender is what rendering a call costs, both passes: two lines of one
// law, which are copied, two of two laws or of G.722, which are decoded, and one
// of Opus in each of its modes.
func BenchmarkRender(b *testing.B) {
	type sender struct {
		pt      uint8
		units   uint32 // of a packet
		packets [][]byte
	}
	var pcm [][]byte
	for n := range 256 {
		pcm = append(pcm, numbered(n))
	}
	opus := func(name string) []sender { return []sender{{97, 960, opusFixture(b, name)}} }
	for _, test := range []struct {
		name    string
		minutes int
		senders []sender
	}{
		{"one-law", 10, []sender{{0, 160, pcm}, {0, 160, pcm}}},
		{"two-laws", 10, []sender{{0, 160, pcm}, {8, 160, pcm}}},
		{"G722", 10, []sender{{9, 160, pcm}, {9, 160, pcm}}},
		{"Opus-silk", 1, opus("silk-narrow-20")}, {"Opus-mixed", 1, opus("hybrid-20")}, {"Opus-celt", 1, opus("celt-20")},
	} {
		b.Run(test.name, func(b *testing.B) {
			s := begin(len(test.senders))
			for n := range test.minutes * 60 * 50 {
				for line, from := range test.senders {
					s.add(KindPacket, int64(n+1)*20_000_000, uint16(line),
						rtpOf(from.pt, uint16(n), uint32(n)*from.units, uint32(line+1), from.packets[n%len(from.packets)]))
				}
			}
			tape := s.end(int64(test.minutes) * 60 * nanos).tape()
			for b.Loop() {
				r, err := Measure(tape)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := r.WriteTo(io.Discard); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(test.minutes)*60*float64(b.N)/b.Elapsed().Seconds(), "x-real-time")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// longCall gives the records of a call of two lines as they are asked for, and
// calls look every minute of it.
func longCall(hours int, types [2]uint8, look func()) Tape {
	return func() iter.Seq2[Record, error] {
		return func(yield func(Record, error) bool) {
			for _, r := range begin(2).records {
				if !yield(r, nil) {
					return
				}
			}
			payload := numbered(1)
			for n := range int64(hours) * 3600 * 50 {
				if n%(60*50) == 0 {
					look()
				}
				for line, pt := range types {
					data := rtpOf(pt, uint16(n), uint32(160*n), uint32(line+1), payload)
					if !yield(Record{Kind: KindPacket, At: testStart + (n+1)*20_000_000, Line: uint16(line), Data: data}, nil) {
						return
					}
				}
			}
			yield(Record{Kind: KindEnd, At: testStart + int64(hours)*3600*nanos}, nil)
		}
	}
}

// BenchmarkLongCall is what memory rendering takes at most: hardly more for eight
// hours than for one.
func BenchmarkLongCall(b *testing.B) {
	for _, hours := range []int{1, 8} {
		b.Run(fmt.Sprintf("%dh", hours), func(b *testing.B) {
			for range b.N {
				peak := uint64(0)
				tape := longCall(hours, [2]uint8{0, 8}, func() {
					runtime.GC()
					var m runtime.MemStats
					runtime.ReadMemStats(&m)
					peak = max(peak, m.HeapAlloc)
				})
				r, err := Measure(tape)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := r.WriteTo(io.Discard); err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(peak)/1e6, "MB")
			}
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

package store

import (
	"fmt"
	"io"
	"testing"
)

func BenchmarkAppend(b *testing.B) {
	s := openStore(b, b.TempDir(), System{})
	tape := newTape(b, s, false)
	packet := make([]byte, 172)
	b.SetBytes(int64(len(packet)))
	b.ReportAllocs()
	at := noon.UnixNano()
	for i := 0; b.Loop(); i++ {
		at += 20e6
		tape.Append(1, at, 1, packet)
		if i%10 == 9 { // two lines, 100 ms
			check(b, tape.Flush())
		}
	}
	check(b, tape.Destroy())
}

func BenchmarkReadTape(b *testing.B) {
	s := openStore(b, b.TempDir(), System{})
	tape := newTape(b, s, false)
	packet := make([]byte, 172)
	for i := range 6000 { // a minute of two lines
		tape.Append(1, noon.UnixNano()+int64(i)*10e6, 1, packet)
	}
	check(b, tape.Flush())
	b.ReportAllocs()
	for b.Loop() {
		readAll, err := s.ReadTape(tape.id)
		check(b, err)
		for _, err := range readAll() {
			check(b, err)
		}
	}
	check(b, tape.Destroy())
}

// BenchmarkSeal is sealing by itself, for calls of several lengths, and the same
// in clear: the difference is what keys, encryption and ledger cost.
func BenchmarkSeal(b *testing.B) {
	for _, seconds := range []int{10, 60, 180} {
		for name, clear := range map[string]bool{"sealed": false, "clear": true} {
			b.Run(fmt.Sprintf("%d s %s", seconds, name), func(b *testing.B) {
				s, err := Open(Options{Dir: b.TempDir(), Clear: clear})
				check(b, err)
				defer s.Close()
				sound := make([]byte, 16_000*seconds)
				begun := processorTime(b)
				for b.Loop() {
					row := sealRow(NewID(noon))
					check(b, s.Seal(b.Context(), row, "wav", func(w io.Writer) error { _, err := w.Write(sound); return err }))
				}
				b.ReportMetric((processorTime(b)-begun).Seconds()*1000/float64(b.N), "cpu-ms/op")
			})
		}
	}
}

func BenchmarkPut(b *testing.B) {
	s, err := Open(Options{Dir: b.TempDir()})
	check(b, err)
	defer s.Close()
	b.SetParallelism(16)
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			check(b, s.Catalog.Put(b.Context(), rowNo(i)))
		}
	})
}

func BenchmarkFind(b *testing.B) {
	s := openStore(b, b.TempDir(), System{})
	const rows = 20_000
	_, err := s.bolt.Rebuild(b.Context(), func(yield func(*Row, error) bool) {
		for i := range rows {
			if !yield(rowNo(i), nil) {
				return
			}
		}
	})
	check(b, err)
	for _, test := range []struct {
		name string
		q    Query
	}{
		{"newest", Query{Limit: 50}},
		{"exact", Query{Number: "0105550777", Limit: 50}},
		{"suffix", Query{Number: "*0777", Limit: 50}},
		{"prefix-of-thousands", Query{Number: "0105550*", Limit: 50}},
		{"between", Query{Since: noon.AddDate(0, 0, 1), Until: noon.AddDate(0, 0, 2), Limit: 50}},
	} {
		b.Run(test.name, func(b *testing.B) {
			found := 0
			for b.Loop() {
				found = 0
				for _, err := range s.Catalog.Find(b.Context(), test.q) {
					check(b, err)
					found++
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/1000/float64(b.N), "ms/search")
			b.ReportMetric(rows, "rows")
			b.ReportMetric(float64(found), "found")
			b.ReportMetric(0, "ns/op")
		})
	}
}

func BenchmarkPutAlone(b *testing.B) {
	s, err := Open(Options{Dir: b.TempDir()})
	check(b, err)
	defer s.Close()
	for i := 0; b.Loop(); i++ {
		check(b, s.Catalog.Put(b.Context(), rowNo(i)))
	}
}

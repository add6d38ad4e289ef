package media

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"iter"
	"math"
	"slices"
	"strings"
	"testing"
)

const testStart = 1_795_000_000 * nanos

// script is a tape made by a test.
type script struct{ records []Record }

func (s *script) add(kind Kind, at int64, line uint16, data any) {
	b, raw := data.([]byte)
	if !raw && data != nil {
		b, _ = json.Marshal(data)
	}
	s.records = append(s.records, Record{Kind: kind, At: testStart + at, Line: line, Data: b})
}

// tape gives the records in order of time.
func (s *script) tape() Tape {
	sorted := slices.Clone(s.records)
	slices.SortStableFunc(sorted, func(a, b Record) int { return int(max(-1, min(1, a.At-b.At))) })
	return func() iter.Seq2[Record, error] {
		return func(yield func(Record, error) bool) {
			for _, r := range sorted {
				if !yield(r, nil) {
					return
				}
			}
		}
	}
}

var g711Formats = []Format{
	{Payload: 0, Name: "PCMU", Clock: 8000}, {Payload: 8, Name: "PCMA", Clock: 8000},
	{Payload: 13, Name: "CN", Clock: 8000}, {Payload: 101, Name: "telephone-event", Clock: 8000},
	{Payload: 96, Name: "L16", Clock: 16000}, {Payload: 97, Name: "OPUS", Clock: 48000, Channels: 2},
}

// begin starts a full recording of n lines, the first of them ours.
func begin(lines int) *script {
	s := &script{}
	s.add(KindStart, 0, 0, Start{Version: 1})
	s.add(KindGate, 0, 0, GateMove{Open: true, Why: "full"})
	for i := range lines {
		s.add(KindLine, 0, uint16(i), LineSpec{Label: string(rune('1' + i)), Ours: i == 0, Receiving: true, Formats: g711Formats})
	}
	return s
}

func (s *script) end(at int64) *script {
	s.add(KindEnd, at, 0, nil)
	return s
}

// leg is a sender of 20 ms packets on one line.
type leg struct {
	s           *script
	line        uint16
	ssrc, stamp uint32
	seq         uint16
	pt          uint8
	ppm         float64           // by how much its clock is fast
	delay       func(n int) int64 // ns a packet takes
	code        func(n int) []byte
	n           int
}

// send sends packets whose audio begins at from, on our clock.
func (l *leg) send(from int64, count int) {
	for range count {
		l.packet(from)
		from += int64(20_000_000 / (1 + l.ppm*1e-6))
	}
}

func (l *leg) packet(from int64) {
	at := from + 20_000_000
	if l.delay != nil {
		at += l.delay(l.n)
	}
	l.s.add(KindPacket, at, l.line, rtpOf(l.pt, l.seq, l.stamp, l.ssrc, l.payload()))
	l.skip()
}

// skip lets a packet's time pass without it.
func (l *leg) skip() {
	l.n++
	l.seq++
	l.stamp += 160
}

func (l *leg) payload() []byte {
	if l.code != nil {
		return l.code(l.n)
	}
	return numbered(l.n)
}

// numbered is a payload that tells which packet it came in and has no byte of
// silence.
func numbered(n int) []byte {
	b := make([]byte, 160)
	for i := range b {
		b[i] = byte(n*7+i) % 200
	}
	return b
}

func rtpOf(pt uint8, seq uint16, stamp, ssrc uint32, payload []byte) []byte {
	b := []byte{0x80, pt}
	b = binary.BigEndian.AppendUint16(b, seq)
	b = binary.BigEndian.AppendUint32(b, stamp)
	b = binary.BigEndian.AppendUint32(b, ssrc)
	return append(b, payload...)
}

// render returns the facts and both channels as codes, or the one.
func render(t *testing.T, s *script) (Facts, [2][]byte) {
	t.Helper()
	r, err := Measure(s.tape())
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	n, err := r.WriteTo(&b)
	if err != nil {
		t.Fatal(err)
	}
	if n != int64(b.Len()) {
		t.Errorf("WriteTo says %d bytes and wrote %d", n, b.Len())
	}
	var again bytes.Buffer
	if _, err := r.WriteTo(&again); err != nil || !bytes.Equal(b.Bytes(), again.Bytes()) {
		t.Errorf("the same tape gave other bytes: %v", err)
	}
	w, err := ReadWAV(bytes.NewReader(b.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	if w.Frames != r.Facts.Frames || w.Channels != r.Facts.Channels {
		t.Errorf("file has %d frames of %d channels, facts say %d of %d", w.Frames, w.Channels, r.Facts.Frames, r.Facts.Channels)
	}
	data := make([]byte, w.DataBytes)
	if _, err := w.Data.ReadAt(data, 0); err != nil {
		t.Fatal(err)
	}
	var sides [2][]byte
	for i, c := range data {
		sides[i%w.Channels] = append(sides[i%w.Channels], c)
	}
	return r.Facts, sides
}

// wantAt checks that packet n of a leg lies at a frame, bit for bit.
func wantAt(t *testing.T, side []byte, frame int, n int) {
	t.Helper()
	want := numbered(n)
	if got := side[frame : frame+160]; !bytes.Equal(got, want) {
		t.Errorf("packet %d is not at frame %d but at %d", n, frame, bytes.Index(side, want))
	}
}

func gapsOf(f Facts, line int) string {
	var b strings.Builder
	for _, g := range f.Streams[line].Gaps {
		b.WriteString(jsonOf(g.Start) + "-" + jsonOf(g.End) + " " + g.Cause + "\n")
	}
	return b.String()
}

func jsonOf(v float64) string {
	b, _ := json.Marshal(math.Round(v*1000) / 1000)
	return string(b)
}

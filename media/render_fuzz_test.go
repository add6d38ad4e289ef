package media

import (
	"bytes"
	"encoding/binary"
	"io"
	"testing"
)

// program makes a tape of arbitrary bytes: whatever a sender, a signalling peer
// and a damaged disk can put there. Each step is an operation, milliseconds
// since the last one, a line, a length and so many bytes.
func program(b []byte) *script {
	s := begin(2)
	at := int64(0)
	for steps := 0; len(b) >= 4 && steps < 100; steps++ {
		op, after, line, n := b[0], b[1], uint16(b[2]%3), min(int(b[3]), len(b)-4)
		data := b[4 : 4+n]
		b = b[4+n:]
		at += int64(after) * 1_000_000
		switch op % 8 {
		case 0, 1, 2: // a packet that the Path lets through
			head := make([]byte, 12)
			copy(head, data)
			stamp := binary.BigEndian.Uint32(head[4:])
			types := []uint8{0, 8, 13, 101, 96, 97, 77}
			payload := bytes.Repeat(data, 1+int(op/8)%4)
			s.add(KindPacket, at, line, rtpOf(types[int(head[1])%len(types)], binary.BigEndian.Uint16(head[2:]), stamp, uint32(head[11]%4), payload))
		case 3: // the one that follows in order
			(&leg{s: s, line: line, ssrc: 1, seq: uint16(at / 20_000_000), stamp: uint32(at / 125_000), code: func(int) []byte { return data }}).packet(at)
		case 4:
			s.add(KindGate, at, 0, GateMove{Open: n%2 == 0, Why: "key"})
		case 5:
			s.add(KindLine, at, line, LineSpec{Label: string(data), Ours: n%2 == 0, Receiving: n%3 > 0, Formats: g711Formats[:n%len(g711Formats)]})
		default: // any record, any bytes
			s.add(Kind(2+op%16), at, line, data)
		}
	}
	return s.end(at)
}

// FuzzRender: whatever is on a tape, there are facts that agree with each other
// and a file that agrees with them, the same each time.
func FuzzRender(f *testing.F) {
	step := func(op, after, line byte, data ...byte) []byte {
		return append([]byte{op, after, line, byte(len(data))}, data...)
	}
	f.Add(bytes.Repeat(step(3, 20, 0, numbered(0)[:16]...), 5))
	f.Add(bytes.Join([][]byte{
		step(0, 20, 0, 0, 0, 0, 1, 0, 0, 0, 160), step(0, 20, 1, 0, 1, 0, 1, 0xff, 0xff, 0xff, 160), step(4, 30, 0, 1),
		step(1, 20, 0, 0, 4, 0, 3), step(4, 100, 0), step(2, 20, 2, 0, 5, 0xff, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 1, 0x78, 1, 2, 3),
	}, nil))
	f.Add(bytes.Join([][]byte{
		step(5, 0, 1, 'x', 'y'), step(7, 1, 0, []byte(`{"open":true}`)...), step(6, 1, 0, []byte(`[{"line":9,"lost":-1}]`)...), step(3, 255, 1, 0xd5),
	}, nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		s := program(b)
		r, err := Measure(s.tape())
		if err != nil {
			return // a record that is no JSON: said, not rendered
		}
		checkFacts(t, r.Facts)
		if r.Facts.Empty {
			if n, err := r.WriteTo(io.Discard); err == nil || n != 0 {
				t.Fatalf("%d bytes of a recording without audio, %v", n, err)
			}
			return
		}
		var once, again bytes.Buffer
		if n, err := r.WriteTo(&once); err != nil || n != int64(once.Len()) {
			t.Fatalf("said %d bytes, wrote %d: %v", n, once.Len(), err)
		}
		if _, err := r.WriteTo(&again); err != nil || !bytes.Equal(once.Bytes(), again.Bytes()) {
			t.Fatalf("the same tape gave other bytes: %v", err)
		}
		if r.Facts.Container != "wav" {
			return
		}
		w, err := ReadWAV(bytes.NewReader(once.Bytes()))
		if err != nil || w.Frames != r.Facts.Frames || w.Channels != r.Facts.Channels || w.Rate != r.Facts.Rate {
			t.Fatalf("the file is %+v, the facts say %+v: %v", w, r.Facts, err)
		}
	})
}

// checkFacts checks what holds of all facts: what is told lies within the call,
// in order, and nothing is counted below zero.
func checkFacts(t *testing.T, f Facts) {
	t.Helper()
	within := func(what string, from, to float64) {
		if from < 0 || to < from || to > f.Duration+0.001 {
			t.Errorf("%s from %v to %v in a call of %v s", what, from, to, f.Duration)
		}
	}
	last := 0.0
	for _, s := range f.Segments {
		within("a segment", s.Start, s.End)
		if s.Start < last {
			t.Errorf("segments %v", f.Segments)
		}
		last = s.End
	}
	for _, s := range f.Streams {
		if s.Packets < 0 || s.Lost < 0 || s.Late < 0 || s.Duplicates < 0 {
			t.Errorf("%+v", s)
		}
		last = 0
		for _, g := range s.Gaps {
			within("a gap", g.Start, g.End)
			if g.Start < last || g.Cause == "" {
				t.Errorf("line %d: gaps %v", s.Line, s.Gaps)
			}
			last = g.End
		}
	}
	for _, k := range f.Keys {
		within("a key", k.At, k.At)
	}
	if frames := f.Duration * float64(f.Rate); !f.Empty && (float64(f.Frames) < frames-1.5*float64(f.Rate)/placeRate || float64(f.Frames) > frames+1.5*float64(f.Rate)/placeRate) {
		t.Errorf("%d frames at %d Hz in %v s", f.Frames, f.Rate, f.Duration)
	}
}

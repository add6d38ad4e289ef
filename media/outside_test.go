package media

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mewkiz/flac"
	"pgregory.net/rapid"
)

// A program that decodes one byte to eighty samples of that value. What it does
// is the name it is called by.
func TestMain(m *testing.M) {
	switch name := filepath.Base(os.Args[0]); {
	case strings.HasPrefix(name, "decoder-"):
		os.Exit(decodeAsProgram(name))
	}
	os.Exit(m.Run())
}

func decodeAsProgram(name string) int {
	if slices.Contains(os.Args, "-version") {
		fmt.Println("ffmpeg version 0.1-test Copyright nobody")
		return 0
	}
	if slices.Contains(os.Args, "-decoders") {
		fmt.Println(" A....D g729    G.729\n A....D ilbc    iLBC")
		return 0
	}
	if name == "decoder-clicks" {
		return decodeWithClick()
	}
	if name == "decoder-broken" {
		return 1
	}
	given := 0
	for frame := make([]byte, 10); ; given++ {
		if _, err := io.ReadFull(os.Stdin, frame); err != nil {
			return 0
		}
		if name == "decoder-short" && given == 195 {
			return 1
		}
		binary.Write(os.Stdout, binary.LittleEndian, slices.Repeat([]int16{int16(frame[0]) << 6}, 80))
	}
}

// decodeWithClick reads iLBC, and decodes it as the first frame of it is decoded
// by ffmpeg.
func decodeWithClick() int {
	io.ReadFull(os.Stdin, make([]byte, len("#!iLBC30\n")))
	sample := int16(-32768)
	for frame := make([]byte, 50); ; sample = int16(frame[0]) << 6 {
		if _, err := io.ReadFull(os.Stdin, frame); err != nil {
			return 0
		}
		binary.Write(os.Stdout, binary.LittleEndian, slices.Repeat([]int16{sample}, 240))
	}
}

// callee is this test, called by another name.
func callee(t *testing.T, name string) *FFmpeg {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), name)
	if err := os.Symlink(self, path); err != nil {
		t.Fatal(err)
	}
	x, err := FindFFmpeg(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if x.Version != "0.1-test" || !x.Decodes(Format{Name: "G729", Clock: 8000}) || x.Decodes(Format{Name: "GSM", Clock: 8000}) {
		t.Fatalf("asked, it says %+v", x)
	}
	return x
}

// twoG729 is a call of 2 s: two senders of G.729 at once, frames of the first all
// of one value, of the second of another, which falls silent in the middle.
func twoG729(change func(n int, payload []byte) []byte) *script {
	s := begin(0)
	for i := range uint16(2) {
		s.add(KindLine, 0, i, LineSpec{Label: string(rune('1' + i)), Ours: i == 0, Receiving: true, Formats: []Format{{Payload: 18, Name: "G729", Clock: 8000}}})
		l := leg{s: s, line: i, ssrc: 7, pt: 18, code: func(n int) []byte {
			return change(n, bytes.Repeat([]byte{10 + 10*byte(i)}, 20))
		}}
		l.send(0, 100)
	}
	return s.end(2 * nanos)
}

func asIs(_ int, p []byte) []byte { return p }

func TestProgramDecodesEachSender(t *testing.T) {
	x := callee(t, "decoder-whole")
	r, err := x.Measure(twoG729(func(n int, p []byte) []byte {
		if n == 50 {
			return append(p[:10], 1, 2) // speech, then a silence descriptor
		}
		return p
	}).tape())
	if err != nil || len(r.Facts.Waiting) > 0 {
		t.Fatal(err, r.Facts.Waiting)
	}
	var first, again bytes.Buffer
	for _, to := range []*bytes.Buffer{&first, &again} {
		if _, err := r.WriteTo(to); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(first.Bytes(), again.Bytes()) {
		t.Error("the same tape gave other bytes")
	}
	if !slices.Contains(r.Facts.Notes, "decoded by FFmpeg 0.1-test: G729") {
		t.Errorf("notes %q", r.Facts.Notes)
	}
	sides := flacSides(t, first.Bytes())
	for side, level := range []int16{640, 1280} {
		for _, ms := range []int{100, 980, 1005, 1015, 1030, 1900} {
			want := level
			if ms == 1015 {
				want = 0
			}
			if got := sides[side][16*ms+8]; got < want-40 || got > want+40 {
				t.Errorf("side %d at %d ms: %d, not %d", side, ms, got, want)
			}
		}
	}
}

func TestProgramThatFails(t *testing.T) {
	r, err := callee(t, "decoder-broken").Measure(twoG729(asIs).tape())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.WriteTo(io.Discard); !errors.Is(err, ErrUndecoded) {
		t.Errorf("a program that decodes nothing: %v", err)
	}
	if r, err = callee(t, "decoder-short").Measure(twoG729(asIs).tape()); err != nil {
		t.Fatal(err)
	}
	if _, err := r.WriteTo(io.Discard); err != nil {
		t.Error(err)
	}
	if note := "line 0: the last 50 ms of its G729 could not be decoded: silent in the recording"; !slices.Contains(r.Facts.Notes, note) {
		t.Errorf("notes %q", r.Facts.Notes)
	}
}

// The click is not heard, and what follows is where it belongs: in the recording
// each frame is told by the first byte of the one before.
func TestProgramClicks(t *testing.T) {
	s := begin(0)
	s.add(KindLine, 0, 0, LineSpec{Label: "1", Ours: true, Receiving: true, Formats: []Format{{Payload: 97, Name: "iLBC", Clock: 8000}}})
	for n := range 50 {
		s.add(KindPacket, int64(n+1)*30_000_000, 0, rtpOf(97, uint16(n), uint32(240*n), 7, bytes.Repeat([]byte{byte(20 + n)}, 50)))
	}
	r, err := callee(t, "decoder-clicks").Measure(s.end(1500_000_000).tape())
	if err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	if _, err := r.WriteTo(&file); err != nil {
		t.Fatal(err)
	}
	heard := flacSides(t, file.Bytes())[0]
	for n := range 50 {
		want := int16(20+max(0, n-1)) << 6
		if got := heard[480*n+240]; got < want-40 || got > want+40 {
			t.Errorf("frame %d: %d, not %d", n, got, want)
		}
	}
	if len(r.Facts.Notes) != 1 {
		t.Errorf("notes %q", r.Facts.Notes)
	}
}

func TestWithoutProgramItWaits(t *testing.T) {
	r, err := Measure(twoG729(asIs).tape())
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(r.Facts.Waiting, []string{"G729"}) {
		t.Errorf("waits for %q", r.Facts.Waiting)
	}
}

// Whatever comes is cut into frames that a program knows, and its length is that
// of its frames.
func TestAnyPayloadIsCutIntoFrames(t *testing.T) {
	var formats []Format
	for i := range codecs {
		for _, clock := range []int{8000, 16000, 32000} {
			for _, fmtp := range []string{"", "mode=20", "octet-align=1", "octet-align=1; crc=1", "octet-align=1;interleaving=4"} {
				if f := (Format{Name: codecs[i].name, Clock: clock, Fmtp: fmtp}); Outside(f) {
					formats = append(formats, f)
				}
			}
		}
	}
	if len(formats) < 40 {
		t.Fatalf("only %d formats", len(formats))
	}
	rapid.Check(t, func(r *rapid.T) {
		f := rapid.SampledFrom(formats).Draw(r, "format")
		p := rapid.SliceOfN(rapid.Byte(), 0, 400).Draw(r, "payload")
		if rapid.Bool().Draw(r, "of one size") {
			p = rapid.SliceOfN(rapid.Byte(), 60, 60).Draw(r, "payload")
		}
		before := slices.Clone(p)
		o, n := findCodec(f.Name).outside, 0
		for frame := range o.frames(f, p) {
			if n++; len(frame) > 400 {
				r.Fatalf("a frame of %d bytes", len(frame))
			}
		}
		if o.units(f, p) != n*o.samples(f) || !bytes.Equal(p, before) {
			r.Fatalf("%d frames, %d units", n, o.units(f, p))
		}
	})
}

// bitsOf writes fields of so many bits each, the last byte padded.
func bitsOf(fields ...[2]int) (b []byte) {
	n := 0
	for _, f := range fields {
		for i := f[1] - 1; i >= 0; i-- {
			if n%8 == 0 {
				b = append(b, 0)
			}
			if i < 63 {
				b[n/8] |= byte(f[0]>>i&1) << (7 - n%8)
			}
			n++
		}
	}
	return b
}

func TestFrames(t *testing.T) {
	amr, wide := Format{Name: "AMR", Clock: 8000}, Format{Name: "AMR-WB", Clock: 16000, Fmtp: "octet-align=1"}
	for what, c := range map[string]struct {
		format  Format
		payload []byte
		want    [][]byte
	}{
		"AMR, bit by bit: 4.75 kbit/s, then 12.2": {amr,
			bitsOf([2]int{15, 4}, [2]int{0b1_0000_1, 6}, [2]int{0b0_0111_1, 6}, [2]int{5, 95}, [2]int{9, 244}),
			[][]byte{append([]byte{0x04}, bitsOf([2]int{5, 95})...), append([]byte{0x3c}, bitsOf([2]int{9, 244})...)}},
		"AMR: silence, and no data": {amr, bitsOf([2]int{15, 4}, [2]int{0b1_1000_1, 6}, [2]int{0b0_1111_1, 6}, [2]int{1, 39}), [][]byte{nil, nil}},
		"AMR: a damaged frame":      {amr, bitsOf([2]int{15, 4}, [2]int{0b0_0000_0, 6}, [2]int{5, 95}), [][]byte{nil}},
		"AMR: too short":            {amr, bitsOf([2]int{15, 4}, [2]int{0b0_0111_1, 6}, [2]int{5, 95}), nil},
		"AMR: no such type":         {amr, bitsOf([2]int{15, 4}, [2]int{0b0_1010_1, 6}, [2]int{5, 95}), nil},
		"AMR-WB in bytes: 6.6 kbit/s, lost, 23.85": {wide,
			append([]byte{0xf0, 0x84, 0xf4, 0x44}, append(bitsOf([2]int{3, 132}), bitsOf([2]int{4, 477})...)...),
			[][]byte{append([]byte{0x04}, bitsOf([2]int{3, 132})...), nil, append([]byte{0x44}, bitsOf([2]int{4, 477})...)}},
		"AMR-WB with checksums": {Format{Name: "AMR-WB", Clock: 16000, Fmtp: "octet-align=1; crc=1"},
			append([]byte{0xf0, 0x04, 0xab}, bitsOf([2]int{3, 132})...), [][]byte{append([]byte{0x04}, bitsOf([2]int{3, 132})...)}},
		"G.723.1: high, low, silence": {Format{Name: "G723", Clock: 8000},
			slices.Concat(make([]byte, 24), []byte{1}, make([]byte, 19), []byte{2, 0, 0, 0}),
			[][]byte{make([]byte, 24), append([]byte{1}, make([]byte, 19)...), nil}},
		"G.723.1: cut short": {Format{Name: "G723", Clock: 8000}, make([]byte, 30), nil},
		"Speex: two frames, a request between them": {Format{Name: "SPEEX", Clock: 8000},
			bitsOf([2]int{1, 5}, [2]int{7, 38}, [2]int{14, 5}, [2]int{1, 4}, [2]int{1, 1}, [2]int{0, 5}, [2]int{0b01111, 5}),
			[][]byte{append(bitsOf([2]int{1, 5}, [2]int{7, 38})[:5], bitsOf([2]int{1, 5}, [2]int{7, 38})[5]|0x0f), {0b00000_011}}},
		"Speex: wide band": {Format{Name: "SPEEX", Clock: 16000},
			bitsOf([2]int{0, 5}, [2]int{1, 1}, [2]int{0, 3}, [2]int{0b01111, 5}), [][]byte{bitsOf([2]int{0b000001000, 9}, [2]int{0b0111111, 7})}},
		"GSM of a wrong magic": {Format{Name: "GSM", Clock: 8000}, make([]byte, 33), nil},
	} {
		var got [][]byte
		for frame := range findCodec(c.format.Name).outside.frames(c.format, c.payload) {
			got = append(got, slices.Clone(frame))
		}
		if !slices.EqualFunc(got, c.want, bytes.Equal) {
			t.Errorf("%s:\n%x\nnot\n%x", what, got, c.want)
		}
	}
}

// A page as the Ogg tools check it: the sum of a page whose sum is known.
func TestOggPage(t *testing.T) {
	page := (&oggPages{}).page(nil, []byte("fishead"))
	sum := binary.LittleEndian.Uint32(page[22:])
	copy(page[22:], []byte{0, 0, 0, 0})
	if oggSum(page) != sum || sum == 0 || len(page) != 28+7 {
		t.Errorf("a page of %d bytes with sum %08x", len(page), sum)
	}
}

// flacSides are the channels of a FLAC file.
func flacSides(t *testing.T, file []byte) (sides [2][]int16) {
	t.Helper()
	in, err := flac.New(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	for {
		f, err := in.ParseNext()
		if errors.Is(err, io.EOF) {
			return sides
		}
		if err != nil {
			t.Fatal(err)
		}
		for i := range f.Subframes {
			for _, v := range f.Subframes[i].Samples {
				sides[i] = append(sides[i], int16(v))
			}
		}
	}
}

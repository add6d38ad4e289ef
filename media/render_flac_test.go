package media

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/mewkiz/flac"
)

// flacSignals drive every way of writing a block: each polynomial, silence, a
// constant, misses of all sizes and one that stands alone.
func flacSignals(n int) map[string][]int32 {
	signals, tone := map[string][]int32{}, tones(16000, 64, 9000, 250)
	chance := func(i, n int) int { return rand.New(rand.NewPCG(1, uint64(i))).IntN(n) }
	for name, at := range map[string]func(i int) int{
		"silence": func(int) int { return 0 }, "constant": func(int) int { return -32768 },
		"line": func(i int) int { return 7*(i%4096) - 14000 }, "parabola": func(i int) int { x := i%4096 - 2048; return x*x/128 - 16000 },
		"cubic": func(i int) int { x := i%4096 - 2048; return x * x * x / (1 << 19) },
		"tone":  func(i int) int { return int(tone[i%64]) },
		"noise": func(i int) int { return chance(i, 65536) - 32768 }, "soft": func(i int) int { return chance(i, 7) - 3 },
		"square": func(i int) int { return 32767 - i/7%2*65535 }, "alternating": func(i int) int { return 32767 - i%2*65535 },
		"click": func(i int) int {
			if i%1000 == 777 {
				return -32768
			}
			return 1
		},
		"bursts": func(i int) int { return (chance(i, 65536) - 32768) >> (i / 256 % 17) },
	} {
		for i := range n {
			signals[name] = append(signals[name], int32(int16(at(i))))
		}
	}
	return signals
}

// flacFile is a file of some sides.
func flacFile(t *testing.T, sides ...[]int32) []byte {
	t.Helper()
	var file bytes.Buffer
	f, err := newFLACWriter(&file, len(sides), int64(len(sides[0])))
	if err != nil {
		t.Fatal(err)
	}
	for from := 0; from < len(sides[0]); from += flacBlock {
		var block [][]int32
		for _, side := range sides {
			block = append(block, side[from:min(from+flacBlock, len(side))])
		}
		if err := f.write(block); err != nil {
			t.Fatal(err)
		}
	}
	return file.Bytes()
}

// readBack decodes a file with a library, which looks at every checksum, and
// compares.
func readBack(t *testing.T, file []byte, sides ...[]int32) {
	t.Helper()
	in, err := flac.New(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	if i := in.Info; i.SampleRate != 16000 || i.BitsPerSample != 16 || int(i.NChannels) != len(sides) || i.NSamples != uint64(len(sides[0])) ||
		i.BlockSizeMin != flacBlock || i.BlockSizeMax != flacBlock {
		t.Errorf("%+v", i)
	}
	at := 0
	for n := uint64(0); ; n++ {
		f, err := in.ParseNext()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("block %d: %v", n, err)
		}
		if f.Num != n {
			t.Fatalf("block %d says it is %d", n, f.Num)
		}
		for side, s := range f.Subframes {
			if want := sides[side][at:][:len(s.Samples)]; !slices.Equal(s.Samples, want) {
				t.Fatalf("block %d, side %d is not what was written", n, side)
			}
		}
		at += int(f.BlockSize)
	}
	if at != len(sides[0]) {
		t.Errorf("%d of %d samples", at, len(sides[0]))
	}
}

func TestFLACIsWhatWasWritten(t *testing.T) {
	const n = 2*flacBlock + 16*37
	signals := flacSignals(n)
	for name, samples := range signals {
		t.Run(name, func(t *testing.T) {
			mono := flacFile(t, samples)
			readBack(t, mono, samples)
			readBack(t, flacFile(t, samples, signals["tone"]), samples, signals["tone"])
			most := map[string]int{"silence": 100, "constant": 100, "line": n / 4, "parabola": n / 4, "cubic": n / 4, "tone": n, "soft": n / 2, "click": n}
			if most[name] == 0 {
				most[name] = 5 * n / 2
			}
			if len(mono) > most[name] {
				t.Errorf("%d bytes of %d samples", len(mono), n)
			}
		})
	}
}

// The last block is of any length, and each length is written in its own way.
func TestFLACEndsAnywhere(t *testing.T) {
	noise := flacSignals(flacBlock)["bursts"]
	for _, n := range []int{1, 15, 16, 79, 80, 96, 191, 192, 255, 256, 257, 512, 576, 1024, 1152, 2048, 2304, 4000, 4095, 4096} {
		readBack(t, flacFile(t, noise[:n]), noise[:n])
	}
}

// The number of a block is as long as it must be.
func TestFLACBlocksAreNumbered(t *testing.T) {
	for _, first := range []uint64{0, 0x7F, 0x7FF, 0xFFFF, 0x1FFFFF, 0x3FFFFFF, 0x7FFFFFFF} {
		f := flacWriter{channels: 1, blocks: first}
		for range 2 {
			h := f.appendHead(nil, flacBlock)
			f.blocks++
			if got := string(h[4 : len(h)-1]); first < 0x10FFFF && first+1 != 0xD800 {
				if want := string(rune(f.blocks - 1)); got != want {
					t.Errorf("%#x: % x, want % x", f.blocks-1, got, want)
				}
			}
			if crc8(h) != 0 {
				t.Errorf("%#x: % x has no valid checksum", f.blocks-1, h)
			}
		}
	}
}

func TestCRC16(t *testing.T) {
	if got := crc16([]byte("123456789")); got != 0xFEE8 { // CRC-16/UMTS, the catalogue's check value
		t.Errorf("%#x", got)
	}
}

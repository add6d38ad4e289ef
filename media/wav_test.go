package media

import (
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"testing"
)

// bigWAV makes a file with frames of two channels of µ-law, all of it hole but
// the header and the last frame.
func bigWAV(t *testing.T, frames int64) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "big.wav"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	header := wavHeader(tagULaw, 2, 8000, 8, frames)
	if _, err := f.Write(header); err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte{0x11, 0x22}, int64(len(header))+2*(frames-1)); err != nil {
		t.Skipf("this file system keeps no sparse file of %d bytes: %v", 2*frames, err)
	}
	return f
}

// Above 4 GiB the file is RF64 (EBU Tech 3306), of the same header size, and
// read back to its last frame.
func TestRF64(t *testing.T) {
	small := wavHeader(tagULaw, 2, 8000, 8, 1000)
	for _, tc := range []struct {
		name   string
		frames int64
		magic  string
	}{
		{"just below", (1<<32 - 200) / 2, "RIFF"},
		{"just above", 1 << 31, "RF64"},
		{"a week of a permanent line", 7 * 24 * 3600 * 8000, "RF64"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := bigWAV(t, tc.frames)
			header := make([]byte, len(small))
			if _, err := f.ReadAt(header, 0); err != nil {
				t.Fatal(err)
			}
			if string(header[:4]) != tc.magic || string(header[8:12]) != "WAVE" {
				t.Errorf("it begins %q", header[:12])
			}
			if tc.magic == "RF64" {
				checkDS64(t, header, tc.frames)
			}
			wav, err := ReadWAV(f)
			if err != nil {
				t.Fatal(err)
			}
			if wav.Frames != tc.frames || wav.DataBytes != 2*tc.frames || wav.Channels != 2 || wav.DataStart != int64(len(small)) {
				t.Errorf("%+v", wav)
			}
			var last [2]byte
			if _, err := wav.Data.ReadAt(last[:], wav.DataBytes-2); err != nil || last != [2]byte{0x11, 0x22} {
				t.Errorf("the last frame is %x, %v", last, err)
			}
		})
	}
}

// checkDS64 checks the sizes of an RF64 header as the standard has them: 64 bits
// wide in the first chunk, and all ones where RIFF has them.
func checkDS64(t *testing.T, header []byte, frames int64) {
	t.Helper()
	le := binary.LittleEndian
	if le.Uint32(header[4:]) != math.MaxUint32 || string(header[12:16]) != "ds64" || le.Uint32(header[16:]) != 28 {
		t.Fatalf("it begins %x", header[:20])
	}
	riff, data, samples := le.Uint64(header[20:]), le.Uint64(header[28:]), le.Uint64(header[36:])
	if want := uint64(len(header)) + uint64(2*frames) - 8; riff != want || data != uint64(2*frames) || samples != uint64(frames) {
		t.Errorf("ds64 says %d, %d, %d; want %d, %d, %d", riff, data, samples, want, 2*frames, frames)
	}
	if end := header[len(header)-8:]; string(end[:4]) != "data" || le.Uint32(end[4:]) != math.MaxUint32 {
		t.Errorf("the audio is announced as %q", end)
	}
}

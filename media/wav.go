package media

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// wavHeader returns everything before the samples. Its JUNK chunk holds the
// place of a ds64 chunk, which it becomes above 4 GiB (EBU Tech 3306).
func wavHeader(tag uint16, channels, rate, bits int, frames int64) []byte {
	le := binary.LittleEndian
	block := channels * bits / 8
	data := frames * int64(block)
	var fmtFact []byte
	fmtFact = append(fmtFact, "fmt "...)
	size := uint32(16)
	if tag != tagPCM {
		size = 18
	}
	fmtFact = le.AppendUint32(fmtFact, size)
	fmtFact = le.AppendUint16(fmtFact, tag)
	fmtFact = le.AppendUint16(fmtFact, uint16(channels))
	fmtFact = le.AppendUint32(fmtFact, uint32(rate))
	fmtFact = le.AppendUint32(fmtFact, uint32(rate*block))
	fmtFact = le.AppendUint16(fmtFact, uint16(block))
	fmtFact = le.AppendUint16(fmtFact, uint16(bits))
	if tag != tagPCM { // no extension; a fact chunk is due
		fmtFact = le.AppendUint16(fmtFact, 0)
		fmtFact = append(fmtFact, "fact"...)
		fmtFact = le.AppendUint32(fmtFact, 4)
		fmtFact = le.AppendUint32(fmtFact, uint32(min(frames, math.MaxUint32)))
	}
	const ds64 = 28
	riff := 4 + 8 + ds64 + int64(len(fmtFact)) + 8 + data + data%2
	var h []byte
	if riff <= math.MaxUint32 {
		h = append(h, "RIFF"...)
		h = le.AppendUint32(h, uint32(riff))
		h = append(h, "WAVEJUNK"...)
		h = le.AppendUint32(h, ds64)
		h = append(h, make([]byte, ds64)...)
	} else {
		h = append(h, "RF64"...)
		h = le.AppendUint32(h, math.MaxUint32)
		h = append(h, "WAVEds64"...)
		h = le.AppendUint32(h, ds64)
		h = le.AppendUint64(h, uint64(riff))
		h = le.AppendUint64(h, uint64(data))
		h = le.AppendUint64(h, uint64(frames))
		h = le.AppendUint32(h, 0)
	}
	h = append(h, fmtFact...)
	h = append(h, "data"...)
	return le.AppendUint32(h, uint32(min(data, math.MaxUint32)))
}

// Sound is an open file that can be read from anywhere.
type Sound interface {
	io.ReadSeeker
	io.ReaderAt
}

// WAV is an opened RIFF or RF64 WAVE file.
type WAV struct {
	Tag       int // WAVE format tag: 1 PCM, 6 A-law, 7 µ-law
	Channels  int
	Rate      int // Hz
	Bits      int // per sample
	Frames    int64
	DataStart int64 // bytes from the beginning of the file
	DataBytes int64
	Data      *io.SectionReader // the samples
}

var errNotWAV = errors.New("not a WAVE file: it does not begin with RIFF or RF64")

// ReadWAV reads the chunks before the samples. A file cut short has as many
// samples as are there.
func ReadWAV(r Sound) (*WAV, error) {
	size, err := r.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, err
	}
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	var head [12]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, errNotWAV
	}
	if kind := string(head[:4]); kind != "RIFF" && kind != "RF64" || string(head[8:]) != "WAVE" {
		return nil, errNotWAV
	}
	w, long := &WAV{}, int64(-1)
	for at := int64(12); ; {
		var chunk [8]byte
		if _, err := r.Seek(at, io.SeekStart); err != nil {
			return nil, err
		}
		if _, err := io.ReadFull(r, chunk[:]); err != nil {
			return nil, fmt.Errorf("WAVE file without samples: %w", err)
		}
		id, n := string(chunk[:4]), int64(binary.LittleEndian.Uint32(chunk[4:]))
		switch id {
		case "ds64":
			var sizes [16]byte
			if _, err := io.ReadFull(r, sizes[:]); err != nil {
				return nil, fmt.Errorf("WAVE file cut in its ds64 chunk: %w", err)
			}
			long = int64(binary.LittleEndian.Uint64(sizes[8:]))
		case "fmt ":
			if err := w.readFormat(r); err != nil {
				return nil, err
			}
		case "data":
			if n == math.MaxUint32 && long >= 0 {
				n = long
			}
			return w, w.setData(r, at+8, min(n, size-at-8))
		}
		at += 8 + n + n%2
	}
}

func (w *WAV) readFormat(r io.Reader) error {
	var b [16]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return fmt.Errorf("WAVE file cut in its fmt chunk: %w", err)
	}
	le := binary.LittleEndian
	w.Tag, w.Channels = int(le.Uint16(b[:])), int(le.Uint16(b[2:]))
	w.Rate, w.Bits = int(le.Uint32(b[4:])), int(le.Uint16(b[14:]))
	return nil
}

func (w *WAV) setData(r Sound, start, n int64) error {
	block := int64(w.Channels) * int64(w.Bits/8)
	if block <= 0 || w.Rate <= 0 {
		return errors.New("WAVE file without a usable fmt chunk before its samples")
	}
	w.DataStart, w.DataBytes = start, n
	w.Frames = n / block
	w.Data = io.NewSectionReader(r, start, n)
	return nil
}

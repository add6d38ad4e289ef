package media

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Format tags of WAV files (RFC 2361).
const (
	wavPCM  = 1
	wavALaw = 6
	wavULaw = 7
)

// wavHeader is everything before the samples. Its length is always the same:
// a JUNK chunk keeps the room that the 64-bit sizes of RF64 (EBU Tech 3306)
// take in files of 4 GiB and more.
type wavHeader struct {
	tag, channels, rate, bits int
	frames                    int64
}

// wavHeaderBytes is the length of the header: RIFF 12, JUNK or ds64 36, fmt 26,
// fact 12, data 8.
const wavHeaderBytes = 12 + 36 + 26 + 12 + 8

func (h wavHeader) dataBytes() int64 { return h.frames * int64(h.channels*h.bits/8) }

func (h wavHeader) write(w io.Writer) error {
	data := h.dataBytes()
	riff := data + data%2 + wavHeaderBytes - 8
	huge := riff > 0xffffffff
	le := binary.LittleEndian
	var b []byte
	size32 := func(n int64) uint32 {
		if huge {
			return 0xffffffff
		}
		return uint32(n)
	}
	if huge {
		b = append(b, "RF64"...)
	} else {
		b = append(b, "RIFF"...)
	}
	b = le.AppendUint32(b, size32(riff))
	b = append(b, "WAVE"...)
	if huge {
		b = le.AppendUint32(append(b, "ds64"...), 28)
		b = le.AppendUint64(b, uint64(riff))
		b = le.AppendUint64(b, uint64(data))
		b = le.AppendUint64(b, uint64(h.frames))
		b = le.AppendUint32(b, 0)
	} else {
		b = le.AppendUint32(append(b, "JUNK"...), 28)
		b = append(b, make([]byte, 28)...)
	}
	frame := h.channels * h.bits / 8
	b = le.AppendUint32(append(b, "fmt "...), 18)
	b = le.AppendUint16(b, uint16(h.tag))
	b = le.AppendUint16(b, uint16(h.channels))
	b = le.AppendUint32(b, uint32(h.rate))
	b = le.AppendUint32(b, uint32(h.rate*frame))
	b = le.AppendUint16(b, uint16(frame))
	b = le.AppendUint16(b, uint16(h.bits))
	b = le.AppendUint16(b, 0)
	b = le.AppendUint32(append(b, "fact"...), 4)
	b = le.AppendUint32(b, uint32(min(h.frames, 0xffffffff)))
	b = le.AppendUint32(append(b, "data"...), size32(data))
	_, err := w.Write(b)
	return err
}

// pad makes the data chunk even, as RIFF demands.
func (h wavHeader) pad(w io.Writer) error {
	if h.dataBytes()%2 == 0 {
		return nil
	}
	_, err := w.Write([]byte{0})
	return err
}

// WAV is an open WAV or RF64 file.
type WAV struct {
	Tag       int // 1 PCM, 6 A-law, 7 µ-law
	Channels  int
	Rate      int // Hz
	Bits      int // per sample
	DataBytes int64
	Data      *io.SectionReader
}

// Sound is an open file that can be read from anywhere.
type Sound interface {
	io.ReadSeeker
	io.ReaderAt
}

// ReadWAV reads the header of a WAV or RF64 file. A data chunk that claims more
// than the file holds is cut to what is there.
func ReadWAV(r Sound) (*WAV, error) {
	end, err := r.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, err
	}
	var head [12]byte
	if _, err := r.ReadAt(head[:], 0); err != nil {
		return nil, fmt.Errorf("not a WAV file: %w", err)
	}
	if s := string(head[:4]); (s != "RIFF" && s != "RF64") || string(head[8:]) != "WAVE" {
		return nil, errors.New("not a WAV file")
	}
	w := &WAV{}
	var big uint64
	for at := int64(12); at+8 <= end; {
		var chunk [8 + 28]byte
		n, err := r.ReadAt(chunk[:], at)
		if n < 8 {
			return nil, fmt.Errorf("WAV chunk at %d: %w", at, err)
		}
		size := int64(binary.LittleEndian.Uint32(chunk[4:]))
		body := chunk[8:n]
		switch string(chunk[:4]) {
		case "ds64":
			if len(body) >= 16 {
				big = binary.LittleEndian.Uint64(body[8:])
			}
		case "fmt ":
			if len(body) < 16 {
				return nil, errors.New("WAV format chunk is cut off")
			}
			w.Tag = int(binary.LittleEndian.Uint16(body))
			w.Channels = int(binary.LittleEndian.Uint16(body[2:]))
			w.Rate = int(binary.LittleEndian.Uint32(body[4:]))
			w.Bits = int(binary.LittleEndian.Uint16(body[14:]))
		case "data":
			if size == 0xffffffff && big > 0 {
				size = int64(min(big, 1<<62))
			}
			w.DataBytes = min(size, end-at-8)
			w.Data = io.NewSectionReader(r, at+8, w.DataBytes)
			if w.Tag == 0 {
				return nil, errors.New("WAV data before its format")
			}
			return w, nil
		}
		at += 8 + size + size%2
	}
	return nil, errors.New("WAV file without data")
}

// WritePCM writes a recording as 16-bit PCM WAV.
func WritePCM(w io.Writer, r Sound) error {
	in, err := ReadWAV(r)
	if err != nil {
		return err
	}
	if in.Tag == wavPCM {
		if _, err := r.Seek(0, io.SeekStart); err != nil {
			return err
		}
		_, err := io.Copy(w, r)
		return err
	}
	table := &DecodeULaw
	switch in.Tag {
	case wavULaw:
	case wavALaw:
		table = &DecodeALaw
	default:
		return fmt.Errorf("WAV format %d cannot be written as PCM", in.Tag)
	}
	h := wavHeader{tag: wavPCM, channels: in.Channels, rate: in.Rate, bits: 16, frames: in.DataBytes / int64(max(1, in.Channels))}
	if err := h.write(w); err != nil {
		return err
	}
	buf := make([]byte, 32<<10)
	out := make([]byte, 0, 64<<10)
	for {
		n, err := in.Data.Read(buf)
		out = out[:0]
		for _, b := range buf[:n] {
			out = binary.LittleEndian.AppendUint16(out, uint16(table[b]))
		}
		if _, werr := w.Write(out); werr != nil {
			return werr
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

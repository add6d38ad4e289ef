package media

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/mewkiz/flac"
)

// WritePCM converts a recording, WAV or FLAC, to a WAV of 16-bit linear PCM.
func WritePCM(w io.Writer, r Sound) error {
	var magic [4]byte
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if _, err := io.ReadFull(r, magic[:]); err != nil {
		return fmt.Errorf("recording: %w", err)
	}
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return err
	}
	out := bufio.NewWriterSize(w, 1<<16)
	convert := wavToPCM
	if string(magic[:]) == "fLaC" {
		convert = flacToPCM
	}
	if err := convert(out, r); err != nil {
		return fmt.Errorf("recording: %w", err)
	}
	return out.Flush()
}

func wavToPCM(w *bufio.Writer, r Sound) error {
	in, err := ReadWAV(r)
	if err != nil {
		return err
	}
	var table *[256]int16
	switch {
	case in.Tag == tagULaw && in.Bits == 8:
		table = &DecodeULaw
	case in.Tag == tagALaw && in.Bits == 8:
		table = &DecodeALaw
	case in.Tag != tagPCM || in.Bits != 16:
		return fmt.Errorf("WAVE format %d with %d bits is none that recordings have", in.Tag, in.Bits)
	}
	if _, err := w.Write(wavHeader(tagPCM, in.Channels, in.Rate, 16, in.Frames)); err != nil {
		return err
	}
	if table == nil {
		_, err := io.Copy(w, in.Data)
		return err
	}
	var codes [4096]byte
	var samples []byte
	for {
		n, err := in.Data.Read(codes[:])
		samples = samples[:0]
		for _, c := range codes[:n] {
			samples = binary.LittleEndian.AppendUint16(samples, uint16(table[c]))
		}
		if _, err := w.Write(samples); err != nil {
			return err
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func flacToPCM(w *bufio.Writer, r Sound) error {
	in, err := flac.New(bufio.NewReader(r))
	if err != nil {
		return err
	}
	info := in.Info
	if info.BitsPerSample != 16 || info.NChannels < 1 || info.NChannels > 2 {
		return fmt.Errorf("FLAC with %d bits and %d channels is none that recordings have", info.BitsPerSample, info.NChannels)
	}
	channels := int(info.NChannels)
	if _, err := w.Write(wavHeader(tagPCM, channels, int(info.SampleRate), 16, int64(info.NSamples))); err != nil {
		return err
	}
	var samples []byte
	for {
		f, err := in.ParseNext()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if len(f.Subframes) != channels {
			return errors.New("FLAC whose number of channels changes")
		}
		samples = samples[:0]
		for i := range f.Subframes[0].Samples {
			for _, side := range f.Subframes {
				samples = binary.LittleEndian.AppendUint16(samples, uint16(side.Samples[i]))
			}
		}
		if _, err := w.Write(samples); err != nil {
			return err
		}
	}
}

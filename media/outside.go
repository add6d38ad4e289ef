package media

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"os/exec"
	"strings"
)

// outside says how the program decodes a format: what it is fed on its standard
// input, and what comes back.
type outside struct {
	decoder string   // as the program names it
	input   []string // options that tell it what it is fed

	// head is what the stream begins with; nil: with the first frame.
	head func(Format) []byte

	// samples returns how long a frame is, at the format's own clock.
	samples func(Format) int

	// frames cuts a payload into its frames, an empty one where nothing was said:
	// the program is not fed that. No frames: it is no payload of this format.
	frames func(f Format, payload []byte) iter.Seq[[]byte]

	// twice says that the program makes a loud click of the first frame it ever
	// decodes: that one is given twice, and what comes first is thrown away.
	twice bool

	// wrap makes what puts a frame into the stream; nil: as it is.
	wrap func(Format) func(dst, frame []byte) []byte
}

// units returns how many RTP clock units a payload lasts.
func (o *outside) units(f Format, payload []byte) int {
	n := 0
	for range o.frames(f, payload) {
		n++
	}
	return n * o.samples(f)
}

// rests reports whether a payload ends with a frame in which nothing is said: its
// sender may send nothing for a while.
func (o *outside) rests(f Format, payload []byte) bool {
	last := -1
	for frame := range o.frames(f, payload) {
		last = len(frame)
	}
	return last == 0
}

func at(rate int) func(Format) int { return func(Format) int { return rate } }

func lasting(samples int) func(Format) int { return func(Format) int { return samples } }

func options(format string, more ...string) []string { return append([]string{"-f", format}, more...) }

func none(func([]byte) bool) {}

// equal cuts a payload into frames of one size.
func equal(payload []byte, size int) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		if len(payload)%size != 0 {
			return
		}
		for ; len(payload) > 0; payload = payload[size:] {
			if !yield(payload[:size]) {
				return
			}
		}
	}
}

// FFmpeg is the program that decodes what is not decoded here. It is run with
// pipes for files, no network, and may write none. A nil one is none.
type FFmpeg struct {
	Path    string
	Version string // as it says itself: "7.1.2-1"

	decoders map[string]bool
}

// FindFFmpeg looks for the program named, or found along the search path by that
// name, and asks what it decodes.
func FindFFmpeg(ctx context.Context, name string) (*FFmpeg, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		return nil, fmt.Errorf("no program to decode with: %w", err)
	}
	ask := func(what string) ([]byte, error) {
		cmd := exec.CommandContext(ctx, path, "-nostdin", "-hide_banner", what)
		cmd.Env, cmd.WaitDelay = []string{}, patience
		out, err := cmd.Output()
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", path, what, err)
		}
		return out, nil
	}
	version, err := ask("-version")
	if err != nil {
		return nil, err
	}
	list, err := ask("-decoders")
	if err != nil {
		return nil, err
	}
	x := &FFmpeg{Path: path, decoders: make(map[string]bool)}
	if words := strings.Fields(string(version)); len(words) > 2 && words[1] == "version" {
		x.Version = words[2]
	}
	for line := range bytes.Lines(list) {
		if words := strings.Fields(string(line)); len(words) > 1 {
			x.decoders[words[1]] = true
		}
	}
	return x, nil
}

// Decodes reports whether the program turns payloads of f into sound.
func (x *FFmpeg) Decodes(f Format) bool {
	return x != nil && Outside(f) && x.decoders[findCodec(f.Name).outside.decoder]
}

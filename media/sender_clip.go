package media

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hajimehoshi/go-mp3"
)

// Clip is a piece of mono audio to send. It may be shared by any number of
// streams.
type Clip struct {
	Samples []int16 // 8 kHz
	Loop    bool    // begins again when it ends

	origin []int16 // what Samples were made of, rate Hz; nil: nothing else
	rate   int

	law   string // "PCMU" or "PCMA" when codes holds the bytes as they were in the file
	codes []byte

	mu   sync.Mutex // guards memo and wide
	memo map[string][]byte
	wide []int16 // 16 kHz, made when first needed
}

func newClip(samples []int16, rate int) *Clip {
	return &Clip{Samples: resample(samples, rate, senderRate), origin: samples, rate: rate}
}

// wideband returns the clip at 16 kHz, computed once.
func (c *Clip) wideband() []int16 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.wide == nil {
		c.wide = resample(c.Samples, senderRate, wideRate)
		if c.origin != nil {
			c.wide = resample(c.origin, c.rate, wideRate)
		}
	}
	return c.wide
}

// LoadClip reads what name says: "silence", "tone:440" (Hz, 1-3999), or a file:
// WAV with 16-bit PCM of any rate, WAV with G.711 (sent bit for bit when the
// codec is the same), or MP3 of 16 kHz and more. Several channels are averaged.
func LoadClip(name string) (*Clip, error) {
	if name == "" || name == "silence" {
		return Silence(), nil
	}
	if hz, ok := strings.CutPrefix(name, "tone:"); ok {
		n, err := strconv.Atoi(hz)
		if err != nil || n < 1 || n >= senderRate/2 {
			return nil, fmt.Errorf("%s: a tone is tone:1 to tone:3999, in Hz", name)
		}
		return Tone(n), nil
	}
	raw, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	clip, err := readClip(raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return clip, nil
}

// Silence is a clip without sound, without end.
func Silence() *Clip { return &Clip{} }

// Tone is a sine of hz at -12 dBFS, without end.
func Tone(hz int) *Clip {
	return &Clip{Loop: true, Samples: sine(hz, senderRate), origin: sine(hz, wideRate), rate: wideRate}
}

// sine is one second: whole periods of any whole frequency.
func sine(hz, rate int) []int16 {
	samples := make([]int16, rate)
	for i := range samples {
		samples[i] = int16(math.Round(8192 * math.Sin(2*math.Pi*float64(hz*i%rate)/float64(rate))))
	}
	return samples
}

// Length returns how long the clip sounds; 0 when it has no end.
func (c *Clip) Length() time.Duration {
	if c.Loop {
		return 0
	}
	return time.Duration(len(c.Samples)) * time.Second / senderRate
}

// encoded returns the clip's bytes in codec, computed once.
func (c *Clip) encoded(codec string) []byte {
	if c.law == codec {
		return c.codes
	}
	if codec == "L16" {
		var b []byte
		for _, s := range c.wideband() {
			b = binary.BigEndian.AppendUint16(b, uint16(s))
		}
		return b
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if b, ok := c.memo[codec]; ok {
		return b
	}
	encode := EncodeULaw
	if codec == "PCMA" {
		encode = EncodeALaw
	}
	b := make([]byte, len(c.Samples))
	for i, s := range c.Samples {
		b[i] = encode(s)
	}
	if c.memo == nil {
		c.memo = make(map[string][]byte)
	}
	c.memo[codec] = b
	return b
}

func readClip(raw []byte) (*Clip, error) {
	if len(raw) >= 12 && string(raw[:4]) == "RIFF" && string(raw[8:12]) == "WAVE" {
		return readWAV(raw[12:])
	}
	return readMP3(raw)
}

// wavFormat is the part of a "fmt " chunk that tells how to read "data".
type wavFormat struct {
	tag, channels, bits int
	rate                int
}

func readWAV(chunks []byte) (*Clip, error) {
	var f wavFormat
	for len(chunks) >= 8 {
		id, size := string(chunks[:4]), int64(binary.LittleEndian.Uint32(chunks[4:]))
		body := chunks[8:]
		// A size beyond the end is what programs write that could not seek back.
		size = min(size, int64(len(body)))
		switch {
		case id == "fmt " && size >= 16:
			f.tag = int(binary.LittleEndian.Uint16(body))
			f.channels = int(binary.LittleEndian.Uint16(body[2:]))
			f.rate = int(binary.LittleEndian.Uint32(body[4:]))
			f.bits = int(binary.LittleEndian.Uint16(body[14:]))
			if f.tag == 0xfffe && size >= 26 { // WAVE_FORMAT_EXTENSIBLE: the tag opens the sub-format
				f.tag = int(binary.LittleEndian.Uint16(body[24:]))
			}
		case id == "data":
			return f.clip(body[:size])
		}
		chunks = body[min(size+size&1, int64(len(body))):]
	}
	return nil, errors.New("a WAV file without a data chunk")
}

func (f wavFormat) clip(data []byte) (*Clip, error) {
	if f.channels < 1 || f.rate < 1000 || f.rate > 384000 {
		return nil, fmt.Errorf("a WAV file with %d channels at %d Hz; 1,000 to 384,000 Hz can be read", f.channels, f.rate)
	}
	laws := map[int]struct {
		name  string
		table *[256]int16
	}{6: {"PCMA", &DecodeALaw}, 7: {"PCMU", &DecodeULaw}}
	if law, ok := laws[f.tag]; ok && f.bits == 8 {
		linear := make([]int16, len(data))
		for i, code := range data {
			linear[i] = law.table[code]
		}
		c := newClip(mono(linear, f.channels), f.rate)
		if f.channels == 1 && f.rate == senderRate {
			c.law, c.codes = law.name, data
		}
		return c, nil
	}
	if f.tag != 1 || f.bits != 16 {
		return nil, fmt.Errorf("a WAV file of format %d with %d bits; 16-bit PCM and G.711 can be read", f.tag, f.bits)
	}
	return newClip(mono(littleEndian16(data), f.channels), f.rate), nil
}

func littleEndian16(data []byte) []int16 {
	linear := make([]int16, len(data)/2)
	for i := range linear {
		linear[i] = int16(binary.LittleEndian.Uint16(data[2*i:]))
	}
	return linear
}

// mono averages interleaved channels.
func mono(interleaved []int16, channels int) []int16 {
	if channels == 1 {
		return interleaved
	}
	out := make([]int16, len(interleaved)/channels)
	for i := range out {
		sum := 0
		for _, s := range interleaved[i*channels : (i+1)*channels] {
			sum += int(s)
		}
		out[i] = int16(sum / channels)
	}
	return out
}

func readMP3(raw []byte) (*Clip, error) {
	d, err := mp3.NewDecoder(bytes.NewReader(raw))
	if err != nil {
		if strings.Contains(err.Error(), "2.5") {
			return nil, errors.New("an MP3 file of 8, 11.025 or 12 kHz (MPEG 2.5) cannot be read; make a WAV of it, e.g. ffmpeg -i IN.mp3 -ar 8000 OUT.wav")
		}
		return nil, fmt.Errorf("neither a WAV nor an MP3 file: %w", err)
	}
	data, err := io.ReadAll(bufio.NewReader(d))
	if err != nil && len(data) == 0 {
		return nil, fmt.Errorf("MP3: %w", err)
	}
	return newClip(mono(littleEndian16(data), 2), d.SampleRate()), nil
}

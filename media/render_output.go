package media

import (
	"bufio"
	"slices"

	"github.com/mewkiz/flac"
	"github.com/mewkiz/flac/frame"
	"github.com/mewkiz/flac/meta"
)

// lane is the audio of one line that has been placed and not yet written.
type lane[T byte | int16] struct {
	base int64 // frame of buf[0]
	buf  []T
	fill T // what stands where there is no audio
}

// put writes samples at pos, before them stretch times the first one.
func (l *lane[T]) put(pos int64, samples []T, stretch int64) {
	if len(samples) == 0 || pos < l.base {
		return
	}
	for l.base+int64(len(l.buf)) < pos {
		l.buf = append(l.buf, l.fill)
	}
	at := int(pos - l.base)
	for i := range min(int(stretch), at) {
		l.buf[at-1-i] = samples[0]
	}
	l.buf = append(l.buf[:at], samples...)
}

// read fills dst with what lies from pos on.
func (l *lane[T]) read(pos int64, dst []T) {
	for i := range dst {
		dst[i] = l.fill
	}
	from := max(pos, l.base)
	to := min(pos+int64(len(dst)), l.base+int64(len(l.buf)))
	if from < to {
		copy(dst[from-pos:], l.buf[from-l.base:to-l.base])
	}
}

// drop forgets what lies before pos.
func (l *lane[T]) drop(pos int64) {
	n := min(pos-l.base, int64(len(l.buf)))
	if n > 0 {
		l.buf = l.buf[:copy(l.buf, l.buf[n:])]
		l.base += n
	}
	if len(l.buf) == 0 {
		l.base = max(l.base, pos)
	}
}

// rawOutput writes G.711 payloads as they came.
type rawOutput struct {
	w     *bufio.Writer
	plan  *plan
	codec *codec
	lanes [maxTapeLines]*lane[byte]
	done  int64
	bytes []byte // of one line
	both  []byte // interleaved
}

func newRawOutput(w *bufio.Writer, p *plan) (*rawOutput, error) {
	o := &rawOutput{w: w, plan: p, codec: p.raw()}
	h := wavHeader(o.codec.tag, p.channels(), placeRate, 8, p.frames(placeRate))
	_, err := w.Write(h)
	return o, err
}

func (o *rawOutput) sound(v *placedLine, p *placed, pos, skip, _, stretch int64) {
	l := o.lanes[v.index]
	if l == nil {
		l = &lane[byte]{base: o.done, fill: o.codec.silence}
		o.lanes[v.index] = l
	}
	l.put(pos+skip, p.payload[skip:], stretch)
}

func (o *rawOutput) flush(upTo int64) error {
	channels := o.plan.channels()
	for o.done < upTo {
		to := min(upTo, o.done+placeRate)
		n := int(to - o.done)
		o.both = slices.Grow(o.both[:0], n*channels)[:n*channels]
		for i := range o.both {
			o.both[i] = o.codec.silence
		}
		o.plan.eachLayout(o.done, to, func(l *layout, from, to int64) {
			for side := range channels {
				for _, line := range l.sides[side] {
					o.copyLine(line, side, channels, from, to)
				}
			}
		})
		for _, l := range o.lanes {
			if l != nil {
				l.drop(to)
			}
		}
		if _, err := o.w.Write(o.both); err != nil {
			return err
		}
		o.done = to
	}
	return nil
}

func (o *rawOutput) copyLine(line, side, channels int, from, to int64) {
	l := o.lanes[line]
	if l == nil {
		return
	}
	o.bytes = slices.Grow(o.bytes[:0], int(to-from))[:to-from]
	l.read(from, o.bytes)
	at := int(from-o.done)*channels + side
	for _, b := range o.bytes {
		if b != o.codec.silence {
			o.both[at] = b
		}
		at += channels
	}
}

func (o *rawOutput) close() error {
	if o.done*int64(o.plan.channels())%2 == 1 { // RIFF chunks have even lengths
		return o.w.WriteByte(0)
	}
	return nil
}

const flacBlock = 4096 // samples

// mixedOutput decodes, mixes, and writes FLAC at 16 kHz.
type mixedOutput struct {
	plan  *plan
	enc   *flac.Encoder
	lines [maxTapeLines]*mixLine
	done  int64    // frames of placeRate
	mix   [2][]int // 16 kHz, of one flush
	ready [2][]int32
	wide  []int16
}

// mixLine is one line of a mixedOutput.
type mixLine struct {
	narrow lane[int16] // 8 kHz
	wide   lane[int16] // 16 kHz
	decode map[*lineFormat]func([]int16, []byte) []int16
	buf    []int16
}

func newMixedOutput(w *bufio.Writer, p *plan) (*mixedOutput, error) {
	info := &meta.StreamInfo{
		BlockSizeMin: flacBlock, BlockSizeMax: flacBlock,
		SampleRate: 2 * placeRate, NChannels: uint8(p.channels()), BitsPerSample: 16,
		NSamples: uint64(2 * p.frames(placeRate)),
	}
	enc, err := flac.NewEncoder(w, info)
	return &mixedOutput{plan: p, enc: enc}, err
}

func (o *mixedOutput) sound(v *placedLine, p *placed, pos, skip, _, stretch int64) {
	c := p.format.codec
	if c == nil {
		return
	}
	l := o.lines[v.index]
	if l == nil {
		l = &mixLine{decode: map[*lineFormat]func([]int16, []byte) []int16{}}
		l.narrow.base, l.wide.base = max(0, o.done-upsampleHalf), 2*o.done
		o.lines[v.index] = l
	}
	decode := l.decode[p.format]
	if decode == nil {
		decode = c.open(p.format.Format)
		l.decode[p.format] = decode
	}
	l.buf = decode(l.buf[:0], p.payload)
	if c.rate(p.format.Format) == placeRate {
		l.narrow.put(pos+skip, l.buf[min(int(skip), len(l.buf)):], stretch)
	} else {
		l.wide.put(2*(pos+skip), l.buf[min(int(2*skip), len(l.buf)):], 2*stretch)
	}
}

func (o *mixedOutput) flush(upTo int64) error {
	for o.done < upTo {
		to := min(upTo, o.done+placeRate)
		for side := range o.plan.channels() {
			o.mix[side] = slices.Grow(o.mix[side][:0], int(2*(to-o.done)))[:2*(to-o.done)]
			clear(o.mix[side])
		}
		o.plan.eachLayout(o.done, to, func(l *layout, from, to int64) {
			for side := range o.plan.channels() {
				for _, line := range l.sides[side] {
					o.addLine(line, side, from, to)
				}
			}
		})
		for _, l := range o.lines {
			if l != nil {
				l.narrow.drop(to - upsampleHalf)
				l.wide.drop(2 * to)
			}
		}
		for side := range o.plan.channels() {
			for _, s := range o.mix[side] {
				o.ready[side] = append(o.ready[side], int32(max(-32768, min(32767, s))))
			}
		}
		o.done = to
		if err := o.encode(flacBlock); err != nil {
			return err
		}
	}
	return nil
}

func (o *mixedOutput) addLine(line, side int, from, to int64) {
	l := o.lines[line]
	if l == nil {
		return
	}
	n := int(to - from)
	o.wide = slices.Grow(o.wide[:0], 2*n)[:2*n]
	l.wide.read(2*from, o.wide)
	mix := o.mix[side][2*(from-o.done):]
	for i, s := range o.wide {
		mix[i] += int(s)
	}
	l.buf = slices.Grow(l.buf[:0], n+2*upsampleHalf)[:n+2*upsampleHalf]
	l.narrow.read(from-upsampleHalf, l.buf)
	upsampleInto(mix, l.buf)
}

// encode writes blocks of samples for as long as there are at least least.
func (o *mixedOutput) encode(least int) error {
	channels := o.plan.channels()
	for len(o.ready[0]) >= least && len(o.ready[0]) > 0 {
		n := min(flacBlock, len(o.ready[0]))
		f := &frame.Frame{Header: frame.Header{
			HasFixedBlockSize: true, BlockSize: uint16(n), SampleRate: 2 * placeRate,
			Channels: frame.Channels(channels - 1), BitsPerSample: 16,
		}}
		for side := range channels {
			f.Subframes = append(f.Subframes, &frame.Subframe{
				SubHeader: frame.SubHeader{Pred: frame.PredVerbatim}, Samples: o.ready[side][:n], NSamples: n,
			})
		}
		if err := o.enc.WriteFrame(f); err != nil {
			return err
		}
		for side := range channels {
			o.ready[side] = o.ready[side][:copy(o.ready[side], o.ready[side][n:])]
		}
	}
	return nil
}

func (o *mixedOutput) close() error { return o.encode(0) }

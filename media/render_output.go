package media

import (
	"bufio"
	"math"
	"slices"
)

// lane is the audio of one line that has been placed and not yet written.
type lane[T byte | int16] struct {
	base int64 // frame of buf[0]
	buf  []T
	fill T // what stands where there is no audio

	rate    int
	linear  func(dst []int16, src []T) []int16
	coded   func(int16) T
	end     int64      // frame after the last audio
	written int64      // frame before which nothing changes any more
	faded   int64      // the end that dies away
	made    [][2]int64 // frames that are made up, from and to
}

// put writes samples at pos, before them stretch times the first one.
func (l *lane[T]) put(pos int64, samples []T, stretch int64) {
	if len(samples) == 0 || pos < l.written {
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
	l.end = pos + int64(len(samples))
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

// drop forgets what lies before pos, which is written, but for what is needed
// to go on from there.
func (l *lane[T]) drop(pos int64) {
	l.written = max(l.written, pos)
	pos = max(0, pos-int64(concealPast*l.rate/1000))
	l.made = slices.DeleteFunc(l.made, func(m [2]int64) bool { return m[1] <= pos })
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
	w      *bufio.Writer
	plan   *plan
	codec  *codec
	lanes  [maxTapeLines][]*lane[byte] // by seat
	heard  [maxTapeLines]meters
	linear []int16 // of one payload
	decode decoder
	done   int64
	bytes  []byte // of one line
	both   []byte // interleaved
}

func newRawOutput(w *bufio.Writer, p *plan) (*rawOutput, error) {
	o := &rawOutput{w: w, plan: p, codec: p.raw()}
	o.decode = o.codec.open(Format{})
	h := wavHeader(o.codec.tag, p.channels(), placeRate, 8, p.frames(placeRate))
	_, err := w.Write(h)
	return o, err
}

func (o *rawOutput) sound(v *placedLine, p *placed, pos, skip, _, stretch int64) {
	for len(o.lanes[v.index]) <= p.seat.index {
		o.lanes[v.index] = append(o.lanes[v.index], &lane[byte]{
			base: o.done, written: o.done, fill: o.codec.silence,
			rate: placeRate, linear: o.decode, coded: o.codec.encode,
		})
	}
	l := o.lanes[v.index][p.seat.index]
	l.put(pos+skip, p.payload[skip:], stretch)
	o.linear = p.format.codec.open(p.format.Format)(o.linear[:0], p.payload[skip:])
	o.heard[v.index].of(placeRate).add(o.linear)
	if p.hole && skip == 0 {
		l.mend(p.seat.cursor, pos, p.lost)
	}
}

func (o *rawOutput) flush(upTo int64) error {
	channels := o.plan.channels()
	for i, seats := range o.lanes {
		for _, l := range seats {
			if lost, long := o.plan.lines[i].long[l.end]; long && l.end < upTo {
				l.fade(l.end, lost)
			}
		}
	}
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
				for _, line := range l.sides[side] {
					o.copyMade(line, side, channels, from, to)
				}
			}
		})
		for _, seats := range o.lanes {
			for _, l := range seats {
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

// copyLine copies what a line's senders say, and the sum where several speak at
// once.
func (o *rawOutput) copyLine(line, side, channels int, from, to int64) {
	for i, l := range o.lanes[line] {
		o.bytes = slices.Grow(o.bytes[:0], int(to-from))[:to-from]
		l.read(from, o.bytes)
		l.unmade(from, o.bytes)
		at := int(from-o.done)*channels + side
		for _, b := range o.bytes {
			switch {
			case b == o.codec.silence:
			case i > 0 && o.both[at] != o.codec.silence:
				o.both[at] = o.sum(o.both[at], b)
			default:
				o.both[at] = b
			}
			at += channels
		}
	}
}

// copyMade copies what was made up of a line to where nobody says anything.
func (o *rawOutput) copyMade(line, side, channels int, from, to int64) {
	for _, l := range o.lanes[line] {
		for _, m := range l.made {
			for pos := max(from, m[0]); pos < min(to, m[1]); pos++ {
				if at := int(pos-o.done)*channels + side; o.both[at] == o.codec.silence {
					o.both[at] = l.buf[pos-l.base]
				}
			}
		}
	}
}

// sum is two samples at once, no louder than the loudest.
func (o *rawOutput) sum(a, b byte) byte {
	o.linear = o.decode(o.linear[:0], []byte{a, b})
	return o.codec.encode(int16(max(math.MinInt16, min(math.MaxInt16, int(o.linear[0])+int(o.linear[1])))))
}

func (o *rawOutput) close() error {
	if o.done*int64(o.plan.channels())%2 == 1 { // RIFF chunks have even lengths
		return o.w.WriteByte(0)
	}
	return nil
}

// mixedOutput decodes, mixes, and writes FLAC at outputRate.
type mixedOutput struct {
	plan *plan
	voices
	flac  *flacWriter
	lines [maxTapeLines]*voiceOutput
	rates map[int]*resampler
	done  int64    // frames of placeRate
	mix   [2][]int // of one flush
	ready [2][]int32
}

func newMixedOutput(w *bufio.Writer, p *plan, t Tape) (*mixedOutput, error) {
	f, err := newFLACWriter(w, p.channels(), 2*p.frames(placeRate))
	if err != nil {
		return nil, err
	}
	return &mixedOutput{plan: p, flac: f, rates: map[int]*resampler{}, voices: voices{tape: t, plan: p, decoders: map[who]decoder{}}}, nil
}

func (o *mixedOutput) sound(v *placedLine, p *placed, pos, skip, n, stretch int64) {
	if !p.format.decodes() {
		return
	}
	l := o.lines[v.index]
	if l == nil {
		l = &voiceOutput{}
		o.lines[v.index] = l
	}
	rate := p.format.codec.rate(p.format.Format)
	if o.rates[rate] == nil {
		o.rates[rate] = newResampler(rate)
	}
	at := place{pos: pos, skip: skip, n: n, stretch: stretch, done: o.done}
	if p.hole {
		at.after = p.seat.cursor
	}
	l.put(p, o.decoder(v, p), o.rates[rate], rate, at)
}

func (o *mixedOutput) flush(upTo int64) error {
	for i, l := range o.lines {
		l.rest(o.plan.lines[i], upTo)
	}
	for o.done < upTo {
		to := min(upTo, o.done+placeRate)
		for side := range o.plan.channels() {
			o.mix[side] = slices.Grow(o.mix[side][:0], int(2*(to-o.done)))[:2*(to-o.done)]
			clear(o.mix[side])
		}
		o.plan.eachLayout(o.done, to, func(l *layout, from, to int64) {
			for side := range o.plan.channels() {
				for _, line := range l.sides[side] {
					o.lines[line].add(o.mix[side][2*(from-o.done):2*(to-o.done)], 2*from)
				}
			}
		})
		for _, l := range o.lines {
			if l != nil {
				l.drop(2 * to)
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

// encode writes blocks of samples for as long as there are at least least.
func (o *mixedOutput) encode(least int) error {
	channels := o.plan.channels()
	for len(o.ready[0]) >= least && len(o.ready[0]) > 0 {
		n := min(flacBlock, len(o.ready[0]))
		var block [2][]int32
		for side := range channels {
			block[side] = o.ready[side][:n]
		}
		if err := o.flac.write(block[:channels]); err != nil {
			return err
		}
		for side := range channels {
			o.ready[side] = o.ready[side][:copy(o.ready[side], o.ready[side][n:])]
		}
	}
	return nil
}

func (o *mixedOutput) close() error { return o.encode(0) }

package media

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// placeRate is the grid on which audio is placed: 8,000 frames a second,
// whatever the recording's own rate.
const placeRate = 8000

// Rendering is a measured tape, ready to be written.
type Rendering struct {
	Facts Facts

	tape Tape
	plan *plan
}

// Measure reads a tape twice: for its length and its senders' clocks, then for
// where every packet falls on them. Memory grows with the number of gaps and
// interruptions, not with the tape. What only a program decodes is Facts.Waiting.
func Measure(t Tape) (*Rendering, error) { return (*FFmpeg)(nil).Measure(t) }

// Measure is Measure where the program decodes what is not decoded here.
func (x *FFmpeg) Measure(t Tape) (*Rendering, error) {
	p, err := survey(t, x)
	if err != nil {
		return nil, err
	}
	pl := newPlayer(p, placeRate)
	crowd := &crowd{plan: p}
	pl.sound = func(v *placedLine, q *placed, pos, skip, n, stretch int64) {
		if q.hole {
			v.plan.remember(q.seat.cursor, pos, q.lost)
		}
		crowd.sound(v, q, pos, skip, n, stretch)
	}
	if err := pl.play(t); err != nil {
		return nil, err
	}
	p.mixed = crowd.mixed
	return &Rendering{Facts: p.state(pl), tape: t, plan: p}, nil
}

// errEmpty is what WriteTo says of a tape without audio.
var errEmpty = errors.New("the tape holds no audio: there is no recording to write")

// WriteTo writes the recording strictly forward, reading the tape again. The
// same tape gives the same bytes.
func (r *Rendering) WriteTo(w io.Writer) (int64, error) {
	counted := &countingWriter{w: w}
	if r.Facts.Empty {
		return 0, errEmpty
	}
	buffered := bufio.NewWriterSize(counted, 1<<16)
	err := r.write(buffered)
	if err == nil {
		err = buffered.Flush()
	}
	if err != nil {
		return counted.n, fmt.Errorf("recording: %w", err)
	}
	return counted.n, nil
}

func (r *Rendering) write(w *bufio.Writer) error {
	pl := newPlayer(r.plan, placeRate)
	if r.plan.raw() != nil {
		out, err := newRawOutput(w, r.plan)
		if err != nil {
			return err
		}
		pl.sound, pl.flush = out.sound, out.flush
		if err := pl.play(r.tape); err != nil {
			return err
		}
		r.heard(func(line int) meters { return out.heard[line] })
		return out.close()
	}
	out, err := newMixedOutput(w, r.plan, r.tape)
	if err != nil {
		return err
	}
	defer out.stop()
	pl.sound, pl.flush = out.sound, out.flush
	if err := pl.play(r.tape); err != nil {
		return err
	}
	r.heard(func(line int) meters {
		if l := out.lines[line]; l != nil {
			return l.heard
		}
		return nil
	})
	if err := out.undecoded(&r.Facts); err != nil {
		return err
	}
	return out.close()
}

// heard adds what only the writing of the recording shows.
func (r *Rendering) heard(on func(line int) meters) {
	for i := range r.Facts.Streams {
		s := &r.Facts.Streams[i]
		s.Level = levelOf(on(s.Line))
	}
	r.Facts.judge(judgedFrom)
}

type countingWriter struct {
	w io.Writer
	n int64
}

func (c *countingWriter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}

package media

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"time"
)

const (
	patience    = 2 * time.Minute // for a program that gives nothing
	mostDecoded = 32              // senders of one tape that are decoded outside
)

// process is one sender's decoder: a run of the program, fed by a goroutine that
// reads the tape for itself. The one who decodes never waits for what it feeds,
// and the pipes are all that lies between the two.
type process struct {
	who    who
	out    *outside
	cmd    *exec.Cmd
	in     io.WriteCloser
	sound  *bufio.Reader
	cancel context.CancelFunc
	fed    chan struct{} // closed when the feeder is done

	asked, given int64 // samples
	buf          []byte
}

// start runs the program for one sender.
func (x *FFmpeg) start(w who, tape Tape, p *plan) (*process, error) {
	o := findCodec(w.format.Name).outside
	ctx, cancel := context.WithCancel(context.Background())
	args := append([]string{"-nostdin", "-hide_banner", "-loglevel", "quiet", "-protocol_whitelist", "pipe", "-threads", "1"}, o.input...)
	cmd := exec.CommandContext(ctx, x.Path, append(args, "-i", "pipe:0",
		"-map", "0:a:0", "-f", "s16le", "-c:a", "pcm_s16le", "-ac", "1", "-ar", fmt.Sprint(findCodec(w.format.Name).rate(w.format)), "pipe:1")...)
	cmd.Env, cmd.Dir, cmd.WaitDelay = []string{}, "/", time.Second
	in, err := cmd.StdinPipe()
	if err != nil {
		cancel()
		return nil, err
	}
	sound, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		cancel()
		return nil, errors.Join(err, in.Close())
	}
	confine(cmd.Process.Pid)
	q := &process{who: w, out: o, cmd: cmd, in: in, sound: bufio.NewReaderSize(sound, 1<<15), cancel: cancel, fed: make(chan struct{})}
	go func() {
		defer close(q.fed)
		defer in.Close()
		q.feed(ctx, tape, p)
	}()
	return q, nil
}

// feed gives the program what its sender sent, in the order in which it is
// placed. A program that is gone makes every write fail, and that ends it.
func (q *process) feed(ctx context.Context, tape Tape, p *plan) {
	to := bufio.NewWriterSize(q.in, 1<<12)
	if q.out.head != nil {
		to.Write(q.out.head(q.who.format)) // its error comes back with each one that follows
	}
	wrap := func(_, frame []byte) []byte { return frame }
	if q.out.wrap != nil {
		wrap = q.out.wrap(q.who.format)
	}
	var failed error
	var buf []byte
	twice := q.out.twice
	pl := newPlayer(p, placeRate)
	pl.sound = func(v *placedLine, s *placed, _, _, _, _ int64) {
		if q.who != (who{v.index, s.chain.index, s.format.Format}) {
			return
		}
		for frame := range q.out.frames(s.format.Format, s.payload) {
			if len(frame) > 0 && failed == nil {
				buf = wrap(buf[:0], frame)
				if twice {
					to.Write(buf)
				}
				twice = false
				_, failed = to.Write(buf)
			}
		}
	}
	clock := pl.onClock
	pl.onClock = func(now int64) error {
		if err := errors.Join(ctx.Err(), failed); err != nil {
			return err
		}
		return clock(now)
	}
	if pl.play(tape) == nil {
		to.Flush() // nobody is left to be told
	}
}

// decode appends the sound of a payload, silence where the program gives none.
func (q *process) decode(dst []int16, payload []byte) []int16 {
	n := q.out.samples(q.who.format)
	for frame := range q.out.frames(q.who.format, payload) {
		if len(frame) > 0 {
			if q.out.twice && q.asked == 0 {
				dst = q.read(dst, n)[:len(dst)]
			}
			dst = q.read(dst, n)
			continue
		}
		dst = append(dst, make([]int16, n)...)
	}
	return dst
}

func (q *process) read(dst []int16, n int) []int16 {
	if cap(q.buf) < 2*n {
		q.buf = make([]byte, 2*n)
	}
	buf := q.buf[:2*n]
	got := 0
	if q.asked == q.given { // nothing comes any more after a failure
		watch := time.AfterFunc(patience, q.cancel)
		got, _ = io.ReadFull(q.sound, buf)
		watch.Stop()
	}
	q.asked, q.given = q.asked+int64(n), q.given+int64(got/2)
	clear(buf[got:])
	for ; len(buf) > 0; buf = buf[2:] {
		dst = append(dst, int16(binary.LittleEndian.Uint16(buf)))
	}
	return dst
}

// stop ends the program and its feeder and waits for both.
func (q *process) stop() {
	q.cancel()
	q.cmd.Wait() // it was killed, if it had not ended: its state says nothing
	<-q.fed
}

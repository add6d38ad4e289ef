package media

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// who is a sender of a tape in one format.
type who struct {
	line, chain int
	format      Format
}

// voices are the decoders of all who speak on a tape.
type voices struct {
	tape      Tape
	plan      *plan
	decoders  map[who]decoder
	processes []*process
	refused   int   // senders for whom there is no program any more
	failed    error // what kept the program from starting
}

func (v *voices) decoder(line *placedLine, p *placed) decoder {
	w := who{line.index, p.chain.index, p.format.Format}
	if d := v.decoders[w]; d != nil {
		return d
	}
	d := v.open(w, p.format)
	v.decoders[w] = d
	return d
}

func (v *voices) open(w who, f *lineFormat) decoder {
	if !f.outside {
		return f.codec.open(f.Format)
	}
	if len(v.processes) < mostDecoded {
		q, err := v.plan.outside.start(w, v.tape, v.plan)
		if err == nil {
			v.processes = append(v.processes, q)
			return q.decode
		}
		v.failed = err
	}
	v.refused++
	return func(dst []int16, payload []byte) []int16 {
		return append(dst, make([]int16, f.codec.outside.units(f.Format, payload))...)
	}
}

// ErrUndecoded is what WriteTo says when a program did not decode what it was
// given: what was written is no recording of the tape.
var ErrUndecoded = errors.New("the program did not decode what was received")

// undecoded adds to the facts who decoded and what was not.
func (v *voices) undecoded(f *Facts) error {
	if v.failed != nil {
		return fmt.Errorf("%w: %w", ErrUndecoded, v.failed)
	}
	if v.refused > 0 {
		f.Notes = append(f.Notes, fmt.Sprintf("more than %d senders need a decoder of their own: %d are silent in the recording", mostDecoded, v.refused))
	}
	var names []string
	for _, q := range v.processes {
		if 10*q.given < 9*q.asked {
			return fmt.Errorf("%w: %s gave %d of %d samples of %s on line %d",
				ErrUndecoded, v.plan.outside.Path, q.given, q.asked, q.who.format.Name, q.who.line)
		}
		if q.given < q.asked {
			f.Notes = append(f.Notes, fmt.Sprintf("line %d: the last %d ms of its %s could not be decoded: silent in the recording",
				q.who.line, (q.asked-q.given)*1000/int64(q.who.format.Clock), q.who.format.Name))
		}
		if !slices.Contains(names, q.who.format.Name) {
			names = append(names, q.who.format.Name)
		}
	}
	if len(names) > 0 {
		f.Notes = append(f.Notes, fmt.Sprintf("decoded by FFmpeg %s: %s", v.plan.outside.Version, strings.Join(names, ", ")))
	}
	return nil
}

func (v *voices) stop() {
	for _, q := range v.processes {
		q.stop()
	}
}

package media

import (
	"math"
	"slices"
	"time"
)

// How packets find their place on the call's clock.
const (
	envelope  = 10 * time.Second       // a window of the lower envelope of delays
	deadBand  = 5 * time.Millisecond   // clock errors below this are left alone
	restart   = 150 * time.Millisecond // beyond this RTP clock and arrival tell different stories
	patience  = 400 * time.Millisecond // for which packets in a row must say so; a burst after a stall comes all at once
	reorder   = 5 * time.Second        // a packet later than this has lost its place
	stillness = 200 * time.Millisecond // shorter silences of the sender are no gap
	g711Rate  = 8000
)

// run is a stretch of one line's packets with one mapping from RTP timestamp to
// the file: position = offset + (timestamp − ts0).
type run struct {
	from   int64 // ordinal of its first packet on the line
	ts0    uint32
	offset int64 // samples
}

// timeline finds the runs of one line, in one pass over its packets. Arrival
// is the end of a packet's audio, and no packet arrives before it was spoken:
// the smallest delay seen in a window is the true one (the lower envelope).
type timeline struct {
	runs        []run
	corrections []Correction

	ssrc  uint32
	n     int64 // audio packets so far
	ts0   uint32
	base  int64 // ns: where ts0 lies by the current mapping
	first bool

	windowAt  int64 // ns: when the window began
	windowMin int64 // ns: smallest error in it
	settled   bool  // the first window is over: its minimum is the anchor

	suspects []suspect // packets in a row that are late by more than restart
}

type suspect struct {
	n     int64
	ts    uint32
	start int64
}

func ticks(n int64) int64 { return n * int64(time.Second) / g711Rate }

func samples(ns int64) int64 {
	return int64(math.Round(float64(ns) * g711Rate / float64(time.Second)))
}

// add takes the next audio packet: start is its arrival less its length, ns on
// the call's clock.
func (t *timeline) add(ssrc, ts uint32, start int64) {
	defer func() { t.n++ }()
	if len(t.runs) == 0 || ssrc != t.ssrc {
		t.begin(t.n, ssrc, ts, start)
		return
	}
	late := start - (t.base + ticks(int64(int32(ts-t.ts0))))
	switch {
	case late < -int64(restart):
		// Nothing arrives before it was spoken: the RTP clock has jumped.
		t.begin(t.n, ssrc, ts, start)
		return
	case late > int64(restart):
		t.suspects = append(t.suspects, suspect{t.n, ts, start})
		if start-t.suspects[0].start >= int64(patience) {
			t.again()
		}
		return
	}
	t.suspects = t.suspects[:0]
	t.windowMin = min(t.windowMin, late)
	if start-t.windowAt >= int64(envelope) {
		t.settle(ts, start)
	}
	// Timestamps wrap: keep the reference within reach of an int32.
	if d := int64(int32(ts - t.ts0)); d > 1<<29 {
		t.base, t.ts0 = t.base+ticks(d), ts
		last := t.runs[len(t.runs)-1]
		t.runs = append(t.runs, run{t.n, ts, last.offset + int64(int32(ts-last.ts0))})
	}
}

// begin opens a run at a packet, by its arrival.
func (t *timeline) begin(n int64, ssrc, ts uint32, start int64) {
	t.close()
	t.ssrc, t.ts0, t.base = ssrc, ts, start
	t.windowAt, t.windowMin, t.settled = start, 0, false
	t.suspects = t.suspects[:0]
	t.runs = append(t.runs, run{from: n, ts0: ts, offset: samples(start)})
}

// again opens a run where the row of late packets began: the sender's clock
// stood still, or was set back.
func (t *timeline) again() {
	row := slices.Clone(t.suspects)
	t.begin(row[0].n, t.ssrc, row[0].ts, row[0].start)
	for _, s := range row[1:] {
		t.windowMin = min(t.windowMin, s.start-(t.base+ticks(int64(int32(s.ts-t.ts0)))))
	}
}

// settle ends a window. The first one of a run moves the run's anchor; later
// ones tell how far the sender's clock has drifted.
func (t *timeline) settle(ts uint32, start int64) {
	err := t.windowMin
	t.windowAt, t.windowMin = start, math.MaxInt64
	if !t.settled {
		t.settled = true
		t.anchor(err)
		return
	}
	if err < int64(deadBand) && err > -int64(deadBand) {
		return
	}
	n := samples(err)
	last := t.runs[len(t.runs)-1]
	at := last.offset + int64(int32(ts-last.ts0))
	t.base += ticks(n)
	t.runs = append(t.runs, run{t.n, ts, at + n})
	t.corrections = append(t.corrections, Correction{At: float64(at) / g711Rate, Samples: int(n)})
}

// anchor moves the current run by err ns.
func (t *timeline) anchor(err int64) {
	t.base += err
	t.runs[len(t.runs)-1].offset = samples(t.base + ticks(int64(int32(t.runs[len(t.runs)-1].ts0-t.ts0))))
}

// close ends the current run; one shorter than a window is anchored by what it
// has.
func (t *timeline) close() {
	if len(t.runs) > 0 && !t.settled && t.windowMin < 0 {
		t.anchor(t.windowMin)
	}
}

// placer walks a finished timeline in the order of packets.
type placer struct {
	runs []run
	n    int64
}

// place returns the position of the next audio packet.
func (p *placer) place(ts uint32) int64 {
	for len(p.runs) > 1 && p.runs[1].from <= p.n {
		p.runs = p.runs[1:]
	}
	p.n++
	if len(p.runs) == 0 {
		return 0
	}
	return p.runs[0].offset + int64(int32(ts-p.runs[0].ts0))
}

// peek returns where a timestamp would lie without taking a packet.
func (p *placer) peek(ts uint32) (int64, bool) {
	if len(p.runs) == 0 {
		return 0, false
	}
	return p.runs[0].offset + int64(int32(ts-p.runs[0].ts0)), true
}

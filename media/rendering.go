package media

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Rendering is a measured tape, ready to be written.
type Rendering struct {
	Facts Facts

	tape   Tape
	start  int64 // ns
	places [][]run
	mono   bool
	mixed  bool // decoded and mixed instead of copied
	law    string
}

// measuring is the first pass over a tape.
type measuring struct {
	r       *Rendering
	started bool
	end     int64 // ns of KindEnd; 0: none
	last    int64
	open    bool
	lines   []*lineMeasure
	specs   specs
	counts  []LineCounts
	laws    map[string]bool
	uses    map[[2]int]bool // line, channel
	kept    bool
}

type lineMeasure struct {
	timeline timeline
	seq      sequence
	cover    cover
	codecs   map[string]int64
	held     []Segment
	heldFrom float64
	holding  bool
	late     int64
}

// Measure reads a tape once: length, clocks and facts. It fails only when the
// tape holds no beginning.
func Measure(t Tape) (*Rendering, error) {
	m := &measuring{r: &Rendering{tape: t}, laws: make(map[string]bool), uses: make(map[[2]int]bool)}
	for rec, err := range t() {
		if err != nil {
			m.note("the tape is damaged in one place: what could be read behind it is here")
			continue
		}
		m.take(rec)
		if m.end != 0 {
			break
		}
	}
	if !m.started {
		return nil, errors.New("the tape has no beginning")
	}
	m.conclude()
	return m.r, nil
}

func (m *measuring) note(n string) {
	if !slices.Contains(m.r.Facts.Notes, n) {
		m.r.Facts.Notes = append(m.r.Facts.Notes, n)
	}
}

func (m *measuring) seconds(at int64) float64 {
	return float64(max(0, at-m.r.start)/int64(time.Microsecond)) / 1e6
}

func (m *measuring) take(rec Record) {
	if rec.Kind != KindStart && !m.started {
		return
	}
	m.last = max(m.last, rec.At)
	switch rec.Kind {
	case KindStart:
		if !m.started {
			m.started, m.r.start = true, rec.At
		}
	case KindLine:
		m.line(rec)
	case KindGate:
		m.gate(rec)
	case KindKey:
		var k KeyPress
		if json.Unmarshal(rec.Data, &k) == nil {
			m.r.Facts.Keys = append(m.r.Facts.Keys, Key{
				At: m.seconds(rec.At), Line: int(rec.Line), Command: k.Command, Via: k.Via, Obeyed: k.Obeyed, Why: k.Why})
		}
	case KindPacket:
		m.packet(rec)
	case KindCounts:
		if err := json.Unmarshal(rec.Data, &m.counts); err != nil {
			m.note("the counts at the tape's end cannot be read")
		}
	case KindEnd:
		m.end = rec.At
	}
}

func (m *measuring) at(line uint16) *lineMeasure {
	for int(line) >= len(m.lines) {
		m.lines = append(m.lines, &lineMeasure{codecs: make(map[string]int64)})
	}
	return m.lines[line]
}

func (m *measuring) line(rec Record) {
	var s LineSpec
	if json.Unmarshal(rec.Data, &s) != nil || rec.Line > 255 {
		m.note("a line's description cannot be read")
		return
	}
	m.specs.set(int(rec.Line), s)
	l, now := m.at(rec.Line), m.seconds(rec.At)
	if !s.Receiving && !l.holding {
		l.holding, l.heldFrom = true, now
	}
	if s.Receiving && l.holding {
		l.holding = false
		l.held = append(l.held, Segment{l.heldFrom, now})
	}
}

func (m *measuring) gate(rec Record) {
	var g GateMove
	if json.Unmarshal(rec.Data, &g) != nil || g.Open == m.open {
		return
	}
	m.open = g.Open
	at := m.seconds(rec.At)
	if g.Open {
		m.r.Facts.Segments = append(m.r.Facts.Segments, Segment{Start: at, End: at})
		return
	}
	m.r.Facts.Segments[len(m.r.Facts.Segments)-1].End = at
	for _, l := range m.lines {
		l.seq.end()
	}
}

func (m *measuring) packet(rec Record) {
	p, ok := parseRTP(rec.Data)
	if !ok || rec.Line > 255 {
		return
	}
	l := m.at(rec.Line)
	ext, dup := l.seq.add(p.ssrc, sequenceNumber(rec.Data))
	f, ok := m.specs.format(int(rec.Line), p)
	if !ok || dup {
		return
	}
	rel := rec.At - m.r.start
	place := placer{runs: l.timeline.runs[max(0, len(l.timeline.runs)-1):]}
	switch f.Name {
	case "PCMU", "PCMA":
		n := int64(len(p.payload))
		l.timeline.add(p.ssrc, p.timestamp, rel-ticks(n))
		l.codecs[f.Name]++
		m.kept, m.laws[f.Name] = true, true
		m.uses[[2]int{int(rec.Line), m.specs.channel(int(rec.Line))}] = true
		last := l.timeline.runs[len(l.timeline.runs)-1]
		from := last.offset + int64(int32(p.timestamp-last.ts0))
		if from < samples(rel)-samples(int64(reorder)) {
			l.late++
		}
		l.cover.add(span{from, from + n, ext, false})
	case "TELEPHONE-EVENT":
		if from, ok := place.peek(p.timestamp); ok && len(p.payload) >= 4 {
			l.cover.add(span{from, from + int64(p.payload[2])<<8 + int64(p.payload[3]), ext, false})
		}
	case "CN":
		if from, ok := place.peek(p.timestamp); ok {
			l.cover.add(span{from, from, ext, true})
		}
	default:
		m.note("no decoder for " + f.Name + ": silence in its place")
	}
	l.cover.settle(samples(rel) - samples(int64(reorder)))
}

// conclude turns what was measured into facts.
func (m *measuring) conclude() {
	f := &m.r.Facts
	end := m.end
	if end == 0 {
		end, f.Interrupted = m.last, true
	}
	f.Duration = m.seconds(end)
	f.Rate, f.Container = g711Rate, "wav"
	f.Frames = samples(end - m.r.start)
	if n := len(f.Segments); n > 0 && m.open {
		f.Segments[n-1].End = f.Duration
	}
	f.Empty = !m.kept
	m.layout()
	for i, l := range m.lines {
		m.r.places = append(m.r.places, l.finish())
		f.Streams = append(f.Streams, m.stream(i, l))
	}
}

func (l *lineMeasure) finish() []run {
	l.timeline.close()
	l.seq.end()
	return l.timeline.runs
}

// layout decides channels and encoding.
func (m *measuring) layout() {
	f := &m.r.Facts
	m.r.mono = m.specs.single()
	f.Channels = 2
	if m.r.mono {
		f.Channels = 1
	}
	feeds := make(map[int]int)
	for use := range m.uses {
		feeds[use[1]]++
	}
	m.r.mixed = len(m.laws) > 1 || feeds[0] > 1 || feeds[1] > 1
	m.r.law = "PCMU"
	if m.laws["PCMA"] && !m.laws["PCMU"] {
		m.r.law = "PCMA"
	}
	f.Encoding = map[string]string{"PCMU": "pcmu", "PCMA": "pcma"}[m.r.law]
	if m.r.mixed {
		f.Encoding, f.Lossy = "pcm16", true
	}
}

func (m *measuring) stream(i int, l *lineMeasure) StreamFacts {
	spec := m.specs.last(i)
	s := StreamFacts{
		Line: i, Label: spec.Label, Channel: m.specs.channel(i), Packets: l.seq.packets, Lost: l.seq.lost,
		Duplicates: l.seq.dups, Late: l.late, Gaps: []Gap{},
	}
	var most int64
	for _, name := range []string{"PCMU", "PCMA"} {
		if l.codecs[name] > most {
			most, s.Codec = l.codecs[name], name
		}
	}
	kernel := false
	for _, c := range m.counts {
		if c.Line == i {
			s.Refused, kernel = c.Refused, c.KernelDrops > 0
		}
	}
	if l.holding {
		l.held = append(l.held, Segment{l.heldFrom, m.r.Facts.Duration})
	}
	l.cover.finish(m.r.Facts.Frames)
	if len(l.codecs) > 0 || l.seq.packets > 0 || len(spec.Formats) > 0 {
		s.Gaps = m.gaps(l, kernel)
	}
	for _, c := range l.timeline.corrections {
		c.Line = i
		m.r.Facts.Corrections = append(m.r.Facts.Corrections, c)
		if c.Samples < 0 {
			m.r.Facts.Lossy = true
		}
	}
	if n := len(l.timeline.corrections); n > 0 {
		m.note(fmt.Sprintf("line %d: the sender's clock was corrected %d times", i, n))
	}
	return s
}

// gaps names each hole's cause, inside the recorded segments.
func (m *measuring) gaps(l *lineMeasure, kernel bool) []Gap {
	gaps := []Gap{}
	for _, seg := range m.r.Facts.Segments {
		for _, h := range l.cover.holes {
			from, to := max(float64(h.from)/g711Rate, seg.Start), min(float64(h.to)/g711Rate, seg.End)
			if to-from <= 0 {
				continue
			}
			cause := "not-sent"
			switch {
			case overlap(l.held, from, to) > (to-from)/2:
				cause = "held"
			case h.comfort:
				cause = "dtx"
			case h.lost && kernel:
				cause = "kernel"
			case h.lost:
				cause = "lost"
			case to-from <= stillness.Seconds():
				continue
			}
			gaps = append(gaps, Gap{Start: milli(from), End: milli(to), Cause: cause})
		}
	}
	return gaps
}

func overlap(held []Segment, from, to float64) (sum float64) {
	for _, h := range held {
		sum += max(0, min(h.End, to)-max(h.Start, from))
	}
	return sum
}

func milli(s float64) float64 { return float64(int64(s*1000+0.5)) / 1000 }

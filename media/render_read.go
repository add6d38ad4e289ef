package media

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/pion/rtp"
)

const (
	nanos         = 1_000_000_000
	maxTapeSpan   = 14 * 24 * 3600 * nanos // a longer tape has a damaged time
	maxTapeLines  = 64
	maxLineChains = 256 // SSRCs of one line
	maxClock      = 192000
)

// content tells what a packet brings.
type content uint8

const (
	audio   content = iota
	noise           // comfort noise (RFC 3389)
	event           // telephone-event (RFC 4733)
	nothing         // empty, or of a payload type nobody announced
)

// lineFormat is a payload format of a line with what decodes it.
type lineFormat struct {
	Format
	content content
	codec   *codec // nil: not in the table
	outside bool   // a program decodes it
	guessed bool   // never announced, a static payload type (RFC 3551 6)
}

// tapeLine is one line while its tape is read.
type tapeLine struct {
	index   int
	spec    LineSpec
	formats [128]*lineFormat
	chains  map[uint32]*chain
	order   []*chain // in order of appearance
	outside *FFmpeg
	resumed int64 // how often it was paused and went on
}

// tapePacket is one packet of a tape, understood. Its payload is valid until
// the next record is read.
type tapePacket struct {
	line    *tapeLine
	chain   *chain
	format  *lineFormat
	content content
	at      int64 // ns since call time 0
	seq     int64 // extended
	stamp   int64 // extended
	marked  bool  // its marker bit is set
	units   int64 // RTP clock units it lasts
	opening int64 // of the gate and, after a pause, of the line
	payload []byte

	step, stampStep int64 // from the packet of its chain that arrived before
	anew            bool  // its sequence number has nothing to do with that one's
}

// tapeReader reads a tape from call time 0 to its end. Whoever reads sets the
// functions it needs.
type tapeReader struct {
	onPacket func(*tapePacket) error
	onLine   func(l *tapeLine, at int64)
	onGate   func(open bool, at int64)
	onKey    func(k Key)
	onCounts func([]LineCounts)
	onRTCP   func(l *tapeLine, compound []byte)
	onClock  func(now int64) error // before each record

	outside  *FFmpeg
	start    int64 // Unix ns of call time 0
	started  bool
	ended    bool
	now      int64 // the latest time read, ns since call time 0
	lines    [maxTapeLines]*tapeLine
	open     bool
	openings int64 // how often the gate was opened
	odd      oddities
	packet   tapePacket
}

// oddities count what could not be used.
type oddities struct {
	damaged, notRTP, lines, chains int64

	unknown [128]int64 // by payload type
	guessed [128]int64
}

var errNoStart = errors.New("the tape does not begin with the start of a call: it is no tape, or its head is damaged")

func (r *tapeReader) read(t Tape) error {
	for rec, err := range t() {
		if err != nil { // a damaged place; what lies behind it can be read
			r.odd.damaged++
			continue
		}
		if err := r.take(&rec); err != nil || r.ended {
			return err
		}
	}
	if !r.started {
		return errNoStart
	}
	return nil
}

// take reads the next record.
func (r *tapeReader) take(rec *Record) error {
	if rec.Kind >= KindLoom {
		return nil
	}
	if !r.started {
		if rec.Kind != KindStart && r.odd.damaged == 0 {
			return errNoStart
		}
		r.start, r.started = rec.At, true
		if rec.Kind == KindStart {
			return nil
		}
		// The head is damaged. What is on a tape came while its gate was open.
		r.open, r.openings = true, 1
		if r.onGate != nil {
			r.onGate(true, 0)
		}
	}
	at := max(0, rec.At-r.start)
	if at > maxTapeSpan {
		return fmt.Errorf("tape: a record is %d h after the call began: its time is damaged", at/3600/nanos)
	}
	r.now = max(r.now, at)
	if r.onClock != nil {
		if err := r.onClock(r.now); err != nil {
			return err
		}
	}
	if rec.Kind == KindEnd {
		r.ended, r.now = true, at
		return nil
	}
	return r.record(rec, at)
}

func (r *tapeReader) record(rec *Record, at int64) error {
	switch rec.Kind {
	case KindPacket:
		return r.rtp(rec, at)
	case KindRTCP:
		if int(rec.Line) < len(r.lines) && r.lines[rec.Line] != nil && r.onRTCP != nil {
			r.onRTCP(r.lines[rec.Line], rec.Data)
		}
	case KindLine:
		var spec LineSpec
		if l := r.line(rec.Line); l != nil && json.Unmarshal(rec.Data, &spec) == nil {
			l.setSpec(spec)
			if r.onLine != nil {
				r.onLine(l, at)
			}
		}
	case KindGate:
		var move GateMove
		if json.Unmarshal(rec.Data, &move) != nil {
			return nil
		}
		if move.Open && !r.open {
			r.openings++
		}
		r.open = move.Open
		if r.onGate != nil {
			r.onGate(move.Open, at)
		}
	case KindKey:
		var k KeyPress
		if r.onKey != nil && json.Unmarshal(rec.Data, &k) == nil {
			r.onKey(Key{At: seconds(at), Line: int(rec.Line), Command: k.Command, Via: k.Via, Obeyed: k.Obeyed, Why: k.Why})
		}
	case KindCounts:
		var counts []LineCounts
		if r.onCounts != nil && json.Unmarshal(rec.Data, &counts) == nil {
			r.onCounts(counts)
		}
	}
	return nil
}

func seconds(ns int64) float64 { return float64(ns) / nanos }

// line returns the line of an index, nil when there are too many.
func (r *tapeReader) line(i uint16) *tapeLine {
	if int(i) >= len(r.lines) {
		r.odd.lines++
		return nil
	}
	if r.lines[i] == nil {
		r.lines[i] = &tapeLine{index: int(i), chains: map[uint32]*chain{}, outside: r.outside}
		r.lines[i].setSpec(LineSpec{Receiving: true})
	}
	return r.lines[i]
}

func (l *tapeLine) setSpec(s LineSpec) {
	old := l.formats
	if s.Receiving && !l.spec.Receiving {
		l.resumed++
	}
	l.spec = s
	l.formats = [128]*lineFormat{}
	for _, f := range s.Formats {
		f.Name = strings.ToUpper(f.Name)
		if f.Payload > 127 || f.Clock <= 0 || f.Clock > maxClock || l.formats[f.Payload] != nil {
			continue
		}
		if o := old[f.Payload]; o != nil && o.Format == f && !o.guessed {
			l.formats[f.Payload] = o
			continue
		}
		l.formats[f.Payload] = l.newFormat(f)
	}
}

func (l *tapeLine) newFormat(f Format) *lineFormat {
	n := &lineFormat{Format: f, codec: findCodec(f.Name), outside: l.outside.Decodes(f)}
	if n.codec != nil {
		n.content = n.codec.content
	}
	return n
}

// decodes reports whether the format can be turned into sound here.
func (f *lineFormat) decodes() bool { return f.outside || f.codec.decodes(f.Format) }

// measured reports whether a payload says how long it lasts.
func (f *lineFormat) measured() bool {
	return f != nil && f.codec != nil && (f.codec.units != nil || f.codec.outside != nil && Outside(f.Format))
}

// rests reports whether the sender says with a payload that it may send nothing
// for a while.
func (f *lineFormat) rests(payload []byte) bool {
	switch {
	case f.codec == nil:
		return false
	case f.codec.outside != nil:
		return f.codec.outside.rests(f.Format, payload)
	}
	return f.codec.rests != nil && f.codec.rests(payload)
}

// format returns the format of a payload type: as announced, or one of the
// static ones an SRC may use unannounced. nil: unknown.
func (l *tapeLine) format(payloadType uint8) *lineFormat {
	if f := l.formats[payloadType]; f != nil {
		return f
	}
	means, static := staticFormat(payloadType)
	if !static {
		return nil
	}
	f := l.newFormat(means)
	f.guessed = true
	l.formats[payloadType] = f
	return f
}

func (r *tapeReader) rtp(rec *Record, at int64) error {
	var p rtp.Packet
	if len(rec.Data) < 12 || rec.Data[0]>>6 != 2 || p.Unmarshal(rec.Data) != nil {
		r.odd.notRTP++
		return nil
	}
	l := r.line(rec.Line)
	if l == nil {
		return nil
	}
	f := l.format(p.PayloadType)
	if f == nil {
		r.odd.unknown[p.PayloadType]++
		return nil
	}
	if f.guessed {
		r.odd.guessed[p.PayloadType]++
	}
	c := l.chains[p.SSRC]
	if c == nil {
		if len(l.order) == maxLineChains {
			r.odd.chains++
			return nil
		}
		c = &chain{index: len(l.order)}
		l.chains[p.SSRC] = c
		l.order = append(l.order, c)
	}
	out := &r.packet
	*out = tapePacket{line: l, chain: c, format: f, content: f.content, at: at, marked: p.Marker, payload: p.Payload}
	out.units = duration(f, p.Payload)
	if len(p.Payload) == 0 {
		out.content = nothing
	}
	if !c.take(p.SequenceNumber, p.Timestamp, r.openings+l.resumed, out) {
		return nil
	}
	return r.onPacket(out)
}

// duration returns how many clock units a packet lasts.
func duration(f *lineFormat, payload []byte) int64 {
	switch {
	case f.content == event:
		longest := int64(0)
		for ; len(payload) >= 4; payload = payload[4:] {
			longest = max(longest, int64(payload[2])<<8|int64(payload[3]))
		}
		return longest
	case f.content != audio || len(payload) == 0:
		return 0
	case f.codec != nil && f.codec.outside != nil && Outside(f.Format):
		return int64(f.codec.outside.units(f.Format, payload))
	case f.codec != nil && f.codec.units != nil:
		return int64(f.codec.units(f.Format, payload))
	}
	return int64(f.Clock / 50)
}

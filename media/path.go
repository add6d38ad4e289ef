package media

import (
	"cmp"
	"encoding/json"
	"math"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// Mode is what was decided for a call.
type Mode uint8

const (
	ModeOff       Mode = iota // nothing reaches the tape
	ModeSelective             // nothing before the start key
	ModeFull                  // everything
)

// LineSpec is what the newest offer and answer say of one line.
type LineSpec struct {
	Label     string         `json:"label"`
	Ours      bool           `json:"ours"`           // our extension speaks here: its keys count, it is the left channel
	Mixed     bool           `json:"mixed"`          // one line carries both sides
	Receiving bool           `json:"receiving"`      // negotiated sendonly/recvonly; false: inactive, the recording is paused, and nothing is kept
	Held      bool           `json:"held,omitempty"` // the party that spoke here is on hold: nothing need come
	Source    netip.AddrPort `json:"-"`              // where packets must come from; the zero value refuses nothing
	Latch     bool           `json:"-"`              // NAT: lock to the first valid source instead
	RTCP      netip.AddrPort `json:"-"`              // where receiver reports go, until RTCP has come from elsewhere
	Mux       bool           `json:"-"`              // RTCP comes to the RTP port and goes from it (RFC 5761)
	NoReports bool           `json:"-"`              // the sender wants none (RFC 3556: b=RR:0)
	Formats   []Format       `json:"formats"`
	Local     netip.AddrPort `json:"local"` // our port, for the pcap of the original
	Remote    netip.AddrPort `json:"remote"`

	// Secure lines take nothing but SRTP. Keys are those of the sender; the ones
	// that they replace stay good for what was sent before, for ten seconds.
	// Without Secure, keys open what they can and the rest is taken as it is.
	Secure bool        `json:"secure,omitempty"`
	Keys   []MasterKey `json:"-"`
	Own    *MasterKey  `json:"-"` // what we send reports under; nil: none are sent on a secure line
	DTLS   bool        `json:"-"` // keys come by DTLS: those the line has stay
}

// PathConfig makes a Path.
type PathConfig struct {
	Sink  Sink
	Mode  Mode
	Start string // command that opens a selective gate, e.g. "*1"
	Stop  string // command that shuts it, e.g. "*2"

	// InBand listens for keys in the sound of legs that send no telephone-events.
	InBand bool

	// OnEvent is told of keys and gate moves, in order, with the Path's lock
	// held: it must not block nor call the Path.
	OnEvent func(Event)
}

// Event is something a Path did by itself.
type Event struct {
	At   int64
	Line int       // -1: of no line
	Gate *GateMove // nil or
	Key  *KeyPress
}

// Path is the way of one RS's packets from arrival to tape: source lock, keys,
// gate. It is synchronous and has no goroutine; a Receiver drives it live, a
// capture drives it in replay. Safe for concurrent use; its lock is the call's
// own.
type Path struct {
	mu         sync.Mutex // guards everything below
	sink       Sink
	onEvent    func(Event)
	lines      []*line // by number; nil until SetLine
	start      string
	stop       string
	inband     bool // PathConfig.InBand
	mode       Mode
	gate       gate
	unsaid     *GateMove // opened by NewPath, which knows no time: not on tape yet
	dirty      bool      // something was appended since the last Flush
	finished   bool
	name       string // of us, in reports
	reportRoom [maxReport]byte
	err        error // the sink's first
}

// line is what a Path knows of one media line.
type line struct {
	spec     LineSpec
	codecs   [128]*codec // of spec.Formats, by payload type
	source   sourceLock
	rate     rateCap
	rtcpRate rateCap   // of its own, for its senders are less sure
	srtp     *srtpLine // nil: there were no keys
	wire     *dtlsWire // where DTLS goes; nil: nowhere
	ssrcs    ssrcSet
	reports  reporter
	keys     keypad
	signals  bool     // a telephone-event has come
	sound    *earshot // nil: its sound is not listened to
	counts   LineCounts
	opening  int   // of the gate, the last in which audio was kept
	last     int64 // arrival of the last packet that passed the source lock
}

// NewPath makes a Path. With ModeFull the gate is open from the beginning.
func NewPath(c PathConfig) *Path {
	p := &Path{sink: c.Sink, onEvent: c.OnEvent, mode: c.Mode, inband: c.InBand, name: cname()}
	p.setCommands(c.Start, c.Stop)
	if c.Mode == ModeFull {
		p.unsaid = &GateMove{Open: true, Why: "full"}
		p.gate = gate{open: true, from: math.MinInt64, moved: true}
	}
	return p
}

// SetCommands changes the commands that open and shut a selective gate. A
// command half entered is forgotten.
func (p *Path) SetCommands(start, stop string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.setCommands(start, stop)
}

// SetLine tells what line i is from at on, and puts it on the tape. i is in
// 0..65535; other lines do not exist.
func (p *Path) SetLine(i int, at int64, s LineSpec) {
	if i < 0 || i > math.MaxUint16 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.finished {
		return
	}
	p.sayGate(at)
	for len(p.lines) <= i {
		p.lines = append(p.lines, nil)
	}
	l := p.lines[i]
	if l == nil {
		l = &line{counts: LineCounts{Line: i}}
		p.lines[i] = l
	}
	s.Formats = l.announce(s.Formats)
	l.source.set(s.Source, s.Latch)
	l.secure(at, &s)
	s.Keys, s.Own = nil, nil // srtp and reports have them
	l.spec = s
	p.appendJSON(KindLine, at, i, s)
}

// announce returns formats and those that payload types meant before and still
// mean: a sender may use them until it has heard of the change, and no type may
// come to mean something else (RFC 3264 section 8.3.2).
func (l *line) announce(formats []Format) []Format {
	all := slices.Clone(formats)
	for _, old := range l.spec.Formats {
		if !slices.ContainsFunc(formats, func(f Format) bool { return f.Payload == old.Payload }) {
			all = append(all, old)
		}
	}
	l.codecs = [128]*codec{}
	for _, f := range all {
		if c := &l.codecs[f.Payload&127]; *c == nil {
			*c = findCodec(f.Name)
		}
	}
	return all
}

// SetMode applies a decision. Full opens the gate or leaves it open, off shuts
// it, selective shuts it unless the start key was pressed under this very
// decision. Packets that came before at do not pass an opening gate.
func (p *Path) SetMode(at int64, m Mode, why string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.finished {
		return
	}
	p.sayGate(at)
	marked := p.mode == ModeSelective && m == ModeSelective
	p.mode = m
	switch {
	case m == ModeFull && !p.gate.open:
		p.moveGate(at, -1, true, why)
	case m != ModeFull && p.gate.open && !marked:
		p.moveGate(at, -1, false, why)
	}
	if m != ModeFull {
		p.gate.decidedShut = true
	}
	if m != ModeSelective {
		p.deafen()
	}
}

// Press takes a key that came by signalling ("info") or from a detector
// ("inband"). digit is one of 0-9, *, #, A-D.
func (p *Path) Press(i int, at int64, digit byte, via string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.line(i)
	if l == nil || p.finished {
		return
	}
	p.sayGate(at)
	p.press(l, i, at, upperDigit(digit), via)
}

// KernelDrops adds n packets the kernel dropped on line i.
func (p *Path) KernelDrops(i int, n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if l := p.line(i); l != nil && !p.finished {
		l.counts.KernelDrops += n
	}
}

// Append puts a record of the driver's own on the tape, in order with the rest.
func (p *Path) Append(kind Kind, at int64, line uint16, data []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.finished {
		return
	}
	if kind != KindStart {
		p.sayGate(at)
	}
	p.append(kind, at, int(line), data)
}

// Flush ends a batch: the sink is flushed if anything was appended. It returns
// the sink's first error.
func (p *Path) Flush() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.flush()
}

// Counts returns what was counted so far, by line.
func (p *Path) Counts() []LineCounts {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.counts()
}

// Open reports whether the gate is open.
func (p *Path) Open() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.gate.open
}

// Finish writes KindCounts and KindEnd and flushes. Later packets are
// forgotten. It returns the sink's first error.
func (p *Path) Finish(at int64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.finished {
		return p.err
	}
	p.sayGate(at)
	p.appendJSON(KindCounts, at, 0, p.counts())
	p.append(KindEnd, at, 0, nil)
	p.deafen()
	p.finished = true
	return p.flush()
}

func (p *Path) line(i int) *line {
	if i < 0 || i >= len(p.lines) {
		return nil
	}
	return p.lines[i]
}

func (p *Path) counts() []LineCounts {
	all := make([]LineCounts, 0, len(p.lines))
	for _, l := range p.lines {
		if l == nil {
			continue
		}
		c := l.counts
		c.Lost, c.Jitter = l.reports.fared()
		if l.last != 0 {
			c.LastPacket = time.Unix(0, l.last)
		}
		all = append(all, c)
	}
	return all
}

func (p *Path) append(kind Kind, at int64, line int, data []byte) {
	p.sink.Append(kind, at, uint16(line), data)
	p.dirty = true
}

func (p *Path) appendJSON(kind Kind, at int64, line int, v any) {
	b, err := json.Marshal(v)
	if err != nil { // none of our records can be unmarshallable; the tape goes on
		p.err = cmp.Or(p.err, err)
		return
	}
	p.append(kind, at, line, b)
}

func (p *Path) flush() error {
	if !p.dirty || p.sink.Flush == nil {
		return p.err
	}
	p.dirty = false
	if err := p.sink.Flush(); err != nil && p.err == nil {
		p.err = err
	}
	return p.err
}

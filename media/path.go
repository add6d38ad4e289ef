package media

import (
	"cmp"
	"math"
	"net/netip"
	"slices"
	"sync"
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

// Path is the way of one RS's packets from arrival to tape: source lock, SRTP,
// and then the keys and the gate of each Track that has the line. It is
// synchronous and has no goroutine; a Receiver drives it live, a capture drives
// it in replay. Safe for concurrent use; its lock is the call's own.
type Path struct {
	*Track // the first one

	mu         sync.Mutex // guards everything below, and the tracks
	lines      []*line    // by number; nil until something is said of them
	tracks     []*Track   // those that are not over
	inband     bool       // PathConfig.InBand
	name       string     // of us, in reports
	reportRoom [maxReport]byte
	room       []byte // for a packet that several tracks read keys from
}

// line is what a Path knows of one media line, whoever records it.
type line struct {
	spec     LineSpec
	codecs   [128]*codec // of spec.Formats, by payload type
	source   sourceLock
	rate     rateCap
	rtcpRate rateCap   // of its own, for its senders are less sure
	srtp     *srtpLine // nil: there were no keys
	wire     *dtlsWire // where DTLS goes; nil: nowhere
	wired    bool      // there was one: what its peer says at the end is no packet that fails
	ssrcs    ssrcSet
	reports  reporter
	signals  bool // a telephone-event has come
	counts   LineCounts
	last     int64        // arrival of the last packet that passed the source lock
	on       []*trackLine // of the tracks that have it
}

// NewPath makes a Path and its first Track. With ModeFull the gate is open from
// the beginning.
func NewPath(c PathConfig) *Path {
	p := &Path{inband: c.InBand, name: cname()}
	p.Track = p.track(c)
	return p
}

// Branch makes another Track of the same RS: another recording, at once with
// those there are or after them. c.InBand does not count. Packets that came
// before its gate opens do not pass it.
func (p *Path) Branch(c PathConfig) *Track {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.track(c)
	t.gate.moved = true
	return t
}

func (p *Path) track(c PathConfig) *Track {
	t := &Track{path: p, sink: c.Sink, onEvent: c.OnEvent, mode: c.Mode}
	t.setCommands(c.Start, c.Stop)
	if c.Mode == ModeFull {
		t.unsaid = &GateMove{Open: true, Why: "full"}
		t.gate = gate{open: true, from: math.MinInt64, moved: true}
	}
	p.tracks = append(p.tracks, t)
	return t
}

// Negotiate tells what line i is from at on when no Track has it, so that
// whoever takes it next finds it ready. i is in 0..65535; other lines do not
// exist.
func (p *Path) Negotiate(i int, at int64, s LineSpec) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.negotiate(i, at, &s)
}

// negotiate completes s by what was negotiated before; nil: there is no such
// line.
func (p *Path) negotiate(i int, at int64, s *LineSpec) *line {
	if i < 0 || i > math.MaxUint16 {
		return nil
	}
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
	l.reports.receiving(s.Receiving)
	l.secure(at, s)
	s.Keys, s.Own = nil, nil // srtp and reports have them
	l.spec = *s
	return l
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

// KernelDrops adds n packets the kernel dropped on line i.
func (p *Path) KernelDrops(i int, n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if l := p.line(i); l != nil {
		l.counts.KernelDrops += n
	}
}

// Flush ends a batch: the sink of every Track is flushed if anything was
// appended to it. It returns the first error of any of them.
func (p *Path) Flush() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var first error
	for _, t := range p.tracks {
		first = cmp.Or(first, t.flush())
	}
	return first
}

func (p *Path) line(i int) *line {
	if i < 0 || i >= len(p.lines) {
		return nil
	}
	return p.lines[i]
}

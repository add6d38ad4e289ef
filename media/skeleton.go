package media

import (
	"io"
	"net/netip"
	"time"
)

// Path is the way of one RS's packets from arrival to tape: source lock, keys,
// gate. It is synchronous and has no goroutine; a Receiver drives it live, a
// capture drives it in replay. Safe for concurrent use; its lock is the call's
// own.
type Path struct{}

// NewPath makes a Path.
func NewPath(c PathConfig) *Path { panic("unbuilt") }

// SetLine tells what line i is from at on, and puts it on the tape.
func (p *Path) SetLine(i int, at int64, s LineSpec) { panic("unbuilt") }

// SetMode applies a decision. Full opens the gate, off shuts it, selective
// shuts it unless the start key had already been pressed under selective.
func (p *Path) SetMode(at int64, m Mode, why string) { panic("unbuilt") }

// Packet takes one datagram that arrived on line i. b may be changed and is not
// kept. Packets of one RS come in order of at.
func (p *Path) Packet(i int, rtcp bool, at int64, from netip.AddrPort, b []byte) { panic("unbuilt") }

// Press takes a key that came by signalling ("info") or from a detector.
func (p *Path) Press(i int, at int64, digit byte, via string) { panic("unbuilt") }

// KernelDrops adds n packets the kernel dropped on line i.
func (p *Path) KernelDrops(i int, n int64) { panic("unbuilt") }

// Append puts a record of the driver's own on the tape, in order with the rest.
func (p *Path) Append(kind Kind, at int64, line uint16, data []byte) { panic("unbuilt") }

// Flush ends a batch: the sink is flushed. It returns the sink's first error.
func (p *Path) Flush() error { panic("unbuilt") }

// Counts returns what was counted so far, by line.
func (p *Path) Counts() []LineCounts { panic("unbuilt") }

// Open reports whether the gate is open.
func (p *Path) Open() bool { panic("unbuilt") }

// Finish writes KindCounts and KindEnd and flushes. Later packets are
// forgotten.
func (p *Path) Finish(at int64) error { panic("unbuilt") }

// Receiver owns the RTP sockets of every live RS.
type Receiver struct{}

// NewReceiver starts the shards.
func NewReceiver(c ReceiverConfig) (*Receiver, error) { panic("unbuilt") }

// Close closes every socket and waits for the shards.
func (r *Receiver) Close() error { panic("unbuilt") }

// Free reports how many RTP port pairs can still be opened; -1 when unbounded.
func (r *Receiver) Free() int { panic("unbuilt") }

// Intake is the sockets of one RS, all on one shard.
type Intake struct{}

// Open makes an Intake that feeds path, with sockets on local.
func (r *Receiver) Open(path *Path, local netip.Addr) *Intake { panic("unbuilt") }

// AddLine binds an even RTP port and the odd one above it for line i.
func (in *Intake) AddLine(i int) (port uint16, err error) { panic("unbuilt") }

// CloseLine drains line i's sockets once more and quarantines the pair.
func (in *Intake) CloseLine(i int) { panic("unbuilt") }

// Hold leaves all packets in the socket buffers until it is released.
func (in *Intake) Hold(on bool) { panic("unbuilt") }

// HoldLimit returns how long Hold may last before the smallest buffer is half
// full at the offered codecs and the shortest ptime, at most 2 s.
func (in *Intake) HoldLimit() time.Duration { panic("unbuilt") }

// Listening drains this RS's shard every 20 ms while anyone listens live.
func (in *Intake) Listening(on bool) { panic("unbuilt") }

// Close drains what has arrived into the path, then quarantines every pair. It
// returns when the path will see no more packets.
func (in *Intake) Close() { panic("unbuilt") }

// Rendering is a measured tape, ready to be written.
type Rendering struct{ Facts Facts }

// Measure reads a tape once: length, clocks and facts.
func Measure(t Tape) (*Rendering, error) { panic("unbuilt") }

// WriteTo writes the recording strictly forward, reading the tape again. The
// same tape gives the same bytes.
func (r *Rendering) WriteTo(w io.Writer) (int64, error) { panic("unbuilt") }

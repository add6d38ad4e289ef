package media

import (
	"io"
	"net/netip"
	"time"
)

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

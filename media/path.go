package media

import "net/netip"

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
	Ours      bool           `json:"ours"`      // our extension speaks here: its keys count, it is the left channel
	Mixed     bool           `json:"mixed"`     // one line carries both sides
	Receiving bool           `json:"receiving"` // negotiated sendonly/recvonly; false: inactive, hold
	Source    netip.AddrPort `json:"-"`         // where packets must come from; the zero value refuses nothing
	Latch     bool           `json:"-"`         // NAT: lock to the first valid source instead
	Formats   []Format       `json:"formats"`
	Local     netip.AddrPort `json:"local"` // our port, for the pcap of the original
	Remote    netip.AddrPort `json:"remote"`
}

// PathConfig makes a Path.
type PathConfig struct {
	Sink  Sink
	Mode  Mode
	Start string // command that opens a selective gate, e.g. "*1"
	Stop  string // command that shuts it, e.g. "*2"

	// OnEvent is told of keys and gate moves, in order, with the Path's lock
	// held: it must not block nor call the Path.
	OnEvent func(Event)
}

// Event is something a Path did by itself.
type Event struct {
	At   int64
	Line int
	Gate *GateMove // nil or
	Key  *KeyPress
}

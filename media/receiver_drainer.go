package media

import (
	"cmp"
	"net/netip"
	"slices"
)

// drainer holds the packets of one Intake's sockets between the kernel and the
// path. Its memory only grows, so that a tick allocates nothing.
type drainer struct {
	batch   *recvBatch // of the system call
	arena   []byte
	arrived []arrival
}

// arrival is one datagram in the arena.
type arrival struct {
	at       int64 // Unix nanoseconds, the kernel's
	order    int   // of reading, for equal times
	from     netip.AddrPort
	start    int
	length   int
	line     int
	rtcp     bool
	tooLarge bool
}

func newDrainer() *drainer {
	return &drainer{batch: newRecvBatch(), arena: make([]byte, 0, 256<<10), arrived: make([]arrival, 0, 1024)}
}

func (d *drainer) reset() {
	d.arena, d.arrived = d.arena[:0], d.arrived[:0]
}

func (d *drainer) add(a arrival, b []byte) {
	a.order, a.start, a.length = len(d.arrived), len(d.arena), len(b)
	d.arena = append(d.arena, b...)
	d.arrived = append(d.arrived, a)
}

// deliver hands everything to the path in order of arrival.
func (d *drainer) deliver(p *Path) {
	slices.SortFunc(d.arrived, func(a, b arrival) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.order, b.order))
	})
	for i := range d.arrived {
		a := &d.arrived[i]
		b := d.arena[a.start : a.start+a.length : a.start+a.length]
		if a.tooLarge {
			b = nil // counted as no RTP
		}
		p.Packet(a.line, a.rtcp, a.at, a.from, b)
	}
	d.reset()
}

package replay

import (
	"bytes"
	"net/netip"
	"slices"
	"time"
)

// Limits of reassembly. A datagram whose fragments are not complete within
// fragmentPatience will not become so.
const (
	fragmentPatience = 30 * time.Second
	fragmentsWaiting = 512 // datagrams
	largestDatagram  = 65535
)

type fragmentKey struct {
	src, dst netip.Addr
	proto    uint8
	id       uint32
}

// pieces is one datagram in the making.
type pieces struct {
	began time.Time
	parts []piece
	size  int  // of the whole, once the last fragment is there; else -1
	done  bool // given out, or spoilt by contradicting fragments
}

type piece struct {
	offset int
	data   []byte
}

// fragments puts IP datagrams together again.
type fragments struct {
	waiting map[fragmentKey]*pieces
	missing int // datagrams given up
	clashed int // datagrams whose fragments overlap and differ (RFC 5722)
}

// add takes a fragment and returns the whole payload once it is complete.
func (f *fragments) add(d datagram, at time.Time) []byte {
	if f.waiting == nil {
		f.waiting = make(map[fragmentKey]*pieces)
	}
	key := fragmentKey{d.src, d.dst, d.proto, d.id}
	p := f.waiting[key]
	// The number of a finished datagram comes round again; within a second it is
	// a second copy of a fragment, as captures on all interfaces hold.
	if p != nil && (at.Sub(p.began) > fragmentPatience || p.done && at.Sub(p.began) > time.Second) {
		f.drop(key)
		p = nil
	}
	if p == nil {
		f.makeRoom(at)
		p = &pieces{began: at, size: -1}
		f.waiting[key] = p
	}
	if p.done {
		return nil
	}
	end := d.offset + len(d.payload)
	if d.short || end > largestDatagram || len(d.payload) == 0 || d.more && len(d.payload)%8 != 0 {
		return nil
	}
	if !p.fits(d, end) {
		f.clashed++
		p.parts, p.done = nil, true
		return nil
	}
	whole := p.join()
	if whole != nil {
		p.parts, p.done = nil, true
	}
	return whole
}

// fits puts a fragment in its place. It is false when the fragment contradicts
// another.
func (p *pieces) fits(d datagram, end int) bool {
	if !d.more {
		if p.size >= 0 && p.size != end {
			return false
		}
		p.size = end
	}
	i, found := slices.BinarySearchFunc(p.parts, d.offset, func(a piece, offset int) int { return a.offset - offset })
	if found {
		return bytes.Equal(p.parts[i].data, d.payload)
	}
	if i > 0 && p.parts[i-1].offset+len(p.parts[i-1].data) > d.offset || i < len(p.parts) && end > p.parts[i].offset {
		return false
	}
	p.parts = slices.Insert(p.parts, i, piece{d.offset, bytes.Clone(d.payload)})
	last := p.parts[len(p.parts)-1]
	return p.size < 0 || last.offset+len(last.data) <= p.size
}

func (p *pieces) join() []byte {
	next := 0
	for _, part := range p.parts {
		if part.offset != next {
			return nil
		}
		next += len(part.data)
	}
	if next != p.size {
		return nil
	}
	whole := make([]byte, 0, p.size)
	for _, part := range p.parts {
		whole = append(whole, part.data...)
	}
	return whole
}

// makeRoom gives up what is too old, and the oldest when there are too many.
func (f *fragments) makeRoom(at time.Time) {
	if len(f.waiting) < fragmentsWaiting {
		return
	}
	var oldest fragmentKey
	var when time.Time
	for key, p := range f.waiting {
		if at.Sub(p.began) > fragmentPatience || p.done && at.Sub(p.began) > time.Second {
			f.drop(key)
		} else if when.IsZero() || p.began.Before(when) {
			oldest, when = key, p.began
		}
	}
	if len(f.waiting) >= fragmentsWaiting {
		f.drop(oldest)
	}
}

func (f *fragments) drop(key fragmentKey) {
	if p := f.waiting[key]; p != nil && !p.done {
		f.missing++
	}
	delete(f.waiting, key)
}

// flush gives up what is still waiting at the end of the capture.
func (f *fragments) flush() {
	for key := range f.waiting {
		f.drop(key)
	}
}

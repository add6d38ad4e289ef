package replay

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"
	"time"
)

// Limits of TCP reassembly.
const (
	connections   = 2048             // directions followed at once
	bytesAhead    = 256 << 10        // kept of one direction while an earlier segment is missing
	segmentsAhead = 256              // likewise
	gapPatience   = time.Second      // then an acknowledged gap is one of the capture, not of the network
	idlePatience  = 10 * time.Minute // before a direction may be forgotten
)

type direction struct{ src, dst netip.AddrPort }

// stream is one direction of a TCP connection.
type stream struct {
	next    uint32 // sequence number of the byte that comes next
	open    bool
	seen    time.Time
	since   time.Time // when ahead began to wait
	ahead   []segment // by sequence number, all behind a gap
	size    int       // bytes in ahead
	ignored bool      // nothing in it is of use
}

type segment struct {
	seq  uint32
	data []byte
}

// chunk is the next bytes of a direction. lost: some before them are missing.
type chunk struct {
	data  []byte
	lost  bool
	fresh bool // the connection begins here
}

// streams puts TCP connections together again. give returns false when the
// direction is of no use and need not be followed.
type streams struct {
	dirs map[direction]*stream
	gaps int
	give func(d direction, at time.Time, c chunk) bool
}

// before is the order of sequence numbers (RFC 9293 section 3.4).
func before(a, b uint32) bool { return int32(a-b) < 0 }

// add takes a TCP segment as captured.
func (t *streams) add(src, dst netip.Addr, b []byte, at time.Time) {
	if len(b) < 20 {
		return
	}
	head := int(b[12]>>4) * 4
	if head < 20 || head > len(b) {
		return
	}
	d := direction{netip.AddrPortFrom(src, binary.BigEndian.Uint16(b)), netip.AddrPortFrom(dst, binary.BigEndian.Uint16(b[2:]))}
	seq, ack, flags, data := binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:]), b[13], b[head:]
	syn, acked, over := flags&2 != 0, flags&16 != 0, flags&(1|4) != 0
	if acked {
		if other := t.dirs[direction{d.dst, d.src}]; other != nil {
			t.acknowledged(direction{d.dst, d.src}, other, ack, at)
		}
	}
	s := t.dirs[d]
	if s == nil {
		if !syn && len(data) == 0 {
			return
		}
		s = t.follow(d, at)
	}
	s.seen = at
	if syn {
		seq++
		if !s.open || seq != s.next && len(data) == 0 {
			*s = stream{next: seq, open: true, seen: at}
			t.offer(d, s, at, chunk{fresh: true})
		}
	}
	if !s.open {
		s.next, s.open = seq, true
	}
	t.take(d, s, seq, data, at)
	if over {
		t.skip(d, s, at)
	}
}

// take puts data in its place, and gives out what has become contiguous.
func (t *streams) take(d direction, s *stream, seq uint32, data []byte, at time.Time) {
	if len(data) == 0 || s.ignored {
		return
	}
	if before(seq, s.next) {
		old := s.next - seq
		if old >= uint32(len(data)) {
			return // all of it was there before: a retransmission or a keep-alive
		}
		seq, data = s.next, data[old:]
	}
	if seq != s.next {
		s.keep(seq, data, at)
		if len(s.ahead) > segmentsAhead || s.size > bytesAhead {
			t.skip(d, s, at)
		}
		return
	}
	s.next += uint32(len(data))
	t.offer(d, s, at, chunk{data: data})
	t.drain(d, s, at, false)
}

// keep holds a segment that came before its turn.
func (s *stream) keep(seq uint32, data []byte, at time.Time) {
	i, found := slices.BinarySearchFunc(s.ahead, seq, func(a segment, seq uint32) int { return int(int32(a.seq - seq)) })
	if found {
		if len(data) <= len(s.ahead[i].data) {
			return
		}
		s.size -= len(s.ahead[i].data)
		s.ahead = slices.Delete(s.ahead, i, i+1)
	}
	if len(s.ahead) == 0 {
		s.since = at
	}
	s.ahead = slices.Insert(s.ahead, i, segment{seq, bytes.Clone(data)})
	s.size += len(data)
}

// drain gives out what follows s.next without a gap.
func (t *streams) drain(d direction, s *stream, at time.Time, lost bool) {
	for len(s.ahead) > 0 && !before(s.next, s.ahead[0].seq) {
		first := s.ahead[0]
		s.ahead = s.ahead[1:]
		s.size -= len(first.data)
		old := s.next - first.seq
		if old >= uint32(len(first.data)) {
			continue
		}
		s.next = first.seq + uint32(len(first.data))
		t.offer(d, s, at, chunk{data: first.data[old:], lost: lost})
		lost = false
	}
	s.since = at
}

// skip gives up the missing bytes before what waits.
func (t *streams) skip(d direction, s *stream, at time.Time) {
	for len(s.ahead) > 0 {
		t.gaps++
		s.next = s.ahead[0].seq
		t.drain(d, s, at, true)
	}
}

// acknowledged tells that the receiver of a direction has everything before
// ack. Bytes missing here are then missing in the capture alone; a little
// patience is for captures that hold packets out of order.
func (t *streams) acknowledged(d direction, s *stream, ack uint32, at time.Time) {
	if len(s.ahead) > 0 && before(s.ahead[0].seq, ack) && at.Sub(s.since) > gapPatience {
		t.skip(d, s, at)
	}
}

func (t *streams) offer(d direction, s *stream, at time.Time, c chunk) {
	if !s.ignored && !t.give(d, at, c) {
		s.ignored, s.ahead, s.size = true, nil, 0
	}
}

// follow begins to follow a direction, in the place of one long silent when
// there are too many.
func (t *streams) follow(d direction, at time.Time) *stream {
	if t.dirs == nil {
		t.dirs = make(map[direction]*stream)
	}
	if len(t.dirs) >= connections {
		var oldest direction
		var when time.Time
		for other, s := range t.dirs {
			if at.Sub(s.seen) > idlePatience {
				delete(t.dirs, other)
			} else if when.IsZero() || s.seen.Before(when) {
				oldest, when = other, s.seen
			}
		}
		if len(t.dirs) >= connections {
			delete(t.dirs, oldest)
		}
	}
	s := &stream{seen: at}
	t.dirs[d] = s
	return s
}

// flush gives out what still waits at the end of the capture.
func (t *streams) flush(at time.Time) {
	dirs := make([]direction, 0, len(t.dirs))
	for d, s := range t.dirs {
		if len(s.ahead) > 0 {
			dirs = append(dirs, d)
		}
	}
	slices.SortFunc(dirs, func(a, b direction) int {
		if c := a.src.Compare(b.src); c != 0 {
			return c
		}
		return a.dst.Compare(b.dst)
	})
	for _, d := range dirs {
		t.skip(d, t.dirs[d], at)
	}
}

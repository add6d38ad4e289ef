package media

import (
	"cmp"
	"slices"
)

// cover is what of one line's time is covered by packets; the holes between
// are its gaps. Packets out of order are awaited for the reorder time.
type cover struct {
	pending []span
	until   int64 // everything before is settled
	seq     int64 // of the last settled packet
	known   bool  // seq is
	comfort bool  // the last settled packet was comfort noise
	holes   []hole
}

type span struct {
	from, to int64 // samples
	seq      int64
	comfort  bool
}

type hole struct {
	from, to int64
	lost     bool // sequence numbers are missing in it
	comfort  bool // comfort noise stands before it
}

func (c *cover) add(s span) {
	i, _ := slices.BinarySearchFunc(c.pending, s.from, func(p span, from int64) int { return cmp.Compare(p.from, from) })
	c.pending = slices.Insert(c.pending, i, s)
}

// settle decides everything that ends before the position.
func (c *cover) settle(before int64) {
	n := 0
	for ; n < len(c.pending) && c.pending[n].to < before; n++ {
		s := c.pending[n]
		if s.from > c.until {
			c.holes = append(c.holes, hole{c.until, s.from, c.known && s.seq > c.seq+1, c.comfort})
		}
		if s.to > c.until {
			c.until = s.to
		}
		c.seq, c.known, c.comfort = max(c.seq, s.seq), true, s.comfort
	}
	c.pending = slices.Delete(c.pending, 0, n)
}

// finish settles the rest up to the end of the call.
func (c *cover) finish(end int64) {
	c.settle(1 << 62)
	if end > c.until {
		c.holes = append(c.holes, hole{c.until, end, false, c.comfort})
	}
}

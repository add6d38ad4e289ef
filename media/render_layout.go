package media

import "slices"

// layout is which lines sound on which channel from a time on.
type layout struct {
	from  int64 // ns
	sides [2][]int
}

// lay finds the layout of every time: our side left, all others right.
func (p *plan) lay() {
	var times []int64
	lines := 0
	for _, l := range p.lines {
		if l == nil {
			continue
		}
		lines++
		for _, s := range l.specs {
			times = append(times, s.at)
		}
	}
	p.mono = lines <= 1
	times = append(times, 0)
	slices.Sort(times)
	for _, at := range slices.Compact(times) {
		next := p.layoutAt(at)
		if n := len(p.layouts); n > 0 && slices.Equal(p.layouts[n-1].sides[0], next.sides[0]) &&
			slices.Equal(p.layouts[n-1].sides[1], next.sides[1]) {
			continue
		}
		p.layouts = append(p.layouts, next)
	}
}

// layoutAt puts the first line of ours left; with none of ours, the first line.
func (p *plan) layoutAt(at int64) layout {
	left := -1
	for i, l := range p.lines {
		if l == nil {
			continue
		}
		if l.at(at).ours {
			left = i
			break
		}
		if left < 0 {
			left = i
		}
	}
	out := layout{from: at}
	for i, l := range p.lines {
		switch {
		case l == nil:
		case i == left || p.mono:
			out.sides[0] = append(out.sides[0], i)
		default:
			out.sides[1] = append(out.sides[1], i)
		}
	}
	return out
}

// at returns what the line was at a time; before its first change, as then.
func (l *linePlan) at(at int64) lineChange {
	now := lineChange{receiving: true}
	for i, s := range l.specs {
		if s.at > at && i > 0 {
			break
		}
		now = s
	}
	return now
}

func (p *plan) channels() int {
	if p.mono {
		return 1
	}
	return 2
}

// sidesOf returns on which channel the line is when, from the beginning to the
// end.
func (p *plan) sidesOf(line int) []Side {
	var sides []Side
	for i := range p.layouts {
		l, channel := &p.layouts[i], 0
		if slices.Contains(l.sides[1], line) {
			channel = 1
		}
		if n := len(sides); n == 0 || sides[n-1].Channel != channel {
			sides = append(sides, Side{Start: seconds(l.from), Channel: channel})
		}
		sides[len(sides)-1].End = seconds(p.length)
		if i+1 < len(p.layouts) {
			sides[len(sides)-1].End = seconds(p.layouts[i+1].from)
		}
	}
	return sides
}

// eachLayout calls f for every stretch of from..to, frames, with its layout.
func (p *plan) eachLayout(from, to int64, f func(l *layout, from, to int64)) {
	for i := range p.layouts {
		end := to
		if i+1 < len(p.layouts) {
			end = min(to, stampFrames(p.layouts[i+1].from, nanos, placeRate))
		}
		if from < end {
			f(&p.layouts[i], from, end)
			from = end
		}
	}
}

const crowdSlot = placeRate / 50 // frames in which two lines count as at once

// crowd finds out whether two lines ever sound on one channel at once.
type crowd struct {
	plan  *plan
	who   [2][]uint8 // line + 1, by slot
	mixed bool
}

func (c *crowd) sound(v *placedLine, _ *placed, pos, skip, n, _ int64) {
	if c.mixed || c.plan.mono {
		return
	}
	c.plan.eachLayout(pos+skip, pos+n, func(l *layout, from, _ int64) {
		side := 0
		if slices.Contains(l.sides[1], v.index) {
			side = 1
		}
		if len(l.sides[side]) < 2 {
			return
		}
		slot := int(from / crowdSlot)
		if grow := slot + 1 - len(c.who[side]); grow > 0 {
			c.who[side] = append(c.who[side], make([]uint8, grow)...)
		}
		if who := &c.who[side][slot]; *who == 0 {
			*who = uint8(v.index + 1)
		} else if *who != uint8(v.index+1) {
			c.mixed = true
		}
	})
}

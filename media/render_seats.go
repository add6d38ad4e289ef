package media

const (
	seatSlot  = 1 * nanos   // in which a line's senders are compared
	seatSlack = 50_000_000  // ns of a slot that tell of rounding, not of two at once
	joinSpan  = 100_000_000 // ns; senders that overlap by no more follow each other: one that begins anew
	maxSeats  = 8           // senders at once on one line
)

// seat shares a line's senders out to seats: those who follow each other share
// one, whatever they call themselves, and those who speak at once do not.
func (l *linePlan) seat() {
	l.seats = make([]int, len(l.chains))
	if len(l.chains) < 2 {
		return
	}
	var taken []map[int64]int64 // by seat: ns of audio in each slot
	for k, c := range l.chains {
		mine := c.slots(l.runs[k])
		i := 0
		for i < len(taken) && i < maxSeats-1 && overlapping(taken[i], mine) > joinSpan {
			i++
		}
		if i == len(taken) {
			taken = append(taken, map[int64]int64{})
		}
		for slot, ns := range mine {
			taken[i][slot] += ns
		}
		l.seats[k] = i
	}
}

// seatCount is how many of a line's senders speak at once.
func (l *linePlan) seatCount() int {
	n := 1
	for _, i := range l.seats {
		n = max(n, i+1)
	}
	return n
}

// slots is how much audio a chain has in each slot of the call, ns.
func (c *chain) slots(runs []run) map[int64]int64 {
	slots := map[int64]int64{}
	k := 0
	for i := range c.bins {
		b := &c.bins[i]
		for k+1 < len(runs) && b.first >= runs[k+1].first {
			k++
		}
		r := &runs[k]
		from, to := r.timeOf(b.least), r.timeOf(b.most)
		for at := from; at < to; {
			slot := at / seatSlot
			end := min(to, (slot+1)*seatSlot)
			if at < 0 {
				end = min(to, 0)
				slot = -1
			}
			slots[slot] += int64(float64(b.filled) * float64(end-at) / float64(to-from))
			at = end
		}
	}
	return slots
}

// overlapping is for how long two must have spoken at once, ns.
func overlapping(taken, mine map[int64]int64) int64 {
	sum := int64(0)
	for slot, ns := range mine {
		if slot >= 0 {
			sum += max(0, ns+taken[slot]-seatSlot-seatSlack)
		}
	}
	return sum
}

package media

const (
	seqWindow  = 1024  // sequence numbers in which duplicates are known
	maxDropout = 3000  // a larger step forward is a restart (RFC 3550 A.1)
	repeatSpan = nanos // ns; the same packet again after that is no duplicate
	maxReorder = 1000  // a larger step backward is one too
)

// told is what tells a duplicate from a sender that begins again.
type told struct {
	stamp uint32
	at    int64
}

// chain is the packets of one SSRC of a line: sequence numbers and timestamps
// extended beyond their wraps, duplicates, losses, and what their arrivals say
// about the sender's clock.
type chain struct {
	index   int
	began   bool
	top     int64 // highest extended sequence number
	last    int64 // extended sequence number that arrived last
	seen    [seqWindow / 64]uint64
	told    [seqWindow]told // with the numbers seen
	stamp   int64           // extended timestamp that arrived last
	opening int64           // of the gate, to which first and received belong

	first, received int64 // of the packets since the gate opened
	lost            int64 // before that
	packets         int64
	duplicates      int64
	sounds          int64 // packets of audio: what runs are counted in
	ended           int64 // extended timestamp at the end of the latest one

	transit   int64   // ns between a packet's stamp and its arrival
	jitter    float64 // ns, as it is now (RFC 3550 6.4.1)
	jitterSum float64
	jitterMax float64

	reports statements

	bins []bin
	runs []run
	run  int // the one that the latest packet belongs to
}

// take puts a packet in sequence and sets its extended numbers. It reports
// false for a duplicate.
func (c *chain) take(seq uint16, stamp uint32, opening int64, p *tapePacket) bool {
	if !c.began {
		c.began = true
		c.top, c.stamp = int64(seq)+0x10000, int64(stamp)
		c.last, c.first, c.opening = c.top, c.top, opening
	}
	step := int64(int16(seq - uint16(c.top)))
	if step <= 0 && step > -seqWindow && c.has(c.top+step) {
		if before := c.told[(c.top+step)%seqWindow]; before.stamp == stamp && p.at-before.at < repeatSpan {
			c.duplicates++
			return false
		}
		step = -maxReorder - 1 // the same number for other audio: numbered anew
	}
	restarted := step > maxDropout || step < -maxReorder
	if restarted || opening != c.opening {
		c.settle()
	}
	ext := c.top + step
	switch {
	case restarted:
		ext = c.top&^0xFFFF + 0x20000 + int64(seq)
		c.top, c.first = ext, ext
		c.seen = [seqWindow / 64]uint64{}
	case opening != c.opening:
		c.first = ext
	}
	c.opening = opening
	for ; c.top < ext; c.top++ {
		n := (c.top + 1) % seqWindow
		c.seen[n/64] &^= 1 << (n % 64)
	}
	n := ext % seqWindow
	c.seen[n/64] |= 1 << (n % 64)
	c.told[n] = told{stamp, p.at}
	c.first = min(c.first, ext)
	c.received++
	c.packets++

	p.seq, p.opening, p.anew = ext, opening, restarted
	p.stamp = c.stamp + int64(int32(stamp-uint32(c.stamp)))
	p.step, p.stampStep = ext-c.last, p.stamp-c.stamp
	c.last, c.stamp = ext, p.stamp
	return true
}

func (c *chain) has(ext int64) bool {
	n := ext % seqWindow
	return c.seen[n/64]&(1<<(n%64)) != 0
}

// settle closes the count of losses: at a restart, and when the gate was shut.
func (c *chain) settle() {
	if c.received > 0 {
		c.lost += max(0, c.top-c.first+1-c.received)
	}
	c.received = 0
	c.first = c.top
}

// missing is how many sequence numbers never came while the gate was open.
func (c *chain) missing() int64 {
	if c.received == 0 {
		return c.lost
	}
	return c.lost + max(0, c.top-c.first+1-c.received)
}

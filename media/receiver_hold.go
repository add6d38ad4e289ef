package media

import "time"

// HoldLimit returns how long packets can be left on line i before they fill
// half of its socket buffer, when it sends the most demanding of formats;
// ptime is the length of a packet as offered, 0 when it was not. Without the
// line's sockets it is 0.
func (in *Intake) HoldLimit(i int, formats []Format, ptime time.Duration) time.Duration {
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, p := range in.pairs {
		if p.line == i {
			return holdLimit(p.rtp.readBuffer(), formats, ptime)
		}
	}
	return 0
}

// shortestPtime is what a sender that names no packet time may use.
const shortestPtime = 10 * time.Millisecond

func holdLimit(buffer int, formats []Format, ptime time.Duration) time.Duration {
	if ptime <= 0 {
		ptime = shortestPtime
	}
	most := 0
	for _, f := range formats {
		bytes := time.Duration(bytesPerSecond(f)) * ptime / time.Second
		most = max(most, bufferCost(12+int(bytes)))
	}
	return time.Duration(buffer/2/max(most, bufferCost(0))) * ptime
}

// bytesPerSecond is the most that audio of f takes.
func bytesPerSecond(f Format) int {
	c := findCodec(f.Name)
	switch {
	case c != nil && c.bytes != nil:
		return c.bytes(f)
	case c != nil && (c.content == noise || c.content == event):
		return 0
	}
	return 64_000
}

// bufferCost is what a datagram of n bytes takes of a socket buffer. Linux
// counts the block it lies in, a power of two, with its own records about it;
// the driver of a network card gives half a page to the shortest one too.
func bufferCost(n int) int {
	const (
		headers = 448 // of the packet and of its block
		record  = 256
		half    = 2048
	)
	block := half
	for block < n+headers {
		block *= 2
	}
	return block + record
}

package media

import (
	"context"
	"net/netip"
	"slices"
)

// Secure makes keys for line i by DTLS-SRTP, as the passive side, with whoever
// shows a certificate that has one of the fingerprints. failed is told, from
// another goroutine, why a handshake came to nothing. Repeated with the same
// fingerprints it changes nothing. The line has its ports.
func (in *Intake) Secure(i int, id *Identity, fingerprints []string, failed func(error)) {
	in.mu.Lock()
	old := in.handshakes[i]
	if old != nil && slices.Equal(old.peers, fingerprints) {
		in.mu.Unlock()
		return
	}
	in.mu.Unlock()
	in.unsecure(i)

	in.mu.Lock()
	defer in.mu.Unlock()
	at := slices.IndexFunc(in.pairs, func(p *pair) bool { return p.line == i })
	if at < 0 || in.closed {
		return
	}
	rtp := in.pairs[at].rtp
	h := newHandshake(in.path, i, id, fingerprints, func(to netip.AddrPort, b []byte) error { return rtp.send(to, b) }, failed)
	ctx, cancel := context.WithCancel(context.Background())
	h.cancel = cancel
	if in.handshakes == nil {
		in.handshakes = make(map[int]*handshake)
	}
	in.handshakes[i] = h
	in.path.setWire(i, h.wire)
	in.shard.listen(true) // a handshake is several round trips
	go h.run(ctx, func() { in.shard.listen(false) })
}

// unsecure ends the handshake of line i and waits for it. Its keys stay.
func (in *Intake) unsecure(i int) {
	in.mu.Lock()
	h := in.handshakes[i]
	delete(in.handshakes, i)
	in.mu.Unlock()
	if h != nil {
		in.path.setWire(i, nil)
		h.end()
	}
}

// unsecureAll is unsecure for every line.
func (in *Intake) unsecureAll() {
	in.mu.Lock()
	var lines []int
	for i := range in.handshakes {
		lines = append(lines, i)
	}
	in.mu.Unlock()
	for _, i := range lines {
		in.unsecure(i)
	}
}

package media

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
)

// portPool hands out even ports of a range, round robin, so that a port rests
// as long as possible between two calls.
type portPool struct {
	first, last int // even RTP ports; first 0: the kernel chooses

	mu   sync.Mutex // guards used, next, left
	used []bool     // by pair
	next int
	left int
}

func newPortPool(low, high uint16) (*portPool, error) {
	if low == 0 && high == 0 {
		return &portPool{}, nil
	}
	first, last := (int(low)+1)&^1, (int(high)-1)&^1
	if first < 1024 || last < first {
		return nil, fmt.Errorf("rtp ports %d-%d: no pair of an even and an odd port above 1023 among them", low, high)
	}
	n := (last-first)/2 + 1
	return &portPool{first: first, last: last, used: make([]bool, n), left: n}, nil
}

func (p *portPool) bounded() bool { return p.first != 0 }

func (p *portPool) free() int {
	if !p.bounded() {
		return -1
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.left
}

// take reserves the next free pair.
func (p *portPool) take() (port uint16, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for range p.used {
		i := p.next
		p.next = (p.next + 1) % len(p.used)
		if !p.used[i] {
			p.used[i] = true
			p.left--
			return uint16(p.first + 2*i), nil
		}
	}
	return 0, p.exhausted()
}

func (p *portPool) exhausted() error {
	return fmt.Errorf("rtp ports %d-%d: all %d pairs in use; raise [media] ports", p.first, p.last+1, len(p.used))
}

func (p *portPool) put(port uint16) {
	if !p.bounded() {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := (int(port) - p.first) / 2; p.used[i] {
		p.used[i] = false
		p.left++
	}
}

// binder opens one socket.
type binder func(netip.AddrPort) (socket, error)

// bindPair opens an even port and the odd one above it. Pairs that another
// program holds are passed over.
func (p *portPool) bindPair(local netip.Addr, bind binder) (*pair, error) {
	if !p.bounded() {
		return bindAnyPair(local, bind)
	}
	var passed []uint16
	defer func() {
		for _, port := range passed {
			p.put(port)
		}
	}()
	var firstErr error
	for {
		port, err := p.take()
		if err != nil {
			if firstErr != nil && len(passed) == len(p.used) {
				err = fmt.Errorf("rtp ports %d-%d: %w", p.first, p.last+1, firstErr)
			}
			return nil, err
		}
		pr, err := bindBoth(local, port, bind)
		if err == nil {
			return pr, nil
		}
		passed = append(passed, port)
		if firstErr == nil {
			firstErr = err
		}
		if !portTaken(err) {
			return nil, firstErr
		}
	}
}

func bindBoth(local netip.Addr, port uint16, bind binder) (*pair, error) {
	rtp, err := bind(netip.AddrPortFrom(local, port))
	if err != nil {
		return nil, err
	}
	rtcp, err := bind(netip.AddrPortFrom(local, port+1))
	if err != nil {
		rtp.close()
		return nil, err
	}
	return &pair{port: port, rtp: rtp, rtcp: rtcp}, nil
}

// bindAnyPair asks the kernel for a port until its neighbour is free too.
func bindAnyPair(local netip.Addr, bind binder) (*pair, error) {
	var last error
	for range 64 {
		one, err := bind(netip.AddrPortFrom(local, 0))
		if err != nil {
			return nil, err
		}
		port := one.localPort()
		other, err := bind(netip.AddrPortFrom(local, port^1))
		if err != nil {
			one.close()
			last = err
			continue
		}
		if port&1 != 0 {
			one, other = other, one
		}
		return &pair{port: port &^ 1, rtp: one, rtcp: other}, nil
	}
	return nil, errors.Join(errors.New("no free pair of an even and an odd udp port"), last)
}

package media

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"
)

var loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// bothReceivers runs f with the sockets of this system and with the portable
// ones, the oracle.
func bothReceivers(t *testing.T, f func(t *testing.T, c ReceiverConfig)) {
	for _, portable := range []bool{false, true} {
		if !tickDrained && !portable {
			t.Log("no tick-drained sockets on this system")
			continue
		}
		t.Run(fmt.Sprintf("portable=%v", portable), func(t *testing.T) {
			f(t, ReceiverConfig{Portable: portable, Tick: 10 * time.Millisecond, Shards: 1})
		})
	}
}

func newTestReceiver(t testing.TB, c ReceiverConfig) *Receiver {
	t.Helper()
	r, err := NewReceiver(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// liveTape is a tape that can be read while packets arrive.
type liveTape struct {
	mu      sync.Mutex
	tape    testTape
	arrived chan struct{}
}

func newLivePath(m Mode) (*Path, *liveTape) {
	t := &liveTape{arrived: make(chan struct{}, 1)}
	inner := t.tape.sink()
	p := NewPath(PathConfig{Mode: m, Start: "*1", Stop: "*2", Sink: Sink{
		Append: func(k Kind, at int64, line uint16, b []byte) {
			t.mu.Lock()
			defer t.mu.Unlock()
			inner.Append(k, at, line, b)
			select {
			case t.arrived <- struct{}{}:
			default:
			}
		},
		Flush: func() error { return nil },
	}})
	return p, t
}

func (t *liveTape) packets() (all []taped) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range t.tape.records {
		if r.Kind == KindPacket || r.Kind == KindRTCP {
			all = append(all, r)
		}
	}
	return all
}

// await waits until n packets are on the tape.
func (t *liveTape) await(tb testing.TB, n int) {
	tb.Helper()
	timeout := time.After(10 * time.Second)
	for len(t.packets()) < n {
		select {
		case <-t.arrived:
		case <-timeout:
			tb.Fatalf("%d packets on tape, want %d", len(t.packets()), n)
		}
	}
}

func addLine(t testing.TB, p *Path, in *Intake, i int, from *net.UDPConn) netip.AddrPort {
	t.Helper()
	port, err := in.AddLine(i)
	if err != nil {
		t.Fatal(err)
	}
	p.SetLine(i, time.Now().UnixNano(), LineSpec{Ours: i == 0, Source: from.LocalAddr().(*net.UDPAddr).AddrPort(), Receiving: true, Formats: g711})
	return netip.AddrPortFrom(loopback, port)
}

func testSender(t testing.TB) *net.UDPConn {
	t.Helper()
	c, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(loopback, 0)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func send(t testing.TB, c *net.UDPConn, to netip.AddrPort, b []byte) {
	t.Helper()
	if _, err := c.WriteToUDPAddrPort(b, to); err != nil {
		t.Fatal(err)
	}
}

func TestReceiverTapesWhatArrives(t *testing.T) {
	bothReceivers(t, func(t *testing.T, c ReceiverConfig) {
		r := newTestReceiver(t, c)
		p, tape := newLivePath(ModeFull)
		in := r.Open(p, loopback)
		src := testSender(t)
		to := []netip.AddrPort{addLine(t, p, in, 0, src), addLine(t, p, in, 1, src)}
		begin := time.Now().UnixNano()
		for i := range 100 {
			send(t, src, to[i%2], voice(i))
		}
		send(t, src, netip.AddrPortFrom(loopback, to[0].Port()+1), []byte{0x80, 200, 0, 1, 0, 0, 0, 1})
		tape.await(t, 101)
		in.Close()
		for i, n := range []int{50, 50} {
			var seqs []int
			for _, r := range tape.packets() {
				if r.Kind == KindPacket && r.Line == i {
					seqs = append(seqs, int(r.Data[2])<<8|int(r.Data[3]))
				}
				if r.At < begin || r.At > time.Now().UnixNano() {
					t.Fatalf("arrival at %d, sent from %d", r.At, begin)
				}
			}
			if len(seqs) != n || !slices.IsSorted(seqs) {
				t.Errorf("line %d: %v", i, seqs)
			}
		}
	})
}

func TestReceiverMergesLines(t *testing.T) {
	if !tickDrained {
		t.Skip("only tick-drained sockets are merged by the kernel's time")
	}
	r := newTestReceiver(t, ReceiverConfig{Tick: time.Hour})
	p, tape := newLivePath(ModeFull)
	in := r.Open(p, loopback)
	src := testSender(t)
	to := []netip.AddrPort{addLine(t, p, in, 0, src), addLine(t, p, in, 1, src), addLine(t, p, in, 2, src)}
	for i := range 300 {
		send(t, src, to[i*7%3], voice(i))
	}
	in.Drain()
	all := tape.packets()
	for i, r := range all {
		if seq := int(r.Data[2])<<8 | int(r.Data[3]); seq != i {
			t.Fatalf("packet %d came in place %d", seq, i)
		}
	}
	if len(all) != 300 {
		t.Errorf("%d packets", len(all))
	}
}

func TestDrainIsSynchronous(t *testing.T) {
	bothReceivers(t, func(t *testing.T, c ReceiverConfig) {
		c.Tick = time.Hour
		r := newTestReceiver(t, c)
		p, tape := newLivePath(ModeFull)
		in := r.Open(p, loopback)
		src := testSender(t)
		to := addLine(t, p, in, 0, src)
		for round := range 5 {
			for i := range 20 {
				send(t, src, to, voice(i))
			}
			in.Drain()
			if n := len(tape.packets()); n != 20*(round+1) {
				t.Fatalf("%d packets on tape after round %d", n, round)
			}
		}
	})
}

func TestHoldKeepsPacketsFromThePath(t *testing.T) {
	bothReceivers(t, func(t *testing.T, c ReceiverConfig) {
		r := newTestReceiver(t, c)
		p, tape := newLivePath(ModeFull)
		in := r.Open(p, loopback)
		in.Hold(true)
		src := testSender(t)
		to := addLine(t, p, in, 0, src)
		for i := range 50 {
			send(t, src, to, voice(i))
		}
		in.Drain()
		if limit := in.HoldLimit(0, g711, 20*time.Millisecond); limit < 900*time.Millisecond {
			t.Errorf("hold limit %v", limit)
		}
		if c := p.Counts()[0]; c.Received != 0 {
			t.Errorf("%+v while held", c)
		}
		in.Hold(false)
		in.Drain()
		if n := len(tape.packets()); n != 50 {
			t.Errorf("%d packets after the hold", n)
		}
	})
}

func TestCloseDrainsAndThenNothingComes(t *testing.T) {
	bothReceivers(t, func(t *testing.T, c ReceiverConfig) {
		c.Tick = time.Hour
		r := newTestReceiver(t, c)
		p, tape := newLivePath(ModeFull)
		in := r.Open(p, loopback)
		src := testSender(t)
		to := []netip.AddrPort{addLine(t, p, in, 0, src), addLine(t, p, in, 1, src)}
		send(t, src, to[0], voice(0))
		send(t, src, to[1], voice(1))
		in.CloseLine(0)
		send(t, src, to[0], voice(2))
		in.Close()
		send(t, src, to[1], voice(3))
		if n := len(tape.packets()); n != 2 {
			t.Errorf("%d packets on tape", n)
		}
		if _, err := in.AddLine(2); err == nil {
			t.Error("a line for a session that ended")
		}
		in.Close()
		in.Drain()
		in.CloseLine(1)
	})
}

func TestReceiverCloseEndsOpenIntakes(t *testing.T) {
	bothReceivers(t, func(t *testing.T, c ReceiverConfig) {
		c.Tick = time.Hour
		r := newTestReceiver(t, c)
		p, tape := newLivePath(ModeFull)
		in := r.Open(p, loopback)
		held := r.Open(p, loopback)
		held.Hold(true)
		src := testSender(t)
		to := addLine(t, p, in, 0, src)
		send(t, src, addLine(t, p, held, 1, src), voice(0))
		send(t, src, to, voice(0))
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		if n := len(tape.packets()); n != 2 {
			t.Errorf("%d packets on tape", n)
		}
		in.Close()
		if _, err := r.Open(p, loopback).AddLine(0); err == nil {
			t.Error("a line of a closed receiver")
		}
	})
}

func TestListeningQuickensTheTick(t *testing.T) {
	if !tickDrained {
		t.Skip("portable sockets have no tick")
	}
	r := newTestReceiver(t, ReceiverConfig{Tick: time.Hour})
	p, tape := newLivePath(ModeFull)
	in := r.Open(p, loopback)
	src := testSender(t)
	to := addLine(t, p, in, 0, src)
	in.Listening(true)
	in.Listening(true)
	send(t, src, to, voice(0))
	tape.await(t, 1)
	send(t, src, to, voice(1))
	tape.await(t, 2)
	in.Listening(false)
	if r.shards[0].listeners+r.shards[min(1, len(r.shards)-1)].listeners != 0 {
		t.Error("somebody still listens")
	}
}

func TestKernelDropsAreCounted(t *testing.T) {
	if !tickDrained {
		t.Skip("no such count on this system")
	}
	r := newTestReceiver(t, ReceiverConfig{Tick: time.Hour, ReadBuffer: 8192})
	p, _ := newLivePath(ModeFull)
	in := r.Open(p, loopback)
	src := testSender(t)
	to := addLine(t, p, in, 0, src)
	const sent = 300
	for range 2 {
		for i := range sent / 2 {
			send(t, src, to, voice(i))
		}
		in.Drain()
	}
	if limit := in.HoldLimit(0, g711, 0); limit > 50*time.Millisecond {
		t.Errorf("a small buffer holds %v", limit)
	}
	in.Close()
	if c := p.Counts()[0]; c.KernelDrops == 0 || c.Received+c.KernelDrops != sent {
		t.Errorf("%+v, want %d together", c, sent)
	}
}

func TestReceiverIPv6(t *testing.T) {
	bothReceivers(t, func(t *testing.T, c ReceiverConfig) {
		src, err := net.ListenUDP("udp6", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("[::1]:0")))
		if err != nil {
			t.Skip("no IPv6 here:", err)
		}
		defer src.Close()
		r := newTestReceiver(t, c)
		p, tape := newLivePath(ModeFull)
		in := r.Open(p, netip.IPv6Loopback())
		to := addLine(t, p, in, 0, src)
		send(t, src, netip.AddrPortFrom(netip.IPv6Loopback(), to.Port()), voice(0))
		tape.await(t, 1)
		in.Close()
	})
}

// TestReceiverUnderUse has everything an Intake can be asked for at once.
func TestReceiverUnderUse(t *testing.T) {
	bothReceivers(t, func(t *testing.T, c ReceiverConfig) {
		c.Tick, c.Quarantine, c.Shards = time.Millisecond, 5*time.Millisecond, 2
		r := newTestReceiver(t, c)
		var calls sync.WaitGroup
		for range 6 {
			src := testSender(t)
			calls.Go(func() {
				p, tape := newLivePath(ModeFull)
				in := r.Open(p, loopback)
				sent := 0
				for i := range 6 {
					to := addLine(t, p, in, i%3, src)
					in.Hold(i%2 == 0)
					in.Listening(i%2 == 0)
					for range 20 {
						send(t, src, to, voice(sent))
						sent++
					}
					in.Hold(false)
					in.Drain()
					if i >= 2 {
						in.CloseLine((i + 1) % 3)
					}
				}
				in.Close()
				if err := p.Finish(time.Now().UnixNano()); err != nil {
					t.Error(err)
				}
				if n := len(tape.packets()); n != sent {
					t.Errorf("%d packets on tape of %d", n, sent)
				}
			})
		}
		calls.Wait()
	})
}

// TestSelectiveCallLive has both kinds of sockets tape the same of one call,
// and nothing from before the key.
func TestSelectiveCallLive(t *testing.T) {
	bothReceivers(t, func(t *testing.T, c ReceiverConfig) {
		r := newTestReceiver(t, c)
		p, tape := newLivePath(ModeSelective)
		in := r.Open(p, loopback)
		src := testSender(t)
		to := []netip.AddrPort{addLine(t, p, in, 0, src), addLine(t, p, in, 1, src)}
		say := func(from, n int) {
			for i := from; i < from+n; i++ {
				send(t, src, to[i%2], voice(i))
			}
			in.Drain()
		}
		say(0, 20)
		send(t, src, to[0], eventBytes(3200, 10, true, 800))
		send(t, src, to[0], eventBytes(4800, 1, true, 800))
		in.Drain()
		if !p.Open() {
			t.Fatal("the key did not open the gate")
		}
		time.Sleep(25 * time.Millisecond) // a packet's audio must be younger than the key
		say(20, 20)
		send(t, src, to[0], eventBytes(9600, 10, true, 800))
		send(t, src, to[0], eventBytes(11200, 2, true, 800))
		in.Drain()
		say(40, 20)
		in.Close()
		var seqs []int
		for _, r := range tape.packets() {
			if r.Data[1] == pcmu {
				seqs = append(seqs, int(r.Data[3]))
			}
		}
		if len(seqs) != 20 || slices.Min(seqs) != 20 || slices.Max(seqs) != 39 {
			t.Errorf("packets on tape: %v, want 20 to 39", seqs)
		}
	})
}

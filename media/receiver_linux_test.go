package media

import (
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// BenchmarkReceiver reads packets of 20 ms from 100 lines over loopback,
// a tick's worth of five on each line at a time.
func BenchmarkReceiver(b *testing.B) {
	for _, portable := range []bool{false, true} {
		name := "ticked"
		if portable {
			name = "portable"
		}
		b.Run(name, func(b *testing.B) { benchmarkReceiver(b, portable) })
	}
}

func benchmarkReceiver(b *testing.B, portable bool) {
	const lines, perTick = 100, 5
	r := newTestReceiver(b, ReceiverConfig{Portable: portable, Tick: time.Hour})
	src := testSender(b)
	var intakes []*Intake
	var paths []*Path
	var to []netip.AddrPort
	for i := range lines {
		if i%2 == 0 {
			p := NewPath(PathConfig{Mode: ModeFull, Sink: Sink{Append: func(Kind, int64, uint16, []byte) {}}})
			paths = append(paths, p)
			intakes = append(intakes, r.Open(p, loopback))
		}
		to = append(to, addLine(b, paths[i/2], intakes[i/2], i%2, src))
	}
	b.ReportAllocs()
	var cpu time.Duration
	packets, seq := 0, 0
	for b.Loop() {
		b.StopTimer()
		before := cpuTime(b)
		for range perTick {
			seq++
			packet := voice(seq)
			for _, at := range to {
				send(b, src, at, packet)
			}
		}
		if !portable { // the senders' share is not ours
			before = cpuTime(b)
		}
		b.StartTimer()
		for _, in := range intakes {
			if portable {
				continue
			}
			in.tick(r.spare)
		}
		for portable && received(paths) < int64(packets+lines*perTick) {
			time.Sleep(time.Millisecond)
		}
		cpu += cpuTime(b) - before
		packets += lines * perTick
	}
	if n := received(paths); n != int64(packets) {
		b.Logf("%d of %d packets arrived", n, packets)
	}
	perPacket := cpu.Seconds() / float64(packets)
	b.ReportMetric(perPacket*1e6, "µs/packet")
	b.ReportMetric(perPacket*6000, "cpu-s/call-min")
}

func received(paths []*Path) (n int64) {
	for _, p := range paths {
		for _, c := range p.Counts() {
			n += c.Received
		}
	}
	return n
}

func cpuTime(b *testing.B) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func TestTickAllocatesNothing(t *testing.T) {
	r := newTestReceiver(t, ReceiverConfig{Tick: time.Hour})
	p := NewPath(PathConfig{Mode: ModeFull, Sink: Sink{Append: func(Kind, int64, uint16, []byte) {}}})
	in := r.Open(p, loopback)
	src := testSender(t)
	to := addLine(t, p, in, 0, src)
	packet := voice(1)
	n := testing.AllocsPerRun(100, func() {
		for range 5 {
			if _, err := src.WriteToUDPAddrPort(packet, to); err != nil {
				t.Fatal(err)
			}
		}
		in.tick(r.spare)
	})
	if n != 0 {
		t.Errorf("%v allocations a tick", n)
	}
	if c := p.Counts()[0]; c.Received != 505 {
		t.Errorf("%+v", c)
	}
}

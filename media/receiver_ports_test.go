package media

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestPortsAreEvenAndRestAfterUse(t *testing.T) {
	bothReceivers(t, func(t *testing.T, c ReceiverConfig) {
		c.PortMin, c.PortMax = freeRange(t, 4)
		c.Quarantine, c.Tick = time.Hour, time.Hour // the test ticks
		r := newTestReceiver(t, c)
		p, _ := newLivePath(ModeFull)
		in := r.Open(p, loopback)
		ports := map[uint16]bool{}
		for i := range 4 {
			port, err := in.AddLine(i)
			if err != nil {
				t.Fatal(err)
			}
			again, _ := in.AddLine(i)
			if port%2 != 0 || port < c.PortMin || port >= c.PortMax || ports[port] || again != port {
				t.Errorf("port %d of %d-%d, again %d", port, c.PortMin, c.PortMax, again)
			}
			ports[port] = true
		}
		_, err := in.AddLine(4)
		want := fmt.Sprintf("rtp ports %d-%d: all 4 pairs in use; raise [media] ports", c.PortMin, c.PortMax)
		if err == nil || err.Error() != want || r.Free() != 0 {
			t.Errorf("%v, free %d; want %s", err, r.Free(), want)
		}
		in.CloseLine(0)
		in.CloseLine(1)
		shard := r.shards[0]
		shard.rest(time.Now().Add(c.Quarantine - time.Minute))
		if r.Free() != 0 {
			t.Error("a pair is free before it has rested")
		}
		shard.rest(time.Now().Add(c.Quarantine))
		if r.Free() != 2 {
			t.Errorf("%d pairs free after their rest", r.Free())
		}
		if _, err := in.AddLine(4); err != nil {
			t.Error(err)
		}
	})
}

// freeRange finds n pairs nobody uses now.
func freeRange(t *testing.T, n int) (low, high uint16) {
	t.Helper()
	for range 50 {
		c := testSender(t)
		low = c.LocalAddr().(*net.UDPAddr).AddrPort().Port()&^1 - uint16(4*n)
		high = low + uint16(2*n) - 1
		if low < 1024 {
			continue
		}
		free := true
		for port := low; port <= high; port++ {
			probe, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(loopback, port)))
			if err != nil {
				free = false
				break
			}
			probe.Close()
		}
		if free {
			return low, high
		}
	}
	t.Fatal("no free range of ports")
	return 0, 0
}

func TestPairsOfOtherProgramsArePassedOver(t *testing.T) {
	bothReceivers(t, func(t *testing.T, c ReceiverConfig) {
		c.PortMin, c.PortMax = freeRange(t, 2)
		other, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(loopback, c.PortMin+1)))
		if err != nil {
			t.Fatal(err)
		}
		defer other.Close()
		r := newTestReceiver(t, c)
		p, _ := newLivePath(ModeFull)
		in := r.Open(p, loopback)
		if port, err := in.AddLine(0); err != nil || port != c.PortMin+2 {
			t.Errorf("port %d, %v", port, err)
		}
		if _, err := in.AddLine(1); err == nil {
			t.Error("a port twice")
		}
	})
}

func TestPortRanges(t *testing.T) {
	for _, c := range []struct {
		low, high uint16
		pairs     int // 0: an error
	}{{40000, 40999, 500}, {40001, 40999, 499}, {40000, 40998, 499}, {40000, 40001, 1},
		{40000, 40000, 0}, {40001, 40002, 0}, {41000, 40000, 0}, {0, 40000, 0}, {65534, 65535, 1}, {0, 0, -1}} {
		p, err := newPortPool(c.low, c.high)
		if c.pairs == 0 {
			if err == nil || !strings.Contains(err.Error(), "rtp ports") {
				t.Errorf("%d-%d: %v", c.low, c.high, err)
			}
			continue
		}
		if err != nil || p.free() != c.pairs {
			t.Errorf("%d-%d: %v, want %d pairs", c.low, c.high, err, c.pairs)
		}
	}
}

//go:build unix

package recorder

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"siprecd/media"
	"siprecd/policy"
	"siprecd/sip"
	"siprecd/store"
)

const (
	benchCalls   = 200
	benchSeconds = 10
	senderPorts  = "SIPRECD_BENCH_PORTS" // makes the test binary the sender
)

func TestMain(m *testing.M) {
	if ports := os.Getenv(senderPorts); ports != "" {
		sendTo(strings.Fields(ports))
		return
	}
	if strings.HasPrefix(filepath.Base(os.Args[0]), "decoder") {
		decodeTens()
		return
	}
	os.Exit(m.Run())
}

// sendTo sends one G.711 packet every 20 ms to each port, evenly spread, and
// prints how many. It is a process of its own, so that what it costs is not
// measured.
func sendTo(ports []string) {
	var to []netip.AddrPort
	for _, p := range ports {
		n, err := strconv.ParseUint(p, 10, 16)
		if err != nil {
			panic(err)
		}
		to = append(to, netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(n)))
	}
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		panic(err)
	}
	packet := make([]byte, 172)
	packet[0] = 0x80
	sent := 0
	began := time.Now()
	for tick := range benchSeconds * 50 {
		<-time.After(time.Until(began.Add(time.Duration(tick) * 20 * time.Millisecond)))
		binary.BigEndian.PutUint16(packet[2:], uint16(tick))
		binary.BigEndian.PutUint32(packet[4:], uint32(tick*160))
		for i, p := range to {
			binary.BigEndian.PutUint32(packet[8:], uint32(i))
			if _, err := conn.WriteToUDPAddrPort(packet, p); err == nil {
				sent++
			}
		}
	}
	fmt.Println(sent)
}

// BenchmarkReceiving is what receiving costs, up to and with the gate: nothing
// is kept.
func BenchmarkReceiving(b *testing.B) {
	benchPath(b, func() (func(int) *media.Path, func()) {
		return func(int) *media.Path {
			return media.NewPath(media.PathConfig{Sink: media.Sink{
				Append: func(media.Kind, int64, uint16, []byte) {}, Flush: func() error { return nil },
			}})
		}, nil
	})
}

// BenchmarkWholePath is what recording costs, the encrypted tape on disk
// included, and afterwards, call by call, rendering and sealing; and the same
// with recordings left in clear, which tells what sealing costs.
func BenchmarkWholePath(b *testing.B) {
	for name, clear := range map[string]bool{"sealed": false, "clear": true} {
		b.Run(name, func(b *testing.B) { benchWholePath(b, clear) })
	}
}

func benchWholePath(b *testing.B, clear bool) {
	benchPath(b, func() (func(int) *media.Path, func()) {
		s, err := store.Open(store.Options{Dir: b.TempDir(), Clear: clear})
		if err != nil {
			b.Fatal(err)
		}
		rules, _, err := policy.New(policy.Site{Default: policy.Rule{Pattern: "default", Mode: policy.Full}}, nil)
		if err != nil {
			b.Fatal(err)
		}
		settings := &Settings{Rules: rules}
		rec := &Recorder{Store: s, Settings: func() *Settings { return settings }}
		if err := rec.Start(b.Context()); err != nil {
			b.Fatal(err)
		}
		var calls []*Call
		open := func(i int) *media.Path {
			c := rec.Begin(sip.Info{CallID: fmt.Sprint(i), Arrived: time.Now()}, func(*media.Path) Ports {
				return Ports{
					Add: func(line int) (uint16, error) { return uint16(40000 + 2*line), nil }, Remove: func(int) {},
					Hold: func(bool) {}, HoldLimit: func(int, []media.Format, time.Duration) time.Duration { return 0 }, Close: func() {},
				}
			})
			calls = append(calls, c)
			c.Offer(twoLines())
			return c.Path()
		}
		return open, func() {
			before := processorTime(b)
			for _, c := range calls {
				for _, row := range c.End(time.Now(), "src", "bye") {
					if err := rec.Seal(b.Context(), &row); err != nil || row.State != store.Sealed {
						b.Errorf("%s: %v", row.State, err)
					}
				}
			}
			spent := processorTime(b) - before
			b.ReportMetric(spent.Seconds()*1000/float64(len(calls)), "cpu-ms/sealed")
			rec.Close()
			if err := s.Close(); err != nil {
				b.Error(err)
			}
		}
	})
}

// benchPath sends benchCalls calls of two lines through a Receiver and reports
// what this process spent on them.
func benchPath(b *testing.B, setup func() (path func(i int) *media.Path, end func())) {
	for b.Loop() {
		receiver, err := media.NewReceiver(media.ReceiverConfig{})
		if err != nil {
			b.Fatal(err)
		}
		path, end := setup()
		var paths []*media.Path
		var intakes []*media.Intake
		var ports []string
		for i := range benchCalls {
			p := path(i)
			in := receiver.Open(p, netip.AddrFrom4([4]byte{127, 0, 0, 1}))
			ports = append(ports, addLines(b, p, in)...)
			paths, intakes = append(paths, p), append(intakes, in)
		}
		spent, allocated, sent := measured(b, ports)
		var kept, dropped int64
		for i, p := range paths {
			intakes[i].Close()
			for _, c := range p.Counts() {
				kept, dropped = kept+c.Kept, dropped+c.KernelDrops
			}
		}
		if end != nil {
			end()
		}
		if err := receiver.Close(); err != nil {
			b.Error(err)
		}
		minutes := float64(benchCalls) * benchSeconds / 60
		b.ReportMetric(spent.Seconds()/minutes, "cpu-s/call-min")
		b.ReportMetric(float64(spent.Nanoseconds())/float64(sent), "cpu-ns/packet")
		b.ReportMetric(float64(allocated)/float64(sent), "allocs/packet")
		b.ReportMetric(float64(sent-kept), "packets-lost")
		b.ReportMetric(float64(sent), "packets")
		b.ReportMetric(0, "ns/op")
		if dropped > 0 {
			b.Logf("the kernel dropped %d packets", dropped)
		}
	}
}

// addLines makes two lines of G.711 that are kept, and returns their ports.
func addLines(b *testing.B, p *media.Path, in *media.Intake) (ports []string) {
	for line := range 2 {
		port, err := in.AddLine(line)
		if err != nil {
			b.Fatal(err)
		}
		p.SetLine(line, time.Now().UnixNano(), media.LineSpec{
			Ours: line == 0, Receiving: true, Latch: true,
			Formats: []media.Format{{Payload: 0, Name: "PCMU", Clock: 8000, Channels: 1}},
		})
		ports = append(ports, strconv.Itoa(int(port)))
	}
	p.SetMode(time.Now().UnixNano(), media.ModeFull, "bench")
	return ports
}

// measured lets the sender run and returns the CPU time and the allocations of
// this process meanwhile, and the packets sent.
func measured(b *testing.B, ports []string) (spent time.Duration, allocated uint64, sent int64) {
	b.Helper()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), senderPorts+"="+strings.Join(ports, " "))
	out, err := child.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began := processorTime(b)
	if err := child.Start(); err != nil {
		b.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	if err := child.Wait(); err != nil {
		b.Fatal(err)
	}
	spent = processorTime(b) - began
	runtime.ReadMemStats(&after)
	if sent, err = strconv.ParseInt(strings.TrimSpace(line), 10, 64); err != nil {
		b.Fatal(err)
	}
	return spent, after.Mallocs - before.Mallocs, sent
}

func processorTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

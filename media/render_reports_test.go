package media

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

// reportOf is a sender report with its CNAME; wall is ns of the sender's clock.
func reportOf(ssrc uint32, wall int64, stamp uint32, cname string) []byte {
	b := []byte{0x80, rtcpSR, 0, 6}
	b = binary.BigEndian.AppendUint32(b, ssrc)
	b = binary.BigEndian.AppendUint32(b, uint32(wall/nanos))
	b = binary.BigEndian.AppendUint32(b, uint32((wall%nanos)<<32/nanos))
	b = binary.BigEndian.AppendUint32(b, stamp)
	b = append(b, make([]byte, 8)...)
	items := append([]byte{cnameItem, byte(len(cname))}, cname...)
	items = append(items, 0)
	for len(items)%4 != 0 {
		items = append(items, 0)
	}
	b = append(b, 0x81, rtcpSDES, 0, byte(1+len(items)/4))
	b = binary.BigEndian.AppendUint32(b, ssrc)
	return append(b, items...)
}

// A leg whose packets all take 80 ms longer lies where its sender's reports put
// it, if and only if they can be believed.
func TestReportsPlaceALegThatIsLate(t *testing.T) {
	const late, calls = 80_000_000, 120 // s
	noise := rand.New(rand.NewPCG(1, 2))
	for _, c := range []struct {
		name   string
		cnames [2]string
		wrong  func() int64 // ns, of what the second leg's reports say
		late   int64
		moved  bool
	}{
		{"one wall clock", [2]string{"src", "src"}, func() int64 { return 0 }, late, true},
		{"reports off by up to 4 ms", [2]string{"src", "src"}, func() int64 { return noise.Int64N(8_000_000) - 4_000_000 }, late, true},
		{"two wall clocks", [2]string{"kim", "lee"}, func() int64 { return 0 }, late, false},
		{"nobody says whose", [2]string{"", ""}, func() int64 { return 0 }, late, false},
		{"reports at random", [2]string{"src", "src"}, func() int64 { return noise.Int64N(100_000_000) }, late, false},
		{"a clock an hour off", [2]string{"src", "src"}, func() int64 { return 3600 * nanos }, late, false},
		{"no later than a packet", [2]string{"src", "src"}, func() int64 { return 0 }, 15_000_000, false},
		{"too late for a delay", [2]string{"src", "src"}, func() int64 { return 0 }, 400_000_000, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := begin(2)
			for i := range 2 {
				l := &leg{s: s, line: uint16(i), ssrc: uint32(i + 1), stamp: uint32(i) * 0xFFFF_0000, ppm: 50, code: oneClick}
				if i == 1 {
					l.delay = func(int) int64 { return c.late }
				}
				first := l.stamp
				l.send(0, calls*50)
				for k := range int64(calls / 5) {
					at := 2*nanos + 5*k*nanos
					wall := 4_000_000_000*nanos + at + at*30/1_000_000
					stamp := first + uint32(float64(at)*8e-6*(1+50e-6))
					if i == 1 {
						wall += c.wrong()
					}
					s.add(KindRTCP, at+1_000_000, uint16(i), reportOf(l.ssrc, wall, stamp, c.cnames[i]))
				}
			}
			f, sides := render(t, s.end(calls*nanos))
			heard := [2]int{click(sides[0]), click(sides[1])}
			apart := math.Abs(float64(heard[1]-heard[0])) / 8
			want := float64(c.late) / 1e6
			if c.moved {
				want = 0
			}
			if math.Abs(apart-want) > 5 {
				t.Errorf("the legs are %.1f ms apart, want %.0f ms", apart, want)
			}
			if said := strings.Contains(strings.Join(f.Notes, "\n"), "line 1: its packets came"); said != c.moved {
				t.Errorf("notes: %q", f.Notes)
			}
		})
	}
}

// oneClick is silence with a click in the 1,000th packet.
func oneClick(n int) []byte {
	b := make([]byte, 160)
	for i := range b {
		b[i] = 0xff
	}
	if n == 1000 {
		b[80] = 0x80
	}
	return b
}

// click returns where it is.
func click(codes []byte) int {
	for i, c := range codes {
		if c == 0x80 {
			return i
		}
	}
	return -1
}

// Reports of any shape are read without harm, and a long call's are thinned out.
func TestReportsOfAnyShape(t *testing.T) {
	l := &tapeLine{chains: map[uint32]*chain{7: {sounds: 1}}}
	whole := reportOf(7, 4_000_000_000*nanos, 1, "src")
	for n := range whole {
		l.heard(whole[:n])
	}
	for i := range whole {
		for bit := range 8 {
			b := append([]byte{}, whole...)
			b[i] ^= 1 << bit
			l.heard(b)
		}
	}
	for i := range int64(20 * maxReports) {
		l.heard(reportOf(7, (4_000_000_000+i)*nanos, uint32(i), "src"))
	}
	r := l.chains[7].reports
	if n := len(r.list); n < maxReports/2 || n > maxReports || r.cname != "src" {
		t.Errorf("%d reports are kept, of %q", n, r.cname)
	}
}

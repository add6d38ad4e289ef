package replay

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

// film writes capture files for tests.
type film struct {
	buf  bytes.Buffer
	w    *pcapgo.Writer
	link layers.LinkType
	at   time.Time
}

func newFilm(t testing.TB, link layers.LinkType) *film {
	f := &film{link: link, at: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)}
	f.w = pcapgo.NewWriter(&f.buf)
	if err := f.w.WriteFileHeader(65535, link); err != nil {
		t.Fatal(err)
	}
	return f
}

// raw writes an IP packet as a frame of the film's link type.
func (f *film) raw(ip []byte) {
	f.at = f.at.Add(time.Millisecond)
	ether := uint16(etherIPv4)
	if ip[0]>>4 == 6 {
		ether = etherIPv6
	}
	var b []byte
	switch f.link {
	case linkEthernet:
		b = append(make([]byte, 12), 0x81, 0, 0, 5) // on VLAN 5
		b = binary.BigEndian.AppendUint16(b, ether)
	case linkSLL:
		b = binary.BigEndian.AppendUint16(make([]byte, 14), ether)
	case linkSLL2:
		b = append(binary.BigEndian.AppendUint16(nil, ether), make([]byte, 18)...)
	case linkNull:
		b = []byte{2, 0, 0, 0}
	}
	b = append(b, ip...)
	err := f.w.WritePacket(gopacket.CaptureInfo{Timestamp: f.at, CaptureLength: len(b), Length: len(b)}, b)
	if err != nil {
		panic(err)
	}
}

func ipPacket(src, dst netip.Addr, proto byte, payload []byte) []byte {
	if src.Is4() {
		b := make([]byte, 20)
		b[0], b[8], b[9] = 0x45, 64, proto
		binary.BigEndian.PutUint16(b[2:], uint16(20+len(payload)))
		copy(b[12:], src.AsSlice())
		copy(b[16:], dst.AsSlice())
		return append(b, payload...)
	}
	b := make([]byte, 40)
	b[0], b[6], b[7] = 0x60, proto, 64
	binary.BigEndian.PutUint16(b[4:], uint16(len(payload)))
	copy(b[8:], src.AsSlice())
	copy(b[24:], dst.AsSlice())
	return append(b, payload...)
}

func udpSegment(src, dst netip.AddrPort, payload []byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, src.Port())
	b = binary.BigEndian.AppendUint16(b, dst.Port())
	b = binary.BigEndian.AppendUint16(b, uint16(8+len(payload)))
	return append(append(b, 0, 0), payload...)
}

func (f *film) udp(src, dst netip.AddrPort, payload []byte) {
	f.raw(ipPacket(src.Addr(), dst.Addr(), protoUDP, udpSegment(src, dst, payload)))
}

// fragments cuts an IPv4 UDP datagram into IP fragments of size bytes.
func cutIPv4(src, dst netip.AddrPort, id uint16, payload []byte, size int) [][]byte {
	whole := udpSegment(src, dst, payload)
	var parts [][]byte
	for offset := 0; offset < len(whole); offset += size {
		end := min(offset+size, len(whole))
		p := ipPacket(src.Addr(), dst.Addr(), protoUDP, whole[offset:end])
		frag := uint16(offset / 8)
		if end < len(whole) {
			frag |= 0x2000
		}
		binary.BigEndian.PutUint16(p[4:], id)
		binary.BigEndian.PutUint16(p[6:], frag)
		parts = append(parts, p)
	}
	return parts
}

const (
	flagFIN = 1
	flagSYN = 2
	flagACK = 16
)

func (f *film) tcp(src, dst netip.AddrPort, seq, ack uint32, flags byte, payload []byte) {
	b := binary.BigEndian.AppendUint16(nil, src.Port())
	b = binary.BigEndian.AppendUint16(b, dst.Port())
	b = binary.BigEndian.AppendUint32(b, seq)
	b = binary.BigEndian.AppendUint32(b, ack)
	b = append(b, 5<<4, flags, 0xff, 0xff, 0, 0, 0, 0)
	f.raw(ipPacket(src.Addr(), dst.Addr(), protoTCP, append(b, payload...)))
}

var (
	alice  = netip.MustParseAddrPort("192.0.2.1:5060")
	bob    = netip.MustParseAddrPort("192.0.2.2:5062")
	alice6 = netip.MustParseAddrPort("[2001:db8::1]:5060")
	bob6   = netip.MustParseAddrPort("[2001:db8::2]:5062")
)

func readAll(t *testing.T, file []byte, tcp bool) ([]Packet, *Faults) {
	t.Helper()
	var faults Faults
	var use func(Packet) bool
	if tcp {
		use = func(Packet) bool { return true }
	}
	var all []Packet
	for p, err := range Packets(bytes.NewReader(file), &faults, use) {
		if err != nil {
			t.Fatal(err)
		}
		p.Payload = bytes.Clone(p.Payload)
		all = append(all, p)
	}
	return all, &faults
}

func TestLinkTypes(t *testing.T) {
	for _, link := range []layers.LinkType{linkEthernet, linkSLL, linkSLL2, linkNull, linkRaw} {
		f := newFilm(t, link)
		f.udp(alice, bob, []byte("four"))
		f.udp(alice6, bob6, []byte("six"))
		all, faults := readAll(t, f.buf.Bytes(), false)
		if len(all) != 2 || string(all[0].Payload) != "four" || string(all[1].Payload) != "six" {
			t.Fatalf("%v: %+v %+v", link, all, faults)
		}
		if all[0].Src != alice || all[0].Dst != bob || all[1].Src != alice6 || all[1].Dst != bob6 {
			t.Errorf("%v: from %v to %v, from %v to %v", link, all[0].Src, all[0].Dst, all[1].Src, all[1].Dst)
		}
		if notes := faults.Notes(); len(notes) > 0 {
			t.Errorf("%v: %q", link, notes)
		}
	}
}

func TestUnknownLinkTypeIsSaid(t *testing.T) {
	f := newFilm(t, layers.LinkTypeIEEE802_11)
	f.raw([]byte{0x45, 0})
	_, faults := readAll(t, f.buf.Bytes(), false)
	if notes := faults.Notes(); len(notes) != 1 || !strings.Contains(notes[0], "packets of link type 105 (802.11), which cannot be read: 1") {
		t.Errorf("%q", notes)
	}
}

func TestPcapng(t *testing.T) {
	var buf bytes.Buffer
	w, err := pcapgo.NewNgWriter(&buf, layers.LinkTypeEthernet)
	if err != nil {
		t.Fatal(err)
	}
	second, err := w.AddInterface(pcapgo.NgInterface{LinkType: linkRaw, SnapLength: 65535})
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 23, 9, 0, 0, 123456789, time.UTC)
	ip := ipPacket(alice.Addr(), bob.Addr(), protoUDP, udpSegment(alice, bob, []byte("on two interfaces")))
	ether := append(append(make([]byte, 12), 8, 0), ip...)
	for _, p := range []struct {
		i int
		b []byte
	}{{0, ether}, {second, ip}} {
		ci := gopacket.CaptureInfo{Timestamp: at, CaptureLength: len(p.b), Length: len(p.b), InterfaceIndex: p.i}
		if err := w.WritePacket(ci, p.b); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	all, faults := readAll(t, buf.Bytes(), false)
	if len(all) != 2 || string(all[1].Payload) != "on two interfaces" || !all[0].At.Equal(at) {
		t.Errorf("%+v %+v", all, faults)
	}
}

func TestTruncatedFileKeepsWhatCameBefore(t *testing.T) {
	f := newFilm(t, linkEthernet)
	for i := range 3 {
		f.udp(alice, bob, fmt.Appendf(nil, "packet %d", i))
	}
	whole := f.buf.Bytes()
	all, faults := readAll(t, whole[:len(whole)-3], false)
	if len(all) != 2 {
		t.Errorf("%d packets, want 2", len(all))
	}
	if notes := faults.Notes(); len(notes) != 1 || notes[0] != "the file ends within a packet: everything before it (2 packets) was read" {
		t.Errorf("%q", notes)
	}
}

func TestSnapLength(t *testing.T) {
	f := newFilm(t, linkRaw)
	ip := ipPacket(alice.Addr(), bob.Addr(), protoUDP, udpSegment(alice, bob, make([]byte, 160)))
	err := f.w.WritePacket(gopacket.CaptureInfo{Timestamp: f.at, CaptureLength: 96, Length: len(ip)}, ip[:96])
	if err != nil {
		t.Fatal(err)
	}
	all, faults := readAll(t, f.buf.Bytes(), false)
	if len(all) != 0 || faults.Cut != 1 || !strings.Contains(faults.Notes()[0], "tcpdump -s 0") {
		t.Errorf("%d packets, %+v", len(all), faults)
	}
}

func TestNoCapture(t *testing.T) {
	for _, file := range []string{"", "abc", "RIFF....WAVEfmt ", "\x1f\x8b\x08\x00\x00\x00\x00\x00"} {
		var got error
		for _, err := range Packets(strings.NewReader(file), &Faults{}, nil) {
			got = err
		}
		if got == nil {
			t.Errorf("%q is taken for a capture", file)
		}
	}
}

func TestFragments(t *testing.T) {
	payload := make([]byte, 5000)
	for i := range payload {
		payload[i] = byte(i * 7)
	}
	parts := cutIPv4(alice, bob, 77, payload, 1480)
	if len(parts) != 4 {
		t.Fatalf("%d fragments", len(parts))
	}
	other := slices.Clone(parts[1])
	other[40] ^= 1
	for name, c := range map[string]struct {
		order   [][]byte
		whole   int
		missing int
		clashed int
	}{
		"in order":      {parts, 1, 0, 0},
		"backwards":     {[][]byte{parts[3], parts[2], parts[1], parts[0]}, 1, 0, 0},
		"each twice":    {[][]byte{parts[0], parts[0], parts[1], parts[1], parts[2], parts[2], parts[3], parts[3]}, 1, 0, 0},
		"one missing":   {[][]byte{parts[0], parts[1], parts[3]}, 0, 1, 0},
		"contradicting": {[][]byte{parts[0], parts[1], other, parts[2], parts[3]}, 0, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFilm(t, linkEthernet)
			for _, p := range c.order {
				f.raw(p)
			}
			all, faults := readAll(t, f.buf.Bytes(), false)
			if len(all) != c.whole || faults.Missing != c.missing || faults.Clashed != c.clashed {
				t.Fatalf("%d datagrams, %d missing, %d clashed", len(all), faults.Missing, faults.Clashed)
			}
			if c.whole == 1 && !bytes.Equal(all[0].Payload, payload) {
				t.Error("the datagram differs")
			}
		})
	}
}

func TestFragmentsIPv6(t *testing.T) {
	whole := udpSegment(alice6, bob6, bytes.Repeat([]byte("0123456789abcdef"), 100))
	f := newFilm(t, linkRaw)
	for _, part := range [][2]int{{1232, len(whole)}, {0, 1232}} {
		head := []byte{protoUDP, 0, 0, 0, 0, 0, 0, 9}
		frag := uint16(part[0])
		if part[1] < len(whole) {
			frag |= 1
		}
		binary.BigEndian.PutUint16(head[2:], frag)
		f.raw(ipPacket(alice6.Addr(), bob6.Addr(), 44, append(head, whole[part[0]:part[1]]...)))
	}
	all, _ := readAll(t, f.buf.Bytes(), false)
	if len(all) != 1 || !bytes.Equal(all[0].Payload, whole[8:]) {
		t.Errorf("%d datagrams", len(all))
	}
}

// TestTCPOrder sends one text in segments that come shuffled, twice, and
// overlapping, and expects it back.
func TestTCPOrder(t *testing.T) {
	text := bytes.Repeat([]byte("the quick brown fox jumps over the lazy dog. "), 60)
	for seed := range uint64(20) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		type cut struct{ from, to int }
		var cuts []cut
		for from := 0; from < len(text); {
			to := min(from+1+rnd.IntN(200), len(text))
			cuts = append(cuts, cut{max(0, from-rnd.IntN(20)), to})
			from = to
		}
		for range 5 {
			cuts = append(cuts, cuts[rnd.IntN(len(cuts))])
		}
		rnd.Shuffle(len(cuts), func(i, j int) { cuts[i], cuts[j] = cuts[j], cuts[i] })
		f := newFilm(t, linkEthernet)
		start := uint32(0xffffff00) // wraps within the text
		f.tcp(alice, bob, start-1, 0, flagSYN, nil)
		for _, c := range cuts {
			f.tcp(alice, bob, start+uint32(c.from), 0, flagACK, text[c.from:c.to])
		}
		all, faults := readAll(t, f.buf.Bytes(), true)
		var got []byte
		for _, p := range all {
			got = append(got, p.Payload...)
		}
		if !bytes.Equal(got, text) || faults.Gaps != 0 {
			t.Fatalf("seed %d: %d bytes of %d, %d gaps", seed, len(got), len(text), faults.Gaps)
		}
	}
}

func TestTCPLostSegment(t *testing.T) {
	f := newFilm(t, linkEthernet)
	f.tcp(alice, bob, 99, 0, flagSYN, nil)
	f.tcp(alice, bob, 100, 0, flagACK, []byte("before"))
	f.tcp(alice, bob, 110, 0, flagACK, []byte("after"))
	f.at = f.at.Add(2 * time.Second)
	f.tcp(bob, alice, 500, 115, flagACK, nil) // bob has it all: the capture has not
	f.tcp(alice, bob, 115, 0, flagACK|flagFIN, []byte(" it"))
	all, faults := readAll(t, f.buf.Bytes(), true)
	var got []string
	for _, p := range all {
		if p.Lost {
			got = append(got, "(lost)")
		}
		got = append(got, string(p.Payload))
	}
	if strings.Join(got, "") != "before(lost)after it" || faults.Gaps != 1 {
		t.Errorf("%q, %d gaps", got, faults.Gaps)
	}
}

func FuzzCapture(f *testing.F) {
	small := newFilm(f, linkEthernet)
	small.udp(alice, bob, []byte("OPTIONS sip:x SIP/2.0\r\n\r\n"))
	for _, p := range cutIPv4(alice, bob, 7, []byte(strings.Repeat("INVITE ", 20)), 64) {
		small.raw(p)
	}
	small.tcp(alice, bob, 1, 0, flagSYN, nil)
	small.tcp(alice, bob, 3, 0, flagACK, []byte("VITE sip:x SIP/2.0\r\nCall-ID: a\r\n\r\n"))
	small.tcp(alice, bob, 2, 0, flagACK, []byte("I"))
	f.Add(small.buf.Bytes())
	if whole, err := os.ReadFile("../../../testdata/rtp/opensips-call.pcap"); err == nil {
		f.Add(whole[:8000])
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		plan, err := Survey(bytes.NewReader(file), nil)
		if again, _ := Survey(bytes.NewReader(file), nil); !reflect.DeepEqual(plan, again) {
			t.Errorf("the same capture came to %+v and to %+v", plan, again)
		}
		if (plan == nil) == (err == nil) {
			t.Fatalf("plan %v, error %v", plan, err)
		}
		if plan == nil {
			return
		}
		for _, s := range plan.Sessions {
			if len(s.Offers) == 0 || !slices.IsSortedFunc(s.Offers, func(a, b Offer) int { return a.At.Compare(b.At) }) {
				t.Errorf("%d offers, or not in order", len(s.Offers))
			}
		}
	})
}

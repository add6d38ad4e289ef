package replay

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/gopacket/gopacket/layers"
)

// Packet is what one record of a capture came to: a UDP datagram put together
// from its fragments, or the next bytes of one direction of a TCP connection.
// Its payload is valid until the next one.
type Packet struct {
	At       time.Time
	TCP      bool
	Src, Dst netip.AddrPort
	Payload  []byte
	Lost     bool // TCP: bytes before these are not in the capture
	Fresh    bool // TCP: the connection begins, there is no payload
}

// Faults counts what in a capture could not be used.
type Faults struct {
	Frames   int   // records read
	Ended    error // why reading stopped before the end of the file
	Cut      int   // packets of which the capture holds the beginning only
	Broken   int   // damaged IP, UDP or TCP headers
	Missing  int   // datagrams with fragments missing
	Clashed  int   // datagrams with contradicting fragments
	Gaps     int   // places where bytes of a TCP connection are missing
	Links    map[layers.LinkType]int
	Backward time.Duration // the largest step of the capture's clock back
}

// Notes says the same in words.
func (f *Faults) Notes() []string {
	var notes []string
	say := func(n int, format string) {
		if n > 0 {
			notes = append(notes, fmt.Sprintf(format, n))
		}
	}
	if f.Ended != nil {
		if errors.Is(f.Ended, io.ErrUnexpectedEOF) {
			notes = append(notes, fmt.Sprintf("the file ends within a packet: everything before it (%d packets) was read", f.Frames))
		} else {
			notes = append(notes, fmt.Sprintf("the file is damaged after packet %d (%v): everything before was read", f.Frames, f.Ended))
		}
	}
	say(f.Cut, "packets that were cut short when they were captured, and are not used: %d (capture with tcpdump -s 0)")
	say(f.Broken, "packets with damaged headers, passed over: %d")
	say(f.Missing, "IP datagrams of which fragments are not in the capture: %d")
	say(f.Clashed, "IP datagrams whose fragments contradict each other, passed over: %d")
	say(f.Gaps, "places in TCP connections where bytes are missing, for the capture does not hold every packet: %d")
	for _, link := range slices.Sorted(maps.Keys(f.Links)) {
		notes = append(notes, fmt.Sprintf("packets of link type %d (%s), which cannot be read: %d", link, link, f.Links[link]))
	}
	if f.Backward > time.Second {
		notes = append(notes, fmt.Sprintf("the capture's clock goes back by up to %v: the order of packets was kept", f.Backward))
	}
	return notes
}

// reader takes a capture apart.
type reader struct {
	*Faults
	frags   fragments
	streams streams
	useTCP  func(Packet) bool
	at      time.Time
	yield   func(Packet, error) bool
	stopped bool
}

// Packets yields what a capture holds, in its order. A damaged file ends the
// sequence without an error: faults says what was wrong. The error is for a
// file that is no capture at all. useTCP says of the bytes of a TCP direction
// whether more of it is wanted; nil: none is.
func Packets(file io.Reader, faults *Faults, useTCP func(Packet) bool) iter.Seq2[Packet, error] {
	return func(yield func(Packet, error) bool) {
		f, err := openFrames(file)
		if err != nil {
			yield(Packet{}, err)
			return
		}
		r := &reader{Faults: faults, useTCP: useTCP, yield: yield}
		r.streams.give = r.tcp
		for !r.stopped {
			frame, err := f.read()
			if err != nil {
				if !errors.Is(err, io.EOF) {
					faults.Ended = err
				}
				break
			}
			faults.Frames++
			r.frame(frame)
		}
		if !r.stopped {
			r.streams.flush(r.at)
		}
		r.frags.flush()
		faults.Missing, faults.Clashed, faults.Gaps = r.frags.missing, r.frags.clashed, r.streams.gaps
	}
}

func (r *reader) frame(f frame) {
	if back := r.at.Sub(f.at); back > r.Backward && !r.at.IsZero() {
		r.Backward = back
	}
	r.at = f.at
	b, known := network(f.link, f.data)
	if !known {
		if r.Links == nil {
			r.Links = make(map[layers.LinkType]int)
		}
		r.Links[f.link]++
		return
	}
	if b == nil {
		return
	}
	d, ok := parseIP(b)
	if !ok || d.short && !f.cut {
		r.Broken++
		return
	}
	if d.proto != protoUDP && d.proto != protoTCP {
		return
	}
	if d.short {
		r.Cut++
		return
	}
	payload := d.payload
	if d.fragment {
		if payload = r.frags.add(d, f.at); payload == nil {
			return
		}
	}
	if d.proto == protoTCP {
		if r.useTCP != nil {
			r.streams.add(d.src, d.dst, payload, f.at)
		}
		return
	}
	r.udp(d, payload)
}

func (r *reader) udp(d datagram, b []byte) {
	if len(b) < 8 {
		r.Broken++
		return
	}
	length := int(binary.BigEndian.Uint16(b[4:]))
	if length == 0 {
		length = len(b) // a jumbogram, or offloaded
	}
	if length < 8 || length > len(b) {
		r.Broken++
		return
	}
	r.give(Packet{
		At:      r.at,
		Src:     netip.AddrPortFrom(d.src, binary.BigEndian.Uint16(b)),
		Dst:     netip.AddrPortFrom(d.dst, binary.BigEndian.Uint16(b[2:])),
		Payload: b[8:length],
	})
}

func (r *reader) tcp(d direction, at time.Time, c chunk) bool {
	p := Packet{At: at, TCP: true, Src: d.src, Dst: d.dst, Payload: c.data, Lost: c.lost, Fresh: c.fresh}
	if !r.useTCP(p) {
		return false
	}
	r.give(p)
	return true
}

func (r *reader) give(p Packet) {
	if !r.stopped && !r.yield(p, nil) {
		r.stopped = true
	}
}

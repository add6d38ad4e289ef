package place

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"siprecd/media"
)

// Pairs sends the media of both lines of calls whose signalling somebody else
// does, such as SIPp.
type Pairs struct {
	Host   netip.Addr // of destinations given as a port alone
	Source netip.Addr // to send from
	Codec  string     // "PCMU" (also when empty), "PCMA", "G722" or "L16"
	A, B   *media.Clip
}

// PairSent is the report on one pair.
type PairSent struct {
	Line int          `json:"line"` // of the input, from 1
	To   string       `json:"to"`
	Sent []media.Sent `json:"sent"`
}

// Run reads lines "DEST-A DEST-B SECONDS [SOURCE-PORT-A SOURCE-PORT-B]", where
// a destination is PORT or IP:PORT, and begins to send as soon as it has read
// each. It returns when the input has ended and everything is sent; a line of
// JSON is written to out for each pair. A line that cannot be read ends it.
func (p Pairs) Run(ctx context.Context, in io.Reader, out io.Writer) error {
	sender := media.NewSender(false)
	defer sender.Close()
	var (
		wg     sync.WaitGroup
		mu     sync.Mutex // guards out
		report = json.NewEncoder(out)
	)
	defer wg.Wait()
	lines := bufio.NewScanner(in)
	for n := 1; lines.Scan(); n++ {
		fields := strings.Fields(lines.Text())
		if len(fields) == 0 {
			continue
		}
		conns, outs, err := p.begin(sender, fields)
		if err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
		wg.Go(func() {
			defer closeAll(conns)
			done := PairSent{Line: n, To: fields[0] + " " + fields[1]}
			for _, o := range outs {
				select {
				case <-o.Done():
				case <-ctx.Done():
				}
				done.Sent = append(done.Sent, o.Stop())
			}
			mu.Lock()
			defer mu.Unlock()
			_ = report.Encode(done) // whoever closed the pipe does not want the report
		})
	}
	return lines.Err()
}

func (p Pairs) begin(sender *media.Sender, fields []string) ([]*net.UDPConn, []*media.Out, error) {
	if len(fields) != 3 && len(fields) != 5 {
		return nil, nil, fmt.Errorf("%d words; DEST-A DEST-B SECONDS [SOURCE-PORT-A SOURCE-PORT-B] is wanted", len(fields))
	}
	seconds, err := strconv.ParseFloat(fields[2], 64)
	if err != nil || seconds <= 0 || seconds > 86400 {
		return nil, nil, fmt.Errorf("%q is no number of seconds", fields[2])
	}
	codec := p.Codec
	if codec == "" {
		codec = "PCMU"
	}
	var conns []*net.UDPConn
	var streams []media.OutStream
	for i, clip := range []*media.Clip{p.A, p.B} {
		to, err := p.destination(fields[i])
		source := uint64(0)
		if err == nil && len(fields) == 5 {
			source, err = strconv.ParseUint(fields[3+i], 10, 16)
		}
		var conn *net.UDPConn
		if err == nil {
			conn, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(p.Source, uint16(source))))
		}
		if err != nil {
			closeAll(conns)
			return nil, nil, err
		}
		conns = append(conns, conn)
		streams = append(streams, media.OutStream{
			Conn: conn, To: to, Codec: codec, Clip: clip, Length: time.Duration(seconds * float64(time.Second)),
			SSRC: rand.Uint32(), Seq: uint16(rand.Uint32()), Timestamp: rand.Uint32(),
		})
	}
	outs, err := sender.AddTogether(streams...)
	if err != nil {
		closeAll(conns)
	}
	return conns, outs, err
}

func (p Pairs) destination(s string) (netip.AddrPort, error) {
	if n, err := strconv.ParseUint(s, 10, 16); err == nil {
		return netip.AddrPortFrom(p.Host, uint16(n)), nil
	}
	to, err := netip.ParseAddrPort(s)
	if err != nil {
		return to, fmt.Errorf("destination %q is neither PORT nor IP:PORT", s)
	}
	return to, nil
}

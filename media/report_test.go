package media

import (
	"encoding/binary"
	"math"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/srtp/v3"
)

// letter is one compound that a Path sent.
type letter struct {
	line int
	mux  bool
	to   netip.AddrPort
	data []byte
	at   int64
}

// reportsFrom drives a path's clock in steps of 100 ms.
func reportsFrom(p *Path, from, to int64) (letters []letter) {
	for at := from; at < to; at += 100 * ms {
		p.report(at, func(line int, mux bool, to netip.AddrPort, b []byte) {
			letters = append(letters, letter{line, mux, to, append([]byte(nil), b...), at})
		})
	}
	return letters
}

func decoded(t *testing.T, b []byte) (*rtcp.ReceiverReport, *rtcp.SourceDescription, *rtcp.Goodbye) {
	t.Helper()
	packets, err := rtcp.Unmarshal(b)
	if err != nil || len(packets) < 2 {
		t.Fatalf("no compound: %v", err)
	}
	if err := rtcp.CompoundPacket(packets).Validate(); err != nil {
		t.Fatal(err)
	}
	rr, _ := packets[0].(*rtcp.ReceiverReport)
	sdes, _ := packets[1].(*rtcp.SourceDescription)
	var bye *rtcp.Goodbye
	if len(packets) > 2 {
		bye, _ = packets[2].(*rtcp.Goodbye)
	}
	if rr == nil || sdes == nil || sdes.Chunks[0].Source != rr.SSRC || len(sdes.Chunks[0].Items[0].Text) < 8 {
		t.Fatalf("not a report with its description: %v", packets)
	}
	return rr, sdes, bye
}

func senderReport(t *testing.T, ssrc uint32, ntp uint64) []byte {
	b, err := (&rtcp.SenderReport{SSRC: ssrc, NTPTime: ntp, RTPTime: 1}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestReportTellsWhatCame: RFC 3550 section 6.4.1, every field.
func TestReportTellsWhatCame(t *testing.T) {
	p, tape := newTestPath(ModeFull)
	p.SetLine(0, callAt, LineSpec{Receiving: true, Formats: g711, Source: srcAddr})
	from := netip.AddrPortFrom(srcAddr.Addr(), 30001)
	seq := uint16(65000)
	for n := range 1000 { // every tenth is lost, every second one 10 ms late, and the numbers wrap
		at := callAt + int64(n)*20*ms + int64(n%2)*10*ms
		if n%10 != 3 {
			p.Packet(0, false, at, srcAddr, rtpBytes(pcmu, seq, uint32(n*160), voiceID, make([]byte, 160)))
		}
		seq++
	}
	end := callAt + 1000*20*ms
	p.Packet(0, true, end-500*ms, from, senderReport(t, voiceID, 0x1122334455667788))
	var letters []letter
	p.report(end, func(line int, mux bool, to netip.AddrPort, b []byte) {
		letters = append(letters, letter{line, mux, to, append([]byte(nil), b...), end})
	})
	if len(letters) != 1 || letters[0].to != from || letters[0].mux || letters[0].line != 0 {
		t.Fatalf("reports: %+v", letters)
	}
	rr, _, bye := decoded(t, letters[0].data)
	if len(rr.Reports) != 1 || bye != nil || rr.SSRC == voiceID {
		t.Fatalf("%+v", rr)
	}
	r := rr.Reports[0]
	if r.SSRC != voiceID || r.TotalLost != 100 || r.LastSequenceNumber != 65000+999 || r.FractionLost != 25 {
		t.Errorf("%+v", r)
	}
	if r.LastSenderReport != 0x33445566 || r.Delay != 65536/2 {
		t.Errorf("of the sender's report: %x, %d ago", r.LastSenderReport, r.Delay)
	}
	if r.Jitter < 65 || r.Jitter > 80 { // 10 ms are 80 units, and none where one is lost between two in time
		t.Errorf("jitter %d", r.Jitter)
	}
	if c := p.Counts()[0]; c.Lost != 100 || math.Abs(c.Jitter-9) > 0.6 {
		t.Errorf("counts: %d lost, jitter %.1f ms", c.Lost, c.Jitter)
	}
	if tape.count(KindRTCP) != 1 {
		t.Error("the sender's report is not on the tape, or ours is")
	}
	// What has been said once is not said again, and there is nothing new.
	for _, l := range reportsFrom(p, end, end+20*nsPerSec) {
		if rr, _, _ := decoded(t, l.data); len(rr.Reports) != 0 {
			t.Errorf("%v", rr)
		}
	}
}

// TestNothingIsLostInAPause: whatever the sender does in it, what is missing from
// before and after it counts, and the report tells all of it.
func TestNothingIsLostInAPause(t *testing.T) {
	spec := LineSpec{Receiving: true, Formats: g711, Source: srcAddr}
	for name, pause := range map[string]struct {
		sends func(n int) bool
		renew uint16 // by which the numbers go back in the middle of the pause
		total uint32 // what the report says is missing
	}{
		"sends on":                    {func(int) bool { return true }, 0, 10},
		"counts on, sends nothing":    {func(int) bool { return false }, 0, 260},
		"loses some of it":            {func(n int) bool { return n%5 > 0 }, 0, 60},
		"begins anew, and loses some": {func(n int) bool { return n%5 > 0 }, 5000, 29},
	} {
		p, _ := newTestPath(ModeFull)
		p.SetLine(0, callAt, spec)
		at, seq := callAt, uint16(20_000)
		send := func(packets int, sends func(n int) bool) {
			for n := range packets {
				at += 20 * ms
				if sends(n) {
					p.Packet(0, false, at, srcAddr, rtpBytes(pcmu, seq, uint32(at/ms*8), voiceID, make([]byte, 160)))
				}
				seq++
			}
		}
		receive := func(on bool) {
			spec.Receiving = on
			p.SetLine(0, at, spec)
		}
		send(250, func(n int) bool { return n%50 != 10 })
		receive(false)
		send(125, pause.sends)
		seq -= pause.renew
		send(125, pause.sends)
		receive(true)
		send(250, func(n int) bool { return n%50 != 10 })
		if c := counts(p); c.Lost != 10 {
			t.Errorf("%s: %d lost", name, c.Lost)
		}
		rr, _, _ := decoded(t, reportsFrom(p, at, at+5*nsPerSec)[0].data)
		if n := rr.Reports[0].TotalLost; n != pause.total {
			t.Errorf("%s: the report says %d", name, n)
		}
	}
}

func TestReportsComeEveryFiveSeconds(t *testing.T) {
	p, _ := newTestPath(ModeSelective) // what is received is reported on, kept or not
	for i := range 3 {
		p.SetLine(i, callAt, LineSpec{Receiving: true, Formats: g711, Source: srcAddr, NoReports: i == 2})
	}
	var letters []letter
	for n := range 5000 {
		at := callAt + int64(n)*20*ms
		p.Packet(0, false, at, srcAddr, rtpBytes(pcmu, uint16(n), uint32(n*160), voiceID, make([]byte, 160)))
		p.Packet(2, false, at, srcAddr, rtpBytes(pcmu, uint16(n), uint32(n*160), voiceID, make([]byte, 160)))
		letters = append(letters, reportsFrom(p, at, at+1)...)
	}
	if len(letters) < 13 || len(letters) > 40 {
		t.Errorf("%d reports in 100 s", len(letters))
	}
	last := callAt
	for i, l := range letters {
		if l.line != 0 {
			t.Errorf("a report on line %d, of which nothing came, or whose sender wants none", l.line)
		}
		if gap := l.at - last; gap > 15*nsPerSec/2+100*ms || i > 0 && gap < 5*nsPerSec/2 {
			t.Errorf("%.1f s after the one before", float64(gap)/float64(nsPerSec))
		}
		last = l.at
		if rr, _, _ := decoded(t, l.data); len(rr.Reports) != 1 || rr.Reports[0].TotalLost != 0 {
			t.Errorf("%v", rr)
		}
	}
}

func TestWhereReportsGo(t *testing.T) {
	elsewhere := netip.MustParseAddrPort("192.0.2.10:41001")
	nat := netip.MustParseAddrPort("198.51.100.7:5000")
	for name, c := range map[string]struct {
		spec LineSpec
		from netip.AddrPort // of the media
		rtcp netip.AddrPort // of the sender's own RTCP; the zero value: none comes
		to   string
		mux  bool
	}{
		"the port above":             {LineSpec{Source: srcAddr}, srcAddr, netip.AddrPort{}, "192.0.2.10:30001", false},
		"as signalled":               {LineSpec{Source: srcAddr, RTCP: elsewhere}, srcAddr, netip.AddrPort{}, "192.0.2.10:41001", false},
		"where theirs come from":     {LineSpec{Source: srcAddr, RTCP: elsewhere}, srcAddr, netip.MustParseAddrPort("192.0.2.10:50000"), "192.0.2.10:50000", false},
		"on one port":                {LineSpec{Source: srcAddr, Mux: true}, srcAddr, netip.AddrPort{}, "192.0.2.10:30000", true},
		"behind NAT":                 {LineSpec{Source: srcAddr, RTCP: elsewhere, Latch: true}, nat, netip.AddrPort{}, "198.51.100.7:5001", false},
		"nowhere, none are wanted":   {LineSpec{Source: srcAddr, NoReports: true}, srcAddr, netip.AddrPort{}, "", false},
		"nowhere, media is foreign":  {LineSpec{Source: srcAddr}, nat, netip.AddrPort{}, "", false},
		"nowhere, not in clear":      {LineSpec{Source: srcAddr, Secure: true}, srcAddr, netip.AddrPort{}, "", false},
		"nowhere, there is no above": {LineSpec{}, netip.MustParseAddrPort("192.0.2.10:65535"), netip.AddrPort{}, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			p, _ := newTestPath(ModeFull)
			c.spec.Receiving, c.spec.Formats = true, g711
			p.SetLine(0, callAt, c.spec)
			p.Packet(0, false, callAt, c.from, rtpBytes(pcmu, 1, 160, voiceID, make([]byte, 160)))
			if c.rtcp.IsValid() {
				p.Packet(0, true, callAt, c.rtcp, senderReport(t, voiceID, 1))
			}
			letters := reportsFrom(p, callAt, callAt+4*nsPerSec)
			switch {
			case c.to == "" && len(letters) > 0:
				t.Errorf("reports: %+v", letters)
			case c.to != "" && (len(letters) == 0 || letters[0].to.String() != c.to || letters[0].mux != c.mux):
				t.Errorf("reports: %+v", letters)
			}
		})
	}
}

// TestSenderBeginsAnew: its numbers tell nothing about those before.
func TestSenderBeginsAnew(t *testing.T) {
	var r reception
	take := func(seq uint16) { r.take(rtpPacket{ssrc: 1, seq: seq}, 0, callAt) }
	for seq := range uint16(100) {
		take(seq)
	}
	take(120) // 20 are lost
	for seq := range uint16(50) {
		take(40000 + seq)
	}
	if r.lost() != 0 || r.lostOnce != 20 || r.expected() != 50 {
		t.Errorf("%+v", r)
	}
	for range 3 { // duplicates are received twice: less than nothing is lost
		take(40049)
	}
	b := r.block(nil, callAt)
	if lost := int32(binary.BigEndian.Uint32(b[4:])<<8) >> 8; lost != -3 || b[4] != 0 {
		t.Errorf("lost %d, fraction %d", lost, b[4])
	}
}

func TestReportsAreEncrypted(t *testing.T) {
	for suite, profile := range profiles {
		t.Run(suite, func(t *testing.T) {
			own, err := NewMasterKey(suite)
			if err != nil {
				t.Fatal(err)
			}
			s, _ := suiteOf(suite)
			theirs, err := srtp.CreateContext(own.Key[:s.key], own.Key[s.key:], profile)
			if err != nil {
				t.Fatal(err)
			}
			key, err := newSRTPKey(own)
			if err != nil {
				t.Fatal(err)
			}
			clear, err := (&rtcp.ReceiverReport{SSRC: 7, Reports: []rtcp.ReceptionReport{{SSRC: 9, TotalLost: 3}}}).Marshal()
			if err != nil {
				t.Fatal(err)
			}
			for index := uint32(1); index < 4; index++ {
				room := make([]byte, len(clear), len(clear)+srtpRoom)
				copy(room, clear)
				sealed := key.sealRTCP(room, index)
				got, err := theirs.DecryptRTCP(nil, sealed, nil)
				if err != nil || string(got) != string(clear) {
					t.Fatalf("report %d: %v", index, err)
				}
				if back, n, ok := key.openRTCP(append([]byte(nil), sealed...)); !ok || n != index || string(back) != string(clear) {
					t.Errorf("report %d: we cannot open it ourselves", index)
				}
			}
		})
	}
}

func TestReportAllocatesNothing(t *testing.T) {
	p, _ := newTestPath(ModeOff)
	own, _ := NewMasterKey("AEAD_AES_128_GCM")
	p.SetLine(0, callAt, LineSpec{Receiving: true, Formats: g711, Source: srcAddr, Secure: true, Own: &own, Keys: []MasterKey{own}})
	p.lines[0].source.lock(callAt, srcAddr, 1)
	p.lines[0].reports.took(0, rtpPacket{ssrc: 1}, 8000, callAt)
	at, sent := callAt, 0
	send := func(int, bool, netip.AddrPort, []byte) { sent++ }
	if n := testing.AllocsPerRun(100, func() { at += 10 * nsPerSec; p.report(at, send) }); n > 0 || sent == 0 {
		t.Errorf("%.1f allocations, %d reports", n, sent)
	}
}

// TestGoodbye: when a line closes, its sender hears so, from the port it sent
// its own RTCP to.
func TestGoodbye(t *testing.T) {
	bothReceivers(t, func(t *testing.T, c ReceiverConfig) {
		path, tape := newLivePath(ModeFull)
		in := newTestReceiver(t, c).Open(path, loopback)
		port, err := in.AddLine(0)
		if err != nil {
			t.Fatal(err)
		}
		phone, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		defer phone.Close()
		me := phone.LocalAddr().(*net.UDPAddr).AddrPort()
		path.SetLine(0, time.Now().UnixNano(), LineSpec{Receiving: true, Formats: g711, Source: me, RTCP: me})
		if _, err := phone.WriteToUDPAddrPort(rtpBytes(pcmu, 1, 160, voiceID, make([]byte, 160)), netip.AddrPortFrom(loopback, port)); err != nil {
			t.Fatal(err)
		}
		<-tape.arrived
		for path.Counts()[0].Received == 0 {
			<-tape.arrived
		}
		in.Close()
		b := make([]byte, 1500)
		phone.SetReadDeadline(time.Now().Add(10 * time.Second))
		n, from, err := phone.ReadFromUDPAddrPort(b)
		if err != nil || from != netip.AddrPortFrom(loopback, port+1) {
			t.Fatalf("from %v: %v", from, err)
		}
		if rr, _, bye := decoded(t, b[:n]); bye == nil || len(rr.Reports) != 1 || rr.Reports[0].SSRC != voiceID {
			t.Errorf("%v %v", rr, bye)
		}
	})
}

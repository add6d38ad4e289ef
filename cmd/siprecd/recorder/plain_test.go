package recorder

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"siprecd/media"
	"siprecd/policy"
	"siprecd/sip"
)

// plainSource is a source without SIPREC: it writes its own messages, over UDP or
// TCP, and sends its own RTP.
type plainSource struct {
	t       *testing.T
	conn    net.Conn
	from    string // without its tag
	callID  string
	to      string // To of the dialog
	cseq    int
	branch  int
	buf     []byte
	voices  []*net.UDPConn
	towards []netip.AddrPort // where the recorder takes each voice
	sent    []int            // packets of each
}

// dial connects a source with so many voices to a recorder at address.
func dial(t *testing.T, network, address, from, callID string, voices int) *plainSource {
	t.Helper()
	conn, err := net.Dial(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	p := &plainSource{t: t, conn: conn, from: from, callID: callID, towards: make([]netip.AddrPort, voices), sent: make([]int, voices)}
	for range voices {
		voice, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { voice.Close() })
		p.voices = append(p.voices, voice)
	}
	return p
}

// sdp describes the voices as they are sent.
func (p *plainSource) sdp() string {
	var b strings.Builder
	b.WriteString("v=0\r\no=gateway 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n")
	for _, v := range p.voices {
		fmt.Fprintf(&b, "m=audio %d RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=sendonly\r\n", v.LocalAddr().(*net.UDPAddr).Port)
	}
	return b.String()
}

// send writes a request; an ACK has the CSeq of its INVITE.
func (p *plainSource) send(method, body string, headers ...string) {
	p.t.Helper()
	if method != "ACK" {
		p.cseq++
	}
	p.branch++
	to := p.to
	if to == "" {
		to = "<sip:9876@recorder.example>"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s sip:9876@recorder.example SIP/2.0\r\nVia: SIP/2.0/%s %s;branch=z9hG4bK%s%d;rport\r\n",
		method, strings.ToUpper(p.conn.LocalAddr().Network()), p.conn.LocalAddr(), p.callID, p.branch)
	fmt.Fprintf(&b, "From: %s;tag=f%s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %d %s\r\nMax-Forwards: 70\r\nContact: <sip:%s>\r\n",
		p.from, p.callID, to, p.callID, p.cseq, method, p.conn.LocalAddr())
	for _, h := range headers {
		b.WriteString(h + "\r\n")
	}
	switch {
	case method == "INFO":
		b.WriteString("Content-Type: application/dtmf-relay\r\n")
	case body != "":
		b.WriteString("Content-Type: application/sdp\r\n")
	}
	fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", len(body), body)
	if _, err := p.conn.Write([]byte(b.String())); err != nil {
		p.t.Fatal(err)
	}
}

// response waits for the final response to the request just sent, and returns it.
func (p *plainSource) response() *sip.Message {
	p.t.Helper()
	chunk := make([]byte, 65536)
	for {
		if m, n, err := sip.ParseMessage(p.buf, p.conn.LocalAddr().Network() == "udp"); err == nil && n > 0 {
			p.buf = p.buf[n:]
			if !m.Request && m.Status >= 200 && m.CSeq == uint32(p.cseq) {
				return m
			}
			continue
		}
		p.conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		n, err := p.conn.Read(chunk)
		if err != nil {
			p.t.Fatalf("%s: no response: %v", p.callID, err)
		}
		p.buf = append(p.buf, chunk[:n]...)
	}
}

// request sends a request, wants a 200 and learns from it.
func (p *plainSource) request(method, body string, headers ...string) *sip.Message {
	p.t.Helper()
	p.send(method, body, headers...)
	m := p.response()
	if m.Status != 200 {
		p.t.Fatalf("%s %s: status %d", p.callID, method, m.Status)
	}
	p.to = "<sip:9876@recorder.example>;tag=" + m.ToTag
	if method == "INVITE" {
		d, err := m.Description()
		if err != nil || d == nil {
			p.t.Fatalf("%s: no SDP in the answer: %v", p.callID, err)
		}
		for i := range p.towards {
			p.towards[i] = d.Lines[i].Addr
		}
	}
	return m
}

// invite opens the session with an offer.
func (p *plainSource) invite(headers ...string) *sip.Message {
	p.t.Helper()
	m := p.request("INVITE", p.sdp(), headers...)
	p.send("ACK", "")
	return m
}

// inviteEmpty opens the session without one: the answer is in the ACK.
func (p *plainSource) inviteEmpty() *sip.Message {
	p.t.Helper()
	m := p.request("INVITE", "")
	p.send("ACK", p.sdp())
	return m
}

// speak sends n packets of 20 ms that voice i fills with one byte, as fast as the
// recorder's sockets take them: their timestamps tell when they belong.
func (p *plainSource) speak(i int, fill byte, n int) {
	p.t.Helper()
	for range n {
		packet := []byte{0x80, 0}
		packet = binary.BigEndian.AppendUint16(packet, uint16(p.sent[i]))
		packet = binary.BigEndian.AppendUint32(packet, uint32(160*p.sent[i]))
		packet = binary.BigEndian.AppendUint32(packet, 0x52000000+uint32(i))
		packet = append(packet, bytes.Repeat([]byte{fill}, 160)...)
		if _, err := p.voices[i].WriteToUDPAddrPort(packet, p.towards[i]); err != nil {
			p.t.Fatal(err)
		}
		p.sent[i]++
		<-time.After(20 * time.Millisecond)
	}
}

// startProfile starts a whole recorder on loopback, UDP and TCP, for one source.
func (st *stage) startProfile(src Source, partyHeader string) (udp, tcp string) {
	st.t.Helper()
	receiver, err := media.NewReceiver(media.ReceiverConfig{})
	if err != nil {
		st.t.Fatal(err)
	}
	st.rec.Media = receiver
	settings := *st.rec.Settings()
	settings.Sources = map[string]Source{"pbx": src}
	st.rec.Settings = func() *Settings { return &settings }
	server := &sip.Server{
		Handler: st.rec.ServeSession,
		Listen:  []sip.Listener{{Network: "udp", Address: "127.0.0.1:0"}, {Network: "tcp", Address: "127.0.0.1:0"}},
		Access: func() []sip.Source {
			return []sip.Source{{Name: "pbx", Networks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, PartyHeader: partyHeader}}
		},
	}
	if err := server.Start(); err != nil {
		st.t.Fatal(err)
	}
	st.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := server.Close(ctx); err != nil {
			st.t.Error(err)
		}
		if err := receiver.Close(); err != nil {
			st.t.Error(err)
		}
	})
	return server.Addr(0).String(), server.Addr(1).String()
}

// Plain SDP and headers that name the parties, over real sockets: ours is left,
// whatever its index, and an UPDATE without a body passes the call on.
func TestQ12_ParticipantHeaderOverTheWire(t *testing.T) {
	t.Parallel()
	const ours, other, third = "sip:2001@192.0.2.81", "sip:0105550101@192.0.2.82", "sip:0105550109@192.0.2.82"
	header := func(uri string, i int) string {
		return fmt.Sprintf(`X-Example-Recording-Participant: %s;media-index="%d"`, uri, i)
	}
	st := open(t, rule("2001", policy.Full, 3))
	udp, _ := st.startProfile(Source{Profile: ParticipantHeader}, "x-example-recording-participant")
	p := dial(t, "udp", udp, "<sip:192.0.2.80>", "nbr", 2)
	p.invite(header(other, 0), header(ours, 1))
	for range 25 {
		p.speak(0, 0x11, 1)
		p.speak(1, 0x12, 1)
	}
	p.request("UPDATE", "", header(third, 0), header(ours, 1))
	for range 10 {
		p.speak(0, 0x11, 1)
		p.speak(1, 0x12, 1)
	}
	p.request("BYE", "")
	row := st.finished()
	left, right := st.channels(row)
	if row.Extension != "2001" || row.Other != "0105550109" || count(left, 0x12) < 35*160-80 || count(right, 0x11) < 35*160-80 {
		t.Errorf("%s with %s: %d of ours left, %d of the other's right; %q", row.Extension, row.Other, count(left, 0x12), count(right, 0x11), row.Notes)
	}
	if row.DecidedBy != "extensions.toml:3" || row.Streams[0].Participant != third || len(row.Streams[0].HeldBy) != 2 {
		t.Errorf("%+v", row.Streams[0])
	}
}

// What the header leaves out is noted, and recorded all the same.
func TestParticipantHeaderMissing(t *testing.T) {
	for name, c := range map[string]struct {
		named []sip.Named
		note  string
	}{
		"altogether":  {nil, "no header names the parties"},
		"of one line": {[]sip.Named{party(ourAOR, 1)}, "line 0: no header names its party"},
	} {
		t.Run(name, func(t *testing.T) {
			st := open(t, rule("2001", policy.Full, 3))
			settings := *st.rec.Settings()
			settings.Sources = map[string]Source{"sbc": {Profile: ParticipantHeader}}
			st.rec.Settings = func() *Settings { return &settings }
			st.offered("rs-1", &sip.Offer{Method: "INVITE", At: callStart, Media: unlabelled(2), Named: c.named})
			st.talk(0, 3*time.Second, 0x11)
			row := st.bye(3 * time.Second)
			left, right := st.channels(row)
			if !noted(row, c.note) || count(left, 0x11)+count(left, 0x12) != 24000 || count(right, 0x11)+count(right, 0x12) != 24000 {
				t.Errorf("%d and %d samples; %q", len(left), len(right), row.Notes)
			}
		})
	}
}

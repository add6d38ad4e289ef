package replay

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// message writes a SIP message with the headers every one must have.
func message(start, callID, fromTag, toTag, cseq string, headers []string, contentType, body string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\r\nVia: SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK1\r\nFrom: <sip:2001@192.0.2.1>;tag=%s\r\nTo: <sip:0105550101@192.0.2.2>", start, fromTag)
	if toTag != "" {
		b.WriteString(";tag=" + toTag)
	}
	fmt.Fprintf(&b, "\r\nCall-ID: %s\r\nCSeq: %s\r\n", callID, cseq)
	for _, h := range headers {
		b.WriteString(h + "\r\n")
	}
	if contentType != "" {
		b.WriteString("Content-Type: " + contentType + "\r\n")
	}
	fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", len(body), body)
	return b.String()
}

func sdp(addr string, ports ...int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "v=0\r\no=- 1 1 IN IP4 %s\r\ns=-\r\nc=IN IP4 %s\r\nt=0 0\r\n", addr, addr)
	for i, p := range ports {
		fmt.Fprintf(&b, "m=audio %d RTP/AVP 0\r\na=label:%d\r\n", p, i+1)
	}
	return b.String()
}

var recordingHeaders = []string{"Require: siprec", "Contact: <sip:src@192.0.2.1>;+sip.src"}

func inviteRS(callID string) string {
	return message("INVITE sip:srs@192.0.2.2 SIP/2.0", callID, "a", "", "1 INVITE", recordingHeaders, "application/sdp", sdp("192.0.2.1", 4000, 4002))
}

func okRS(callID string) string {
	return message("SIP/2.0 200 OK", callID, "a", "b", "1 INVITE", nil, "application/sdp", sdp("192.0.2.2", 6000, 6002))
}

func byeRS(callID string) string {
	return message("BYE sip:srs@192.0.2.2 SIP/2.0", callID, "a", "b", "2 BYE", nil, "", "")
}

func planOf(t *testing.T, f *film) *Plan {
	t.Helper()
	plan, err := Survey(bytes.NewReader(f.buf.Bytes()), nil)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// TestSIPOverTCP cuts two glued messages at every byte.
func TestSIPOverTCP(t *testing.T) {
	there, back := "\r\n\r\n"+inviteRS("one")+byeRS("one"), okRS("one")
	for cut := 1; cut < len(there); cut++ {
		f := newFilm(t, linkEthernet)
		f.tcp(alice, bob, 999, 0, flagSYN, nil)
		f.tcp(bob, alice, 4999, 1000, flagSYN|flagACK, nil)
		f.tcp(alice, bob, 1000, 5000, flagACK, []byte(there[:cut]))
		f.tcp(alice, bob, 1000+uint32(cut), 5000, flagACK, []byte(there[cut:]))
		f.tcp(bob, alice, 5000, 1000, flagACK, []byte(back))
		plan := planOf(t, f)
		if len(plan.Sessions) != 1 || len(plan.Notes) != 0 {
			t.Fatalf("cut at %d: %d sessions, %q", cut, len(plan.Sessions), plan.Notes)
		}
		s := plan.Sessions[0]
		if s.Info.Transport != "tcp" || s.Side != "src" || s.Offers[0].Places[1].To[0] != netip.MustParseAddrPort("192.0.2.2:6002") {
			t.Fatalf("cut at %d: %+v", cut, s)
		}
	}
}

// TestSIPAfterLostSegment: what was lost took one message with it, not the
// connection. It is not known where the stream began, either.
func TestSIPAfterLostSegment(t *testing.T) {
	f := newFilm(t, linkEthernet)
	first := inviteRS("one")
	f.tcp(alice, bob, 1000, 0, flagACK, []byte("tail of a message\r\n\r\n"+okRS("zero")))
	at := uint32(1000 + len("tail of a message\r\n\r\n"+okRS("zero")))
	f.tcp(alice, bob, at, 0, flagACK, []byte(first[:200]))
	rest := first[300:] + inviteRS("two")
	f.tcp(alice, bob, at+300, 0, flagACK, []byte(rest))
	f.tcp(bob, alice, 5000, 0, flagACK, []byte(okRS("two")))
	plan := planOf(t, f)
	if len(plan.Sessions) != 1 || plan.Sessions[0].Info.CallID != "two" {
		t.Fatalf("%d sessions, %q", len(plan.Sessions), plan.Notes)
	}
	notes := strings.Join(plan.Notes, "\n")
	if !strings.Contains(notes, "does not hold every packet: 1") {
		t.Errorf("%q", plan.Notes)
	}
}

func TestOtherTCPIsPassedOver(t *testing.T) {
	f := newFilm(t, linkEthernet)
	f.tcp(alice, bob, 999, 0, flagSYN, nil)
	f.tcp(alice, bob, 1000, 0, flagACK, []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
	f.tcp(alice, bob, 1026, 0, flagACK, []byte(inviteRS("no")))
	if plan := planOf(t, f); len(plan.Sessions) != 0 || len(plan.Notes) != 0 {
		t.Errorf("%d sessions, %q", len(plan.Sessions), plan.Notes)
	}
}

func TestTLSIsSaid(t *testing.T) {
	f := newFilm(t, linkEthernet)
	f.tcp(alice, bob, 999, 0, flagSYN, nil)
	f.tcp(alice, bob, 1000, 0, flagACK, []byte{0x16, 3, 1, 0, 200, 1, 0})
	if plan := planOf(t, f); len(plan.Notes) != 1 || !strings.Contains(plan.Notes[0], "TLS connections, in which SIP cannot be read: 1") {
		t.Errorf("%q", plan.Notes)
	}
}

func TestDialogs(t *testing.T) {
	refused := message("SIP/2.0 488 Not Acceptable Here", "one", "a", "b", "1 INVITE", nil, "", "")
	challenge := message("SIP/2.0 401 Unauthorized", "one", "a", "x", "1 INVITE", nil, "", "")
	again := strings.Replace(inviteRS("one"), "1 INVITE", "2 INVITE", 1)
	accepted := strings.Replace(okRS("one"), "1 INVITE", "2 INVITE", 1)
	moved := message("INVITE sip:srs@192.0.2.2 SIP/2.0", "one", "a", "b", "3 INVITE", recordingHeaders, "application/sdp", sdp("192.0.2.1", 4000, 0))
	movedOK := message("SIP/2.0 200 OK", "one", "a", "b", "3 INVITE", nil, "application/sdp", sdp("192.0.2.2", 6000, 0))
	movedNot := message("SIP/2.0 491 Request Pending", "one", "a", "b", "3 INVITE", nil, "", "")
	bye := byeRS("one")
	for name, c := range map[string]struct {
		messages []string // "<" before those of the recorder
		sessions int
		offers   int
		ended    string
		note     string
	}{
		"plain":            {[]string{inviteRS("one"), "<" + okRS("one"), bye}, 1, 1, "src: bye", ""},
		"retransmitted":    {[]string{inviteRS("one"), inviteRS("one"), "<" + okRS("one"), "<" + okRS("one"), bye, bye}, 1, 1, "src: bye", ""},
		"challenged":       {[]string{inviteRS("one"), "<" + challenge, again, "<" + accepted, bye}, 1, 1, "src: bye", ""},
		"refused":          {[]string{inviteRS("one"), "<" + refused}, 0, 0, "", "was refused with 488"},
		"no bye":           {[]string{inviteRS("one"), "<" + okRS("one")}, 1, 1, "srs: capture-ended", "ends without a BYE"},
		"no answer":        {[]string{inviteRS("one"), bye}, 1, 1, "src: bye", "told by where they come from"},
		"re-INVITE":        {[]string{inviteRS("one"), "<" + okRS("one"), moved, "<" + movedOK, bye}, 1, 2, "src: bye", ""},
		"refused re":       {[]string{inviteRS("one"), "<" + okRS("one"), moved, "<" + movedNot, bye}, 1, 1, "src: bye", "nothing changed"},
		"begins in middle": {[]string{moved, "<" + movedOK, bye}, 1, 1, "src: bye", "its INVITE is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFilm(t, linkSLL)
			for _, m := range c.messages {
				if text, ok := strings.CutPrefix(m, "<"); ok {
					f.udp(bob, alice, []byte(text))
				} else {
					f.udp(alice, bob, []byte(m))
				}
			}
			plan := planOf(t, f)
			notes := strings.Join(plan.Notes, "\n")
			if len(plan.Sessions) != c.sessions {
				t.Fatalf("%d sessions, %q", len(plan.Sessions), notes)
			}
			for _, s := range plan.Sessions {
				notes += strings.Join(s.Offers[0].Notes, "\n")
				if got := s.Side + ": " + s.Reason; got != c.ended || len(s.Offers) != c.offers {
					t.Errorf("%s after %d offers", got, len(s.Offers))
				}
			}
			if !strings.Contains(notes, c.note) || c.note == "" && notes != "" {
				t.Errorf("notes %q", notes)
			}
		})
	}
}

// TestOrdinaryCallOnHold: what each side says is a line of its own, and follows
// the negotiation of both.
func TestOrdinaryCallOnHold(t *testing.T) {
	with := func(m, direction string) string {
		s := sdp("192.0.2.9", 7000)
		s = strings.Replace(s, "a=label:1\r\n", "a="+direction+"\r\n", 1)
		return strings.Replace(m, "SDP", s, 1)
	}
	invite := message("INVITE sip:0105550101@192.0.2.2 SIP/2.0", "call", "a", "", "1 INVITE", nil, "application/sdp", sdp("192.0.2.1", 4000))
	ok := message("SIP/2.0 200 OK", "call", "a", "b", "1 INVITE", nil, "application/sdp", sdp("192.0.2.2", 6000))
	hold := message("INVITE sip:2001@192.0.2.1 SIP/2.0", "call", "b", "a", "7 INVITE", nil, "application/sdp",
		with("SDP", "sendonly"))
	holdOK := message("SIP/2.0 200 OK", "call", "b", "a", "7 INVITE", nil, "application/sdp",
		strings.Replace(sdp("192.0.2.1", 4000), "a=label:1", "a=recvonly", 1))
	f := newFilm(t, linkEthernet)
	f.udp(alice, bob, []byte(invite))
	f.at = f.at.Add(5 * time.Second)
	f.udp(bob, alice, []byte(ok))
	f.udp(bob, alice, []byte(hold))
	f.udp(alice, bob, []byte(holdOK))
	plan := planOf(t, f)
	if !plan.Forked || len(plan.Sessions) != 1 || len(plan.Sessions[0].Offers) != 2 {
		t.Fatalf("%+v", plan)
	}
	s := plan.Sessions[0]
	if s.Info.Arrived.Sub(f.at) < -10*time.Millisecond {
		t.Errorf("begins %v, before it was answered", s.Info.Arrived)
	}
	first, held := s.Offers[0].Media.Lines, s.Offers[1].Media.Lines
	if first[0].Direction != "sendonly" || first[1].Direction != "sendonly" {
		t.Errorf("%v %v", first[0].Direction, first[1].Direction)
	}
	if held[0].Direction != "inactive" || held[1].Direction != "sendonly" {
		t.Errorf("on hold: %v %v", held[0].Direction, held[1].Direction)
	}
	if to := s.Offers[1].Places[0].To[0].String(); to != "192.0.2.9:7000" {
		t.Errorf("the caller speaks to %s", to)
	}
}

func TestDeclared(t *testing.T) {
	for text, want := range map[string]string{
		"192.0.2.2:6000=2001":    "192.0.2.2:6000 2001",
		"[2001:db8::2]:6000=bob": "[2001:db8::2]:6000 bob",
		"192.0.2.2:6000":         "192.0.2.2:6000 192.0.2.2:6000",
	} {
		d, err := ParseDeclared(text)
		if err != nil || d.To.String()+" "+d.Label != want {
			t.Errorf("%s: %v %v", text, d, err)
		}
	}
	for _, text := range []string{"", "2001", "192.0.2.2=2001", "192.0.2.2:0=2001", "host:6000=1"} {
		if _, err := ParseDeclared(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

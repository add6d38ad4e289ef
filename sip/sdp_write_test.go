package sip

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

var ours = netip.MustParseAddr("198.51.100.5")

// answerAll accepts every offered line with all its formats, 30000 upwards.
func answerAll(d *Description) Answer {
	a := Answer{Addr: ours}
	for i, l := range d.Lines {
		a.Lines = append(a.Lines, AnswerLine{Port: uint16(30000 + 2*i), Mux: true, Direction: RecvOnly, Codecs: l.Codecs})
	}
	return a
}

func readOffer(t *testing.T, text string) *Description {
	t.Helper()
	d, err := readDescription([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// answeredLines returns the media lines of the answer, its session lines checked.
func answeredLines(t *testing.T, offer *Description, a Answer) string {
	t.Helper()
	raw, _, err := encodeAnswer(offer, a, 5, 6)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(string(raw), "\r\n", "\n")
	head := "v=0\no=- 5 6 IN IP4 198.51.100.5\ns=-\nc=IN IP4 198.51.100.5\nt=0 0\n"
	lines, ok := strings.CutPrefix(text, head)
	if !ok || strings.Contains(lines, "\r") {
		t.Errorf("session lines:\n%s", text)
	}
	return "\n" + strings.TrimRight(lines, "\n")
}

func TestAnswer(t *testing.T) {
	for name, row := range map[string]struct {
		sdp    string
		change func(*Answer)
		want   string
	}{
		"accepted": {
			sdp("m=audio 40000 RTP/AVP 0 8 101", "a=rtpmap:0 pcmu/8000", "a=rtpmap:101 telephone-event/8000", "a=fmtp:101 0-16", "a=label:inbound", "a=sendonly"), nil, `
m=audio 30000 RTP/AVP 0 8 101
a=rtpmap:0 pcmu/8000
a=rtpmap:8 PCMA/8000
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-16
a=label:inbound
a=recvonly`},
		"events without flash": {
			sdp("m=audio 40000 RTP/AVP 101 102", "a=rtpmap:101 telephone-event/8000", "a=fmtp:101 0-15,36", "a=rtpmap:102 Telephone-Event/16000"), nil, `
m=audio 30000 RTP/AVP 101 102
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-15
a=rtpmap:102 Telephone-Event/16000
a=fmtp:102 0-15
a=recvonly`},
		"events 0-15,16": {
			sdp("m=audio 40000 RTP/AVP 101", "a=rtpmap:101 telephone-event/8000", "a=fmtp:101 0-15, 16"), nil, `
m=audio 30000 RTP/AVP 101
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-16
a=recvonly`},
		"what the codec needs is repeated": {
			sdp("m=audio 40000 RTP/AVP 96 111", "a=rtpmap:96 AMR/8000", "a=fmtp:96 octet-align=1", "a=rtpmap:111 opus/48000/2"), nil, `
m=audio 30000 RTP/AVP 96 111
a=rtpmap:96 AMR/8000
a=fmtp:96 octet-align=1
a=rtpmap:111 opus/48000/2
a=recvonly`},
		"refused lines keep place, kind, formats and label": {
			sdp("m=video 40000 RTP/AVP 97", "a=rtpmap:97 H264/90000", "a=label:v", "m=audio 40002 RTP/AVP 0 100", "a=label:1",
				"m=message 2855 TCP/MSRP *", "m=image 40004 udptl t38", "m=text 40006 RTP/AVP 98"), func(a *Answer) { a.Lines[0] = AnswerLine{} }, `
m=video 0 RTP/AVP 97
a=label:v
m=audio 30002 RTP/AVP 0
a=rtpmap:0 PCMU/8000
a=label:1
a=recvonly
m=message 0 TCP/MSRP *
m=image 0 udptl t38
m=text 0 RTP/AVP 98`},
		"a removed line stays removed": {
			sdp("m=audio 0 RTP/AVP 0", "a=label:1", "m=audio 40002 RTP/AVP 0"), nil, `
m=audio 0 RTP/AVP 0
a=label:1
m=audio 30002 RTP/AVP 0
a=rtpmap:0 PCMU/8000
a=recvonly`},
		"lines the answer leaves out": {
			sdp("m=audio 40000 RTP/AVP 0", "m=audio 40002 RTP/AVP 18"), func(a *Answer) { a.Lines = a.Lines[:1] }, `
m=audio 30000 RTP/AVP 0
a=rtpmap:0 PCMU/8000
a=recvonly
m=audio 0 RTP/AVP 18`},
		"the offer's number for a format": {
			sdp("m=audio 40000 RTP/AVP 98", "a=rtpmap:98 PCMU/8000"), func(a *Answer) {
				a.Lines[0].Codecs = []Codec{{Payload: 0, Name: "PCMU", Clock: 8000, Channels: 1}, {Payload: 8, Name: "PCMA", Clock: 8000, Channels: 1}}
			}, `
m=audio 30000 RTP/AVP 98
a=rtpmap:98 PCMU/8000
a=recvonly`},
		"no format of theirs": {
			sdp("m=audio 40000 RTP/AVP 0"), func(a *Answer) { a.Lines[0].Codecs = []Codec{{Payload: 8, Name: "PCMA", Clock: 8000, Channels: 1}} }, `
m=audio 0 RTP/AVP 0`},
		"no key to encrypt with": {
			sdp("m=audio 40000 RTP/SAVP 0", "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x"), nil, `
m=audio 0 RTP/SAVP 0`},
		"RTCP on the same port": {
			sdp("m=audio 40000 RTP/AVP 0", "a=rtcp-mux", "m=audio 40002 RTP/AVP 0"), nil, `
m=audio 30000 RTP/AVP 0
a=rtpmap:0 PCMU/8000
a=rtcp-mux
a=recvonly
m=audio 30002 RTP/AVP 0
a=rtpmap:0 PCMU/8000
a=recvonly`},
		"RTCP elsewhere": {
			sdp("m=audio 40000 RTP/AVP 0", "m=audio 40002 RTP/AVP 0", "m=audio 40004 RTP/AVP 0", "a=rtcp-mux"), func(a *Answer) {
				a.Lines[0].RTCPPort, a.Lines[1].RTCPPort, a.Lines[2].RTCPPort = 30009, 30003, 30010
			}, `
m=audio 30000 RTP/AVP 0
a=rtpmap:0 PCMU/8000
a=rtcp:30009
a=recvonly
m=audio 30002 RTP/AVP 0
a=rtpmap:0 PCMU/8000
a=recvonly
m=audio 30004 RTP/AVP 0
a=rtpmap:0 PCMU/8000
a=rtcp-mux
a=recvonly`},
	} {
		t.Run(name, func(t *testing.T) {
			offer := readOffer(t, row.sdp)
			a := answerAll(offer)
			if row.change != nil {
				row.change(&a)
			}
			if got := answeredLines(t, offer, a); got != row.want {
				t.Errorf("got%s\nwant%s", got, row.want)
			}
		})
	}
}

func TestAnswerDirections(t *testing.T) {
	for offered, want := range map[string]Direction{"sendonly": RecvOnly, "sendrecv": RecvOnly, "": RecvOnly, "recvonly": Inactive, "inactive": Inactive} {
		offer := readOffer(t, sdp("m=audio 40000 RTP/AVP 0", "a="+offered))
		for wish, want := range map[Direction]Direction{RecvOnly: want, SendRecv: want, "": want, Inactive: Inactive, SendOnly: Inactive} {
			a := answerAll(offer)
			a.Lines[0].Direction = wish
			raw, used, err := encodeAnswer(offer, a, 1, 1)
			if err != nil || used.Lines[0].Direction != want || !strings.Contains(string(raw), "a="+string(want)+"\r\n") {
				t.Errorf("%q offered, %q wished: %q, %v\n%s", offered, wish, used.Lines[0].Direction, err, raw)
			}
		}
	}
	held := readOffer(t, sdp("m=audio 40000 RTP/AVP 0", "c=IN IP4 0.0.0.0", "a=sendonly"))
	if _, used, err := encodeAnswer(held, answerAll(held), 1, 1); err != nil || used.Lines[0].Direction != Inactive {
		t.Errorf("held: %+v, %v", used, err)
	}
}

func TestOwnOffer(t *testing.T) {
	a := Answer{Addr: ours, Lines: []AnswerLine{
		{Port: 30000, Direction: RecvOnly, Codecs: []Codec{{Payload: 0, Name: "PCMU", Clock: 8000, Channels: 1}, {Payload: 101, Name: "TELEPHONE-EVENT", Clock: 8000, Channels: 1, Fmtp: "0-16"}}},
		{Port: 30002, Direction: Inactive, Codecs: []Codec{{Payload: 111, Name: "OPUS", Clock: 48000, Channels: 2}}},
	}}
	if got, want := answeredLines(t, nil, a), `
m=audio 30000 RTP/AVP 0 101
a=rtpmap:0 PCMU/8000
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-16
a=label:1
a=recvonly
m=audio 30002 RTP/AVP 111
a=rtpmap:111 opus/48000/2
a=label:2
a=inactive`; got != want {
		t.Errorf("got%s\nwant%s", got, want)
	}
}

func TestAnswerSessionLines(t *testing.T) {
	offer := readOffer(t, strings.Replace(sdp("m=audio 40000 RTP/AVP 0"), "t=0 0", "t=3913654800 3913658400", 1))
	a := answerAll(offer)
	a.Addr = netip.MustParseAddr("2001:db8::5")
	raw, _, err := encodeAnswer(offer, a, 5, 6)
	want := "v=0\r\no=- 5 6 IN IP6 2001:db8::5\r\ns=-\r\nc=IN IP6 2001:db8::5\r\nt=3913654800 3913658400\r\n"
	if err != nil || !strings.HasPrefix(string(raw), want) {
		t.Errorf("%v\n%s", err, raw)
	}
	a.Addr = netip.MustParseAddr("::ffff:192.0.2.7")
	if raw, _, err = encodeAnswer(offer, a, 5, 6); err != nil || !strings.Contains(string(raw), "c=IN IP4 192.0.2.7\r\n") {
		t.Errorf("%v\n%s", err, raw)
	}
	a.Addr = netip.Addr{}
	var b *bodyError
	if _, _, err = encodeAnswer(offer, a, 5, 6); !errors.As(err, &b) || b.status != 500 {
		t.Errorf("no address: %v", err)
	}
	if raw, _, err = encodeAnswer(offer, Answer{}, 5, 6); err != nil || !strings.Contains(string(raw), "m=audio 0 RTP/AVP 0\r\n") {
		t.Errorf("all refused: %v\n%s", err, raw)
	}
}

// Whatever is offered and wished: as many lines as offered, every direction
// allowed, and what we say we use is what we wrote.
func TestAnswerIsReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lines := []string{}
		for i := range rapid.IntRange(1, 5).Draw(t, "lines") {
			lines = append(lines,
				rapid.SampledFrom([]string{"m=audio 4000 RTP/AVP 0 8 101", "m=audio 0 RTP/AVP 0", "m=video 4002 RTP/AVPF 97", "m=text 4004 TCP/MSRP *"}).Draw(t, "m"),
				rapid.SampledFrom([]string{"a=rtpmap:101 telephone-event/8000", "a=rtpmap:97 H264/90000", "a=rtcp-mux"}).Draw(t, "a"),
				rapid.SampledFrom([]string{"a=sendonly", "a=sendrecv", "a=inactive", "a=recvonly", "a=x"}).Draw(t, "direction"),
				"a=label:"+string(rune('a'+i)))
		}
		offer, err := readDescription([]byte(sdp(lines...)))
		if err != nil {
			t.Fatal(err)
		}
		a := answerAll(offer)
		for i := range a.Lines {
			a.Lines[i].Port *= uint16(rapid.IntRange(0, 1).Draw(t, "accepted"))
			a.Lines[i].Direction = rapid.SampledFrom([]Direction{RecvOnly, Inactive, SendRecv, SendOnly, ""}).Draw(t, "wish")
		}
		raw, used, err := encodeAnswer(offer, a, 1, 2)
		if err != nil {
			t.Fatal(err)
		}
		got, err := readDescription(raw)
		if err != nil || len(got.Lines) != len(offer.Lines) || len(used.Lines) != len(offer.Lines) {
			t.Fatalf("%v\n%s", err, raw)
		}
		for i, l := range got.Lines {
			o, u := offer.Lines[i], used.Lines[i]
			if l.Kind != o.Kind || l.Proto != o.Proto || l.Label != o.Label || l.Addr.Port() != u.Port {
				t.Fatalf("line %d\n%s", i, raw)
			}
			if u.Port != 0 && (l.Direction != u.Direction || l.Mux != u.Mux || len(l.Codecs) != len(u.Codecs)) {
				t.Fatalf("line %d: %+v\n%s", i, u, raw)
			}
			receives := o.Direction == SendOnly || o.Direction == SendRecv
			if u.Port != 0 && u.Direction != Inactive && (u.Direction != RecvOnly || !receives) {
				t.Fatalf("line %d: %s offered, %s answered", i, o.Direction, u.Direction)
			}
		}
	})
}

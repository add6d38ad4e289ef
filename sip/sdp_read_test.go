package sip

import (
	"errors"
	"strings"
	"testing"
)

// sdp puts a session level before the lines of a test.
func sdp(lines ...string) string {
	return "v=0\no=- 7 9 IN IP4 192.0.2.10\ns=-\nc=IN IP4 192.0.2.10\nt=0 0\n" + strings.Join(lines, "\n") + "\n"
}

var descriptions = map[string]struct{ sdp, want string }{
	"as in the RFC": {
		sdp("m=audio 40000 RTP/AVP 0 101", "a=rtpmap:101 telephone-event/8000", "a=fmtp:101 0-15", "a=label:1", "a=sendonly"), `
audio RTP/AVP 192.0.2.10:40000 sendonly label=1
  0 PCMU/8000
  101 TELEPHONE-EVENT/8000 (0-15)`},
	"no direction is sendrecv": {
		sdp("m=audio 40000 RTP/AVP 8", "a=label:1"), `
audio RTP/AVP 192.0.2.10:40000 sendrecv label=1
  8 PCMA/8000`},
	"direction of the session and of the medium": {
		strings.Replace(sdp("m=audio 40000 RTP/AVP 0", "a=label:1", "m=audio 40002 RTP/AVP 0", "a=label:2", "a=inactive"), "t=0 0", "t=0 0\na=sendonly", 1), `
audio RTP/AVP 192.0.2.10:40000 sendonly label=1
  0 PCMU/8000
audio RTP/AVP 192.0.2.10:40002 inactive label=2
  0 PCMU/8000`},
	"every static payload": {
		sdp("m=audio 40000 RTP/AVP 0 3 4 8 9 10 11 13 15 18 19", "a=label:1"), `
audio RTP/AVP 192.0.2.10:40000 sendrecv label=1
  0 PCMU/8000
  3 GSM/8000
  4 G723/8000
  8 PCMA/8000
  9 G722/8000
  10 L16/44100/2
  11 L16/44100
  13 CN/8000
  15 G728/8000
  18 G729/8000
  19 CN/8000`},
	"rtpmap in any shape": {
		sdp("m=audio 40000 RTP/AVP 0 8 111 96", "a=label:1", "a=rtpmap:0 pcmu/8000", "a=rtpmap:8 pcma/8000a", "a=rtpmap: 111 OPUS / 48000/2", "a=RTPMAP:96\tamr-wb/16000", "a=fmtp: 111 useinbandfec = 1; stereo=0"), `
audio RTP/AVP 192.0.2.10:40000 sendrecv label=1
  0 PCMU/8000
  8 PCMA/8000
  111 OPUS/48000/2 (useinbandfec = 1; stereo=0)
  96 AMR-WB/16000`},
	"payloads that say nothing": {
		sdp("m=audio 40000 RTP/AVP 0 100 xx 97 300 0", "a=label:1", "a=rtpmap:97 x/4294967295", "a=rtpmap:0 pcmu"), `
audio RTP/AVP 192.0.2.10:40000 sendrecv label=1
  0 PCMU/8000
note: m-line 1: payload 100 has no usable rtpmap: not used
note: m-line 1: format "xx" is no payload number: not used
note: m-line 1: payload 97 has no usable rtpmap: not used
note: m-line 1: format "300" is no payload number: not used`},
	"hold by address": {
		sdp("m=audio 40000 RTP/AVP 0", "c=IN IP4 0.0.0.0", "a=label:1", "a=sendonly"), `
audio RTP/AVP 0.0.0.0:40000 inactive label=1
  0 PCMU/8000`},
	"hold by the session's address": {
		"v=0\no=- 7 9 IN IP6 ::\nc=IN IP6 ::\nm=audio 40000 RTP/AVP 0\na=label:1\n", `
audio RTP/AVP [::]:40000 inactive label=1
  0 PCMU/8000`},
	"a c= line for one medium, after its attributes": {
		sdp("m=audio 40000 RTP/AVP 0", "a=label:1", "c=IN IP4 192.0.2.77/127", "m=audio 40002 RTP/AVP 0", "a=label:2"), `
audio RTP/AVP 192.0.2.77:40000 sendrecv label=1
  0 PCMU/8000
audio RTP/AVP 192.0.2.10:40002 sendrecv label=2
  0 PCMU/8000`},
	"lines in any order, nonsense between, every end of line": {
		"b=AS:64\ras\n\n=\nx=?\na=3gOoBTC\na=direction:both\nt=0 0\r\nc=IN IP4 192.0.2.10\r\ns=\r\nv=0\r\no=- 7 9 IN IP4 192.0.2.10\rm=audio 40000 RTP/AVP 0 \r\na=candidate:1 1 UDP 1 192.0.2.9 1 typ host\r\na=rtcp-fb:* nack\r\na=label:1", `
audio RTP/AVP 192.0.2.10:40000 sendrecv label=1
  0 PCMU/8000`},
	"IPv6": {
		sdp("m=audio 40000 RTP/AVP 0", "c=IN IP6 2001:db8::7", "a=label:1", "a=rtcp:41001 IN IP6 2001:db8::8"), `
audio RTP/AVP [2001:db8::7]:40000 sendrecv label=1 rtcp=[2001:db8::8]:41001
  0 PCMU/8000`},
	"a host name is not looked up": {
		sdp("m=audio 40000 RTP/AVP 0", "c=IN IP4 media.example.com", "a=label:1"), `
audio RTP/AVP invalid AddrPort sendrecv label=1
  0 PCMU/8000
note: m-line 1: its c= line holds a host name, which is not resolved`},
	"no address at all": {
		"v=0\no=- 7 9\nm=audio 40000 RTP/AVP 0\na=label:1\n", `
audio RTP/AVP invalid AddrPort sendrecv label=1
  0 PCMU/8000
note: m-line 1 has no c= line`},
	"RTCP": {
		sdp("m=audio 40000 RTP/AVP 0", "a=label:1", "a=rtcp-mux", "m=audio 40002 RTP/AVP 0", "a=label:2", "a=rtcp:50000", "m=audio 40004 RTP/AVP 0", "a=label:3", "a=rtcp:x"), `
audio RTP/AVP 192.0.2.10:40000 sendrecv label=1 mux rtcp=192.0.2.10:40000
  0 PCMU/8000
audio RTP/AVP 192.0.2.10:40002 sendrecv label=2 rtcp=192.0.2.10:50000
  0 PCMU/8000
audio RTP/AVP 192.0.2.10:40004 sendrecv label=3
  0 PCMU/8000`},
	"media that are no audio": {
		sdp("m=video 40000 RTP/AVP 97", "a=rtpmap:97 H264/90000", "a=label:3", "m=message 2855 TCP/MSRP *", "a=label:4", "m=image 40002 udptl t38", "a=label:5"), `
video RTP/AVP 192.0.2.10:40000 sendrecv label=3
  97 H264/90000
message TCP/MSRP 192.0.2.10:2855 sendrecv label=4
image udptl 192.0.2.10:40002 sendrecv label=5`},
	"labels missing and doubled": {
		sdp("m=audio 40000 RTP/AVP 0", "m=audio 40002 RTP/AVP 0", "a=label:a_leg", "m=audio 40004 RTP/AVP 0", "a=label:a_leg", "m=audio 0 RTP/AVP 0"), `
audio RTP/AVP 192.0.2.10:40000 sendrecv
  0 PCMU/8000
audio RTP/AVP 192.0.2.10:40002 sendrecv label=a_leg
  0 PCMU/8000
audio RTP/AVP 192.0.2.10:40004 sendrecv label=a_leg
  0 PCMU/8000
audio RTP/AVP 192.0.2.10:0 sendrecv
  0 PCMU/8000
note: m-line 1 has no a=label: matched by its place
note: m-line 3 repeats the label of another: matched by its place`},
	"ports that do not exist": {
		sdp("m=audio 70000 RTP/AVP 0", "m=audio -1 RTP/AVP 0", "m=audio 40000/2 RTP/AVP 0", "a=label:1", "m="), `
audio RTP/AVP 192.0.2.10:0 sendrecv
  0 PCMU/8000
audio RTP/AVP 192.0.2.10:0 sendrecv
  0 PCMU/8000
audio RTP/AVP 192.0.2.10:40000 sendrecv label=1
  0 PCMU/8000
audio RTP/AVP 192.0.2.10:0 sendrecv
note: m-line 1: port "70000" does not exist: taken as 0
note: m-line 2: port "-1" does not exist: taken as 0
note: m-line 3 asks for several ports: one is used
note: m-line 4 is incomplete`},
	"ptime, content, keys": {
		strings.Replace(sdp("m=audio 40000 RTP/SAVP 0", "a=label:1", "a=ptime:30", "a=content:main", "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:bm90IGEga2V5IG5vdCBhIGtleSBub3QgYSBrZXkgbm90IGEg", "m=audio 40002 RTP/AVP 0", "a=label:2", "a=ptime:0"), "t=0 0", "a=ptime:20.0", 1), `
audio RTP/SAVP 192.0.2.10:40000 sendrecv label=1 ptime=30 content=main crypto=1
  0 PCMU/8000
audio RTP/AVP 192.0.2.10:40002 sendrecv label=2 ptime=20
  0 PCMU/8000
note: ptime "0" is not between 1 and 1000 ms: ignored`},
}

func TestDescription(t *testing.T) {
	for name, row := range descriptions {
		t.Run(name, func(t *testing.T) {
			d, err := readDescription([]byte(row.sdp))
			if err != nil {
				t.Fatal(err)
			}
			if got := "\n" + strings.TrimRight(describeMedia(d), "\n"); got != row.want {
				t.Errorf("got%s\nwant%s", got, row.want)
			}
			if string(d.Raw) != row.sdp {
				t.Error("Raw is not what came")
			}
		})
	}
}

func TestDescriptionOrigin(t *testing.T) {
	for value, row := range map[string]struct {
		version uint64
		notes   int
	}{
		"- 1 18446744073709551615 IN IP4 192.0.2.1": {1<<64 - 1, 0},
		"SRC 20 2024-04-05 IN IP4 192.0.2.1":        {0, 1},
		"-":                                         {0, 1},
	} {
		d, err := readDescription([]byte("v=0\no=" + value + "\nc=IN IP4 192.0.2.10\nm=audio 4 RTP/AVP 0\na=label:1\n"))
		if err != nil || d.Origin != value || d.Version != row.version || len(d.Notes) != row.notes {
			t.Errorf("%q: %+v, %v", value, d, err)
		}
	}
}

func TestDescriptionThatCannotBeAnswered(t *testing.T) {
	for name, row := range map[string]struct{ sdp, reason string }{
		"no m-line":       {sdp(), "no media line"},
		"no v= line":      {"o=- 1 1 IN IP4 192.0.2.10\nm=audio 4 RTP/AVP 0\n", "no v= line"},
		"nonsense":        {"hello", "no v= line"},
		"65 media lines":  {sdp(strings.Repeat("m=audio 4 RTP/AVP 0\n", 65)), "more than 64 media lines"},
		"500 media lines": {sdp(strings.Repeat("m=audio 4 RTP/AVP 0\n", 500)), "more than 64 media lines"},
		"over 64 KiB":     {sdp("m=audio 4 RTP/AVP 0", strings.Repeat("x", 64<<10)), "larger than 64 KiB"},
	} {
		_, err := readDescription([]byte(row.sdp))
		var b *bodyError
		if !errors.As(err, &b) || b.status != 488 || !strings.Contains(b.reason, row.reason) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

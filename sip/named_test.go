package sip

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
)

// lockedBuffer is a log that may be read while it is written.
type lockedBuffer struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

const unlabelledSDP = "v=0\r\no=- 1 1 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n" +
	"m=audio 40000 RTP/AVP 0\r\na=sendonly\r\nm=audio 40002 RTP/AVP 0\r\na=sendonly\r\n"

func TestPartiesThatHeadersName(t *testing.T) {
	for name, row := range map[string]struct {
		header  string // of the Source
		headers []string
		parties string // "user line", by header
		note    string
	}{
		"by index, in any order": {"", []string{`X-Example-Recording-Participant: sip:2001@x;media-index="1"`, `X-Example-Recording-Participant: <sip:2002@x>;media-index="0"`}, "2001 1, 2002 0", ""},
		"two in one header":      {"", []string{`X-Example-Recording-Participant: sip:2001@x;media-index="0", "Kim" <sip:2002@x>;media-index=1`}, "2001 0, 2002 1", ""},
		"without indices":        {"", []string{`X-Example-Recording-Participant: <sip:2001@x>`, `X-Example-Recording-Participant: <tel:0105550101>`}, "2001 0, 0105550101 1", "line 2, by order"},
		"one without an index":   {"", []string{`X-Example-Recording-Participant: <sip:2001@x>;media-index=0`, `X-Example-Recording-Participant: <sip:2002@x>;media-index=x`}, "2001 0, 2002 1", "line 2, by order"},
		"another name":           {"X-Who", []string{`X-Who: sip:2001@x;media-index=0`, `X-Example-Recording-Participant: sip:2002@x;media-index=1`}, "2001 0", ""},
		"an empty one":           {"X-Who", []string{`X-Who: `}, "", "names nobody"},
		"none":                   {"X-Who", nil, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := listen(t, "udp", func(s *served) {
				s.Access = func() []Source { return []Source{{Name: "gateway", Networks: anywhere, PartyHeader: row.header}} }
			})
			c := s.dial(t)
			c.enter(c.request(200, "INVITE", "application/sdp", unlabelledSDP, row.headers...))
			c.ack()
			o := s.offer(t, "INVITE")
			var got []string
			for _, p := range o.Named {
				got = append(got, fmt.Sprint(p.User, " ", p.Line))
			}
			if strings.Join(got, ", ") != row.parties || row.note != "" && !strings.Contains(strings.Join(o.Notes, "\n"), row.note) {
				t.Errorf("%q, notes %q", got, o.Notes)
			}
			c.request(200, "BYE", "", "")
		})
	}
}

// An UPDATE without a body says who is there now, where headers name the parties;
// without them it refreshes the session and is nobody's business.
func TestQ12_UpdateNamesOthers(t *testing.T) {
	s := listen(t, "udp", func(s *served) {
		s.Access = func() []Source { return []Source{{Name: "gateway", Networks: anywhere}} }
	})
	c := s.dial(t)
	c.enter(c.request(200, "INVITE", "application/sdp", unlabelledSDP))
	c.ack()
	s.offer(t, "INVITE")
	c.request(200, "UPDATE", "", "")
	c.request(200, "UPDATE", "", "", "X-Example-Recording-Participant: sip:2003@x;media-index=1")
	if o := s.offer(t, "UPDATE"); len(o.Named) != 1 || o.Named[0].User != "2003" || o.Media != nil {
		t.Errorf("%+v", o)
	}
	c.request(200, "BYE", "", "")
}

// Parameters of From tell both ends of a forked call, in the URI or after it; an
// older phone system leaves the near end to From itself.
func TestQ11_EndsOfAForkedCall(t *testing.T) {
	for from, want := range map[string]string{
		"<sip:2001@x;x-nearend;x-refci=7;x-farendaddr=0105550101>;tag=a":                     "2001 0, 0105550101 -1",
		"<sip:2001@x;x-farend;x-refci=7;x-farendaddr=0105550101>;tag=a":                      "2001 -1, 0105550101 0",
		"<sip:9@x;x-farend;x-refci=7;x-nearendaddr=2001;x-farendaddr=0105550101>;tag=a":      "2001 -1, 0105550101 0",
		"<sip:2001@x>;x-nearend;x-refci=7;x-nearendaddr=2001;x-farendaddr=0105550101;tag=a":  "2001 0, 0105550101 -1",
		"<sip:2001@x;x-nearend;x-refci=7>;tag=a":                                             "2001 0",
		"<sip:2001@x;x-farendaddr=0105550101>;tag=a":                                         "",
		"<sip:x;X-NearEnd;x-refci=7;x-nearendaddr=2001;x-farendaddr=>;tag=a":                 "2001 0",
		"\"Kim\" <sip:2001@x;x-nearend;x-refci=7;x-farendaddr=+82105550101;isFocus>;tag=abc": "2001 0, +82105550101 -1",
	} {
		m := &Message{Request: true, Method: "INVITE", headers: []header{{"From", from}}}
		parties, _ := m.named()
		var got []string
		for _, p := range parties {
			got = append(got, fmt.Sprint(p.URI, " ", p.Line))
		}
		if strings.Join(got, ", ") != want {
			t.Errorf("%s: %q, want %q", from, got, want)
		}
	}
}

// Without a list of sources only SIPREC is taken; who sends something else learns
// what is to be configured, and no number with it.
func TestProfileThatIsMissing(t *testing.T) {
	for want, from := range map[string]string{
		"participant-header": "<sip:gateway@x>",
		"leg-per-dialog":     "<sip:2001@x;x-nearend;x-refci=7;x-farendaddr=0105550101>",
	} {
		extra := "X-Nothing: 1"
		if want == "participant-header" {
			extra = "X-Example-Recording-Participant: sip:2001@x;media-index=0"
		}
		t.Run(want, func(t *testing.T) {
			var log lockedBuffer
			s := listen(t, "udp", func(s *served) { s.Log = slog.New(slog.NewTextHandler(&log, nil)) })
			c := s.dial(t)
			c.contact = strings.ReplaceAll(c.contact, ";+sip.src", "")
			raw := c.compose("INVITE", "application/sdp", unlabelledSDP, extra)
			raw = strings.Replace(raw, "<sip:src@pbx.example>", from, 1)
			c.write(raw)
			if h := c.response(403); !strings.Contains(h.phrase, "profile") {
				t.Errorf("refused with %q", h.phrase)
			}
			if got := log.String(); strings.Count(got, want) != 1 || strings.Contains(got, "2001") {
				t.Errorf("the log says %q", got)
			}
		})
	}
}

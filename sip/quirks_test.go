package sip

import (
	"strings"
	"testing"
	"time"
)

// Lines stay inactive until somebody answers, perhaps for long: nothing ends
// the session meanwhile, and the newest offer alone tells the direction.
func TestQ13_InactiveUntilTheCallIsAnswered(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, s *served, c *src) {
		waiting := strings.ReplaceAll(offerSDP, "sendonly", "inactive")
		c.enter(c.request(200, "INVITE", "application/sdp", waiting, "Require: siprec"))
		c.ack()
		for _, row := range []struct{ sdp, want string }{
			{waiting, "1 inactive, 2 inactive"},
			{strings.Replace(waiting, "inactive", "sendonly", 1), "1 recvonly, 2 inactive"},
			{waiting, "1 inactive, 2 inactive"},
			{offerSDP, "1 recvonly, 2 recvonly"},
		} {
			c.silent(time.Hour)
			if got := mediaLines(t, c.request(200, "INVITE", "application/sdp", row.sdp)); got != row.want {
				t.Errorf("answered %s, want %s", got, row.want)
			}
			c.ack()
		}
		if len(s.ends) != 0 {
			t.Error("the session ended")
		}
		c.request(200, "BYE", "", "")
	})
}

// Whatever a PBX calls the identifier of a call, it leads to the recording.
func TestQ38_CallIdentifiersOfEveryKind(t *testing.T) {
	s := listen(t, "udp", nil)
	c := s.dial(t)
	headers := map[string]string{
		"User-to-User":                  "00FA080A0B0C;encoding=hex",
		"Cisco-Guid":                    "2967454021-1296568810-2195116643-3918495780",
		"Cisco-Gucid":                   "B0E0A4C54D4811EA82D6F2A3E9908064",
		"Session-ID":                    "ab30317f1a784dc48ff824d0d3715d86",
		"X-BroadWorks-Correlation-Info": "c4f2a1",
		"X-Acme-Call-ID":                "a1@192.0.2.30",
		"X-AccountId":                   "AC0000",
		"X-Genesys-CallUUID":            "U1",
		"Call-Info":                     "<https://example.com/conversations/7>;purpose=Goog-ContactCenter-Conversation",
		"P-Asserted-Identity":           "<sip:2001@example.com>",
		"X-Something-Nobody-Heard-Of":   "7",
		"X-Repeated":                    "first",
		"x-lower-case":                  "1",
	}
	var lines []string
	for name, value := range headers {
		lines = append(lines, name+": "+value)
	}
	c.start(append(lines, "X-Repeated: second")...)
	info := (<-s.live).Info()
	for name, want := range headers {
		switch name {
		case "P-Asserted-Identity":
			if len(info.PAI) != 1 || info.PAI[0].User != "2001" {
				t.Errorf("%s: %+v", name, info.PAI)
			}
			continue
		case "X-Repeated":
			want = "first, second"
		}
		if got := info.Correlation[name]; got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// One Call-ID may name several dialogs: the tags tell them apart.
func TestQ39_OneCallIDForTwoSessions(t *testing.T) {
	s := listen(t, "udp", nil)
	one, other := s.dial(t), s.dial(t)
	other.callID = one.callID
	one.start()
	other.start()
	s.offer(t, "INVITE")
	s.offer(t, "INVITE")
	if len(s.live) != 2 {
		t.Fatalf("%d sessions", len(s.live))
	}
	one.request(200, "BYE", "", "")
	s.end(t, "src", "bye")
	other.request(200, "UPDATE", "application/rs-metadata+xml", metadataXML)
	if o := s.offer(t, "UPDATE"); len(o.Metadata) != 1 {
		t.Errorf("%+v", o)
	}
	mixed := s.dial(t) // their tag with the other's of ours is no dialog
	mixed.callID, mixed.tag, mixed.to = one.callID, one.tag, other.to
	mixed.request(481, "BYE", "", "")
	other.request(200, "BYE", "", "")
	s.end(t, "src", "bye")
}

package sip

import (
	"strings"
	"testing"
)

// mediaLines are the m= lines of an answer with their directions.
func mediaLines(t *testing.T, h heard) string {
	t.Helper()
	d, err := h.Description()
	if err != nil || d == nil {
		t.Fatalf("%v\n%s", err, h.raw)
	}
	var all []string
	for _, l := range d.Lines {
		state := string(l.Direction)
		if l.Addr.Port() == 0 {
			state = "removed"
		}
		all = append(all, l.Label+" "+state)
	}
	return strings.Join(all, ", ")
}

func TestB10_LinesComePauseAndGo(t *testing.T) {
	s := listen(t, "udp", nil)
	c := s.dial(t)
	c.start()
	third := "m=audio 40004 RTP/AVP 8\r\na=label:3\r\na=sendonly\r\n"
	for _, row := range []struct{ name, sdp, want string }{
		{"a third line", offerSDP + third, "1 recvonly, 2 recvonly, 3 recvonly"},
		{"all paused", strings.ReplaceAll(offerSDP+third, "sendonly", "inactive"), "1 inactive, 2 inactive, 3 inactive"},
		{"held the old way", strings.ReplaceAll(offerSDP+third, "c=IN IP4 192.0.2.10", "c=IN IP4 0.0.0.0"), "1 inactive, 2 inactive, 3 inactive"},
		{"resumed", offerSDP + third, "1 recvonly, 2 recvonly, 3 recvonly"},
		{"the second removed", strings.Replace(offerSDP, "40002", "0", 1) + third, "1 recvonly, 2 removed, 3 recvonly"},
		{"its place used again", strings.Replace(offerSDP, "label:2", "label:4", 1) + third, "1 recvonly, 4 recvonly, 3 recvonly"},
	} {
		if got := mediaLines(t, c.request(200, "INVITE", "application/sdp", row.sdp)); got != row.want {
			t.Errorf("%s: %s, want %s", row.name, got, row.want)
		}
		c.ack()
	}
	c.request(200, "BYE", "", "")
	s.end(t, "src", "bye")
}

// The version in o= rises with every change of the answer, and only then.
func TestB07_VersionOfOurDescription(t *testing.T) {
	s := listen(t, "udp", nil)
	c := s.dial(t)
	version := func(h heard) uint64 {
		d, err := h.Description()
		if err != nil {
			t.Fatal(err)
		}
		return d.Version
	}
	first := version(c.start())
	paused := strings.ReplaceAll(offerSDP, "sendonly", "inactive")
	for _, row := range []struct {
		sdp  string
		rise uint64
	}{{offerSDP, 0}, {paused, 1}, {paused, 1}, {offerSDP, 2}} {
		if got := version(c.request(200, "INVITE", "application/sdp", row.sdp)); got != first+row.rise {
			t.Errorf("version %d after %d, want a rise of %d", got, first, row.rise)
		}
		c.ack()
	}
}

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

// A re-INVITE with the o= version of before refreshes the session and changes
// nothing: the same answer, ports and version (RFC 8866 section 5.2).
func TestB24_UnchangedVersionIsARefresh(t *testing.T) {
	s := listen(t, "udp", nil)
	c := s.dial(t)
	first := c.start()
	again := c.request(200, "INVITE", "application/sdp", offerSDP)
	c.ack()
	if body(first) != body(again) {
		t.Errorf("the answer became\n%s\nit was\n%s", body(again), body(first))
	}
	if strings.Contains(strings.ToLower(again.header("Supported")), "siprec") {
		t.Errorf("Supported: %s", again.header("Supported"))
	}
}

// BUNDLE is answered without: no group, each line with a port of its own (RFC
// 9143 section 7.3).
func TestB22_BundleIsAnsweredWithout(t *testing.T) {
	s := listen(t, "udp", nil)
	c := s.dial(t)
	lines := strings.SplitAfter(offerSDP, "\r\n")
	bundled := strings.Replace(offerSDP, "m=audio", "a=group:BUNDLE a b\r\nm=audio", 1)
	if bundled == offerSDP || len(lines) < 5 {
		t.Fatal("the offer has no line to bundle")
	}
	h := c.request(200, "INVITE", "application/sdp", bundled, "Require: siprec")
	c.ack()
	answer := body(h)
	if strings.Contains(answer, "BUNDLE") {
		t.Errorf("answered\n%s", answer)
	}
	d, err := h.Description()
	if err != nil {
		t.Fatal(err)
	}
	ports := make(map[uint16]bool)
	for _, l := range d.Lines {
		ports[l.Addr.Port()] = true
	}
	if len(d.Lines) < 2 || len(ports) != len(d.Lines) {
		t.Errorf("%d lines on %d ports", len(d.Lines), len(ports))
	}
}

// body is what follows the header of a message.
func body(h heard) string {
	_, b, _ := strings.Cut(h.raw, "\r\n\r\n")
	return b
}

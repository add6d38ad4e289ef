package sip

import (
	"net/netip"
	"strings"
	"testing"
	"time"
)

const (
	dateOne = "Date: Mon, 02 Mar 2026 00:00:01 GMT"
	dateTwo = "Date: Mon, 02 Mar 2026 00:00:02 GMT"
)

// said is what the clock of the only source heard so far said, "" nothing.
func (s *served) said(t *testing.T) string {
	t.Helper()
	all := s.Sources()
	if len(all) != 1 {
		t.Fatalf("%d sources were heard", len(all))
	}
	clock := all[0].Clock
	if clock.Date.IsZero() {
		return ""
	}
	if age := time.Since(clock.Heard); age < 0 || age > time.Minute {
		t.Errorf("heard %v ago", age)
	}
	return "Date: " + clock.Date.Format(dateLayout)
}

// Anybody can write a source's address on a datagram; nobody else has our tag.
func TestDateOverUDPCountsOnceItsSenderHasHeardUs(t *testing.T) {
	s := listen(t, "udp", listed(Source{Name: "pbx", Networks: anywhere}))
	c := s.dial(t)
	c.request(200, "OPTIONS", "", "", dateOne)
	if got := s.said(t); got != "" {
		t.Errorf("an OPTIONS that anybody may have sent proves %q", got)
	}
	c.enter(c.request(200, "INVITE", "application/sdp", offerSDP, "Require: siprec", dateOne))
	if got := s.said(t); got != "" {
		t.Errorf("an INVITE that anybody may have sent proves %q", got)
	}
	to := c.to
	c.to = strings.Replace(to, "tag=", "tag=x", 1)
	c.request(481, "UPDATE", "", "", dateTwo)
	if got := s.said(t); got != "" {
		t.Errorf("a request with a tag that is not ours proves %q", got)
	}
	c.to = to
	c.ack()
	c.request(200, "OPTIONS", "", "")
	if got := s.said(t); got != dateOne {
		t.Errorf("after the ACK: %q", got)
	}
	c.request(200, "UPDATE", "", "", dateTwo)
	if got := s.said(t); got != dateTwo {
		t.Errorf("after an UPDATE: %q", got)
	}
	c.request(200, "BYE", "", "")
	if got := s.said(t); got != dateTwo {
		t.Errorf("the INVITE's again, after the BYE: %q", got)
	}
}

func TestDateOverAConnectionCounts(t *testing.T) {
	for _, tc := range []struct {
		name   string
		source Source
		want   string
	}{
		{"by address", Source{Name: "pbx", Networks: anywhere}, dateOne},
		{"by account", Source{Name: "pbx", Digest: &Digest{Realm: "siprecd", User: "pbx", Password: "secret"}}, ""}, // it has not shown it
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := listen(t, "tcp", listed(tc.source))
			c := s.dial(t)
			c.request(200, "OPTIONS", "", "", dateOne)
			if got := s.said(t); got != tc.want {
				t.Errorf("%q, want %q", got, tc.want)
			}
		})
	}
}

func TestDatesThatSayNothing(t *testing.T) {
	at := time.Now()
	for _, headers := range [][]header{
		nil,
		{{"Date", ""}},
		{{"Date", "Mon, 02 Mar 2026 09:00:01 KST"}},
		{{"Date", "Mon, 02 Mar 2026 00:00:01 +0000"}},
		{{"Date", "2026-03-02T00:00:01Z"}},
		{{"Date", "Mon, 32 Mar 2026 00:00:01 GMT"}},
		{{"Date", "Mon, 02 Mar 2026 00:00:01 GMT"}, {"Date", "Mon, 02 Mar 2026 00:00:02 GMT"}},
	} {
		m := &Message{headers: headers}
		if got := m.reading(at, netip.Addr{}); !got.Date.IsZero() || !got.Heard.IsZero() {
			t.Errorf("%v says %v", headers, got)
		}
	}
	m := &Message{headers: []header{{"date", "Mon, 02 Mar 2026 00:00:01 GMT"}}}
	if got := m.reading(at, netip.Addr{}); !got.Date.Equal(time.Date(2026, 3, 2, 0, 0, 1, 0, time.UTC)) || got.Heard != at {
		t.Errorf("%v", got)
	}
}

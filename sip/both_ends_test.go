package sip

import (
	"testing"
	"time"
)

// Our two ends speak to each other: offers, changes, our redirect and snapshot,
// digest, and the end.
func TestBothEnds(t *testing.T) {
	for _, transport := range []string{"udp", "tcp"} {
		t.Run(transport, func(t *testing.T) {
			account := &Digest{Realm: "siprecd", User: "src", Password: "secret"}
			s := listen(t, transport, listed(Source{Name: "src", Networks: anywhere, Digest: account}))
			c := &Caller{Transport: transport, Local: "127.0.0.1:0", User: "src", Password: "secret"}
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			o, err := c.Invite(t.Context(), Invitation{
				Target: "sip:srs@" + s.Addr(0).String(), From: "2001",
				Lines:    []Line{{Kind: "audio", Label: "1"}, {Kind: "audio", Label: "2"}},
				Metadata: []byte(metadataXML), SessionExpires: 90 * time.Second,
			})
			if err != nil {
				t.Fatal(err)
			}
			if first := s.offer(t, "INVITE"); first.Media == nil || len(first.Media.Lines) != 2 || len(first.Metadata) != 1 {
				t.Errorf("%+v", first)
			}
			rs := <-s.live
			if info := rs.Info(); info.Source != "src" || info.From.User != "2001" {
				t.Errorf("%+v", info)
			}
			if err := rs.RequestSnapshot(t.Context(), "test"); err != nil {
				t.Error(err)
			}
			if update := s.offer(t, "UPDATE"); len(update.Metadata) != 1 {
				t.Errorf("%+v", update)
			}
			if err := rs.Redirect(t.Context(), Answer{Addr: bubbleSRS.AddrPort().Addr(), Lines: []AnswerLine{
				{Port: 30000, Direction: Inactive, Codecs: []Codec{{Name: "PCMU", Clock: 8000, Channels: 1}}},
				{Port: 30002, Direction: Inactive, Codecs: []Codec{{Name: "PCMU", Clock: 8000, Channels: 1}}},
			}}); err != nil {
				t.Error(err)
			}
			if err := o.Update(t.Context(), Change{Metadata: []byte(metadataXML)}); err != nil {
				t.Error(err)
			}
			s.offer(t, "UPDATE")
			if err := o.Bye(t.Context(), nil); err != nil {
				t.Error(err)
			}
			s.end(t, "src", "bye")
		})
	}
}

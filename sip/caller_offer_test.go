package sip

import (
	"bytes"
	"net/netip"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// What an SRC writes is what our own server reads.
func TestOfferIsReadBack(t *testing.T) {
	directions := []Direction{SendOnly, RecvOnly, SendRecv, Inactive}
	formats := []Codec{
		{Payload: 0, Name: "PCMU", Clock: 8000, Channels: 1},
		{Payload: 9, Name: "G722", Clock: 8000, Channels: 1},
		{Payload: 111, Name: "OPUS", Clock: 48000, Channels: 2, Fmtp: "useinbandfec=1"},
		{Payload: 101, Name: "TELEPHONE-EVENT", Clock: 8000, Channels: 1, Fmtp: "0-16"},
	}
	rapid.Check(t, func(t *rapid.T) {
		hosts := []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")}
		local := rapid.SampledFrom(hosts).Draw(t, "local")
		var lines []Line
		for i := range rapid.IntRange(1, 4).Draw(t, "lines") {
			first := rapid.IntRange(0, len(formats)-1).Draw(t, "format")
			lines = append(lines, Line{
				Index: i, Kind: "audio", Proto: "RTP/AVP",
				Label:     rapid.StringMatching(`[0-9a-z]{0,8}`).Draw(t, "label"),
				Addr:      netip.AddrPortFrom(rapid.SampledFrom(hosts).Draw(t, "addr"), uint16(rapid.IntRange(1, 32767).Draw(t, "port")*2)),
				Direction: rapid.SampledFrom(directions).Draw(t, "direction"),
				Codecs:    formats[first:],
				Ptime:     time.Duration(rapid.IntRange(1, 6).Draw(t, "ptime")) * 10 * time.Millisecond,
			})
		}
		metadata := []byte(rapid.StringMatching(`<recording>[a-z\r\n-]{0,40}</recording>`).Draw(t, "metadata"))
		m := &Message{}
		setBody(m, encodeLines(lines, local, 7, 8), metadata)
		got, err := m.content()
		if err != nil || got.media == nil || len(got.media.Lines) != len(lines) {
			t.Fatalf("%+v, %v", got, err)
		}
		if got.media.Version != 8 || len(got.metadata) != 1 || !bytes.Equal(got.metadata[0].Body, metadata) {
			t.Fatalf("version %d, metadata %q", got.media.Version, got.metadata)
		}
		for i, want := range lines {
			l := got.media.Lines[i]
			if l.Label != want.Label || l.Addr != want.Addr || l.Direction != want.Direction || l.Ptime != want.Ptime || !slices.Equal(l.Codecs, want.Codecs) {
				t.Fatalf("line %d:\n%+v\nwant\n%+v", i, l, want)
			}
		}
	})
}

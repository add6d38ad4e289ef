package sip

import (
	"fmt"
	"strings"
	"time"
)

// describe writes what was understood of an offer, one thing a line.
func describe(o *Offer) string {
	var b strings.Builder
	if o.WantOffer {
		b.WriteString("wants our offer\n")
	}
	if o.Media != nil {
		b.WriteString(describeMedia(o.Media))
	}
	for _, m := range o.Metadata {
		fmt.Fprintf(&b, "metadata %s, %d bytes\n", m.Type, len(m.Body))
	}
	for _, n := range o.Named {
		fmt.Fprintf(&b, "headers name %s", n.URI)
		if n.Line >= 0 {
			fmt.Fprintf(&b, " for line %d", n.Line)
		}
		b.WriteString("\n")
	}
	for _, p := range o.Presses {
		fmt.Fprintf(&b, "key %c for %v\n", p.Digit, p.Duration)
	}
	for _, n := range o.Notes {
		fmt.Fprintf(&b, "note: %s\n", n)
	}
	return b.String()
}

func describeMedia(d *Description) string {
	var b strings.Builder
	for _, l := range d.Lines {
		fmt.Fprintf(&b, "%s %s %s %s", l.Kind, l.Proto, l.Addr, l.Direction)
		if l.Label != "" {
			fmt.Fprintf(&b, " label=%s", l.Label)
		}
		if l.Mux {
			b.WriteString(" mux")
		}
		if l.RTCP.IsValid() && (l.RTCP.Addr() != l.Addr.Addr() || l.RTCP.Port() != l.Addr.Port()+1) {
			fmt.Fprintf(&b, " rtcp=%s", l.RTCP)
		}
		if l.Ptime != 0 {
			fmt.Fprintf(&b, " ptime=%d", l.Ptime/time.Millisecond)
		}
		if l.Content != "" {
			fmt.Fprintf(&b, " content=%s", l.Content)
		}
		if len(l.Crypto) > 0 {
			fmt.Fprintf(&b, " crypto=%d", len(l.Crypto))
		}
		b.WriteString("\n")
		for _, c := range l.Codecs {
			fmt.Fprintf(&b, "  %d %s/%d", c.Payload, c.Name, c.Clock)
			if c.Channels > 1 {
				fmt.Fprintf(&b, "/%d", c.Channels)
			}
			if c.Fmtp != "" {
				fmt.Fprintf(&b, " (%s)", c.Fmtp)
			}
			b.WriteString("\n")
		}
	}
	for _, n := range d.Notes {
		fmt.Fprintf(&b, "note: %s\n", n)
	}
	return b.String()
}

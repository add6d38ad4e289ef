package recorder

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"siprecd/media"
	"siprecd/sip"
)

// line is one m= line of the RS as last negotiated.
type line struct {
	index   int
	offered sip.Line
	codecs  []sip.Codec // accepted ones; none: refused
	port    uint16
	secured secured

	orphaned bool // its recording ended while others went on: nobody's, until a CS claims it
}

// recordable tells what a line may be accepted with: what the renderer can turn
// into sound, or pass over, or what is to be kept until it can.
func (c *Call) recordable(k sip.Codec) bool {
	if c.settings.Accepts != nil {
		return c.settings.Accepts(format(k))
	}
	return media.Understands(format(k))
}

// audible reports whether a format carries speech by itself.
func audible(c sip.Codec) bool { return c.Name != "CN" && c.Name != "TELEPHONE-EVENT" }

// offerable is what we can offer when the INVITE left it to us.
var offerable = []sip.Codec{
	{Payload: 0, Name: "PCMU", Clock: 8000, Channels: 1},
	{Payload: 8, Name: "PCMA", Clock: 8000, Channels: 1},
	{Payload: 9, Name: "G722", Clock: 8000, Channels: 1},
	{Payload: 96, Name: "OPUS", Clock: 48000, Channels: 2},
	{Payload: 18, Name: "G729", Clock: 8000, Channels: 1},
	{Payload: 3, Name: "GSM", Clock: 8000, Channels: 1},
	{Payload: 97, Name: "AMR", Clock: 8000, Channels: 1, Fmtp: "octet-align=1"},
	{Payload: 98, Name: "AMR-WB", Clock: 16000, Channels: 1, Fmtp: "octet-align=1"},
	{Payload: 102, Name: "ILBC", Clock: 8000, Channels: 1, Fmtp: "mode=20"},
	{Payload: 13, Name: "CN", Clock: 8000, Channels: 1},
	{Payload: 101, Name: "TELEPHONE-EVENT", Clock: 8000, Channels: 1, Fmtp: "0-15"},
}

// ourOffer is what we offer of it, on each line.
func (c *Call) ourOffer() []sip.Codec {
	return slices.DeleteFunc(slices.Clone(offerable), func(k sip.Codec) bool { return !c.recordable(k) })
}

// negotiate takes the lines of an offer. A non-zero code refuses it, and
// everything stays as it was.
func (c *Call) negotiate(o *sip.Offer) (code int, reason string) {
	if o.WantOffer {
		return c.propose()
	}
	for _, n := range o.Media.Notes {
		c.note("%s", n)
	}
	if o.Method != "ACK" && !refusesAll(o.Media.Lines) {
		if why := c.unacceptable(o.Media.Lines); why != "" {
			return 488, why
		}
	}
	for i, offered := range o.Media.Lines {
		if i == len(c.lines) {
			c.lines = append(c.lines, line{index: i})
		}
		if err := c.take(&c.lines[i], offered); err != nil {
			if i == 0 && len(c.lines) == 1 && c.lines[0].port == 0 {
				return 503, "no RTP port free"
			}
			c.note("line %d refused: %v", i, err)
		}
	}
	return 0, ""
}

// unacceptable says why none of the lines can be recorded; "" when one can.
func (c *Call) unacceptable(lines []sip.Line) string {
	why := "no audio line"
	var refused []string
	for _, l := range lines {
		if len(c.accepted(l)) == 0 {
			for _, k := range l.Codecs {
				if audible(k) && !slices.Contains(refused, k.Name) {
					refused = append(refused, k.Name)
					why = "no codec of [media] codecs that can be heard here: " + strings.Join(refused, ", ")
				}
			}
			continue
		}
		_, err := secure(l, c.source.Encryption, secured{})
		if err == nil {
			return ""
		}
		why = fmt.Sprintf("line %d: %v", l.Index, err)
	}
	return why
}

// refusesAll reports whether the SRC itself has switched every line off.
func refusesAll(lines []sip.Line) bool {
	for _, l := range lines {
		if l.Addr.Port() != 0 {
			return false
		}
	}
	return len(lines) > 0
}

func (c *Call) accepted(l sip.Line) []sip.Codec {
	if l.Kind != "audio" || l.Addr.Port() == 0 {
		return nil
	}
	keep := slices.DeleteFunc(slices.Clone(l.Codecs), func(k sip.Codec) bool { return !c.recordable(k) })
	if !slices.ContainsFunc(keep, audible) {
		return nil
	}
	return keep
}

// take makes l what offered asks for: a socket opened or closed, formats,
// source and direction.
func (c *Call) take(l *line, offered sip.Line) error {
	was := l.secured
	l.offered, l.codecs, l.secured = offered, c.accepted(offered), secured{}
	if len(l.codecs) > 0 {
		var err error
		if l.secured, err = secure(offered, c.source.Encryption, was); err != nil {
			c.note("line %d refused: %v", l.index, err)
			l.codecs = nil
		}
	}
	if len(l.codecs) == 0 {
		if l.port != 0 {
			c.ports.Remove(l.index)
			l.port = 0
		}
		return nil
	}
	switch {
	case l.secured.on:
	case was.on:
		c.note("line %d: the source no longer encrypts its media", l.index)
	case len(offered.Crypto) > 0 && c.source.Encryption == EitherWay:
		c.note("line %d: none of the keys offered beside %s can be used: it is received in clear", l.index, offered.Proto)
	}
	if l.port == 0 {
		port, err := c.ports.Add(l.index)
		if err != nil {
			l.codecs = nil
			return err
		}
		l.port = port
	}
	return nil
}

// propose is our own offer of two audio lines (RFC 7866 section 8.4: at least).
func (c *Call) propose() (code int, reason string) {
	for i := range max(2, len(c.lines)) {
		if i == len(c.lines) {
			c.lines = append(c.lines, line{index: i, offered: sip.Line{Index: i, Kind: "audio", Proto: "RTP/AVP"}})
		}
		l := &c.lines[i]
		l.offered.Direction = sip.SendOnly
		if len(l.codecs) == 0 {
			l.codecs = c.ourOffer()
		}
		var err error
		if l.secured, err = proposal(c.source.Encryption, l.secured); err != nil {
			return 500, "no key"
		}
		if l.port != 0 {
			continue
		}
		port, err := c.ports.Add(i)
		if err != nil {
			return 503, "no RTP port free"
		}
		l.port = port
	}
	return 0, ""
}

// answer is the answer to the lines as they stand.
func (c *Call) answer() sip.Answer {
	a := sip.Answer{Addr: c.ports.Addr}
	for i := range c.lines {
		l := &c.lines[i]
		al := sip.AnswerLine{Port: l.port, Codecs: l.codecs, Direction: sip.Inactive, Mux: l.offered.Mux, Crypto: l.secured.ours}
		if l.secured.peers != nil {
			al.Fingerprint = c.r.identity.Fingerprint()
		}
		if len(l.codecs) == 0 {
			al = sip.AnswerLine{}
		} else if c.wants(l) {
			al.Direction = sip.RecvOnly
		}
		a.Lines = append(a.Lines, al)
	}
	return a
}

// holdLimit is how long the packets of all lines may wait.
func (c *Call) holdLimit() time.Duration {
	limit := holdAtMost
	for i := range c.lines {
		if l := &c.lines[i]; c.ports.HoldLimit != nil && c.wants(l) {
			limit = min(limit, c.ports.HoldLimit(i, formats(l.codecs), l.offered.Ptime))
		}
	}
	return limit
}

// tell reports whether a says anything new about directions.
func (c *Call) tell(a sip.Answer) bool {
	var now []sip.Direction
	for _, l := range a.Lines {
		now = append(now, l.Direction)
	}
	changed := !slices.Equal(now, c.told)
	c.told = now
	return changed
}

func (c *Call) labels() []string {
	labels := make([]string, len(c.lines))
	for i, l := range c.lines {
		labels[i] = l.offered.Label
	}
	return labels
}

func format(k sip.Codec) media.Format {
	return media.Format{Payload: k.Payload, Name: k.Name, Clock: k.Clock, Channels: k.Channels, Fmtp: k.Fmtp}
}

func formats(codecs []sip.Codec) []media.Format {
	fs := make([]media.Format, len(codecs))
	for i, k := range codecs {
		fs[i] = format(k)
	}
	return fs
}

func codecName(codecs []sip.Codec) string {
	for _, k := range codecs {
		if audible(k) {
			return k.Name
		}
	}
	return ""
}

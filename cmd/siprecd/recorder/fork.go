package recorder

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"siprecd/sip"
)

// side is which end of a forked call a dialog carries, and the number of its line.
type side int

const (
	nearEnd side = iota // of the phone that is recorded
	farEnd
)

func (s side) other() side { return 1 - s }

func (s side) String() string { return [...]string{"near", "far"}[s] }

// fork is what a dialog says of the call it carries one end of.
type fork struct {
	leg  string // the same in both dialogs of a call
	far  string // the other phone's leg; "": unknown
	side side
}

// forkOf tells which end of which call an RS carries, where each end comes in a
// dialog of its own.
func forkOf(info *sip.Info) (f fork, ok bool) {
	said := info.Correlation
	_, near := said["x-nearend"]
	_, far := said["x-farend"]
	f = fork{leg: leg(said), far: said["x-farendrefci"]}
	if said["x-nearendclusterid"] == "" {
		f.leg += info.Source // numbers of legs are one phone system's own
	}
	if far {
		f.side = farEnd
	}
	return f, leg(said) != "" && near != far
}

// ends makes one RS of the two dialogs of a forked call, with a line for each
// end: the near one is line 0, the far one line 1, whichever comes first. It has
// neither socket nor clock.
type ends struct {
	encrypted bool        // must be
	codecs    []sip.Codec // that we offer
	of        [2]end
}

func newEnds(encrypted bool, codecs []sip.Codec) ends {
	e := ends{encrypted: encrypted, codecs: codecs}
	for i := range e.of {
		e.of[i].line = e.standIn(side(i), nobody)
	}
	return e
}

// end is one of them.
type end struct {
	line   sip.Line // as last offered; port 0: nothing stands in for it yet
	asked  bool     // its dialog was sent an offer of ours, and has not answered it
	place  int      // of the line in the dialog's own descriptions
	places int
	told   sip.Direction // what the dialog knows; "": nothing yet
}

// Where stand-ins are sent from, on a port that means nothing.
var (
	nobody  = netip.MustParseAddrPort("[100::]:9") // nothing comes from there (RFC 6666)
	anybody = netip.AddrPortFrom(netip.Addr{}, 9)  // its answer is on the way, and says it
)

// standIn keeps the port of an end whose dialog has not said yet where it sends
// from.
func (e *ends) standIn(s side, from netip.AddrPort) sip.Line {
	if e.encrypted {
		return sip.Line{Index: int(s), Kind: "audio", Label: s.String()} // nobody knows its keys
	}
	return sip.Line{
		Index: int(s), Kind: "audio", Proto: "RTP/AVP", Label: s.String(), Addr: from, Direction: sip.SendOnly, Codecs: e.codecs,
	}
}

// blocked reports whether the dialog of s has to wait for the other one's answer:
// keys of ours that it bears on are still being settled.
func (e *ends) blocked(s side) bool { return e.encrypted && e.of[s.other()].asked }

// offer makes of what the dialog of s offers an offer of the whole. The error says
// why it is to be refused with 488.
func (e *ends) offer(s side, o *sip.Offer) (*sip.Offer, error) {
	whole, own := *o, &e.of[s]
	whole.Named, whole.Notes = named(s, o.Named), nil
	for _, n := range o.Notes {
		whole.Notes = append(whole.Notes, fmt.Sprintf("%s end: %s", s, n))
	}
	if s == farEnd && len(o.Presses) > 0 {
		whole.Presses = nil
		whole.Notes = append(whole.Notes, "far end: its keys are not ours")
	}
	switch {
	case o.WantOffer:
		e.ask(s, &whole)
	case o.Media != nil:
		at := slices.IndexFunc(o.Media.Lines, func(l sip.Line) bool { return l.Kind == "audio" })
		if at < 0 {
			return nil, fmt.Errorf("no audio line")
		}
		own.place, own.places, own.asked = at, len(o.Media.Lines), false
		own.line = o.Media.Lines[at]
		own.line.Index, own.line.Label = int(s), s.String()
		whole.Media = e.media(o.Media)
	}
	return &whole, nil
}

// ask makes whole an offer of a line for the dialog of s, which wants ours. Keys
// cannot be stood in for: there the whole wants our offer too.
func (e *ends) ask(s side, whole *sip.Offer) {
	own := &e.of[s]
	first := own.told == ""
	own.place, own.places, own.asked = 0, max(1, own.places), true
	if first {
		own.line = e.standIn(s, anybody)
	}
	if whole.WantOffer = own.line.Addr.Port() == 0; !whole.WantOffer && first {
		whole.Media = e.media(&sip.Description{})
	}
}

// media is a description of both lines, otherwise as d.
func (e *ends) media(d *sip.Description) *sip.Description {
	whole := *d
	whole.Notes = slices.DeleteFunc(slices.Clone(d.Notes), func(n string) bool { return strings.Contains(n, "a=label") }) // no use for any here
	whole.Lines = []sip.Line{e.of[nearEnd].line, e.of[farEnd].line}
	for i := range whole.Lines {
		whole.Lines[i].Index = i
		whole.Lines[i].Kind, whole.Lines[i].Label = "audio", side(i).String()
	}
	return &whole
}

// named are the parties that the dialog of s names: the one whose voice it
// carries is on its line, the other one on the other line.
func named(s side, parties []sip.Named) (both []sip.Named) {
	for _, p := range parties {
		if p.Line == 0 {
			p.Line = int(s)
		} else {
			p.Line = int(s.other())
		}
		both = append(both, p)
	}
	slices.SortStableFunc(both, func(a, b sip.Named) int { return a.Line - b.Line })
	return both
}

// answer is the part of an answer that is for the dialog of s.
func (e *ends) answer(s side, whole sip.Answer) sip.Answer {
	own := sip.Answer{Addr: whole.Addr, Lines: make([]sip.AnswerLine, max(1, e.of[s].places))}
	if int(s) < len(whole.Lines) {
		own.Lines[e.of[s].place] = whole.Lines[s]
	}
	return own
}

// tell reports whether whole says anything new to the dialog of s, which knows it
// from now on.
func (e *ends) tell(s side, whole sip.Answer) bool {
	if int(s) >= len(whole.Lines) {
		return false
	}
	now, own := whole.Lines[s].Direction, &e.of[s]
	if own.told == now {
		return false
	}
	own.told = now
	return true
}

// leave is what the end of the dialog of s is to the whole: nothing comes on its
// line any more.
func (e *ends) leave(s side, o sip.Offer) *sip.Offer {
	e.of[s] = end{line: e.standIn(s, nobody)}
	o.Method, o.Media = "INVITE", e.media(&sip.Description{})
	return &o
}

package recorder

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"pgregory.net/rapid"

	"siprecd/media"
	"siprecd/policy"
	"siprecd/sip"
)

func TestForkOf(t *testing.T) {
	said := func(pairs ...string) map[string]string {
		m := make(map[string]string)
		for i := 0; i < len(pairs); i += 2 {
			m[pairs[i]] = pairs[i+1]
		}
		return m
	}
	for name, c := range map[string]struct {
		said map[string]string
		want string // side leg far; "": none
	}{
		"near":                  {said("x-nearend", "", "x-refci", "7", "x-nearendclusterid", "C1", "x-farendrefci", "8"), "near x-refci 7 C1 8"},
		"far":                   {said("x-farend", "", "x-refci", "7", "x-nearendclusterid", "C1"), "far x-refci 7 C1 "},
		"no cluster":            {said("x-nearend", "", "x-refci", "7"), "near x-refci 7 pbx "},
		"no leg":                {said("x-nearend", ""), ""},
		"neither end":           {said("x-refci", "7"), ""},
		"both ends":             {said("x-nearend", "", "x-farend", "", "x-refci", "7"), ""},
		"not of this kind":      {nil, ""},
		"a far leg and no more": {said("x-farendrefci", "8"), ""},
	} {
		got := ""
		if f, ok := forkOf(&sip.Info{Source: "pbx", Correlation: c.said}); ok {
			got = fmt.Sprintf("%s %s %s", f.side, f.leg, f.far)
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// forkModel is what the dialogs of a forked call know, against which the answers
// that they get are held.
type forkModel struct {
	t    *rapid.T
	call *Call
	ends ends
	at   time.Time

	live  [2]bool
	asked [2]bool
	sends [2]bool
	port  [2]uint16
}

// description is a dialog's own: its audio line, perhaps after one for video.
func (m *forkModel) description(s side, sends, video bool) *sip.Description {
	l := offered(int(s))
	l.Index, l.Label = 0, ""
	if !sends {
		l.Direction = sip.Inactive
	}
	d := &sip.Description{Lines: []sip.Line{l}}
	if video {
		d.Lines = []sip.Line{{Kind: "video", Addr: netip.MustParseAddrPort("192.0.2.7:30000")}, l}
	}
	return d
}

// offer has the dialog of s offer o, and checks what it is answered.
func (m *forkModel) offer(s side, o *sip.Offer) {
	m.at = m.at.Add(time.Second)
	o.At = m.at
	o.Named = []sip.Named{party("2001", -1), party("0105550101", -1)}
	o.Named[s].Line = 0
	whole, err := m.ends.offer(s, o)
	if err != nil {
		m.t.Fatalf("%s: %v", s, err)
	}
	reply := m.call.Offer(whole)
	if reply.Reject != 0 {
		m.t.Fatalf("%s: refused with %d %s", s, reply.Reject, reply.Reason)
	}
	if o.Method == "ACK" {
		return
	}
	own := m.ends.answer(s, reply.Answer)
	m.ends.tell(s, reply.Answer)
	want := 1
	if o.Media != nil {
		want = len(o.Media.Lines)
	}
	if len(own.Lines) != want {
		m.t.Fatalf("%s: %d lines answered, %d offered", s, len(own.Lines), want)
	}
	voice := own.Lines[want-1]
	if want == 2 && own.Lines[0].Port != 0 {
		m.t.Fatalf("%s: video is accepted", s)
	}
	if voice.Port == 0 || m.port[s] != 0 && voice.Port != m.port[s] {
		m.t.Fatalf("%s: port %d, was %d", s, voice.Port, m.port[s])
	}
	m.port[s] = voice.Port
	if receives := voice.Direction == sip.RecvOnly; receives != (m.sends[s] || o.WantOffer && !m.live[s]) {
		m.t.Fatalf("%s: answered %s, it sends: %v", s, voice.Direction, m.sends[s])
	}
}

// check holds the whole against what each dialog knows.
func (m *forkModel) check() {
	whole := m.call.answer()
	for s := range m.live {
		if !m.live[s] {
			continue
		}
		l := whole.Lines[s]
		if l.Port != m.port[s] || (l.Direction == sip.RecvOnly) != m.sends[s] {
			m.t.Fatalf("%s: port %d %s, known are %d and %v", side(s), l.Port, l.Direction, m.port[s], m.sends[s])
		}
	}
	row := m.call.Row()
	for _, p := range row.Participants {
		if !p.Left.IsZero() {
			m.t.Fatalf("%s left", p.AOR)
		}
	}
}

// Whatever the dialogs of a forked call do, and in which order, each is answered
// for its own line, keeps its port, and is received when it sends.
func TestEndsOfAForkedCall(t *testing.T) {
	st := open(t, rule("2001", policy.Full, 3))
	settings := *st.rec.Settings()
	settings.Sources = map[string]Source{"pbx": {Profile: LegPerDialog}}
	st.rec.Settings = func() *Settings { return &settings }
	rapid.Check(t, func(rt *rapid.T) {
		info := sip.Info{CallID: "near", Source: "pbx", Arrived: callStart, Correlation: map[string]string{"x-nearend": "", "x-refci": "7"}}
		m := &forkModel{t: rt, at: callStart}
		m.call = st.rec.Begin(info, func(p *media.Path) Ports {
			ports := st.ports(p)
			ports.Close = func() {}
			return ports
		})
		m.ends = newEnds(false, m.call.ourOffer())
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			s := side(rapid.IntRange(0, 1).Draw(rt, "side"))
			empty, sends, video := rapid.Bool().Draw(rt, "empty"), rapid.Bool().Draw(rt, "sends"), rapid.Bool().Draw(rt, "video")
			switch {
			case m.asked[s]:
				m.asked[s], m.sends[s] = false, sends
				m.offer(s, &sip.Offer{Method: "ACK", Media: m.description(s, sends, false)})
			case m.live[s] && rapid.Bool().Draw(rt, "leaves"):
				m.call.Offer(m.ends.leave(s, sip.Offer{At: m.at}))
				m.live[s], m.sends[s] = false, false
			case empty && !m.live[s]:
				m.offer(s, &sip.Offer{Method: "INVITE", WantOffer: true})
				m.live[s], m.asked[s], m.sends[s] = true, true, true
			case !empty:
				m.sends[s] = sends
				m.offer(s, &sip.Offer{Method: "INVITE", Media: m.description(s, sends, video)})
				m.live[s] = true
			}
			m.check()
		}
		m.call.End(m.at, "src", "bye")
	})
}

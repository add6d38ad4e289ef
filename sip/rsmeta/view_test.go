package rsmeta

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestD14_D24_AssociationsTieLinesAndAreReplacedWhole(t *testing.T) {
	var v View
	v.SetLines([]string{"96", "97"})
	doc := twoParties()
	doc.Participants[0], doc.Participants[1] = doc.Participants[1], doc.Participants[0] // order must not matter
	if notes := v.Apply(doc, at0); len(notes) > 0 {
		t.Error(notes)
	}
	if s := v.Senders(0); !reflect.DeepEqual(s, []string{"p1"}) {
		t.Errorf("senders of 96: %v", s)
	}
	v.Apply(parse(t, `<recording xmlns="urn:ietf:params:xml:ns:recording:1"><datamode>partial</datamode>
		<participantstreamassoc participant_id="p1"><recv>s2</recv></participantstreamassoc></recording>`), at1)
	if s := v.Senders(0); len(s) != 0 {
		t.Errorf("p1 still sends: %v", s)
	}
	if s := v.Senders(1); !reflect.DeepEqual(s, []string{"p2"}) {
		t.Errorf("p2 does not send any more: %v", s)
	}
}

func TestD18_D19_PartialKeepsCompleteReplaces(t *testing.T) {
	var v View
	v.SetLines([]string{"96", "97"})
	v.Apply(twoParties(), at0)
	v.Apply(parse(t, `<recording><datamode>partial</datamode><participant participant_id="p3"><nameID aor="sip:2003@example.org"/></participant>
		<participantsessionassoc participant_id="p1" session_id="cs1"><disassociate-time>2026-11-23T09:00:10Z</disassociate-time></participantsessionassoc>
		<participantsessionassoc participant_id="p3" session_id="cs1"/></recording>`), at1)
	ps := v.Parties()
	if len(ps) != 3 || ps[0].Left != at1 || !ps[1].Left.IsZero() || ps[2].Joined != at1 || !ps[2].Left.IsZero() {
		t.Fatalf("parties %+v", ps)
	}
	v.Apply(twoParties(), at1.Add(time.Second))
	ps = v.Parties()
	if len(ps) != 4 || ps[2].Left != at1.Add(time.Second) || ps[3].ID != "p1" || !ps[3].Left.IsZero() {
		t.Errorf("after a complete document: %+v", ps)
	}
}

func TestC11_PartialWithoutBaseNeedsASnapshot(t *testing.T) {
	var v View
	v.Apply(parse(t, `<recording><datamode>partial</datamode></recording>`), at0)
	if !v.NeedSnapshot {
		t.Error("no snapshot is asked for")
	}
	v.Apply(twoParties(), at1)
	if v.NeedSnapshot {
		t.Error("a snapshot came and is still asked for")
	}
}

func TestD20_SessionStopMeansAllHaveLeft(t *testing.T) {
	var v View
	v.Apply(twoParties(), at0)
	v.Apply(parse(t, `<recording><datamode>partial</datamode><session session_id="cs1"><stop-time>2026-11-23T09:00:10Z</stop-time></session></recording>`), at1)
	for _, p := range v.Parties() {
		if p.Left != at1 {
			t.Errorf("%s has not left", p.ID)
		}
	}
}

// Empty associations and no streams: lines are tied by order, and it is said.
func TestQ_EmptyAssociationsAreTiedByOrder(t *testing.T) {
	var v View
	v.SetLines([]string{"0", "1"})
	notes := v.Apply(parse(t, `<recording><session session_id="x"/><participant participant_id="a"><nameID aor="sip:2001@example.org"/></participant>
		<participant participant_id="b"><nameID aor="sip:2002@example.org"/></participant>
		<participantstreamassoc participant_id="a"></participantstreamassoc><participantstreamassoc participant_id="b"/></recording>`), at0)
	if len(notes) != 1 || !strings.Contains(notes[0], "order") {
		t.Errorf("notes %q", notes)
	}
	if s := v.Senders(1); !reflect.DeepEqual(s, []string{"b"}) {
		t.Errorf("senders %v", s)
	}
}

// TestForgettingKeepsWhatGoesOn carries many calls on one RS by partial
// documents alone, and forgets as it goes.
func TestForgettingKeepsWhatGoesOn(t *testing.T) {
	var v View
	v.SetLines([]string{"1", "2"})
	v.Apply(&Document{Complete: true}, at0)
	at := at0
	for i := range 1000 {
		cs, p1, p2, s1, s2 := fmt.Sprint("cs", i), fmt.Sprint("a", i), fmt.Sprint("b", i), fmt.Sprint("s", i), fmt.Sprint("t", i)
		v.Apply(&Document{
			Sessions:     []Session{{ID: cs, Start: at}},
			Participants: []Participant{{ID: p1, Names: []Name{{AOR: "sip:2001@example.org"}}}, {ID: p2, Names: []Name{{AOR: "sip:2002@example.org"}}}},
			Streams:      []Stream{{ID: s1, Session: cs, Label: "1"}, {ID: s2, Session: cs, Label: "2"}},
			Members:      []Member{{Participant: p1, Session: cs}, {Participant: p2, Session: cs}},
			Wires:        []Wire{{Participant: p1, Send: []string{s1}}, {Participant: p2, Send: []string{s2}}},
		}, at)
		before := seen(&v, 2)
		v.Forget(at.Add(-time.Minute))
		if after := seen(&v, 2); i < 2 && before != after || len(v.Current()) != 1 || v.Owners(0)[0] != p1 || v.Owners(1)[0] != p2 {
			t.Fatalf("call %d: forgetting made\n%sof\n%s", i, after, before)
		}
		v.Apply(&Document{Sessions: []Session{{ID: cs, Stop: at.Add(10 * time.Second)}}}, at.Add(10*time.Second))
		at = at.Add(20 * time.Second)
	}
	if n := len(v.stays) + len(v.sessions) + len(v.people) + len(v.wires) + len(v.streams) + len(v.staysOf) + len(v.session); n > 100 {
		t.Errorf("%d things are remembered", n)
	}
}

package recorder

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"siprecd/policy"
	"siprecd/sip"
	"siprecd/sip/rsmeta"
	"siprecd/store"
)

// says is metadata by who sends which labels, "" for one who is there and sends
// nothing.
func (st *stage) says(at time.Duration, sends ...[2]string) *sip.Offer {
	doc := &rsmeta.Document{Complete: true, Sessions: []rsmeta.Session{{ID: "cs-1"}}}
	for _, s := range sends {
		aor, id := s[0], "p-"+s[0]
		wire := rsmeta.Wire{Participant: id}
		for label := range strings.FieldsSeq(s[1]) {
			wire.Send = append(wire.Send, "s-"+label)
			if !slices.ContainsFunc(doc.Streams, func(x rsmeta.Stream) bool { return x.Label == label }) {
				doc.Streams = append(doc.Streams, rsmeta.Stream{ID: "s-" + label, Session: "cs-1", Label: label})
			}
		}
		doc.Participants = append(doc.Participants, rsmeta.Participant{ID: id, Names: []rsmeta.Name{{AOR: aor}}})
		doc.Members = append(doc.Members, rsmeta.Member{Participant: id, Session: "cs-1"})
		doc.Wires = append(doc.Wires, wire)
	}
	return &sip.Offer{Method: "UPDATE", At: callStart.Add(at),
		Metadata: []sip.Metadata{{Type: "application/rs-metadata+xml", Body: rsmeta.Encode(doc)}}}
}

func by(aor string, from, to float64) store.Holder {
	return store.Holder{Participant: aor, From: from, To: to}
}

// anySide is who held a stream, wherever it was heard.
func anySide(held []store.Holder) (list []store.Holder) {
	for _, h := range held {
		list = append(list, by(h.Participant, h.From, h.To))
	}
	return list
}

// Who sends a line, through a hold, somebody who joins on it, one who goes, and
// a line that another takes over.
func TestWhoSendsALineWhen(t *testing.T) {
	const kim, lee, choi = ourAOR, otherAOR, "sip:0105550102@example.org"
	st := open(t, rule("2001", policy.Full, 3), rule("2005", policy.Full, 4))
	first := st.says(0, [2]string{kim, "1"}, [2]string{lee, "2"})
	first.Method, first.Media = "INVITE", twoLines().Media
	st.offered("rs-1", first)
	st.talk(0, 9*time.Second, 0x11)
	st.give(st.says(time.Second, [2]string{kim, ""}, [2]string{lee, "2"}))                          // held
	st.give(st.says(2*time.Second, [2]string{kim, "1"}, [2]string{lee, "2"}))                       // resumed
	st.give(st.says(3*time.Second, [2]string{kim, "1"}, [2]string{lee, "2"}, [2]string{choi, "2"})) // mixed
	st.give(st.says(4500*time.Millisecond, [2]string{kim, "1"}, [2]string{choi, "2"}))              // Lee is gone
	st.give(st.says(6*time.Second, [2]string{choi, "2"}, [2]string{"sip:2005@example.org", "1"}))   // Kim is, too
	st.give(st.says(7*time.Second, [2]string{choi, "1"}, [2]string{"sip:2005@example.org", "2"}))   // they change places
	if live := st.call.Row().Streams[0].HeldBy; len(live) != 4 || live[3] != (store.Holder{Participant: choi, From: 7}) {
		t.Errorf("while it goes on: %+v", live)
	}
	row := st.bye(9 * time.Second)
	want := [][]store.Holder{
		{by(kim, 0, 1), by(kim, 2, 6), by("sip:2005@example.org", 6, 7), by(choi, 7, 9)},
		{by(lee, 0, 4.5), by(choi, 3, 7), by("sip:2005@example.org", 7, 9)},
	}
	for i, s := range row.Streams {
		if got := anySide(s.HeldBy); !slices.Equal(got, want[i]) {
			t.Errorf("line %d:\n got %v\nwant %v", i, got, want[i])
		}
	}
	if b, err := json.Marshal(row); err != nil || !strings.Contains(string(b), `"held_by":[{"participant":"`+kim+`","from":0,"to":1,"channel":"left"}`) {
		t.Errorf("%s %v", b, err)
	}
}

// A placeholder that is described later was the one it is described as.
func TestAPlaceholderHeldTheLineAsWhoItIs(t *testing.T) {
	st := open(t, rule("2001", policy.Full, 3))
	named := func(at time.Duration, ours string) *sip.Offer {
		o := st.says(at, [2]string{blankAOR, "1"}, [2]string{otherAOR, "2"})
		o.Metadata[0].Body = []byte(strings.Replace(string(o.Metadata[0].Body), `aor="`+blankAOR, `aor="`+ours, 1))
		return o
	}
	first := named(0, blankAOR)
	first.Method, first.Media = "INVITE", twoLines().Media
	st.offered("rs-1", first)
	st.give(named(time.Second, ourAOR))
	st.talk(time.Second, 2*time.Second, 0x11)
	row := st.bye(2 * time.Second)
	if got := anySide(row.Streams[0].HeldBy); !slices.Equal(got, []store.Holder{by(ourAOR, 0, 2)}) {
		t.Errorf("%v", got)
	}
}

// Each call of a persistent RS has its own, from 0 on; and of one that a crash
// cut short the end is where its audio ends.
func TestWhoSendsALineOfAnInterruptedCall(t *testing.T) {
	st := open(t, rule("2001", policy.Full, 3))
	st.offered("rs-1", twoLines(empty))
	st.sealed(st.call.Tick(callStart.Add(2 * time.Second)))
	st.give(st.session(10*time.Second, "cs-1", "", otherAOR, false))
	st.talk(10*time.Second, 13*time.Second, 0x11)
	row := st.call.Row()
	if err := st.call.recordings[0].flush(); err != nil {
		t.Fatal(err)
	}
	if err := st.call.recordings[0].tape.Load().Close(); err != nil {
		t.Fatal(err)
	}
	if err := st.rec.Seal(context.Background(), &row); err != nil {
		t.Fatal(err)
	}
	if got := row.Streams[1].HeldBy; row.State != store.Interrupted || len(got) != 1 || got[0].From != 0 || got[0].To < 2.9 || got[0].To > 3.1 {
		t.Errorf("%s %v", row.State, got)
	}
}

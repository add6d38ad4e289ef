package rsmeta

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// aDocument draws one document over a few ids, so that documents meet.
func aDocument(t *rapid.T) *Document {
	text := rapid.StringMatching(`[a-z][a-zA-Z0-9 가-힣&<>"'.@:+-]{0,12}[a-z가-힣]`)
	when := rapid.Custom(func(t *rapid.T) time.Time {
		if rapid.Bool().Draw(t, "stated") {
			return at0.Add(time.Duration(rapid.IntRange(0, 100).Draw(t, "at")) * time.Second)
		}
		return time.Time{}
	})
	ids := func(kind string, n int) []string {
		return rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) string {
			return fmt.Sprintf("%s%d", kind, rapid.IntRange(1, 4).Draw(t, kind))
		}), 0, n, rapid.ID).Draw(t, kind+"s")
	}
	one := func(kind string) string { return fmt.Sprintf("%s%d", kind, rapid.IntRange(1, 4).Draw(t, kind)) }
	d := &Document{Dialect: "rfc7865", Complete: rapid.Bool().Draw(t, "complete")}
	for _, id := range ids("cs", 2) {
		d.Sessions = append(d.Sessions, Session{ID: id, Start: when.Draw(t, "start"), Stop: when.Draw(t, "stop")})
	}
	for _, id := range ids("p", 4) {
		p := Participant{ID: id, Names: []Name{{AOR: "sip:" + id + "@example.org"}}}
		if rapid.Bool().Draw(t, "named") {
			p.Names[0].Display, p.Names[0].Lang = strings.Join(strings.Fields(text.Draw(t, "name")), " "), "ko"
		}
		d.Participants = append(d.Participants, p)
	}
	for _, id := range ids("s", 3) {
		d.Streams = append(d.Streams, Stream{ID: id, Session: one("cs"), Label: fmt.Sprint(rapid.IntRange(1, 3).Draw(t, "label"))})
	}
	for _, p := range ids("p", 4) {
		d.Members = append(d.Members, Member{Participant: p, Session: one("cs"), Associated: when.Draw(t, "joined"), Closed: when.Draw(t, "left")})
	}
	for _, p := range ids("p", 4) {
		w := Wire{Participant: p, Associated: when.Draw(t, "wired"), Closed: when.Draw(t, "unwired")}
		if s := ids("s", 2); len(s) > 0 {
			w.Send = s
		}
		if s := ids("s", 2); len(s) > 0 {
			w.Recv = s
		}
		d.Wires = append(d.Wires, w)
	}
	for _, cs := range ids("cs", 2) {
		d.SessionAssoc = append(d.SessionAssoc, SessionAssoc{Session: cs, Associated: when.Draw(t, "tied"), Closed: when.Draw(t, "let go")})
	}
	return d
}

func TestAnyDocumentIsReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := aDocument(t)
		got, notes, err := Parse(Encode(want), "", nil)
		if err != nil || len(notes) > 0 {
			t.Fatal(err, notes)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got  %+v\nwant %+v", got, want)
		}
	})
}

// TestHistoryIsNeverLost applies any documents one after the other: nobody who
// was there disappears, nobody leaves before he came, a stay that ended does
// not change, and only those who are here send.
func TestHistoryIsNeverLost(t *testing.T) {
	labels := []string{"1", "2"}
	rapid.Check(t, func(t *rapid.T) {
		var v View
		v.SetLines(labels)
		var before []Party
		at := at0
		for range rapid.IntRange(1, 8).Draw(t, "documents") {
			at = at.Add(time.Duration(rapid.IntRange(0, 5).Draw(t, "later")) * time.Second)
			v.Apply(aDocument(t), at)
			now := v.Parties()
			if len(now) < len(before) {
				t.Fatalf("%d stays became %d", len(before), len(now))
			}
			for i, p := range now {
				if !p.Left.IsZero() && (p.Left.Before(p.Joined) || len(p.Sends)+len(p.Recvs) > 0) {
					t.Errorf("stay %+v", p)
				}
				if i >= len(before) {
					continue
				}
				if b := before[i]; b.ID != p.ID || !b.Joined.Equal(p.Joined) || !b.Left.IsZero() && !b.Left.Equal(p.Left) || b.Session != "" && b.Session != p.Session {
					t.Errorf("the past changed: %+v became %+v", b, p)
				}
			}
			for l := range labels {
				for _, id := range slices.Concat(v.Senders(l), v.Owners(l)) {
					if !slices.ContainsFunc(now, func(p Party) bool { return p.ID == id && p.Left.IsZero() }) {
						t.Errorf("%s sends line %d and is not here", id, l)
					}
				}
			}
			before = now
		}
	})
}

// FuzzSequence applies any two documents and checks that what is seen can be
// written and read again.
func FuzzSequence(f *testing.F) {
	f.Add(Encode(twoParties()), []byte(`<recording><datamode>partial</datamode><participantsessionassoc participant_id="p1" session_id="cs1"><disassociate-time>2026-11-23T09:00:01Z</disassociate-time></participantsessionassoc></recording>`))
	f.Fuzz(func(t *testing.T, first, second []byte) {
		var v View
		v.SetLines([]string{"1", "2"})
		for i, raw := range [][]byte{first, second} {
			doc, _, err := Parse(raw, "", nil)
			if err != nil {
				continue
			}
			v.Apply(doc, at0.Add(time.Duration(i)*time.Second))
			for _, p := range v.Parties() {
				if !p.Left.IsZero() && p.Left.Before(p.Joined) {
					t.Errorf("%+v left before it came", p)
				}
			}
		}
	})
}

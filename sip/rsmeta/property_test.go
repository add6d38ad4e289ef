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
			if rapid.Bool().Draw(t, "forget") {
				here := func(ps []Party) (list string) {
					for _, p := range ps {
						if p.Left.IsZero() {
							list += fmt.Sprintf("%s %s %v since %v\n", p.ID, p.Session, p.AORs, p.Joined)
						}
					}
					return list
				}
				v.Forget(at)
				before = v.Parties()
				if a, b := here(now), here(before); a != b {
					t.Errorf("forgetting made\n%sof\n%s", b, a)
				}
			}
		}
	})
}

// FuzzSequence applies any two documents and checks that what is seen can be
// written and read again.
func FuzzSequence(f *testing.F) {
	f.Add(Encode(twoParties()), []byte(`<recording><datamode>partial</datamode><participantsessionassoc participant_id="p1" session_id="cs1"><disassociate-time>2026-11-23T09:00:01Z</disassociate-time></participantsessionassoc></recording>`))
	for _, a := range fixtures(f) {
		if len(a) > 1 {
			f.Add(a[0].Data, a[1].Data)
		}
	}
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

// seen is all that a view shows, times left out.
func seen(v *View, lines int) string {
	var b strings.Builder
	for _, p := range v.Parties() {
		fmt.Fprintf(&b, "%s %q %s here %v sends %v hears %v\n", p.ID, p.Name, p.Session, p.Left.IsZero(), p.Sends, p.Recvs)
	}
	for i := range lines {
		fmt.Fprintf(&b, "%d from %v of %v\n", i, v.Senders(i), v.Owners(i))
	}
	for _, cs := range v.Current() {
		fmt.Fprintf(&b, "%+v\n", cs)
	}
	return b.String()
}

// aCall draws one complete document without contradictions: everybody in one
// CS, everybody with an association.
func aCall(t *rapid.T) *Document {
	d := &Document{Dialect: "rfc7865", Complete: true, Sessions: []Session{{ID: "cs", Start: at0}}}
	for i := range rapid.IntRange(1, 3).Draw(t, "streams") {
		d.Streams = append(d.Streams, Stream{ID: fmt.Sprintf("s%d", i), Session: "cs", Label: fmt.Sprint(i)})
	}
	some := func(of string) (ids []string) {
		for _, s := range d.Streams {
			if rapid.Bool().Draw(t, of) {
				ids = append(ids, s.ID)
			}
		}
		return ids
	}
	for i := range rapid.IntRange(0, 4).Draw(t, "participants") {
		id := fmt.Sprintf("p%d", i)
		d.Participants = append(d.Participants, Participant{ID: id, Names: []Name{{AOR: "sip:200" + fmt.Sprint(i) + "@example.org"}}})
		d.Members = append(d.Members, Member{Participant: id, Session: "cs", Associated: at0})
		d.Wires = append(d.Wires, Wire{Participant: id, Send: some("sends"), Recv: some("hears")})
	}
	return d
}

// TestPartialsComeToTheSameAsTheWhole sends a document at once, and as a base
// with one partial document for each thing.
func TestPartialsComeToTheSameAsTheWhole(t *testing.T) {
	labels := []string{"0", "1", "2"}
	rapid.Check(t, func(t *rapid.T) {
		d := aCall(t)
		var whole, parts View
		whole.SetLines(labels)
		parts.SetLines(labels)
		whole.Apply(d, at0)
		parts.Apply(&Document{Complete: true, Sessions: d.Sessions}, at0)
		for i := range d.Streams {
			parts.Apply(&Document{Streams: d.Streams[i : i+1]}, at0)
		}
		for i := range d.Participants {
			// The participant may be described with its associations, or before.
			together := rapid.Bool().Draw(t, "together")
			p := &Document{Participants: d.Participants[i : i+1]}
			if together {
				p.Members, p.Wires = d.Members[i:i+1], d.Wires[i:i+1]
			}
			parts.Apply(p, at0)
			if !together {
				parts.Apply(&Document{Members: d.Members[i : i+1]}, at0)
				parts.Apply(&Document{Wires: d.Wires[i : i+1]}, at0)
			}
		}
		wired := slices.ContainsFunc(d.Wires, func(w Wire) bool { return len(w.Send) > 0 })
		if a, b := seen(&whole, 3), seen(&parts, 3); wired && a != b {
			t.Errorf("at once\n%sby parts\n%s", a, b)
		}
		// Saying it all once more changes nothing.
		before := seen(&parts, 3)
		parts.Apply(d, at1)
		if after := seen(&parts, 3); wired && before != after {
			t.Errorf("before\n%safter\n%s", before, after)
		}
	})
}

// TestOrderMeansNothing shuffles a document whose associations tell who sends.
func TestOrderMeansNothing(t *testing.T) {
	labels := []string{"0", "1", "2"}
	rapid.Check(t, func(t *rapid.T) {
		d := aCall(t)
		other := *d
		other.Participants = rapid.Permutation(d.Participants).Draw(t, "participants")
		other.Streams = rapid.Permutation(d.Streams).Draw(t, "streams")
		other.Members = rapid.Permutation(d.Members).Draw(t, "members")
		other.Wires = rapid.Permutation(d.Wires).Draw(t, "wires")
		if !slices.ContainsFunc(d.Wires, func(w Wire) bool { return len(w.Send) > 0 }) {
			return
		}
		var a, b View
		for v, d := range map[*View]*Document{&a: d, &b: &other} {
			v.SetLines(labels)
			v.Apply(d, at0)
		}
		for i := range labels {
			as, bs := slices.Sorted(slices.Values(a.Senders(i))), slices.Sorted(slices.Values(b.Senders(i)))
			if !slices.Equal(as, bs) {
				t.Errorf("line %d: %v and %v", i, as, bs)
			}
		}
	})
}

// TestLinesAndDocumentsMayComeInAnyOrder: whether the SDP or the metadata comes
// first is all the same.
func TestLinesAndDocumentsMayComeInAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		labels := rapid.SliceOfN(rapid.SampledFrom([]string{"0", "1", "2", "7", ""}), 0, 3).Draw(t, "labels")
		d := aDocument(t)
		var a, b View
		a.SetLines(labels)
		a.Apply(d, at0)
		b.Apply(d, at0)
		b.SetLines(labels)
		if x, y := seen(&a, len(labels)), seen(&b, len(labels)); x != y {
			t.Errorf("SDP first\n%smetadata first\n%s", x, y)
		}
	})
}

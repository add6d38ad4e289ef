package recorder

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"siprecd/policy"
	"siprecd/sip"
	"siprecd/sip/rsmeta"
	"siprecd/store"
)

// desk is a call of a dealer's turret: who sends which label, in order.
type desk struct {
	cs    string
	group string
	sends [][2]string // address, labels
	bare  bool        // its streams do not say of which CS they are
}

// turret is metadata of several CSs.
func turret(at time.Duration, calls ...desk) *sip.Offer {
	doc := &rsmeta.Document{Complete: true}
	for _, d := range calls {
		doc.Sessions = append(doc.Sessions, rsmeta.Session{ID: d.cs, GroupRef: d.group})
		for _, s := range d.sends {
			id := "p-" + s[0]
			if !slices.ContainsFunc(doc.Participants, func(p rsmeta.Participant) bool { return p.ID == id }) {
				doc.Participants = append(doc.Participants, rsmeta.Participant{ID: id, Names: []rsmeta.Name{{AOR: s[0]}}})
				doc.Wires = append(doc.Wires, rsmeta.Wire{Participant: id})
			}
			doc.Members = append(doc.Members, rsmeta.Member{Participant: id, Session: d.cs})
			w := &doc.Wires[slices.IndexFunc(doc.Wires, func(w rsmeta.Wire) bool { return w.Participant == id })]
			for label := range strings.FieldsSeq(s[1]) {
				stream := rsmeta.Stream{ID: "s-" + label, Session: d.cs, Label: label}
				if d.bare {
					stream.Session = ""
				}
				if !slices.ContainsFunc(doc.Streams, func(x rsmeta.Stream) bool { return x.ID == stream.ID }) {
					doc.Streams = append(doc.Streams, stream)
				}
				w.Send = append(w.Send, stream.ID)
			}
		}
	}
	return &sip.Offer{Method: "UPDATE", At: callStart.Add(at),
		Metadata: []sip.Metadata{{Type: "application/rs-metadata+xml", Body: rsmeta.Encode(doc)}}}
}

// with adds n lines to an offer and makes it an INVITE.
func with(n int, o *sip.Offer) *sip.Offer {
	o.Method, o.Media = "INVITE", &sip.Description{}
	for i := range n {
		o.Media.Lines = append(o.Media.Lines, offered(i))
	}
	return o
}

// fill sends audio on n lines; line i carries byte fill+i.
func (st *stage) fill(n int, from, until time.Duration, fill byte) {
	for at := from; at < until; at += 20 * time.Millisecond {
		for i := range n {
			st.feed(i, at+20*time.Millisecond, st.rtp(i, 0, at, bytes.Repeat([]byte{fill + byte(i)}, 160)))
		}
	}
}

// of is the row of a CS.
func (st *stage) of(cs string) *store.Row {
	st.t.Helper()
	rows := st.rows()
	i := slices.IndexFunc(rows, func(r *store.Row) bool { return slices.Contains(r.Sessions, cs) })
	if i < 0 {
		st.t.Fatalf("no recording of %s among %d", cs, len(rows))
	}
	return rows[i]
}

// holds fails unless a channel is n samples of one byte and silence.
func (st *stage) holds(row *store.Row, left, right byte, n int) {
	st.t.Helper()
	l, r := st.channels(row)
	if count(l, left) != n || count(r, right) != n || count(l, left)+count(l, 0xFF) != len(l) || count(r, right)+count(r, 0xFF) != len(r) {
		st.t.Errorf("%v: %d and %d samples of %d, %d of %#x, %d of %#x",
			row.Sessions, len(l), len(r), n, count(l, left), left, count(r, right), right)
	}
}

const dealer, dealer2, client, client2 = ourAOR, "sip:2005@example.org", otherAOR, "sip:0105550102@example.org"

// Two calls of one dealer at once: each has its recording with its own lines and
// people, and each knows of the other.
func TestE10_TwoSessionsAtOnceAreTwoRecordings(t *testing.T) {
	st := open(t, rule("2001", policy.Full, 3))
	reply := st.offered("rs-1", with(4, turret(0,
		desk{cs: "cs-1", sends: [][2]string{{dealer, "1"}, {client, "2"}}},
		desk{cs: "cs-2", sends: [][2]string{{client2, "3"}, {dealer, "4"}}})))
	if len(reply.Begun) != 1 || len(st.rec.Live()) != 2 {
		t.Fatalf("%d begun, %d live", len(reply.Begun), len(st.rec.Live()))
	}
	st.fill(4, 0, 3*time.Second, 0x11)
	st.bye(3 * time.Second)
	one, two := st.of("cs-1"), st.of("cs-2")
	st.holds(one, 0x11, 0x12, 24000)
	st.holds(two, 0x14, 0x13, 24000)
	for row, want := range map[*store.Row][2]string{one: {"0105550101", "1 2"}, two: {"0105550102", "3 4"}} {
		var labels []string
		for _, s := range row.Streams {
			labels = append(labels, s.Label)
		}
		if row.Other != want[0] || strings.Join(labels, " ") != want[1] || len(row.Participants) != 2 || row.Extension != "2001" {
			t.Errorf("%v: other %s, lines %v, %d people", row.Sessions, row.Other, labels, len(row.Participants))
		}
	}
	rows := []store.Row{*one, *two}
	if err := Link(t.Context(), st.rec.Store.Catalog, rows); err != nil {
		t.Fatal(err)
	}
	for i, r := range rows {
		if !slices.Equal(r.Linked, []store.Link{{ID: rows[1-i].ID, Why: store.LinkBeside}}) || r.DuplicateOf != "" {
			t.Errorf("%v: linked %+v", r.Sessions, r.Linked)
		}
	}
}

// What is decided for one call is not decided for the other.
func TestEachSessionHasItsOwnDecision(t *testing.T) {
	st := open(t, rule("2001", policy.Full, 3), rule("2003", policy.Off, 5))
	reply := st.offered("rs-1", with(4, turret(0,
		desk{cs: "cs-1", sends: [][2]string{{dealer, "1"}, {client, "2"}}},
		desk{cs: "cs-2", sends: [][2]string{{"sip:2003@example.org", "3"}, {client2, "4"}}})))
	for i, want := range []sip.Direction{sip.RecvOnly, sip.RecvOnly, sip.Inactive, sip.Inactive} {
		if got := reply.Answer.Lines[i].Direction; got != want {
			t.Errorf("line %d is answered %s", i, got)
		}
	}
	st.fill(4, 0, 2*time.Second, 0x11)
	if st.onDisk(0x13) || st.onDisk(0x14) {
		t.Error("a call that is off is on disk")
	}
	st.bye(2 * time.Second)
	st.holds(st.of("cs-1"), 0x11, 0x12, 16000)
	if row := st.of("cs-2"); row.State != store.NotRecorded || row.Policy != "off" || row.DecidedBy != "extensions.toml:5" || st.onDisk(0x13) {
		t.Errorf("%s %s", row.State, row.Policy)
	}
}

// A selective gate is opened by the key of our own side of that very call.
func TestTheKeyOfOneSessionOpensNoOther(t *testing.T) {
	st := open(t, rule("2001", policy.Selective, 3), rule("2005", policy.Selective, 4))
	st.offered("rs-1", with(4, turret(0,
		desk{cs: "cs-1", sends: [][2]string{{dealer, "1"}, {client, "2"}}},
		desk{cs: "cs-2", sends: [][2]string{{dealer2, "3"}, {client2, "4"}}})))
	key := func(line int, at time.Duration) {
		st.key(line, at, '*')
		st.key(line, at+200*time.Millisecond, '1')
	}
	st.fill(4, 0, time.Second, 0x21)
	key(3, time.Second) // the other side's
	st.fill(4, 1400*time.Millisecond, 2*time.Second, 0x31)
	info := &sip.Offer{Method: "INFO", At: callStart.Add(2 * time.Second), Presses: []sip.Press{{Digit: '*'}, {Digit: '1'}}}
	st.give(info)
	st.fill(4, 2*time.Second, 3*time.Second, 0x41)
	key(2, 3*time.Second)
	st.fill(4, 3400*time.Millisecond, 4*time.Second, 0x51)
	key(0, 4*time.Second)
	st.fill(4, 4400*time.Millisecond, 5*time.Second, 0x61)
	st.bye(5 * time.Second)
	one, two := st.of("cs-1"), st.of("cs-2")
	st.holds(one, 0x61, 0x62, 4800)
	left, right := st.channels(two)
	for _, fill := range []byte{0x51, 0x61} {
		if !wasKept(left, fill+2, 4800) || !wasKept(right, fill+3, 4800) {
			t.Errorf("%d and %d samples of %#x", count(left, fill+2), count(right, fill+3), fill)
		}
	}
	if !noted(one, "names no call") || len(one.Segments) != 1 || len(two.Segments) != 1 {
		t.Errorf("segments %v %v, notes %q", one.Segments, two.Segments, one.Notes)
	}
}

// Calls that come and go beside one that stays: each begins and ends by itself, and
// a line that one leaves is the next one's alone.
func TestE10_CallsComeAndGoBesideAnother(t *testing.T) {
	st := open(t, rule("2001", policy.Full, 3))
	stays := desk{cs: "cs-1", sends: [][2]string{{dealer, "1"}, {client, "2"}}}
	beside := func(cs, other string) desk {
		return desk{cs: cs, sends: [][2]string{{dealer, "3"}, {other, "4"}}}
	}
	st.offered("rs-1", with(4, turret(0, stays)))
	st.fill(2, 0, time.Second, 0x11)
	if reply := st.give(turret(time.Second, stays, beside("cs-2", client2))); len(reply.Begun) != 1 || len(reply.Ended) != 0 {
		t.Fatalf("cs-2: %d begun, %d ended", len(reply.Begun), len(reply.Ended))
	}
	st.fill(4, time.Second, 2*time.Second, 0x21)
	st.give(turret(2*time.Second, stays))
	st.fill(4, 2*time.Second, 3*time.Second, 0x31) // lines 3 and 4 are nobody's now
	reply := st.give(turret(3*time.Second, stays, beside("cs-3", "sip:0105550103@example.org")))
	if len(reply.Begun) != 1 || len(reply.Ended) != 1 || !slices.Equal(reply.Ended[0].Sessions[:1], []string{"cs-2"}) {
		t.Fatalf("cs-3: %d begun, %+v ended", len(reply.Begun), reply.Ended)
	}
	st.fill(4, 3*time.Second, 4*time.Second, 0x41)
	st.give(turret(4*time.Second, beside("cs-3", "sip:0105550103@example.org")))
	st.fill(4, 4*time.Second, 5*time.Second, 0x51)
	st.bye(5 * time.Second)
	for cs, want := range map[string]struct {
		other  string
		begin  float64
		length float64
		left   string // bytes of which there is a second each
	}{
		"cs-1": {"0105550101", 0, 4, "\x11\x21\x31\x41"},
		"cs-2": {"0105550102", 1, 1, "\x23"},
		"cs-3": {"0105550103", 3, 2, "\x43\x53"},
	} {
		row := st.of(cs)
		left, right := st.channels(row)
		if row.Other != want.other || row.Duration != want.length || row.Start.Sub(callStart).Seconds() != want.begin {
			t.Errorf("%s: %s from %v on for %v s", cs, row.Other, row.Start.Sub(callStart), row.Duration)
		}
		kept := 0
		for i := range len(want.left) {
			here, there := count(left, want.left[i]), count(right, want.left[i]+1)
			if here != 8000 || there != 8000 {
				t.Errorf("%s: %d and %d samples of %#x and %#x", cs, here, there, want.left[i], want.left[i]+1)
			}
			kept += here
		}
		if kept+count(left, 0xFF) != len(left) || kept+count(right, 0xFF) != len(right) {
			t.Errorf("%s: something of another call is on it", cs)
		}
	}
}

// The lines of a call that has ended are nobody's, however long the SRC goes on
// sending them.
func TestE10_TheLinesOfAnEndedCallAreNobodys(t *testing.T) {
	st := open(t, rule("2001", policy.Full, 3))
	stays := desk{cs: "cs-1", sends: [][2]string{{dealer, "1"}, {client, "2"}}}
	st.offered("rs-1", with(4, turret(0, stays, desk{cs: "cs-2", sends: [][2]string{{dealer, "3"}, {client2, "4"}}})))
	st.fill(4, 0, time.Second, 0x11)
	st.give(turret(time.Second, stays))
	due := st.call.Deadline()
	if due.Sub(callStart) != time.Second+idleAtMost {
		t.Fatalf("due %v in", due.Sub(callStart))
	}
	reply := st.call.Tick(due)
	st.sealed(reply)
	if len(reply.Ended) != 1 || len(st.rec.Live()) != 1 {
		t.Fatalf("%d ended, %d live", len(reply.Ended), len(st.rec.Live()))
	}
	st.fill(4, 7*time.Second, 8*time.Second, 0x31)
	st.give(turret(8*time.Second, stays)) // a refresh makes them nobody else's
	st.fill(4, 8*time.Second, 9*time.Second, 0x41)
	st.bye(9 * time.Second)
	st.holds(st.of("cs-2"), 0x13, 0x14, 8000)
	left, right := st.channels(st.of("cs-1"))
	for _, fill := range []byte{0x11, 0x31, 0x41} {
		if !wasKept(left, fill, 8000) || !wasKept(right, fill+1, 8000) || count(left, fill+2)+count(right, fill+3) >= madeUp {
			t.Errorf("%#x: %d and %d samples, %d of cs-2", fill, count(left, fill), count(right, fill+1), count(left, fill+2)+count(right, fill+3))
		}
	}
}

package recorder

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"siprecd/policy"
	"siprecd/sip"
	"siprecd/sip/rsmeta"
	"siprecd/store"
)

// session is the metadata of one CS between us and another number; stop ends
// it instead.
func (st *stage) session(at time.Duration, cs, group, other string, stop bool) *sip.Offer {
	doc := &rsmeta.Document{Complete: !stop, Sessions: []rsmeta.Session{{ID: cs, GroupRef: group}}}
	if stop {
		doc.Sessions[0].Stop = callStart.Add(at)
	} else {
		for i, aor := range []string{ourAOR, other} {
			id, stream := fmt.Sprintf("p-%s", aor), fmt.Sprintf("s-%s-%d", cs, i)
			doc.Participants = append(doc.Participants, rsmeta.Participant{ID: id, Names: []rsmeta.Name{{AOR: aor}}})
			doc.Streams = append(doc.Streams, rsmeta.Stream{ID: stream, Session: cs, Label: fmt.Sprint(i + 1)})
			doc.Members = append(doc.Members, rsmeta.Member{Participant: id, Session: cs})
			doc.Wires = append(doc.Wires, rsmeta.Wire{Participant: id, Send: []string{stream}})
		}
	}
	return &sip.Offer{Method: "UPDATE", At: callStart.Add(at),
		Metadata: []sip.Metadata{{Type: "application/rs-metadata+xml", Body: rsmeta.Encode(doc)}}}
}

// give applies an offer and seals what ended by it.
func (st *stage) give(o *sip.Offer) Reply {
	st.t.Helper()
	reply := st.call.Offer(o)
	st.release()
	st.sealed(reply)
	return reply
}

func (st *stage) sealed(reply Reply) {
	st.t.Helper()
	for _, row := range reply.Ended {
		if err := st.rec.Seal(context.Background(), &row); err != nil {
			st.t.Fatal(err)
		}
	}
}

func (st *stage) rows() []*store.Row {
	st.t.Helper()
	var rows []*store.Row
	for row, err := range st.rec.Store.Catalog.Find(context.Background(), store.Query{}) {
		if err != nil {
			st.t.Fatal(err)
		}
		rows = append(rows, row)
	}
	slices.Reverse(rows)
	return rows
}

const empty = `<recording xmlns="urn:ietf:params:xml:ns:recording:1"><datamode>complete</datamode></recording>`

// A persistent RS: nothing at first, then one call after the other, each a
// recording of its own with its own clock, people and documents.
func TestE09_EachCallOfAPersistentSessionIsARecording(t *testing.T) {
	st := open(t, rule("2001", policy.Full, 3))
	inactive := twoLines(empty)
	for i := range inactive.Media.Lines {
		inactive.Media.Lines[i].Direction = sip.Inactive
	}
	if reply := st.offered("rs-1", inactive); reply.Answer.Lines[0].Direction != sip.Inactive || reply.Answer.Lines[0].Port == 0 {
		t.Fatalf("answer %+v", reply.Answer)
	}
	if n := st.rec.LiveCount(); n != 0 {
		t.Errorf("%d calls are live before there is one", n)
	}
	start := func(at time.Duration, cs, other string) {
		o := st.session(at, cs, "", other, false)
		o.Media = &sip.Description{Lines: []sip.Line{offered(0), offered(1)}}
		if reply := st.give(o); reply.Answer.Lines[0].Direction != sip.RecvOnly {
			t.Errorf("%s: answer %+v", cs, reply.Answer)
		}
		if n := st.rec.LiveCount(); n != 1 {
			t.Errorf("%s: %d calls are live", cs, n)
		}
	}
	start(60*time.Second, "cs-1", "sip:0105550101@example.org")
	st.talk(60*time.Second, 62*time.Second, 0x11)
	st.give(st.session(62*time.Second, "cs-1", "", "", true))
	st.talk(62*time.Second, 63*time.Second, 0x21) // nobody's: not kept
	st.sealed(st.call.Tick(callStart.Add(67 * time.Second)))
	if n := st.rec.LiveCount(); n != 0 {
		t.Errorf("%d calls are live between two", n)
	}
	start(100*time.Second, "cs-2", "sip:0105550102@example.org")
	st.talk(100*time.Second, 103*time.Second, 0x31)
	// The third follows at once, without a word about the end of the second.
	start(103*time.Second, "cs-3", "sip:0105550103@example.org")
	st.talk(103*time.Second, 104*time.Second, 0x41)
	st.bye(104 * time.Second)

	rows := st.rows()
	if len(rows) != 3 {
		t.Fatalf("%d recordings", len(rows))
	}
	for i, want := range []struct {
		start, length float64
		fill          byte
	}{{60, 2, 0x11}, {100, 3, 0x31}, {103, 1, 0x41}} {
		row, other := rows[i], fmt.Sprintf("010555010%d", i+1)
		if row.State != store.Sealed || row.Other != other || !slices.Equal(row.Sessions, []string{fmt.Sprintf("cs-%d", i+1)}) ||
			row.Start.Sub(callStart).Seconds() != want.start || row.Duration != want.length {
			t.Errorf("recording %d: %+v", i+1, row)
		}
		for _, p := range row.Participants {
			if p.Number != "2001" && p.Number != other {
				t.Errorf("recording %d names %s, who is of another call", i+1, p.Number)
			}
		}
		left, right := st.channels(row)
		samples := int(want.length * 8000)
		if len(left) != samples || count(left, want.fill) != samples || count(right, want.fill+1) != samples {
			t.Errorf("recording %d: %d samples, %d of them its own", i+1, len(left), count(left, want.fill))
		}
	}
	if st.onDisk(0x21) {
		t.Error("what was sent between two calls was kept")
	}
}

// A transfer may end one CS and name the next of the same group a moment later:
// one conversation, one recording.
func TestE04_NextSessionOfTheGroupContinues(t *testing.T) {
	st := open(t, rule("2001", policy.Full, 3))
	first := st.session(0, "cs-1", "g-1", otherAOR, false)
	first.Method, first.Media = "INVITE", twoLines().Media
	st.offered("rs-1", first)
	st.talk(0, time.Second, 0x11)
	st.give(st.session(time.Second, "cs-1", "g-1", "", true))
	st.give(st.session(2*time.Second, "cs-2", "g-1", "sip:0105550102@example.org", false))
	st.talk(2*time.Second, 3*time.Second, 0x31)
	row := st.bye(3 * time.Second)
	if rows := st.rows(); len(rows) != 1 || !slices.Equal(row.Sessions, []string{"cs-1", "cs-2"}) || row.Duration != 3 || len(row.Segments) != 2 {
		t.Errorf("%d recordings, %+v", len(rows), row)
	}
	left, _ := st.channels(row)
	if count(left, 0x11) != 8000 || count(left, 0x31) != 8000 {
		t.Errorf("%d and %d samples", count(left, 0x11), count(left, 0x31))
	}
}

// Empty metadata on lines that send is a call like any other: no fault of the
// metadata costs the audio.
func TestEmptyMetadataOnASendingLineIsACall(t *testing.T) {
	st := open(t, rule("2001", policy.Full, 3))
	st.offered("rs-1", twoLines(empty))
	st.talk(0, 3*time.Second, 0x11)
	row := st.bye(3 * time.Second)
	left, right := st.channels(row)
	if n := count(left, 0x11) + count(right, 0x11); n != 24000 {
		t.Errorf("%d samples, %q", n, row.Notes)
	}
}

// Lines that begin to send on a persistent RS that names no call are one.
func TestMediaWithoutASessionIsACall(t *testing.T) {
	st := open(t, rule("2001", policy.Full, 3))
	inactive := twoLines(empty)
	for i := range inactive.Media.Lines {
		inactive.Media.Lines[i].Direction = sip.Inactive
	}
	st.offered("rs-1", inactive)
	o := twoLines()
	o.Method, o.At = "INVITE", callStart.Add(10*time.Second)
	st.give(o)
	st.talk(10*time.Second, 13*time.Second, 0x11)
	row := st.bye(13 * time.Second)
	if row.State != store.Sealed || row.Duration != 3 || !slices.ContainsFunc(row.Notes, func(n string) bool { return strings.Contains(n, "names no call") }) {
		t.Errorf("row %+v", row)
	}
	// And one that never carries a call leaves nothing.
	st.offered("rs-2", inactive)
	if rows := st.call.End(callStart.Add(time.Minute), "src", "bye"); len(rows) > 0 || len(st.rows()) != 1 {
		t.Errorf("a session without a call left %+v", rows)
	}
}

// An RS whose lines stay as they are while calls come and go by metadata alone:
// each begins when its metadata comes, whatever the one before it was decided.
func TestCallsComeAndGoByMetadataAlone(t *testing.T) {
	st := open(t, rule("2001", policy.Full, 3), rule("2003", policy.Off, 5))
	st.offered("rs-1", twoLines(empty))
	st.sealed(st.call.Tick(callStart.Add(2 * time.Second)))
	call := func(at time.Duration, cs, ours string) Reply {
		o := st.session(at, cs, "", otherAOR, false)
		o.Metadata[0].Body = []byte(strings.ReplaceAll(string(o.Metadata[0].Body), "2001", ours))
		return st.give(o)
	}
	over := func(at time.Duration, cs string) Reply {
		reply := st.give(st.session(at, cs, "", "", true))
		rest := st.call.Tick(callStart.Add(at + idleAtMost))
		st.sealed(rest)
		if len(rest.Ended) != 1 || rest.Redirect {
			t.Errorf("%s is over: %+v", cs, rest)
		}
		return reply
	}
	if reply := call(time.Hour, "cs-1", "2001"); reply.Redirect || len(reply.Begun) != 1 || len(reply.Ended) != 1 {
		t.Errorf("first call: %+v", reply)
	}
	st.talk(time.Hour, time.Hour+2*time.Second, 0x11)
	if reply := over(time.Hour+2*time.Second, "cs-1"); reply.Redirect {
		t.Error("the lines go on, and the SRC was told otherwise")
	}
	if reply := call(2*time.Hour, "cs-2", "2003"); !reply.Redirect || reply.Answer.Lines[0].Direction != sip.Inactive {
		t.Errorf("a call that is off: %+v", reply)
	}
	st.talk(2*time.Hour, 2*time.Hour+time.Second, 0x21)
	if reply := over(2*time.Hour+time.Second, "cs-2"); !reply.Redirect || reply.Answer.Lines[0].Direction != sip.RecvOnly {
		t.Errorf("the lines are not ready for the next call: %+v", reply)
	}
	// A refresh of the session begins nothing.
	refresh := twoLines()
	refresh.At = callStart.Add(150 * time.Minute)
	if reply := st.give(refresh); len(reply.Begun) > 0 || reply.Answer.Lines[0].Direction != sip.RecvOnly {
		t.Errorf("refresh: %+v", reply)
	}
	call(3*time.Hour, "cs-3", "2001")
	st.talk(3*time.Hour, 3*time.Hour+time.Second, 0x31)
	st.bye(3*time.Hour + time.Second)

	rows := st.rows()
	if len(rows) != 4 || rows[0].State != store.NotRecorded || !noted(rows[0], "waited") || rows[2].State != store.NotRecorded {
		t.Fatalf("rows %+v", rows)
	}
	for i, want := range map[int]struct {
		start  time.Duration
		length float64
		fill   byte
	}{1: {time.Hour, 2, 0x11}, 3: {3 * time.Hour, 1, 0x31}} {
		left, _ := st.channels(rows[i])
		if n := int(want.length * 8000); rows[i].Start.Sub(callStart) != want.start || len(left) != n || count(left, want.fill) != n {
			t.Errorf("recording %d from %v: %d samples", i, rows[i].Start, len(left))
		}
	}
	if st.onDisk(0x21) {
		t.Error("a call that is off was kept")
	}
}

// Between two calls nobody is on hold, and that a call is over is no change of its
// parties.
func TestNobodyIsOnHoldBetweenTwoCalls(t *testing.T) {
	st := open(t, rule("2001", policy.Full, 3))
	st.offered("rs-1", twoLines(empty))
	st.sealed(st.call.Tick(callStart.Add(2 * time.Second)))
	st.give(st.session(5*time.Second, "cs-1", "", otherAOR, false))
	st.talk(5*time.Second, 8*time.Second, 0x11)
	st.give(st.session(8*time.Second, "cs-1", "", "", true))
	st.sealed(st.call.Tick(callStart.Add(20 * time.Second)))
	st.bye(20 * time.Second)
	rows := st.rows()
	if len(rows) != 2 || !noted(rows[0], "waited") || noted(rows[1], "parties changed") || rows[1].Policy != "full" {
		t.Fatalf("rows %+v", rows)
	}
	for i, s := range rows[0].Streams {
		if want := []store.Gap{{Start: 0, End: 5, Cause: "not-sent"}}; !slices.Equal(s.Gaps, want) {
			t.Errorf("line %d, before the first call: %v", i, s.Gaps)
		}
	}
	for i, s := range rows[1].Streams {
		if len(s.Gaps) != 0 {
			t.Errorf("line %d: %v", i, s.Gaps)
		}
	}
}

// Metadata that nobody can read begins a call too: no audio is lost by it.
func TestUnreadableMetadataOnAPersistentSessionIsACall(t *testing.T) {
	st := open(t, rule("2001", policy.Full, 3))
	st.offered("rs-1", twoLines(empty))
	st.give(st.session(time.Second, "cs-1", "", otherAOR, false))
	st.give(st.session(2*time.Second, "cs-1", "", "", true))
	st.sealed(st.call.Tick(callStart.Add(10 * time.Second)))
	broken := st.session(20*time.Second, "cs-2", "", otherAOR, false)
	broken.Metadata[0].Body = []byte("<recording")
	if reply := st.give(broken); len(reply.Begun) != 1 {
		t.Errorf("reply %+v", reply)
	}
	st.talk(20*time.Second, 23*time.Second, 0x11)
	row := st.bye(23 * time.Second)
	left, right := st.channels(row)
	if n := count(left, 0x11) + count(right, 0x11); n != 24000 || row.Duration != 3 {
		t.Errorf("%d samples, %.1f s, %q", n, row.Duration, row.Notes)
	}
}

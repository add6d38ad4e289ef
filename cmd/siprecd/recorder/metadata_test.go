package recorder

import (
	"bytes"
	"testing"
	"time"

	"siprecd/policy"
)

// namesOnly is metadata that ties nobody to a line.
const namesOnly = `<recording xmlns="urn:ietf:params:xml:ns:recording:1"><session session_id="cs-1"/>` +
	`<participant participant_id="a"><nameID aor="` + otherAOR + `"/></participant>` +
	`<participant participant_id="b"><nameID aor="` + ourAOR + `"/></participant></recording>`

func TestD24_OrderIsSaidOnTheRow(t *testing.T) {
	st := open(t, rule("2001", policy.Full, 3))
	st.offered("rs-1", twoLines(namesOnly))
	st.talk(0, time.Second, 0x11)
	row := st.bye(time.Second)
	left, _ := st.channels(row)
	if row.Streams[1].Participant != ourAOR || count(left, 0x12) != 8000 || !noted(row, "taken by order") {
		t.Errorf("left %d are ours; %+v, %q", count(left, 0x12), row.Streams, row.Notes)
	}
}

// Of a transfer that is not tied to lines either, who comes has the line of who left.
func TestWhoComesTakesTheLineOfWhoLeft(t *testing.T) {
	st := open(t, rule("2001", policy.Full, 3))
	st.offered("rs-1", twoLines(namesOnly))
	st.talk(0, time.Second, 0x11)
	next := st.offer("UPDATE", time.Second, "sip:0105550102@example.org", ourAOR)
	next.Metadata[0].Body = bytes.ReplaceAll([]byte(namesOnly), []byte(`"a"><nameID aor="`+otherAOR), []byte(`"c"><nameID aor="sip:0105550102@example.org`))
	st.call.Offer(next)
	st.talk(time.Second, 2*time.Second, 0x11)
	row := st.bye(2 * time.Second)
	left, right := st.channels(row)
	if count(left, 0x12) != 16000 || count(right, 0x11) != 16000 || row.Streams[0].Participant != "sip:0105550102@example.org" {
		t.Errorf("left %d are ours, right %d the others'; %+v", count(left, 0x12), count(right, 0x11), row.Streams)
	}
}

// A line that a re-INVITE brings without any metadata is whose the metadata
// before it says.
func TestLineAddedLaterHasItsSender(t *testing.T) {
	st := open(t, rule("2001", policy.Full, 3))
	first := twoLines(string(st.offer("INVITE", 0, otherAOR, ourAOR).Metadata[0].Body))
	first.Media.Lines = first.Media.Lines[:1]
	st.offered("rs-1", first)
	again := twoLines()
	again.At = callStart.Add(time.Second)
	st.give(again)
	st.talk(time.Second, 2*time.Second, 0x11)
	row := st.bye(2 * time.Second)
	left, right := st.channels(row)
	if len(row.Streams) != 2 || row.Streams[1].Participant != ourAOR || count(left, 0x12) != 8000 || count(right, 0x11) != 8000 {
		t.Errorf("left %d are ours, right %d the other's; %+v", count(left, 0x12), count(right, 0x11), row.Streams)
	}
}

// Lines without labels are tied by the order of the streams, and their senders
// by ids: not by the order of the participants.
func TestLinesWithoutLabels(t *testing.T) {
	st := open(t, rule("2001", policy.Full, 3))
	o := twoLines(`<recording><session session_id="cs-1"/>` +
		`<participant participant_id="a"><nameID aor="` + ourAOR + `"/></participant><participant participant_id="b"><nameID aor="` + otherAOR + `"/></participant>` +
		`<stream stream_id="s1"><label>1</label></stream><stream stream_id="s2"><label>2</label></stream>` +
		`<participantstreamassoc participant_id="a"><send>s2</send></participantstreamassoc>` +
		`<participantstreamassoc participant_id="b"><send>s1</send></participantstreamassoc></recording>`)
	o.Media.Lines[0].Label, o.Media.Lines[1].Label = "", ""
	st.offered("rs-1", o)
	st.talk(0, time.Second, 0x11)
	row := st.bye(time.Second)
	left, _ := st.channels(row)
	if row.Streams[0].Participant != otherAOR || row.Streams[1].Participant != ourAOR || count(left, 0x12) != 8000 || !noted(row, "by order") {
		t.Errorf("left %d are ours; %+v, %q", count(left, 0x12), row.Streams, row.Notes)
	}
}

// An SRC that gives the new party the id of the one before transfers the call
// all the same: it is decided again, and both stand on the row.
func TestTransferUnderTheSameID(t *testing.T) {
	st := open(t, rule("2001", policy.Full, 3), rule("2003", policy.Off, 4))
	st.offered("rs-1", twoLines(namesOnly))
	st.talk(0, time.Second, 0x11)
	next := st.offer("UPDATE", time.Second, ourAOR)
	next.Metadata[0].Body = bytes.ReplaceAll([]byte(namesOnly), []byte(ourAOR), []byte("sip:2003@example.org"))
	if reply := st.give(next); !reply.Redirect {
		t.Errorf("reply %+v", reply)
	}
	row := st.bye(2 * time.Second)
	if len(row.Decisions) != 2 || row.Decisions[1].Policy != "off" || len(row.Participants) != 3 ||
		row.Participants[1].Number != "2001" || row.Participants[1].Left.IsZero() || row.Participants[2].Number != "2003" {
		t.Errorf("%+v, %+v", row.Decisions, row.Participants)
	}
}

// A name in EUC-KR, which only the Content-Type of its part tells.
func TestD01_CharsetOfThePart(t *testing.T) {
	st := open(t, rule("2001", policy.Full, 3))
	o := twoLines(`<recording><session session_id="cs-1"/><participant participant_id="a"><nameID aor="` + ourAOR + `"><name>` +
		"\xb1\xe8\xc7\xcf\xb3\xaa" + `</name></nameID></participant></recording>`)
	o.Metadata[0].Charset = "euc-kr"
	st.offered("rs-1", o)
	st.talk(0, time.Second, 0x11)
	if row := st.bye(time.Second); row.Participants[0].Name != "김하나" {
		t.Errorf("%+v", row.Participants)
	}
}

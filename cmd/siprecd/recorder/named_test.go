package recorder

import (
	"testing"
	"time"

	"siprecd/policy"
	"siprecd/sip"
)

// unlabelled are lines as a source without SIPREC offers them.
func unlabelled(n int) *sip.Description {
	d := &sip.Description{}
	for i := range n {
		l := offered(i)
		l.Label = ""
		d.Lines = append(d.Lines, l)
	}
	return d
}

func party(uri string, line int) sip.Named {
	return sip.Named{Address: sip.Address{URI: uri}, Line: line}
}

// No metadata: a header names the party of each line by its index, in whatever
// order, and again after a transfer.
func TestQ12_HeadersNameThePartiesOfTheLines(t *testing.T) {
	st := open(t, rule("2001", policy.Full, 3))
	first := &sip.Offer{Method: "INVITE", At: callStart, Media: unlabelled(2), Named: []sip.Named{party(otherAOR, 0), party(ourAOR, 1)}}
	st.offered("rs-1", first)
	st.talk(0, time.Second, 0x11)
	st.call.Offer(&sip.Offer{Method: "INVITE", At: callStart.Add(time.Second), Media: unlabelled(2)}) // a refresh that names nobody
	st.talk(time.Second, 2*time.Second, 0x11)
	const third = "sip:0105550109@example.org"
	st.call.Offer(&sip.Offer{Method: "INVITE", At: callStart.Add(2 * time.Second), Media: unlabelled(2), Named: []sip.Named{party(third, 0), party(ourAOR, 1)}})
	st.release()
	st.talk(2*time.Second, 3*time.Second, 0x11)
	row := st.bye(3 * time.Second)
	left, right := st.channels(row)
	if row.Extension != "2001" || count(left, 0x12) != 24000 || count(right, 0x11) != 24000 {
		t.Errorf("%s: %d of ours left, %d of the other's right; %q", row.Extension, count(left, 0x12), count(right, 0x11), row.Notes)
	}
	if len(row.Participants) != 3 || row.Participants[0].Left.IsZero() || row.Participants[2].AOR != third {
		t.Errorf("participants %+v", row.Participants)
	}
	if row.Streams[0].Participant != third || row.Streams[1].Participant != ourAOR {
		t.Errorf("streams %+v", row.Streams)
	}
}

// A phone forks its own voice and the far end's in a session each; both are
// recordings of one extension, tied by the identifiers they share.
func TestQ11_PhoneForksEachParty(t *testing.T) {
	st := open(t, rule("2001", policy.Full, 3))
	for i, lines := range [][2]int{{0, -1}, {-1, 0}} {
		o := &sip.Offer{Method: "INVITE", At: callStart, WantOffer: true, Named: []sip.Named{party("2001", lines[0]), party("0105550101", lines[1])}}
		st.offered([]string{"near", "far"}[i], o)
		answer := &sip.Offer{Method: "ACK", At: callStart.Add(20 * time.Millisecond), Media: unlabelled(1), Named: o.Named}
		st.call.Offer(answer)
		st.release()
		for at := time.Duration(0); at < time.Second; at += 20 * time.Millisecond {
			st.feed(0, at+20*time.Millisecond, st.rtp(0, 0, at, make([]byte, 160)))
		}
		row := st.bye(time.Second)
		if row.Extension != "2001" || row.Other != "0105550101" || row.Policy != "full" {
			t.Errorf("%d: %+v", i, row)
		}
		if want := []string{"2001", "0105550101"}[i]; row.Streams[0].Participant != want {
			t.Errorf("line 0 is %q, want %q", row.Streams[0].Participant, want)
		}
	}
}

// Metadata with internal names alone: the recorded user stands in From.
func TestQ44_FromNamesTheRecordedUser(t *testing.T) {
	for mode, want := range map[policy.Mode]sip.Direction{policy.Full: sip.RecvOnly, policy.Off: sip.Inactive} {
		t.Run(mode.String(), func(t *testing.T) {
			st := open(t, rule("2001", mode, 3))
			o := st.offer("INVITE", 0, "kcx1@x.example.com", "kcx2@x.example.com")
			o.Media = twoLines().Media
			reply := st.offered("rs-1", o) // From is ourAOR
			if got := reply.Answer.Lines[0].Direction; got != want {
				t.Errorf("answered %s, want %s", got, want)
			}
			st.talk(0, time.Second, 0x11)
			row := st.bye(time.Second)
			if row.Extension != "2001" || row.DecidedBy != "extensions.toml:3" || !noted(row, "nobody of ours") {
				t.Errorf("%+v", row)
			}
		})
	}
}

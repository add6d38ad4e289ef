package recorder

import (
	"slices"
	"testing"
	"time"

	"siprecd/policy"
	"siprecd/sip"
	"siprecd/store"
)

func TestTransferDecidesAgain(t *testing.T) {
	st := open(t, rule("2001", policy.Full, 3), rule("2003", policy.Off, 5))
	st.invite(ourAOR, otherAOR)
	st.talk(0, time.Second, 0x11)
	if reply := st.update(time.Second, "sip:2003@example.org", otherAOR); !reply.Redirect || reply.Answer.Lines[0].Direction != sip.Inactive {
		t.Errorf("full → off: %+v", reply)
	}
	st.talk(time.Second, 2*time.Second, 0x21)
	if reply := st.update(2*time.Second, ourAOR, otherAOR); !reply.Redirect || reply.Answer.Lines[0].Direction != sip.RecvOnly {
		t.Errorf("off → full: %+v", reply)
	}
	st.talk(2*time.Second, 3*time.Second, 0x31)
	// A blind transfer to outside: nobody of ours is left.
	st.update(3*time.Second, "sip:0105550199@example.org", otherAOR)
	st.talk(3*time.Second, 4*time.Second, 0x41)
	row := st.bye(4 * time.Second)
	left, _ := st.channels(row)
	if count(left, 0x11) != 8000 || count(left, 0x31) != 8000 || count(left, 0x21) > 0 || count(left, 0x41) > 0 {
		t.Errorf("kept %d %d %d %d", count(left, 0x11), count(left, 0x21), count(left, 0x31), count(left, 0x41))
	}
	if st.onDisk(0x21) || st.onDisk(0x41) {
		t.Error("audio of a period that is off was kept")
	}
	if n := len(row.Segments); n != 2 {
		t.Errorf("segments %v", row.Segments)
	}
	if !slices.ContainsFunc(row.Decisions, func(d store.Decision) bool { return d.Policy == "off" }) {
		t.Errorf("decisions %v", row.Decisions)
	}
}

// The mark of one employee lasts while the parties stay, and is not the mark of
// whoever the call is passed on to.
func TestTheKeyIsTheEmployeesOwn(t *testing.T) {
	st := open(t, rule("2001", policy.Selective, 3), rule("2004", policy.Selective, 6))
	st.invite(ourAOR, otherAOR)
	st.key(0, 0, '*')
	st.key(0, 200*time.Millisecond, '1')
	st.talk(400*time.Millisecond, time.Second, 0x11)
	st.update(time.Second, ourAOR, otherAOR, "sip:0105550102@example.org") // a third joins
	st.talk(time.Second, 2*time.Second, 0x13)
	st.update(2*time.Second, "sip:2004@example.org", otherAOR)
	st.talk(2*time.Second, 3*time.Second, 0x21)
	st.key(0, 3*time.Second, '*')
	st.key(0, 3200*time.Millisecond, '1')
	st.talk(3400*time.Millisecond, 4*time.Second, 0x31)
	row := st.bye(4 * time.Second)
	left, _ := st.channels(row)
	if count(left, 0x11) != 4800 || count(left, 0x13) != 8000 || count(left, 0x31) != 4800 {
		t.Errorf("kept %d %d %d", count(left, 0x11), count(left, 0x13), count(left, 0x31))
	}
	if count(left, 0x21) > 0 || st.onDisk(0x21) {
		t.Error("the call was recorded before the next employee pressed the key")
	}
	if len(row.Segments) != 2 {
		t.Errorf("segments %v", row.Segments)
	}
}

// Every way from one decision to another in mid-call. Each call is 600 ms of
// talk, the change at 1 s, a second of talk, the start key, 600 ms of talk.
func TestTransferFromEachPolicyToEach(t *testing.T) {
	const full, full2, selective, selective2, off, outside = "2001", "2005", "2002", "2004", "2003", "0105550199"
	for _, tc := range []struct {
		name     string
		from     string
		marked   bool // the start key is pressed at once
		to       string
		kept     [3]int // samples of each talk
		segments int
		told     sip.Direction // the SRC's lines by a re-INVITE of ours; "": it is told nothing
		policy   string
	}{
		{"full to full", full, false, full2, [3]int{4800, 8000, 4800}, 1, "", "full"},
		{"full to selective", full, false, selective, [3]int{4800, 0, 4800}, 2, "", "selective"},
		{"full to off", full, false, off, [3]int{4800, 0, 0}, 1, sip.Inactive, "full"},
		{"full to nobody of ours", full, false, outside, [3]int{4800, 0, 0}, 1, sip.Inactive, "full"},
		{"selective to the same", selective, false, selective, [3]int{0, 0, 4800}, 1, "", "selective"},
		{"marked to the same", selective, true, selective, [3]int{4800, 8000, 4800}, 1, "", "selective"},
		{"marked to another selective", selective, true, selective2, [3]int{4800, 0, 4800}, 2, "", "selective"},
		{"selective to full", selective, false, full, [3]int{0, 8000, 4800}, 1, "", "full"},
		{"marked to full", selective, true, full, [3]int{4800, 8000, 4800}, 1, "", "full"},
		{"marked to off", selective, true, off, [3]int{4800, 0, 0}, 1, sip.Inactive, "selective"},
		{"marked to nobody of ours", selective, true, outside, [3]int{4800, 0, 0}, 1, sip.Inactive, "selective"},
		{"off to full", off, false, full, [3]int{0, 8000, 4800}, 1, sip.RecvOnly, "full"},
		{"off to selective", off, false, selective, [3]int{0, 0, 4800}, 1, sip.RecvOnly, "selective"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			st := open(t, rule(full, policy.Full, 3), rule(full2, policy.Full, 4), rule(selective, policy.Selective, 5),
				rule(selective2, policy.Selective, 6), rule(off, policy.Off, 7))
			aor := func(number string) string { return "sip:" + number + "@example.org" }
			start := func(at time.Duration) {
				st.key(0, at, '*')
				st.key(0, at+200*time.Millisecond, '1')
			}
			st.invite(aor(tc.from), otherAOR)
			if tc.marked {
				start(0)
			}
			st.talk(400*time.Millisecond, time.Second, 0x11)
			reply := st.update(time.Second, aor(tc.to), otherAOR)
			if reply.Redirect != (tc.told != "") || reply.Redirect && reply.Answer.Lines[0].Direction != tc.told {
				t.Errorf("the SRC is told %v %s", reply.Redirect, reply.Answer.Lines[0].Direction)
			}
			st.talk(time.Second, 2*time.Second, 0x21)
			start(2 * time.Second)
			st.talk(2400*time.Millisecond, 3*time.Second, 0x31)
			row := st.bye(3 * time.Second)
			var left []byte
			if row.File != "" {
				left, _ = st.channels(row)
			}
			for i, fill := range []byte{0x11, 0x21, 0x31} {
				if !wasKept(left, fill, tc.kept[i]) || tc.kept[i] == 0 && st.onDisk(fill) {
					t.Errorf("talk %d: %d samples were kept, want %d", i+1, count(left, fill), tc.kept[i])
				}
			}
			if len(row.Segments) != tc.segments || row.Policy != tc.policy {
				t.Errorf("segments %v, policy %s; want %d, %s", row.Segments, row.Policy, tc.segments, tc.policy)
			}
		})
	}
}

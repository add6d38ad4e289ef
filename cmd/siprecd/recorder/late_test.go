package recorder

import (
	"fmt"
	"testing"
	"time"

	"siprecd/policy"
	"siprecd/store"
)

// Parties named late: a placeholder in the INVITE, the real ones in an UPDATE
// before the 2 s are over, and after.
func TestPartiesNamedLate(t *testing.T) {
	for _, tc := range []struct {
		policy  policy.Mode
		named   time.Duration
		kept    map[byte]int // samples, by their fill, that must be in the file
		gone    []byte       // fills that must be nowhere
		state   store.State
		reply   bool // the SRC is told inactive
		talkEnd time.Duration
	}{
		{policy.Full, 500 * time.Millisecond, map[byte]int{0x71: 4000, 0x73: 44000, 0x75: 4800}, nil, store.Sealed, false, 6 * time.Second},
		{policy.Full, 5 * time.Second, map[byte]int{0x71: 40000, 0x73: 8000, 0x75: 4800}, nil, store.Sealed, false, 6 * time.Second},
		{policy.Selective, 500 * time.Millisecond, map[byte]int{0x75: 4800}, []byte{0x71, 0x73}, store.Sealed, false, 6 * time.Second},
		{policy.Selective, 5 * time.Second, map[byte]int{0x75: 4800}, []byte{0x71, 0x73}, store.Sealed, false, 6 * time.Second},
		{policy.Off, 500 * time.Millisecond, nil, []byte{0x71, 0x73, 0x75}, store.NotRecorded, true, 6 * time.Second},
		{policy.Off, 5 * time.Second, nil, []byte{0x71, 0x73, 0x75}, store.NotRecorded, true, 6 * time.Second},
	} {
		t.Run(fmt.Sprintf("%v/%v", tc.policy, tc.named), func(t *testing.T) {
			st := open(t, rule("2001", tc.policy, 7))
			st.invite(blankAOR)
			st.talk(0, tc.named, 0x71)
			reply := st.update(tc.named, ourAOR, otherAOR)
			if reply.Redirect != tc.reply {
				t.Errorf("redirect %v", reply.Redirect)
			}
			st.talk(tc.named, tc.talkEnd, 0x73)
			if tc.policy == policy.Selective {
				st.key(0, tc.talkEnd, '*')
				st.key(0, tc.talkEnd+200*time.Millisecond, '1')
			}
			st.talk(tc.talkEnd+400*time.Millisecond, tc.talkEnd+time.Second, 0x75)
			for _, fill := range tc.gone {
				if st.onDisk(fill) {
					t.Errorf("%#x on disk in clear while live", fill)
				}
			}
			row := st.bye(tc.talkEnd + time.Second)
			if destroyed := tc.policy != policy.Full && tc.named > 2*time.Second; noted(row, "destroyed unread") != destroyed {
				t.Errorf("notes %q", row.Notes)
			}
			if tc.policy == policy.Full && (len(row.Segments) != 1 || row.Segments[0].Start != 0) {
				t.Errorf("segments %v, want one from the beginning", row.Segments)
			}
			if tapes, err := st.rec.Store.Leftovers(); err != nil || len(tapes) != 0 {
				t.Errorf("left-over tapes %v %v", tapes, err)
			}
			if row.State != tc.state || row.DecidedBy != "extensions.toml:7" {
				t.Fatalf("state %s by %s, notes %q", row.State, row.DecidedBy, row.Notes)
			}
			var left []byte
			if row.File != "" {
				left, _ = st.channels(row)
			}
			for fill, n := range tc.kept {
				if !wasKept(left, fill, n) {
					t.Errorf("%d samples of %#x are in the file, want %d", count(left, fill), fill, n)
				}
			}
			for _, fill := range tc.gone {
				if count(left, fill) > 0 || st.onDisk(fill) {
					t.Errorf("%#x was kept", fill)
				}
			}
		})
	}
}

// The default is selective and the start key is pressed before the parties are
// named: it counts if it proves to have been pressed on our own side.
func TestKeyBeforeTheNames(t *testing.T) {
	for _, tc := range []struct {
		name          string
		ours          policy.Mode
		aors          []string // in the UPDATE; none: nobody is ever named
		marked, after int      // samples on our side's channel
		state         store.State
	}{
		{"ours pressed it", policy.Selective, []string{ourAOR, otherAOR}, 8000, 8000, store.Sealed},
		{"the other side pressed it", policy.Selective, []string{otherAOR, ourAOR}, 0, 0, store.NotRecorded},
		{"ours is full", policy.Full, []string{ourAOR, otherAOR}, 8000, 8000, store.Sealed},
		{"ours is off", policy.Off, []string{ourAOR, otherAOR}, 0, 0, store.NotRecorded},
		{"never named", policy.Off, nil, 8000, 8000, store.Sealed},
	} {
		t.Run(tc.name, func(t *testing.T) {
			st := openWith(t, policy.Selective, rule("2001", tc.ours, 7))
			st.invite(blankAOR)
			st.talk(0, 3*time.Second, 0x11)
			st.key(0, 3*time.Second, '*')
			st.key(0, 3200*time.Millisecond, '1')
			st.talk(4*time.Second, 5*time.Second, 0x21)
			if st.onDisk(0x21) {
				t.Error("what nobody has decided yet is on disk in clear")
			}
			if tc.aors != nil {
				st.update(5*time.Second, tc.aors...)
			}
			st.talk(5*time.Second, 6*time.Second, 0x31)
			row := st.bye(6 * time.Second)
			if row.State != tc.state || st.onDisk(0x11) {
				t.Fatalf("%s, notes %q", row.State, row.Notes)
			}
			var left []byte
			if row.File != "" {
				left, _ = st.channels(row)
			}
			if count(left, 0x21) != tc.marked || count(left, 0x31) != tc.after {
				t.Errorf("%d and %d samples were kept, want %d and %d", count(left, 0x21), count(left, 0x31), tc.marked, tc.after)
			}
			if tc.marked == 0 && (st.onDisk(0x21) || st.onDisk(0x31)) {
				t.Error("audio that a key of the other side opened the gate for was kept")
			}
		})
	}
}

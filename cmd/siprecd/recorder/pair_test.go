package recorder

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"siprecd/policy"
	"siprecd/sip"
	"siprecd/store"
)

// forkedFrom is From of a dialog that carries one end of a forked call.
func forkedFrom(s side, leg string) string {
	return fmt.Sprintf("<sip:2001@192.0.2.83;x-%send;x-refci=%s;x-nearendclusterid=C1;x-nearenddevice=SEP0001;x-nearendaddr=2001;"+
		"x-farendrefci=27000;x-farendclusterid=C1;x-farenddevice=TRUNK1;x-farendaddr=0105550101>", s, leg)
}

// over waits until so many calls of the catalogue are over, and returns them all.
func (st *stage) over(n int) []*store.Row {
	st.t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); <-time.After(20 * time.Millisecond) {
		over := 0
		for _, row := range st.rows() {
			if row.State != store.Live && row.State != store.Ending {
				over++
			}
		}
		if over == n {
			return st.rows()
		}
	}
	st.t.Fatalf("no %d calls are over: %+v", n, st.rows())
	return nil
}

// Each end of a call in a dialog of its own, over different transports and in
// either order, with an offer or without: one recording, near left, far right, on
// one clock.
func TestQ11_TwoDialogsAreOneRecording(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		first side
		empty [2]bool // no offer, by side
		tcp   side
	}{
		"near first, no offers":         {nearEnd, [2]bool{true, true}, farEnd},
		"far first, no offers":          {farEnd, [2]bool{true, true}, nearEnd},
		"far first, with offers":        {farEnd, [2]bool{false, false}, farEnd},
		"near offers, far does not":     {nearEnd, [2]bool{false, true}, farEnd},
		"near does not offer, far does": {nearEnd, [2]bool{true, false}, nearEnd},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			st := open(t, rule("2001", policy.Full, 3))
			udp, tcp := st.startProfile(Source{Profile: LegPerDialog}, "")
			var dialogs [2]*plainSource
			begin := func(s side) {
				network, address := "udp", udp
				if s == c.tcp {
					network, address = "tcp", tcp
				}
				p := dial(t, network, address, forkedFrom(s, "27001"), s.String(), 1)
				if c.empty[s] {
					p.inviteEmpty()
				} else {
					p.invite()
				}
				dialogs[s] = p
			}
			begin(c.first)
			dialogs[c.first].speak(0, byte(0x11+c.first), 10)
			begin(c.first.other())
			for range 25 {
				dialogs[nearEnd].speak(0, 0x11, 1)
				dialogs[farEnd].speak(0, 0x12, 1)
			}
			dialogs[c.first].request("BYE", "")
			dialogs[c.first.other()].speak(0, byte(0x12-c.first), 10)
			dialogs[c.first.other()].request("BYE", "")
			row := st.over(1)[0]
			left, right := st.channels(row)
			if row.Extension != "2001" || row.Other != "0105550101" || row.DecidedBy != "extensions.toml:3" || row.Direction != policy.DirectionUnknown {
				t.Errorf("%s with %s, %s, by %s", row.Extension, row.Other, row.Direction, row.DecidedBy)
			}
			if near, far := count(left, 0x11), count(right, 0x12); near < 35*160-80 || far < 35*160-80 || count(left, 0x12)+count(right, 0x11) >= madeUp {
				t.Errorf("%d of the near end left, %d of the far end right; %q", near, far, row.Notes)
			}
			if len(row.Streams) != 2 || row.Streams[0].Label != "near" || row.Streams[0].Participant != "2001" || row.Streams[1].Participant != "0105550101" {
				t.Errorf("streams %+v", row.Streams)
			}
			// The end that came second is heard where it was said, and not from the beginning.
			second := [][]byte{right, left}[c.first]
			if from := strings.IndexByte(string(second), byte(0x12-c.first)); from < 1300 || from > 8000 {
				t.Errorf("the second dialog is heard from %d samples on", from)
			}
			if row.Vendor[c.first.other().String()+" Call-ID"] != c.first.other().String() || row.CallID != c.first.String() {
				t.Errorf("%q, %q", row.CallID, row.Vendor)
			}
			if noted(row, "never came") || noted(row, "refused") || len(row.Notes) > 1 {
				t.Errorf("notes %q", row.Notes)
			}
		})
	}
}

// One end alone is a recording, silent on the other side; a dialog of another leg,
// or of the same leg's next call, is no other half of it.
func TestQ11_OneEndAlone(t *testing.T) {
	t.Parallel()
	st := open(t, rule("2001", policy.Full, 3))
	udp, _ := st.startProfile(Source{Profile: LegPerDialog}, "")
	alone := dial(t, "udp", udp, forkedFrom(nearEnd, "27001"), "alone", 1)
	alone.inviteEmpty()
	stranger := dial(t, "udp", udp, forkedFrom(farEnd, "27099"), "stranger", 1)
	stranger.inviteEmpty()
	elsewhere := dial(t, "udp", udp, strings.Replace(forkedFrom(farEnd, "27001"), "x-farendrefci=27000", "x-farendrefci=26000", 1), "elsewhere", 1)
	elsewhere.inviteEmpty()
	alone.speak(0, 0x11, 20)
	for _, p := range []*plainSource{stranger, elsewhere, alone} {
		p.request("BYE", "")
	}
	st.over(3)
	again := dial(t, "udp", udp, forkedFrom(farEnd, "27001"), "again", 1)
	again.inviteEmpty()
	again.request("BYE", "")
	for _, row := range st.over(4) {
		missing := map[bool]string{true: "the far end's dialog never came", false: "the near end's dialog never came"}[row.CallID == "alone"]
		if !noted(row, missing) || len(row.Streams) != 2 {
			t.Errorf("%s: %q", row.CallID, row.Notes)
		}
		if row.CallID == "alone" {
			if left, right := st.channels(row); count(left, 0x11) < 20*160-80 || count(right, 0xff) != len(right) {
				t.Errorf("%d samples left, %d of %d silent right", count(left, 0x11), count(right, 0xff), len(right))
			}
		}
	}
}

// An end that comes late is noted, and so is one that goes early.
func TestQ11_LateAndEarly(t *testing.T) {
	t.Parallel()
	st := open(t, rule("2001", policy.Full, 3))
	udp, _ := st.startProfile(Source{Profile: LegPerDialog}, "")
	near := dial(t, "udp", udp, forkedFrom(nearEnd, "27001"), "near", 1)
	near.inviteEmpty()
	<-time.After(together + 200*time.Millisecond)
	far := dial(t, "udp", udp, forkedFrom(farEnd, "27001"), "far", 1)
	far.inviteEmpty()
	far.speak(0, 0x12, 10)
	far.request("BYE", "")
	<-time.After(together + 200*time.Millisecond)
	near.speak(0, 0x11, 10)
	near.request("BYE", "")
	row := st.over(1)[0]
	if !noted(row, "the far end's dialog came 2.") || !noted(row, "the far end's dialog ended 2.") {
		t.Errorf("%q", row.Notes)
	}
	left, right := st.channels(row)
	from, to := strings.IndexByte(string(right), 0x12), strings.LastIndexByte(string(right), 0x12)
	if from < 2*8000 || to-from > 8000 || count(left, 0x11) < 10*160-80 || strings.IndexByte(string(left), 0x11) < to+2*8000 {
		t.Errorf("the far end sounds from %d to %d, the near end from %d on", from, to, strings.IndexByte(string(left), 0x11))
	}
}

// A key of the near end's opens both ends at once, and none of the far end's does;
// what is not to be recorded is answered inactive to either dialog.
func TestQ11_PolicyHoldsForBothEnds(t *testing.T) {
	t.Parallel()
	for mode, want := range map[policy.Mode]sip.Direction{policy.Selective: sip.RecvOnly, policy.Off: sip.Inactive} {
		t.Run(mode.String(), func(t *testing.T) {
			t.Parallel()
			st := open(t, rule("2001", mode, 3))
			udp, _ := st.startProfile(Source{Profile: LegPerDialog}, "")
			var dialogs [2]*plainSource
			for s := range dialogs {
				p := dial(t, "udp", udp, forkedFrom(side(s), "27001"), side(s).String(), 1)
				answer, err := p.invite().Description()
				if err != nil || len(answer.Lines) != 1 || answer.Lines[0].Direction != want {
					t.Errorf("%s: answered %+v, %v", side(s), answer.Lines, err)
				}
				dialogs[s] = p
			}
			both := func(fill byte, n int) {
				for range n {
					dialogs[nearEnd].speak(0, fill, 1)
					dialogs[farEnd].speak(0, fill+1, 1)
				}
			}
			both(0x21, 10)
			info := func(s side, digit string) {
				p := dialogs[s]
				p.send("INFO", "Signal="+digit+"\r\nDuration=160\r\n")
				if m := p.response(); m.Status != 200 {
					t.Errorf("INFO: %d", m.Status)
				}
			}
			for _, digit := range []string{"*", "1"} {
				info(farEnd, digit)
			}
			both(0x31, 10)
			for _, digit := range []string{"*", "1"} {
				info(nearEnd, digit)
			}
			both(0x41, 20)
			dialogs[nearEnd].request("BYE", "")
			dialogs[farEnd].request("BYE", "")
			row := st.over(1)[0]
			if row.Policy != mode.String() || st.onDisk(0x21) || st.onDisk(0x22) || st.onDisk(0x31) || st.onDisk(0x32) {
				t.Errorf("%s: kept what it must not: %q", row.Policy, row.Notes)
			}
			if mode == policy.Off {
				if row.State != store.NotRecorded {
					t.Errorf("state %s", row.State)
				}
				return
			}
			left, right := st.channels(row)
			if count(left, 0x41) < 20*160-400 || count(right, 0x42) < 20*160-400 || count(left, 0x31)+count(right, 0x32) > 0 {
				t.Errorf("%d samples left, %d right; keys %+v, %q", count(left, 0x41), count(right, 0x42), row.Keys, row.Notes)
			}
		})
	}
}

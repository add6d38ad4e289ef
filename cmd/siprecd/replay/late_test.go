package replay

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"siprecd/policy"
	"siprecd/sip"
	"siprecd/store"
)

// TestPartiesNamedLate plays a capture whose INVITE names a placeholder and
// whose UPDATE, half a second or five seconds later, the real parties: the
// packets in between wait for the decision, at most two seconds.
func TestPartiesNamedLate(t *testing.T) {
	for _, c := range []struct {
		after time.Duration
		mode  policy.Mode
		state store.State
		kept  int64 // packets of each line
	}{
		{500 * time.Millisecond, policy.Full, store.Sealed, 300},
		{500 * time.Millisecond, policy.Selective, store.NotRecorded, 0},
		{500 * time.Millisecond, policy.Off, store.NotRecorded, 0},
		{5 * time.Second, policy.Full, store.Sealed, 300},
		{5 * time.Second, policy.Off, store.NotRecorded, 0},
	} {
		t.Run(c.after.String()+" "+c.mode.String(), func(t *testing.T) {
			f := lateFilm(t, c.after)
			plan := planOf(t, f)
			if len(plan.Sessions) != 1 || len(plan.Sessions[0].Offers) != 2 {
				t.Fatalf("%+v %q", plan.Sessions, plan.Notes)
			}
			rows, _ := playPlan(t, plan, f.buf.Bytes(), policy.Rule{Pattern: "2001", Mode: c.mode, Origin: policy.Origin{File: "extensions.toml", Line: 2}})
			row := rows[0]
			if row.State != c.state || row.Policy != c.mode.String() || row.Extension != "2001" {
				t.Errorf("%s, %s for %s; %q", row.State, row.Policy, row.Extension, row.Notes)
			}
			if (row.File != "") != (c.kept > 0) {
				t.Errorf("file %q", row.File)
			}
			for _, s := range row.Streams {
				if c.kept > 0 && s.Packets != c.kept || s.Lost != 0 || s.Refused != 0 {
					t.Errorf("%+v", s)
				}
			}
			if c.kept == 0 && c.mode == policy.Selective && len(row.Segments) > 0 {
				t.Errorf("nobody pressed a key, and there are segments %v", row.Segments)
			}
			if c.kept > 0 && (len(row.Segments) != 1 || row.Segments[0].Start > 0.01) {
				t.Errorf("segments %v", row.Segments)
			}
		})
	}
}

// lateFilm is six seconds of two lines.
func lateFilm(t *testing.T, after time.Duration) *film {
	f := newFilm(t, linkEthernet)
	withMetadata := func(m string, parties ...*party) []byte {
		head, body, _ := strings.Cut(m, "\r\n\r\n")
		boundary := "--b\r\n"
		var b strings.Builder
		if body != "" {
			b.WriteString(boundary + "Content-Type: application/sdp\r\n\r\n" + body + "\r\n")
		}
		doc := metadata("late", parties...)
		b.WriteString(boundary + "Content-Type: " + doc.Type + "\r\n\r\n" + string(doc.Body) + "\r\n--b--\r\n")
		var kept []string
		for _, h := range strings.Split(head, "\r\n") {
			if !strings.HasPrefix(h, "Content-") {
				kept = append(kept, h)
			}
		}
		return []byte(strings.Join(kept, "\r\n") + "\r\nContent-Type: multipart/mixed;boundary=b\r\n\r\n" + b.String())
	}
	begin := f.at
	f.udp(alice, bob, withMetadata(inviteRS("one"), &party{label: "1", aor: "sip:sbc@sbc.example"}, &party{label: "2", aor: "sip:sbc@sbc.example"}))
	f.udp(bob, alice, []byte(okRS("one")))
	update := withMetadata(message("UPDATE sip:srs@192.0.2.2 SIP/2.0", "one", "a", "b", "2 UPDATE", nil, "", ""),
		&party{label: "1", aor: "sip:2001@pbx.example"}, &party{label: "2", aor: "sip:0105550101@pbx.example"})
	answer := strings.Replace(okRS("one"), "1 INVITE", "2 UPDATE", 1)
	sent := false
	for n := range 300 {
		if !sent && f.at.Sub(begin) >= after {
			f.udp(alice, bob, update)
			f.udp(bob, alice, []byte(answer))
			sent = true
		}
		f.at = begin.Add(time.Duration(n)*20*time.Millisecond + 4*time.Millisecond)
		f.udp(netip.MustParseAddrPort("192.0.2.1:4000"), netip.MustParseAddrPort("192.0.2.2:6000"), rtpPacket(0, n))
		f.udp(netip.MustParseAddrPort("192.0.2.1:4002"), netip.MustParseAddrPort("192.0.2.2:6002"), rtpPacket(1, n))
	}
	f.udp(alice, bob, []byte(strings.Replace(byeRS("one"), "2 BYE", "3 BYE", 1)))
	return f
}

// TestRefusedByUs: a call without a format that can be recorded is a row that
// says so.
func TestRefusedByUs(t *testing.T) {
	f := newFilm(t, linkEthernet)
	swap := func(s string) []byte { return []byte(strings.ReplaceAll(s, "RTP/AVP 0", "RTP/AVP 4")) }
	f.udp(alice, bob, swap(inviteRS("one")))
	f.udp(bob, alice, swap(okRS("one")))
	f.udp(alice, bob, []byte(byeRS("one")))
	rows, _ := playPlan(t, planOf(t, f), f.buf.Bytes())
	if len(rows) != 1 || rows[0].State != store.NotRecorded {
		t.Fatalf("%+v", rows)
	}
	if notes := strings.Join(rows[0].Notes, "\n"); !strings.Contains(notes, "488") || !strings.Contains(notes, "G723/8000") {
		t.Errorf("%q", notes)
	}
}

// TestRefusedCallHasItsParties: the row of a call that could not be recorded
// says whose it was, and no default is told to have applied.
func TestRefusedCallHasItsParties(t *testing.T) {
	ordinary := strings.NewReplacer("+sip.src", "x", "siprec", "x", "RTP/AVP 0", "RTP/AVP 4")
	f := newFilm(t, linkEthernet)
	f.udp(alice, bob, []byte(ordinary.Replace(inviteRS("one"))))
	f.udp(bob, alice, []byte(ordinary.Replace(okRS("one"))))
	f.udp(alice, bob, []byte(byeRS("one")))
	rows, _ := playPlan(t, planOf(t, f), f.buf.Bytes(), policy.Rule{Pattern: "2001", Mode: policy.Full, Origin: policy.Origin{File: "extensions.toml", Line: 2}})
	if len(rows) != 1 || rows[0].State != store.NotRecorded {
		t.Fatalf("%+v", rows)
	}
	if r := rows[0]; r.Extension != "2001" || r.Other != "0105550101" || len(r.Participants) != 2 || r.DecidedBy != "extensions.toml:2" {
		t.Errorf("%+v", r)
	}
	if notes := strings.Join(rows[0].Notes, "\n"); strings.Contains(notes, "default") || !strings.Contains(notes, "488") {
		t.Errorf("%q", notes)
	}
}

// TestDeclaredStreams: RTP alone, from the command line to the row.
func TestDeclaredStreams(t *testing.T) {
	f := newFilm(t, linkNull)
	to := netip.MustParseAddrPort("192.0.2.2:6000")
	for n := range 100 {
		f.at = f.at.Add(19 * time.Millisecond)
		f.udp(alice, to, rtpPacket(0, n))
		if n == 50 {
			f.udp(bob, to, rtpPacket(1, n)) // somebody else's
		}
	}
	file := f.buf.Bytes()
	plan, err := Survey(strings.NewReader(string(file)), []Declared{{To: to, Label: "2001"}})
	if err != nil {
		t.Fatal(err)
	}
	rows, _ := playPlan(t, plan, file)
	if len(rows) != 1 || rows[0].State != store.Sealed || rows[0].Extension != "2001" {
		t.Fatalf("%+v", rows)
	}
	if s := rows[0].Streams[0]; s.Packets != 100 || s.Refused != 1 || s.Label != "2001" || s.Channel != "mono" {
		t.Errorf("%+v", s)
	}
	if d := rows[0].Duration; d < 1.98 || d > 2.02 {
		t.Errorf("%v s", d)
	}
	if plan.Sessions[0].Offers[0].Media.Lines[0].Direction != sip.SendOnly {
		t.Error("the line is not sendonly")
	}
}

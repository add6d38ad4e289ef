package recorder

import (
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"siprecd/policy"
	"siprecd/sip"
	"siprecd/store"
)

// What stands on the wire never becomes part of a path.
func TestNothingFromTheWireNamesAFile(t *testing.T) {
	st := open(t, rule("2001", policy.Full, 3))
	above := filepath.Dir(st.dir)
	before := files(t, above, st.dir)
	const climb = "../../../../climbed"
	body := `<recording xmlns="urn:ietf:params:xml:ns:recording:1"><group group_id="` + climb + `"/><session session_id="` + climb + `"/>` +
		`<participant participant_id="` + climb + `"><nameID aor="sip:2001@example.com/` + climb + `"><name>` + climb + `</name></nameID></participant>` +
		`<stream stream_id="/` + climb + `" session_id="` + climb + `"><label>` + climb + `</label></stream></recording>`
	o := twoLines(body)
	o.Media.Lines[0].Label = climb
	st.offered(climb, o)
	st.talk(0, time.Second, 0x11)
	row := st.bye(time.Second)
	if len(row.ID) != 26 || row.CallID != climb {
		t.Errorf("recorded as %q for %q", row.ID, row.CallID)
	}
	if after := files(t, above, st.dir); after != before {
		t.Errorf("outside the store there is\n%s\nthere was\n%s", after, before)
	}
	if inside := files(t, st.dir, ""); strings.Contains(inside, "climbed") {
		t.Errorf("the store holds\n%s", inside)
	}
	left, right := st.channels(row)
	if count(left, 0x11)+count(right, 0x11) != 8000 {
		t.Error("the audio is not whole")
	}
}

// files lists all below dir, but not what is below except.
func files(t *testing.T, dir, except string) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if path == except {
			return fs.SkipDir
		}
		fmt.Fprintln(&all, path)
		return err
	})
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return all.String()
}

// Metadata that contradicts itself, or the session, costs no audio, and is
// dealt with in no time.
func TestContradictoryMetadataKeepsTheAudio(t *testing.T) {
	const ns = `xmlns="urn:ietf:params:xml:ns:recording:1"`
	ours := `<participant participant_id="a"><nameID aor="` + ourAOR + `"/></participant>`
	many := func(n int, one string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, one, i)
		}
		return b.String()
	}
	for name, body := range map[string]string{
		"another namespace":     `<recording xmlns="http://example.com/else"><session session_id="s"/>` + ours + `</recording>`,
		"one session twice":     `<recording ` + ns + `><session session_id="s"/><session session_id="s"/>` + ours + `</recording>`,
		"a label of no line":    `<recording ` + ns + `>` + ours + `<stream stream_id="x"><label>no such</label></stream><participantstreamassoc participant_id="a"><send>x</send></participantstreamassoc></recording>`,
		"one id for everything": `<recording ` + ns + `><session session_id="a"/>` + ours + `<stream stream_id="a"><label>1</label></stream></recording>`,
		"a partial of nothing":  `<recording ` + ns + `><datamode>partial</datamode><participantsessionassoc participant_id="unknown" session_id="s"/></recording>`,
		"nothing is left":       `<recording ` + ns + `><datamode>complete</datamode></recording>`,
		"10,000 participants":   `<recording ` + ns + `>` + ours + many(10_000, `<participant participant_id="p%d"/>`) + `</recording>`,
		"10,000 streams":        `<recording ` + ns + `>` + ours + many(10_000, `<stream stream_id="s%d"><label>1</label></stream>`) + `</recording>`,
		"an endless name":       `<recording ` + ns + `><participant participant_id="a"><nameID aor="` + ourAOR + `"><name>` + strings.Repeat("x", 200_000) + `</name></nameID></participant></recording>`,
		"a doctype":             `<!DOCTYPE recording SYSTEM "http://192.0.2.66/x.dtd"><recording ` + ns + `>` + ours + `</recording>`,
		"a file":                `<!DOCTYPE r [<!ENTITY f SYSTEM "file:///etc/passwd"><!ENTITY % p "x">]><recording ` + ns + `>` + ours + `<x>&f;%p;</x></recording>`,
	} {
		t.Run(name, func(t *testing.T) {
			st := open(t, rule("2001", policy.Full, 3))
			began := time.Now()
			reply := st.offered("rs-1", twoLines(body))
			if took := time.Since(began); took > time.Second*slowness {
				t.Errorf("it took %v", took)
			}
			if reply.Reject != 0 || reply.Answer.Lines[0].Direction != sip.RecvOnly || reply.Answer.Lines[1].Direction != sip.RecvOnly {
				t.Fatalf("reply %+v", reply)
			}
			st.talk(0, time.Second, 0x11)
			st.call.Tick(callStart.Add(3 * time.Second))
			st.release()
			row := st.bye(3 * time.Second)
			left, right := st.channels(row)
			if row.State != store.Sealed || count(left, 0x11)+count(right, 0x11) != 8000 || count(left, 0x12)+count(right, 0x12) != 8000 {
				t.Errorf("%s, not all was kept; %q", row.State, row.Notes)
			}
			for _, v := range row.Vendor {
				if strings.Contains(v, "root:") {
					t.Error("a file was read")
				}
			}
		})
	}
}

// What holds nothing that can be recorded is refused, and opens no port.
func TestOffersThatCannotBeRecorded(t *testing.T) {
	line := func(kind, codec string, port uint16) sip.Line {
		l := offered(0)
		l.Kind, l.Codecs = kind, []sip.Codec{{Payload: 96, Name: codec, Clock: 8000, Channels: 1}}
		l.Addr = netip.AddrPortFrom(l.Addr.Addr(), port)
		return l
	}
	for name, row := range map[string]struct {
		line sip.Line
		code int
	}{
		"video alone":            {line("video", "H264", 40000), 488},
		"no codec we know":       {line("audio", "X-UNHEARD-OF", 40000), 488},
		"keys and no voice":      {line("audio", "TELEPHONE-EVENT", 40000), 488},
		"no codec at all":        {sip.Line{Kind: "audio", Proto: "RTP/AVP", Addr: offered(0).Addr}, 488},
		"every line is off":      {line("audio", "PCMU", 0), 0},
		"a port that others use": {line("audio", "PCMU", 22), 0},
	} {
		t.Run(name, func(t *testing.T) {
			st := open(t, rule("2001", policy.Full, 3))
			o := twoLines()
			o.Media.Lines = []sip.Line{row.line}
			reply := st.offered("rs-1", o)
			if reply.Reject != row.code {
				t.Errorf("reply %+v", reply)
			}
			for _, l := range reply.Answer.Lines {
				if (l.Port != 0) != (row.line.Addr.Port() != 0) {
					t.Errorf("answered %+v", l)
				}
			}
		})
	}
}

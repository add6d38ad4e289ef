package recorder

import (
	"bytes"
	"context"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"siprecd/media"
	"siprecd/policy"
	"siprecd/sip"
	"siprecd/store"
)

// offered opens a call with an offer of the test's own.
func (st *stage) offered(callID string, o *sip.Offer) Reply {
	st.t.Helper()
	info := sip.Info{
		CallID: callID, Source: "sbc", Arrived: callStart,
		From: sip.Address{URI: ourAOR}, To: sip.Address{URI: "sip:recorder@192.0.2.1"},
	}
	st.call = st.rec.Begin(info, st.ports)
	st.seq = [8]uint16{}
	reply := st.call.Offer(o)
	st.release()
	return reply
}

// twoLines is an INVITE's offer of two audio lines with the given metadata.
func twoLines(bodies ...string) *sip.Offer {
	o := &sip.Offer{Method: "INVITE", At: callStart, Media: &sip.Description{Lines: []sip.Line{offered(0), offered(1)}}}
	for _, b := range bodies {
		o.Metadata = append(o.Metadata, sip.Metadata{Type: "application/rs-metadata+xml", Body: []byte(b)})
	}
	return o
}

func noted(row *store.Row, part string) bool {
	return slices.ContainsFunc(row.Notes, func(n string) bool { return strings.Contains(n, part) })
}

// No metadata at all: the SIP headers name the recorded user, and the parties
// may be named later.
func TestC10_NoMetadata(t *testing.T) {
	st := open(t, rule("2001", policy.Full, 3))
	if reply := st.offered("rs-1", twoLines()); reply.Answer.Lines[0].Direction != sip.RecvOnly {
		t.Fatalf("answer %+v", reply.Answer)
	}
	st.talk(0, time.Second, 0x11)
	st.update(500*time.Millisecond, ourAOR, otherAOR)
	row := st.bye(time.Second)
	left, right := st.channels(row)
	if row.Extension != "2001" || row.Other != "0105550101" || count(left, 0x11) != 8000 || count(right, 0x12) != 8000 {
		t.Errorf("%d and %d samples of %+v", count(left, 0x11), count(right, 0x12), row)
	}
}

// Metadata that nobody can read costs nothing but the names.
func TestC14_UnreadableMetadataKeepsTheAudio(t *testing.T) {
	for name, body := range map[string]string{
		"empty":      "",
		"no XML":     "\x00\x01\x02 not a document",
		"another":    `<html><body>recording</body></html>`,
		"bomb":       `<!DOCTYPE r [<!ENTITY a "` + strings.Repeat("a", 1000) + `">]><recording>` + strings.Repeat("&a;", 10_000) + `</recording>`,
		"deep":       strings.Repeat("<recording>", 50_000),
		"many":       "<recording>" + strings.Repeat("<stream/>", 100_000) + "</recording>",
		"attributes": "<recording " + strings.Repeat(`a="b" `, 10_000) + "/>",
	} {
		t.Run(name, func(t *testing.T) {
			st := open(t, rule("2001", policy.Full, 3))
			began := time.Now()
			reply := st.offered("rs-1", twoLines(body))
			if took := time.Since(began); took > time.Second*slowness {
				t.Errorf("it took %v", took)
			}
			if reply.Reject != 0 || reply.Answer.Lines[0].Direction != sip.RecvOnly {
				t.Fatalf("reply %+v", reply)
			}
			st.talk(0, time.Second, 0x11)
			st.call.Tick(callStart.Add(3 * time.Second))
			st.release()
			row := st.bye(3 * time.Second)
			left, right := st.channels(row)
			if count(left, 0x11)+count(right, 0x11) != 8000 || row.Extension != "2001" {
				t.Errorf("%d samples of %q; %q", count(left, 0x11), row.Extension, row.Notes)
			}
			if !noted(row, "metadata") {
				t.Errorf("notes %q", row.Notes)
			}
		})
	}
}

// Nobody is ever named: the default's recording is kept when the session ends,
// in whatever way it came to that.
func TestNobodyIsEverNamed(t *testing.T) {
	for name, end := range map[string]time.Duration{"after the wait": 3 * time.Second, "before its end": time.Second} {
		t.Run(name, func(t *testing.T) {
			st := open(t, rule("2001", policy.Full, 3))
			st.invite(blankAOR)
			st.talk(0, time.Second, 0x11)
			if end > 2*time.Second {
				st.call.Tick(callStart.Add(end))
				st.release()
			}
			row := st.bye(end)
			if row.State != store.Sealed || row.DecidedBy != "extensions.toml:1" || !noted(row, "default") {
				t.Fatalf("%s by %s, notes %q", row.State, row.DecidedBy, row.Notes)
			}
			left, right := st.channels(row)
			if count(left, 0x11)+count(right, 0x11) != 8000 || count(left, 0x12)+count(right, 0x12) != 8000 {
				t.Errorf("not all was kept: %d %d", count(left, 0x11), count(right, 0x12))
			}
		})
	}
}

// Two recording sessions may speak of one CS, from one SRC or from two.
func TestC15_IdsOfAnotherSessionAreNoError(t *testing.T) {
	st := open(t, rule("2001", policy.Full, 3))
	body := string(st.offer("INVITE", 0, ourAOR, otherAOR).Metadata[0].Body)
	st.offered("rs-1", twoLines(body))
	st.talk(0, time.Second, 0x11)
	first := st.call
	st.offered("rs-2", twoLines(body))
	st.talk(0, time.Second, 0x21)
	second := st.bye(time.Second)
	st.call = first
	row := st.bye(time.Second)
	for i, r := range []*store.Row{row, second} {
		left, _ := st.channels(r)
		if fill := byte(0x11 + 0x10*i); count(left, fill) != 8000 {
			t.Errorf("recording %d has %d samples of its own", i+1, count(left, fill))
		}
	}
	var found []string
	for r, err := range st.rec.Store.Catalog.Find(context.Background(), store.Query{CS: "cs-1"}) {
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, r.ID)
	}
	if len(found) != 2 {
		t.Errorf("the session leads to %v", found)
	}
}

// Every document is on the tape as it came, with its time.
func TestC19_DocumentsAreKeptAsTheyCame(t *testing.T) {
	st := open(t, rule("2001", policy.Full, 3))
	st.invite(ourAOR, otherAOR)
	later := st.offer("UPDATE", 2*time.Second, ourAOR, "sip:0105550102@example.org")
	st.call.Offer(later)
	tape, err := Tape(st.rec.Store, st.call.ID())
	if err != nil {
		t.Fatal(err)
	}
	var times []int64
	for rec, err := range tape() {
		if err != nil {
			t.Fatal(err)
		}
		if rec.Kind != kindMetadata {
			continue
		}
		times = append(times, rec.At)
		if len(times) == 2 && !bytes.Equal(rec.Data, slices.Concat([]byte("application/rs-metadata+xml\x00"), later.Metadata[0].Body)) {
			t.Errorf("the document became %q", rec.Data)
		}
	}
	if !slices.Equal(times, []int64{callStart.UnixNano(), callStart.Add(2 * time.Second).UnixNano()}) {
		t.Errorf("documents at %v", times)
	}
	st.bye(3 * time.Second)
}

// The codec of a live line changes by re-INVITE: one recording, nothing lost.
func TestB25_CodecChangesOnALiveLine(t *testing.T) {
	st := open(t, rule("2001", policy.Full, 3))
	st.invite(ourAOR, otherAOR)
	st.talk(0, time.Second, 0x11)
	o := &sip.Offer{Method: "INVITE", At: callStart.Add(time.Second), Media: &sip.Description{Lines: []sip.Line{offered(0), offered(1)}}}
	for i := range o.Media.Lines {
		o.Media.Lines[i].Codecs = []sip.Codec{{Payload: 8, Name: "PCMA", Clock: 8000, Channels: 1}}
	}
	before := st.call.answer()
	after := st.call.Offer(o).Answer
	if after.Lines[0].Port != before.Lines[0].Port || len(after.Lines[0].Codecs) != 1 || after.Lines[0].Codecs[0].Name != "PCMA" {
		t.Errorf("answer %+v", after)
	}
	for at := time.Second; at < 2*time.Second; at += 20 * time.Millisecond {
		for i := range 2 {
			st.feed(i, at+20*time.Millisecond, st.rtp(i, 8, at, bytes.Repeat([]byte{0xB1 + byte(i)}, 160)))
		}
	}
	row := st.bye(2 * time.Second)
	if row.State != store.Sealed || row.Duration != 2 || len(row.Segments) != 1 {
		t.Errorf("row %+v", row)
	}
	for i, s := range row.Streams {
		if s.Packets != 100 || s.Lost != 0 || len(s.Gaps) != 0 {
			t.Errorf("stream %d: %+v", i, s)
		}
	}
	if !strings.HasPrefix(row.Format, "flac") {
		t.Errorf("two laws became %s", row.Format)
	}
}

// Who holds a line on hold still holds it: the key of our own side counts.
func TestHoldDoesNotSwapTheSides(t *testing.T) {
	st := open(t, rule("2001", policy.Full, 3))
	st.invite(otherAOR, ourAOR) // ours sends the second line
	st.talk(0, time.Second, 0x11)
	hold := st.offer("UPDATE", time.Second)
	hold.Metadata = []sip.Metadata{{Type: "application/rs-metadata+xml", Body: []byte(`<recording xmlns="urn:ietf:params:xml:ns:recording:1">` +
		`<datamode>partial</datamode><participantstreamassoc participant_id="p-` + ourAOR + `"/><participantstreamassoc participant_id="p-` + otherAOR + `"/></recording>`)}}
	st.call.Offer(hold)
	st.talk(time.Second, 2*time.Second, 0x11)
	row := st.bye(2 * time.Second)
	left, right := st.channels(row)
	if count(left, 0x12) != 16000 || count(right, 0x11) != 16000 {
		t.Errorf("left %d are ours, right %d the other's", count(left, 0x12), count(right, 0x11))
	}
	if row.Streams[1].Participant != ourAOR {
		t.Errorf("streams %+v", row.Streams)
	}
}

// A codec that can be neither decoded nor kept is not accepted: its line has
// port 0, and when none is left the offer is refused. A source that sends it all
// the same, beside one that was accepted, has it kept as it came.
func TestCodecsThatAreNotRecorded(t *testing.T) {
	with := func(codecs ...sip.Codec) *sip.Offer {
		o := twoLines(string((&stage{}).offer("INVITE", 0, ourAOR, otherAOR).Metadata[0].Body))
		o.Media.Lines[0].Codecs = codecs
		return o
	}
	strange := sip.Codec{Payload: 98, Name: "X-STRANGE", Clock: 8000, Channels: 1}
	event := sip.Codec{Payload: 101, Name: "TELEPHONE-EVENT", Clock: 8000, Channels: 1}
	for name, c := range map[string]struct {
		codecs []sip.Codec
		takes  []string
	}{
		"one of two":           {[]sip.Codec{strange, {Payload: 0, Name: "PCMU", Clock: 8000, Channels: 1}, event}, []string{"PCMU", "TELEPHONE-EVENT"}},
		"none":                 {[]sip.Codec{strange}, nil},
		"none that is audible": {[]sip.Codec{strange, event, {Payload: 13, Name: "CN", Clock: 8000, Channels: 1}}, nil},
		"at another clock":     {[]sip.Codec{{Payload: 97, Name: "PCMU", Clock: 12345, Channels: 1}}, nil},
	} {
		st := open(t, rule("2001", policy.Full, 3))
		line := st.offered("rs-1", with(c.codecs...)).Answer.Lines[0]
		var takes []string
		for _, k := range line.Codecs {
			takes = append(takes, k.Name)
		}
		if !slices.Equal(takes, c.takes) || (line.Port == 0) != (c.takes == nil) {
			t.Errorf("%s: port %d, %v", name, line.Port, takes)
		}
	}
	st := open(t, rule("2001", policy.Full, 3))
	alone := with(strange)
	alone.Media.Lines = alone.Media.Lines[:1]
	if reply := st.offered("rs-1", alone); reply.Reject != 488 {
		t.Errorf("nothing can be recorded, and the reply is %+v", reply)
	}

	st.offered("rs-2", with(offered(0).Codecs[0], strange))
	st.talk(0, time.Second, 0x11)
	for at := time.Second; at < 2*time.Second; at += 20 * time.Millisecond {
		st.feed(0, at+20*time.Millisecond, st.rtp(0, 98, at, bytes.Repeat([]byte{0x21}, 30)))
	}
	row := st.bye(2 * time.Second)
	if row.Streams[0].Packets != 100 || row.Streams[0].Refused != 0 || !noted(row, "X-STRANGE") {
		t.Errorf("stream %+v, notes %q", row.Streams[0], row.Notes)
	}
}

// Packets that our own host lost are no loss of the network, and are said.
func TestPacketsLostHereAreSaid(t *testing.T) {
	st := open(t, rule("2001", policy.Full, 3))
	st.invite(ourAOR, otherAOR)
	st.talk(0, time.Second, 0x11)
	st.seq[0] += 5
	st.call.Path().KernelDrops(0, 5)
	st.talk(1100*time.Millisecond, 2*time.Second, 0x11)
	row := st.bye(2 * time.Second)
	if s := row.Streams[0]; s.Lost != 5 || len(s.Gaps) != 1 || s.Gaps[0] != (store.Gap{Start: 1, End: 1.1, Cause: "kernel"}) {
		t.Errorf("stream %+v", s)
	}
	if !noted(row, "line \"1\": 5 packets were lost in this host's own socket buffer") {
		t.Errorf("notes %q", row.Notes)
	}
}

// Packets that are refused in numbers that matter are said, by the label of their
// line; a few that went astray are not.
func TestPacketsRefusedAreSaid(t *testing.T) {
	const (
		foreign = "not kept that came from another address or port than its sender's"
		crowded = "not kept that came under more SSRCs at once than a line has room for"
	)
	for name, c := range map[string]struct {
		feed func(path *media.Path, line int, b []byte, n int)
		of   int
		want string
	}{
		"from another port": {elsewhere("192.0.2.7:20100"), 51, "51 packets were " + foreign},
		"from another host": {elsewhere("192.0.2.8:20000"), 70, "70 packets were " + foreign},
		"a second of it":    {elsewhere("192.0.2.8:20000"), 50, "50 packets were " + foreign},
		"a few":             {elsewhere("192.0.2.8:20000"), 49, ""},
		"a type never announced": {func(path *media.Path, line int, b []byte, _ int) {
			b[1] = 97
			path.Packet(line, false, callStart.Add(time.Second).UnixNano(), netip.MustParseAddrPort("192.0.2.7:20002"), b)
		}, 51, "51 packets were not kept whose payload type was never announced"},
		"too many senders": {func(path *media.Path, line int, b []byte, n int) {
			b[11] = byte(n)
			path.Packet(line, false, callStart.Add(time.Second).UnixNano(), netip.MustParseAddrPort("192.0.2.7:20002"), b)
		}, 80, "64 packets were " + crowded},
	} {
		t.Run(name, func(t *testing.T) {
			st := open(t, rule("2001", policy.Full, 3))
			st.invite(ourAOR, otherAOR)
			st.talk(0, time.Second, 0x11)
			for n := range c.of {
				c.feed(st.call.Path(), 1, st.rtp(1, 0, time.Second, bytes.Repeat([]byte{0x77}, 160)), n)
			}
			row := st.bye(2 * time.Second)
			said := slices.DeleteFunc(slices.Clone(row.Notes), func(n string) bool { return !strings.Contains(n, "not kept") })
			if c.want == "" && len(said) > 0 || c.want != "" && !slices.Equal(said, []string{`line "2": ` + c.want}) {
				t.Errorf("notes %q", row.Notes)
			}
		})
	}
}

// A selective call in whose sound no key can be heard, nor otherwise pressed but
// by INFO, says so.
func TestKeysThatCannotBeHeardAreSaid(t *testing.T) {
	for events, want := range map[bool][]string{
		false: {`line "1": keys in the sound of G729 are not heard, and no telephone-events were offered: only SIP INFO can start this recording`},
		true:  nil,
	} {
		st := open(t, rule("2001", policy.Selective, 3))
		o := st.offer("INVITE", 0, ourAOR, otherAOR)
		o.Media = &sip.Description{Lines: []sip.Line{offered(0), offered(1)}}
		for i := range o.Media.Lines {
			o.Media.Lines[i].Codecs = []sip.Codec{{Payload: 18, Name: "G729", Clock: 8000}}
			if events {
				o.Media.Lines[i].Codecs = append(o.Media.Lines[i].Codecs, sip.Codec{Payload: 101, Name: "TELEPHONE-EVENT", Clock: 8000})
			}
		}
		settings := *st.rec.Settings()
		settings.Accepts = func(media.Format) bool { return true }
		st.rec.Settings = func() *Settings { return &settings }
		st.offered("rs-1", o)
		for at := time.Duration(0); at < time.Second; at += 20 * time.Millisecond {
			st.feed(0, at+20*time.Millisecond, st.rtp(0, 18, at, make([]byte, 20)))
			st.feed(1, at+20*time.Millisecond, st.rtp(1, 18, at, make([]byte, 20)))
		}
		row := st.bye(time.Second)
		said := slices.DeleteFunc(slices.Clone(row.Notes), func(n string) bool { return !strings.Contains(n, "keys in the sound") })
		if row.State != store.NotRecorded || !slices.Equal(said, want) {
			t.Errorf("events %v: %s, notes %q", events, row.State, row.Notes)
		}
	}
}

func elsewhere(from string) func(*media.Path, int, []byte, int) {
	return func(path *media.Path, line int, b []byte, _ int) {
		path.Packet(line, false, callStart.Add(time.Second).UnixNano(), netip.MustParseAddrPort(from), b)
	}
}

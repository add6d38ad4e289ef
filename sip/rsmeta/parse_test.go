package rsmeta

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

var (
	at0 = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	at1 = at0.Add(10 * time.Second)
)

func parse(t *testing.T, s string) *Document {
	t.Helper()
	doc, _, err := Parse([]byte(s), "", nil)
	if err != nil {
		t.Fatalf("%v in\n%s", err, s)
	}
	return doc
}

func twoParties() *Document {
	return &Document{
		Dialect: "rfc7865", Complete: true,
		Groups:   []Group{{ID: "g1", Associated: at0}},
		Sessions: []Session{{ID: "cs1", GroupRef: "g1", SIPSessionIDs: []string{"a;remote=b"}, Start: at0}},
		Participants: []Participant{
			{ID: "p1", Names: []Name{{AOR: "sip:2001@example.org", Display: "김 & <Lee>", Lang: "ko"}}},
			{ID: "p2", Names: []Name{{AOR: "tel:+82105550101"}}},
		},
		Streams:      []Stream{{ID: "s1", Session: "cs1", Label: "96"}, {ID: "s2", Session: "cs1", Label: "97"}},
		SessionAssoc: []SessionAssoc{{Session: "cs1", Associated: at0}},
		Members: []Member{{Participant: "p1", Session: "cs1", Associated: at0},
			{Participant: "p2", Session: "cs1", Associated: at0, Params: map[string]string{"isfocus": "1"}}},
		Wires: []Wire{{Participant: "p1", Send: []string{"s1"}, Recv: []string{"s2"}, Associated: at0},
			{Participant: "p2", Send: []string{"s2"}, Recv: []string{"s1"}, Associated: at0}},
	}
}

func TestEncodeIsReadBack(t *testing.T) {
	want := twoParties()
	got, notes, err := Parse(Encode(want), "", nil)
	if err != nil || len(notes) > 0 {
		t.Fatal(err, notes)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if ask := parse(t, string(SnapshotRequest("no base"))); !ask.SnapshotAsk {
		t.Error("the snapshot request is not read back")
	}
}

func TestDialects(t *testing.T) {
	for name, s := range map[string]string{
		"draft": `<?xml version="1.0"?><recording xmlns='urn:ietf:params:xml:ns:recording'><session id="cs"><start-time>2026-11-23T09:00:00</start-time></session>
			<participant id="p" session="cs"><aor>sip:2001@example.org</aor><name>Kim</name><send>st</send></participant><stream id="st" session="cs"><label>16777227</label></stream></recording>`,
		"recording_metadata": `<recording_metadata xmlns='urn:ietf:params:xml:ns:siprec'><dataMode>complete</dataMode><session><id>cs</id></session>
			<participant><id>p</id><aor>sip:2001@example.org</aor><send><id>st</id></send></participant><stream><id>st</id><label>16777227</label></stream></recording_metadata>`,
		"unescaped address": `<recording><session session_id="cs"><apkt:request-uri><sip:record=a@192.0.2.9;calluuid=7></apkt:request-uri></session>
			<participant participant_id="p"><nameID aor="sip:2001@example.org"/></participant><stream stream_id="st"><label>16777227</label></stream>
			<participantstreamassoc participant_id="p"><send>st</send></participantstreamassoc></recording>`,
		"bare attribute": `<recording><x:header label=P-Asserted-Identity>v</x:header><participant participant_id="p"><nameID aor="sip:2001@example.org"/></participant>
			<stream stream_id="st"><label>16777227</label></stream><participantstreamassoc participant_id="p"><send>st</send></participantstreamassoc></recording>`,
		"blanks in tags": `<recording><participant participant_id="p"><nameID aor="sip: 2001 @example.org"></nameID></participant>
			<stream stream_id="st">< label>16777227</label ></stream>< participantstreamassoc participant_id="p"><send>st</send></participantstreamassoc></recording>`,
		"cut off": `<recording><participant participant_id="p"><nameID aor="sip:2001@example.org"/></participant>
			<stream stream_id="st"><label>16777227</label></stream><participantstreamassoc participant_id="p"><send>st</send></participantstre`,
	} {
		t.Run(name, func(t *testing.T) {
			var v View
			v.SetLines([]string{"16777227"})
			v.Apply(parse(t, s), at0)
			ps := v.Parties()
			if len(ps) != 1 || ps[0].AOR != "sip:2001@example.org" || !reflect.DeepEqual(ps[0].Sends, []string{"16777227"}) {
				t.Errorf("parties %+v", ps)
			}
		})
	}
}

// BenchmarkParse reads a document of 6 kB, as an SBC sends it for two parties
// with extension data.
func BenchmarkParse(b *testing.B) {
	doc := string(Encode(twoParties()))
	more := strings.Repeat("  <x:data xmlns:x=\"urn:example\"><x:header label=\"P-Asserted-Identity\"><x:value>sip:2001@example.org</x:value></x:header></x:data>\n", 34)
	raw := []byte(strings.Replace(doc, "</recording>", more+"</recording>", 1))
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := Parse(raw, "", nil); err != nil {
			b.Fatal(err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(Encode(twoParties()))
	f.Add([]byte(`<recording_metadata><participant><id>p</id><aor>x</aor></participant>`))
	f.Add([]byte(`<recording><a b=c>&x;</a><!DOCTYPE [`))
	for _, a := range fixtures(f) {
		for _, file := range a {
			f.Add(file.Data)
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		doc, _, err := Parse(raw, "", nil)
		if err != nil {
			return
		}
		var v View
		v.SetLines([]string{"1", "2"})
		v.Apply(doc, at0)
		v.SetLines([]string{"1"})
		v.Apply(doc, at1)
		for _, p := range v.Parties() {
			if !p.Left.IsZero() && p.Left.Before(p.Joined) {
				t.Errorf("%s left before joining", p.ID)
			}
		}
		// What we write of it is read as it is, and no further guess is needed.
		once, notes, err := Parse(Encode(doc), "", nil)
		if err != nil || len(notes) > 0 {
			t.Fatalf("%v, %q of %s", err, notes, Encode(doc))
		}
		if twice, _, _ := Parse(Encode(once), "", nil); !reflect.DeepEqual(once, twice) {
			t.Errorf("%+v became %+v", once, twice)
		}
	})
}

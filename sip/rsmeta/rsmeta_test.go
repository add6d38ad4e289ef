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

func TestD14_D24_AssociationsTieLinesAndAreReplacedWhole(t *testing.T) {
	var v View
	v.SetLines([]string{"96", "97"})
	doc := twoParties()
	doc.Participants[0], doc.Participants[1] = doc.Participants[1], doc.Participants[0] // order must not matter
	if notes := v.Apply(doc, at0); len(notes) > 0 {
		t.Error(notes)
	}
	if s := v.Senders(0); !reflect.DeepEqual(s, []string{"p1"}) {
		t.Errorf("senders of 96: %v", s)
	}
	v.Apply(parse(t, `<recording xmlns="urn:ietf:params:xml:ns:recording:1"><datamode>partial</datamode>
		<participantstreamassoc participant_id="p1"><recv>s2</recv></participantstreamassoc></recording>`), at1)
	if s := v.Senders(0); len(s) != 0 {
		t.Errorf("p1 still sends: %v", s)
	}
	if s := v.Senders(1); !reflect.DeepEqual(s, []string{"p2"}) {
		t.Errorf("p2 does not send any more: %v", s)
	}
}

func TestD18_D19_PartialKeepsCompleteReplaces(t *testing.T) {
	var v View
	v.SetLines([]string{"96", "97"})
	v.Apply(twoParties(), at0)
	v.Apply(parse(t, `<recording><datamode>partial</datamode><participant participant_id="p3"><nameID aor="sip:2003@example.org"/></participant>
		<participantsessionassoc participant_id="p1" session_id="cs1"><disassociate-time>2026-11-23T09:00:10Z</disassociate-time></participantsessionassoc>
		<participantsessionassoc participant_id="p3" session_id="cs1"/></recording>`), at1)
	ps := v.Parties()
	if len(ps) != 3 || ps[0].Left != at1 || !ps[1].Left.IsZero() || ps[2].Joined != at1 || !ps[2].Left.IsZero() {
		t.Fatalf("parties %+v", ps)
	}
	v.Apply(twoParties(), at1.Add(time.Second))
	ps = v.Parties()
	if len(ps) != 4 || ps[2].Left != at1.Add(time.Second) || ps[3].ID != "p1" || !ps[3].Left.IsZero() {
		t.Errorf("after a complete document: %+v", ps)
	}
}

func TestC11_PartialWithoutBaseNeedsASnapshot(t *testing.T) {
	var v View
	v.Apply(parse(t, `<recording><datamode>partial</datamode></recording>`), at0)
	if !v.NeedSnapshot {
		t.Error("no snapshot is asked for")
	}
	v.Apply(twoParties(), at1)
	if v.NeedSnapshot {
		t.Error("a snapshot came and is still asked for")
	}
}

func TestD20_SessionStopMeansAllHaveLeft(t *testing.T) {
	var v View
	v.Apply(twoParties(), at0)
	v.Apply(parse(t, `<recording><datamode>partial</datamode><session session_id="cs1"><stop-time>2026-11-23T09:00:10Z</stop-time></session></recording>`), at1)
	for _, p := range v.Parties() {
		if p.Left != at1 {
			t.Errorf("%s has not left", p.ID)
		}
	}
}

// Empty associations and no streams: lines are tied by order, and it is said.
func TestQ_EmptyAssociationsAreTiedByOrder(t *testing.T) {
	var v View
	v.SetLines([]string{"0", "1"})
	notes := v.Apply(parse(t, `<recording><session session_id="x"/><participant participant_id="a"><nameID aor="sip:2001@example.org"/></participant>
		<participant participant_id="b"><nameID aor="sip:2002@example.org"/></participant>
		<participantstreamassoc participant_id="a"></participantstreamassoc><participantstreamassoc participant_id="b"/></recording>`), at0)
	if len(notes) != 1 || !strings.Contains(notes[0], "order") {
		t.Errorf("notes %q", notes)
	}
	if s := v.Senders(1); !reflect.DeepEqual(s, []string{"b"}) {
		t.Errorf("senders %v", s)
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

func TestC20_NoEntityIsExpandedNoBombCosts(t *testing.T) {
	bomb := `<!DOCTYPE r [<!ENTITY a "` + strings.Repeat("x", 1000) + `"><!ENTITY b "&a;&a;&a;">]><recording><participant participant_id="p"><nameID aor="&b;"/></participant></recording>`
	doc, notes, err := Parse([]byte(bomb), "", nil)
	if err == nil && len(doc.Participants) > 0 && len(doc.Participants[0].Names) > 0 && strings.Contains(doc.Participants[0].Names[0].AOR, "xx") {
		t.Error("an entity was expanded")
	}
	if len(notes) == 0 {
		t.Error("nothing is said about the declaration")
	}
	for name, s := range map[string]string{
		"deep":            "<recording>" + strings.Repeat("<a>", 50_000),
		"wide":            "<recording>" + strings.Repeat("<a/>", 60_000),
		"brackets":        strings.Repeat("<", 200_000),
		"no values":       strings.Repeat("<a b=", 50_000),
		"attributes":      "<recording " + strings.Repeat(`a="b" `, 10_000) + "/>",
		"bare attributes": "<recording " + strings.Repeat("a=b ", 8_000) + "/>",
		"quotes":          "<recording a=" + strings.Repeat(`"'`, 15_000),
		"ampersands":      "<recording>" + strings.Repeat("& &a ", 6_000),
		"addresses":       "<recording>" + strings.Repeat("<sip:a@b>", 3_500),
	} {
		doc, notes, err := Parse([]byte(s), "", nil)
		if took := quickest(func() { Parse([]byte(s), "", nil) }); took > 50*time.Millisecond*slowness {
			t.Errorf("%s took %v", name, took)
		}
		if err == nil && len(notes) == 0 {
			t.Errorf("%s is taken for good: %+v", name, doc)
		}
	}
}

// quickest returns how long do takes when the machine does nothing else: the
// least of ten times.
func quickest(do func()) time.Duration {
	best := time.Hour
	for range 10 {
		start := time.Now()
		do()
		best = min(best, time.Since(start))
	}
	return best
}

func FuzzParse(f *testing.F) {
	f.Add(Encode(twoParties()))
	f.Add([]byte(`<recording_metadata><participant><id>p</id><aor>x</aor></participant>`))
	f.Add([]byte(`<recording><a b=c>&x;</a><!DOCTYPE [`))
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
		v.Senders(1)
	})
}

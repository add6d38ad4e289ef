package recorder

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"siprecd/policy"
	"siprecd/sip"
	"siprecd/store"
)

const (
	callA = "01KJPWD6M09HHNX0NT5BKP1ZMA"
	callB = "01KJPWD6M09HHNX0NT5BKP1ZMB"
)

// recordingOf is a row of a call between two parties, from and to in seconds.
func recordingOf(id, source string, from, to float64, cs string, parties ...string) store.Row {
	at := func(s float64) time.Time { return callStart.Add(time.Duration(s * float64(time.Second))).UTC() }
	row := store.Row{ID: id, State: store.Sealed, Start: at(from), Source: source, Sessions: []string{cs}, CallID: id}
	if to > 0 {
		row.End = at(to)
	}
	for _, p := range parties {
		row.Participants = append(row.Participants, store.Participant{AOR: "sip:" + p, Number: p})
		row.Streams = append(row.Streams, store.Stream{Participant: "sip:" + p})
	}
	return row
}

// TestRecordingsOfOneCallAreLinked: by two sources at once, by one after the
// other, by halves, and not where a source uses an id again.
func TestRecordingsOfOneCallAreLinked(t *testing.T) {
	a := func(from, to float64) store.Row {
		return recordingOf(callA, "sbc1", from, to, "cs", "2001", "0105550101")
	}
	for name, c := range map[string]struct {
		a, b       store.Row
		links      string // of each, as "why gap"
		duplicates string
	}{
		"two sources at once":    {a(0, 60), recordingOf(callB, "sbc2", 1, 61, "cs", "2001", "0105550101"), "duplicate 0.0, duplicate 0.0", callB + " of " + callA},
		"while both are live":    {a(0, 0), recordingOf(callB, "sbc2", 1, 0, "cs", "2001", "0105550101"), "duplicate 0.0, duplicate 0.0", callB + " of " + callA},
		"another source goes on": {a(0, 60), recordingOf(callB, "sbc2", 63.5, 90, "cs", "2001", "0105550101"), "fail-over 3.5, fail-over 3.5", ""},
		"the same source does":   {a(0, 60), recordingOf(callB, "sbc1", 61, 90, "cs", "2001", "0105550101"), "continued 1.0, continued 1.0", ""},
		"half each":              {recordingOf(callA, "pbx", 0, 60, "cs", "2001"), recordingOf(callB, "pbx", 0.1, 60, "cs", "2001"), "duplicate 0.0, duplicate 0.0", callB + " of " + callA},
		"much later":             {a(0, 60), recordingOf(callB, "sbc2", 3600, 3700, "cs", "2001", "0105550101"), ", ", ""},
		"other people":           {a(0, 60), recordingOf(callB, "sbc2", 1, 61, "cs", "2002", "0105550199"), ", ", ""},
		"another session":        {a(0, 60), recordingOf(callB, "sbc2", 1, 61, "cs2", "2001", "0105550101"), ", ", ""},
	} {
		t.Run(name, func(t *testing.T) {
			st := open(t)
			rows := []store.Row{c.a, c.b}
			for i := range rows {
				if err := st.rec.Store.Catalog.Put(t.Context(), &rows[i]); err != nil {
					t.Fatal(err)
				}
			}
			for range 2 { // reading twice says nothing twice
				if err := Link(t.Context(), st.rec.Store.Catalog, rows); err != nil {
					t.Fatal(err)
				}
			}
			var links, duplicates []string
			for _, r := range rows {
				text := ""
				for _, l := range r.Linked {
					text += fmt.Sprintf("%s %.1f", l.Why, l.Gap)
				}
				links = append(links, text)
				if r.DuplicateOf != "" {
					duplicates = append(duplicates, r.ID+" of "+r.DuplicateOf)
				}
			}
			for _, r := range rows {
				said := len(r.Notes)
				if strings.HasPrefix(c.links, "fail-over") != (said == 1) {
					t.Errorf("%s: notes %q", r.ID, r.Notes)
				}
			}
			if got := strings.Join(links, ", "); got != c.links || strings.Join(duplicates, ", ") != c.duplicates {
				t.Errorf("%q, %q", got, duplicates)
			}
			for stored := range st.rec.Store.Catalog.Find(t.Context(), store.Query{}) {
				if len(stored.Linked) > 0 {
					t.Error("a link is stored")
				}
			}
		})
	}
}

// TestHalvesOfACallAreLinked: a phone that forks its two sides in dialogs of
// their own.
func TestHalvesOfACallAreLinked(t *testing.T) {
	st := open(t, rule("2001", policy.Full, 3))
	near, far := recordingOf(callA, "pbx", 0, 60, "x", "2001"), recordingOf(callB, "pbx", 0.1, 60, "x", "0105550101")
	for _, r := range []*store.Row{&near, &far} {
		r.Sessions = []string{leg(map[string]string{"x-refci": "27001", "x-nearendclusterid": "C1"})}
		r.Participants = append(r.Participants, store.Participant{AOR: "sip:both", Number: "9"})
		if err := st.rec.Store.Catalog.Put(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	rows := []store.Row{near, far}
	if err := Link(t.Context(), st.rec.Store.Catalog, rows); err != nil {
		t.Fatal(err)
	}
	for i, r := range rows {
		if len(r.Linked) != 1 || r.Linked[0].Why != store.LinkOtherHalf || r.Linked[0].ID != rows[1-i].ID || r.DuplicateOf != "" {
			t.Errorf("%s: %+v", r.ID, r.Linked)
		}
	}
	if leg(map[string]string{"x-refci": "27001"}) == leg(map[string]string{"x-refci": "27002"}) || leg(nil) != "" {
		t.Error("two legs are taken for one, or none for one")
	}
}

// TestLegOfThePhoneIsASession: what links the halves is in the rows of real
// dialogs.
func TestLegOfThePhoneIsASession(t *testing.T) {
	st := open(t, rule("2001", policy.Full, 3))
	info := sip.Info{CallID: "near", Source: "pbx", Arrived: callStart, Correlation: map[string]string{"x-refci": "27001", "x-nearendclusterid": "C1"}}
	c := st.rec.Begin(info, st.ports)
	st.call = c
	c.recordings[0].participants()
	if row := c.Row(); !slices.Equal(row.Sessions, []string{"x-refci 27001 C1"}) {
		t.Errorf("sessions %q", row.Sessions)
	}
	c.End(callStart.Add(time.Second), "src", "bye")
}

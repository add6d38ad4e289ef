package rsmeta

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// quickest returns how long do takes when the machine does nothing else: the
// least of up to ten times.
func quickest(enough time.Duration, do func()) time.Duration {
	best := time.Hour
	for range 10 {
		start := time.Now()
		do()
		if best = min(best, time.Since(start)); best < enough {
			break
		}
	}
	return best
}

const cheap = 50 * time.Millisecond * slowness

func TestC20_NoEntityIsExpandedNoBombCosts(t *testing.T) {
	bomb := `<!DOCTYPE r [<!ENTITY a "` + strings.Repeat("x", 1000) + `"><!ENTITY b "&a;&a;&a;"><!ENTITY c SYSTEM "file:///etc/passwd">]>` +
		`<recording><participant participant_id="p"><nameID aor="&b;&c;"/></participant></recording>`
	doc, notes, err := Parse([]byte(bomb), "", nil)
	if err != nil || doc.Participants[0].Names[0].AOR != "&b;&c;" || len(notes) == 0 {
		t.Errorf("%+v, %q, %v", doc, notes, err)
	}
	for name, s := range map[string]string{
		"deep":              "<recording>" + strings.Repeat("<a>", 50_000),
		"deep and back":     "<recording>" + strings.Repeat("<a>", 35_000) + strings.Repeat("</a>", 35_000),
		"wide":              "<recording>" + strings.Repeat("<a/>", 200_000),
		"ends":              "<recording>" + strings.Repeat("</a>", 60_000),
		"open ends":         "<recording>" + strings.Repeat("</a", 80_000),
		"wrong ends":        "<recording>" + strings.Repeat("<a></b>", 36_000),
		"brackets":          strings.Repeat("<", 200_000),
		"open tags":         "<recording>" + strings.Repeat("<a ", 80_000),
		"no values":         strings.Repeat("<a b=", 50_000),
		"open values":       strings.Repeat(`<a b="`, 40_000),
		"typographic":       strings.Repeat(`<a b=“`, 30_000),
		"attributes":        "<recording " + strings.Repeat(`a="b" `, 10_000) + "/>",
		"bare attributes":   "<recording " + strings.Repeat("a=b ", 60_000) + "/>",
		"attribute names":   "<recording " + strings.Repeat("a ", 100_000) + "/>",
		"quotes":            "<recording a=" + strings.Repeat(`"'`, 100_000),
		"ampersands":        "<recording>" + strings.Repeat("& &a ", 50_000),
		"addresses":         "<recording>" + strings.Repeat("<sip:a@b>", 25_000),
		"address in value":  `<recording a="` + strings.Repeat("<sip:", 50_000),
		"comments":          "<recording>" + strings.Repeat("a<!---->", 32_000),
		"open comments":     "<recording>" + strings.Repeat("<!--", 60_000),
		"open declarations": strings.Repeat("<!D [", 50_000),
	} {
		doc, notes, err := Parse([]byte(s), "", nil)
		if took := quickest(cheap, func() { Parse([]byte(s), "", nil) }); took > cheap {
			t.Errorf("%s took %v", name, took)
		}
		if err == nil && len(notes) == 0 {
			t.Errorf("%s is taken for good: %+v", name, doc)
		}
	}
}

// What stood before a flood is read, and who is not named before it has not left.
func TestC20_WhatCameBeforeTheFloodCounts(t *testing.T) {
	whole := string(Encode(twoParties()))
	end := strings.LastIndex(whole, "</recording>")
	var attributes strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&attributes, ` a%d="b"`, i)
	}
	for name, flood := range map[string]struct {
		data string
		cut  bool
	}{
		"siblings":   {strings.Repeat("<a/>", 200_000), true},
		"depth":      {strings.Repeat("<a>", 9_000) + strings.Repeat("</a>", 9_000), false},
		"attributes": {"<x" + attributes.String() + "/>", false},
		"characters": {strings.Repeat("x", maxBytes), true},
	} {
		doc, notes, err := Parse([]byte(whole[:end]+flood.data+whole[end:]), "", nil)
		if err != nil || len(doc.Participants) != 2 || len(doc.Wires) != 2 || len(notes) == 0 && name != "characters" || doc.Cut != flood.cut {
			t.Fatalf("%s: %+v, %q, %v", name, doc, notes, err)
		}
		var v View
		v.Apply(twoParties(), at0)
		doc.Participants, doc.Members = doc.Participants[:1], doc.Members[:1]
		v.Apply(doc, at1)
		if left := !v.Parties()[1].Left.IsZero(); left == doc.Cut {
			t.Errorf("%s: has the second left? %v", name, left)
		}
	}
}

// The largest documents there can be cost little to apply too.
func TestC20_ManyOfEverything(t *testing.T) {
	many := func(n int, format string) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(strings.ReplaceAll(format, "#", fmt.Sprint(i)))
		}
		return "<recording>" + b.String() + "</recording>"
	}
	for name, s := range map[string]string{
		"participants": many(4900, `<participant id="#" session="a"/>`),
		"sessions":     many(2400, `<session id="#"/><participant id="p#"/>`),
		"stops":        many(1600, `<session id="#"><stop-time>2026-11-23T09:00:00Z</stop-time></session>`),
		"streams":      many(1200, `<participant id="p#"><send>s#</send><recv>s#</recv></participant><stream id="s#"/>`),
		"strangers":    many(2400, `<participant id="#"/><participantstreamassoc id="s#"/>`),
		"periods":      many(1600, `<participantsessionassoc id="#"><disassociate-time>2026-11-23T09:00:00Z</disassociate-time></participantsessionassoc><participant id="#"/>`),
		"names":        many(2400, `<participant id="p"><aor>#</aor></participant>`),
		"ids":          many(4900, `<stream id="" label="#"/>`),
	} {
		doc, _, err := Parse([]byte(s), "", nil)
		if err != nil || doc.Cut {
			t.Fatalf("%s: %v", name, err)
		}
		took := quickest(cheap, func() {
			var v View
			v.SetLines([]string{"1", "2", "", ""})
			v.Apply(doc, at0)
			v.Apply(doc, at1)
			v.Parties()
		})
		if took > cheap {
			t.Errorf("%s took %v", name, took)
		}
	}
}

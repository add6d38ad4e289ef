package rsmeta

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// anElement draws well-formed XML, written in the ways that XML allows.
func anElement(t *rapid.T, b *strings.Builder, depth int) {
	name := rapid.SampledFrom([]string{"recording", "x:session", "nameID", "apkt:header", "a-b.c_d", "이름"}).Draw(t, "name")
	b.WriteString("<" + name)
	for i := range rapid.IntRange(0, 2).Draw(t, "attributes") {
		value := rapid.SampledFrom([]string{"", "v", "a &amp; b", "sip:2001@example.org", "&#x41;&#66;", "김 > 이", "'", "a/b/"}).Draw(t, "value")
		blank := rapid.SampledFrom([]string{"", " ", "\n"}).Draw(t, "blank")
		fmt.Fprintf(b, " %sa%d%s=%s\"%s\"", rapid.SampledFrom([]string{"", "xml:"}).Draw(t, "prefix"), i, blank, blank, value)
	}
	if rapid.Bool().Draw(t, "empty") {
		b.WriteString("/>")
		return
	}
	b.WriteString(">")
	for range rapid.IntRange(0, 3).Draw(t, "content") {
		switch rapid.IntRange(0, 4).Draw(t, "kind") {
		case 0:
			b.WriteString(rapid.SampledFrom([]string{"text", " a &lt; b ", "&quot;&apos;&gt;", "김하나", "]] >"}).Draw(t, "text"))
		case 1:
			b.WriteString("<!-- <b> & -->")
		case 2:
			b.WriteString("<![CDATA[<sip:a@b> & </c>]]>")
		case 3:
			b.WriteString("<?instruction x?>")
		case 4:
			if depth < maxDepth-1 {
				anElement(t, b, depth+1)
			}
		}
	}
	b.WriteString("</" + name + ">")
}

// TestWhatIsXMLIsReadAsXML compares the scanner with the standard library's.
func TestWhatIsXMLIsReadAsXML(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var b strings.Builder
		anElement(t, &b, 1)
		s := scan(b.String())
		if s.malformed || s.missing || s.cut || s.doctype {
			t.Fatalf("%+v is said of %s", s, b.String())
		}
		got, want := written(s.open[0]), standard(t, b.String())
		if got != want {
			t.Errorf("%s is read as\n%s, not\n%s", b.String(), got, want)
		}
	})
}

// written writes an element, its characters first.
func written(e *element) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %q", e.name, e.chars)
	for _, a := range e.attrs {
		fmt.Fprintf(&b, " %s=%q", a.name, a.value)
	}
	for _, c := range e.children {
		b.WriteString(" (" + written(c) + ")")
	}
	return b.String()
}

// standard is what encoding/xml makes of it.
func standard(t *rapid.T, in string) string {
	d := xml.NewDecoder(strings.NewReader(in))
	open := []*element{{}}
	for {
		token, err := d.Token()
		if err == io.EOF {
			return written(open[0])
		}
		if err != nil {
			t.Fatalf("%v in %s", err, in)
		}
		e := open[len(open)-1]
		switch token := token.(type) {
		case xml.StartElement:
			c := &element{name: token.Name.Local}
			for _, a := range token.Attr {
				c.attrs = append(c.attrs, attr{name: a.Name.Local, value: a.Value})
			}
			e.children = append(e.children, c)
			open = append(open, c)
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			e.chars = append(e.chars, token...)
		}
	}
}

// What is not XML, and how it is read; a space stands before the characters.
func TestWhatIsNotXML(t *testing.T) {
	for in, want := range map[string]string{
		`<a><sip:record=x@192.0.2.9;uuid=7></a>`: `(a "<sip:record=x@192.0.2.9;uuid=7>")`,
		`<a b="<sip:x@y>"/>`:                     `(a "" b="<sip:x@y>")`,
		`<a b=c d=e/>`:                           `(a "" b="c" d="e")`,
		`<a b="c><d/></a>`:                       `(a "" b="c" (d ""))`,
		`<a b=“c d”/>`:                           `(a "" b="c d")`,
		`<a b=\"c d\"/>`:                         `(a "" b="c d")`,
		`< a >x</ a >`:                           `(a "x")`,
		`<a>1 < 2 & 3 &b; &#0;</a>`:              `(a "1 < 2 & 3 &b; &#0;")`,
		`<a><b>x</a>`:                            `(a "" (b "x"))`,
		`<a></b>x</a>`:                           `(a "x")`,
		`<a><b/`:                                 `(a "" (b ""))`,
		`<a><b`:                                  `(a "" (b ""))`,
		`<a x><b/></a`:                           `(a "" (b ""))`,
		`<A>x</a>`:                               `(A "x")`,
		`<p:a>x</q:a>`:                           `(a "x")`,
		`<a><!-- never ended`:                    `(a "")`,
		`<a><![CDATA[x`:                          `(a "x")`,
		`<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>`: `(a "&b;")`,
	} {
		s := scan(in)
		if got := strings.TrimPrefix(written(s.open[0]), ` "" `); got != want {
			t.Errorf("%s is read as %s, want %s", in, got, want)
		}
		if !s.malformed && !s.doctype && !strings.ContainsAny(in, "Aq&") && in != `<a b="<sip:x@y>"/>` {
			t.Errorf("%s is taken for XML", in)
		}
	}
}

package rsmeta

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Parse reads one document. It is as tolerant as SRCs are inventive: notes say
// in plain words what had to be guessed. err is non-nil only when nothing at
// all could be understood. charset is that of the part's Content-Type, "" when
// it states none. loc is the zone of zone-less times (nil: UTC).
//
// Limits: 256 KiB, depth 16, 5,000 elements, 20,000 tags, 64 attributes,
// 4 KiB a value. What is beyond them is left out, and a document whose end was not read is marked Cut.
// No document type declaration is obeyed and no entity but XML's own five is
// resolved.
func Parse(raw []byte, charset string, loc *time.Location) (doc *Document, notes []string, err error) {
	if loc == nil {
		loc = time.UTC
	}
	long := len(raw) > maxBytes
	if long {
		raw = raw[:maxBytes]
		notes = append(notes, fmt.Sprintf("document cut at %d bytes", maxBytes))
	}
	text, more := toUTF8(raw, charset)
	s := scan(text)
	notes = append(notes, more...)
	if s.doctype {
		notes = append(notes, "document type declaration left out")
	}
	switch {
	case s.cut:
		notes = append(notes, fmt.Sprintf("metadata of more than %d elements: the rest was left out", maxElements))
	case s.malformed && !long:
		notes = append(notes, "metadata degraded: not well-formed XML, read leniently")
	}
	if s.missing {
		notes = append(notes, fmt.Sprintf("metadata deeper than %d elements, with more than %d attributes or with values over %d bytes: those were left out", maxDepth, maxAttrs, maxValue))
	}
	root, more := rootOf(s.open[0])
	notes = append(notes, more...)
	if root == nil {
		return nil, notes, errors.New("no recording element")
	}
	r := reader{loc: loc, notes: notes, doc: &Document{Dialect: "rfc7865", Complete: true, Cut: s.cut || long}}
	r.document(root)
	if s.malformed && r.doc.empty() {
		return nil, r.notes, errors.New("nothing in it can be read")
	}
	return r.doc, r.notes, nil
}

// empty reports whether a document says nothing.
func (d *Document) empty() bool {
	return !d.SnapshotAsk && len(d.Groups)+len(d.Sessions)+len(d.Participants)+len(d.Streams)+
		len(d.SessionAssoc)+len(d.Members)+len(d.Wires)+len(d.Extensions) == 0
}

// rootOf finds the recording element, which some wrap or prefix and others
// leave out.
func rootOf(holder *element) (root *element, notes []string) {
	var others int
	for _, e := range holder.children {
		switch r := recordingIn(e); {
		case r == nil:
		case root == nil:
			root = r
		default:
			others++
		}
	}
	if others > 0 {
		notes = append(notes, "more than one recording element: the first one counts")
	}
	if root != nil {
		return root, notes
	}
	for _, e := range holder.children {
		if strings.EqualFold(e.name, "session") || ownID[strings.ToLower(e.name)] != "" {
			return holder, []string{"metadata degraded: no recording element around it"}
		}
	}
	return nil, notes
}

func recordingIn(e *element) *element {
	switch strings.ToLower(e.name) {
	case "recording", "recording_metadata", "requestsnapshot":
		return e
	}
	for _, c := range e.children {
		if r := recordingIn(c); r != nil {
			return r
		}
	}
	return nil
}

package rsmeta

import (
	"bytes"
	"encoding/xml"
	"maps"
	"slices"
	"time"
)

const namespace = "urn:ietf:params:xml:ns:recording:1"

// SnapshotRequest builds the requestsnapshot document (RFC 7865 section 7).
func SnapshotRequest(reason string) []byte {
	var w writer
	w.open("requestsnapshot", "xmlns", namespace)
	w.leaf("requestreason", reason)
	w.close("requestsnapshot")
	return w.bytes()
}

// Encode writes doc for an SRC, its elements in the order of the schema (RFC
// 7865 section 9). Extensions are not written: a path does not tell the
// namespace that the schema asks of them.
func Encode(doc *Document) []byte {
	var w writer
	w.open("recording", "xmlns", namespace)
	mode := "partial"
	if doc.Complete {
		mode = "complete"
	}
	w.leaf("datamode", mode)
	w.sessions(doc)
	w.participants(doc)
	w.associations(doc)
	w.close("recording")
	return w.bytes()
}

func (w *writer) sessions(doc *Document) {
	for _, g := range doc.Groups {
		w.open("group", "group_id", g.ID)
		w.times(g.Associated, g.Closed)
		w.close("group")
	}
	for _, s := range doc.Sessions {
		w.open("session", "session_id", s.ID)
		for _, id := range s.SIPSessionIDs {
			w.leaf("sipSessionID", id)
		}
		for _, r := range s.Reasons {
			w.open("reason", "cause", r.Cause, "protocol", r.Protocol)
			w.text(r.Text)
			w.close("reason")
		}
		w.leaf("group-ref", s.GroupRef)
		w.leaf("start-time", stamp(s.Start))
		w.leaf("stop-time", stamp(s.Stop))
		w.close("session")
	}
}

func (w *writer) participants(doc *Document) {
	for _, p := range doc.Participants {
		w.open("participant", "participant_id", p.ID)
		for _, n := range p.Names {
			w.open("nameID", "aor", n.AOR)
			if n.Display != "" {
				if n.Lang == "" {
					w.open("name")
				} else {
					w.open("name", "xml:lang", n.Lang)
				}
				w.text(n.Display)
				w.close("name")
			}
			w.close("nameID")
		}
		w.close("participant")
	}
	for _, s := range doc.Streams {
		w.open("stream", "stream_id", s.ID, "session_id", s.Session)
		w.leaf("label", s.Label)
		w.close("stream")
	}
}

func (w *writer) associations(doc *Document) {
	for _, a := range doc.SessionAssoc {
		w.open("sessionrecordingassoc", "session_id", a.Session)
		w.times(a.Associated, a.Closed)
		w.close("sessionrecordingassoc")
	}
	for _, m := range doc.Members {
		w.open("participantsessionassoc", "participant_id", m.Participant, "session_id", m.Session)
		w.times(m.Associated, m.Closed)
		for _, k := range slices.Sorted(maps.Keys(m.Params)) {
			w.open("param", "pname", k, "pval", m.Params[k])
			w.close("param")
		}
		w.close("participantsessionassoc")
	}
	for _, x := range doc.Wires {
		w.open("participantstreamassoc", "participant_id", x.Participant)
		for _, id := range x.Send {
			w.leaf("send", id)
		}
		for _, id := range x.Recv {
			w.leaf("recv", id)
		}
		w.times(x.Associated, x.Closed)
		w.close("participantstreamassoc")
	}
}

// writer writes elements, escaping what it is given.
type writer struct{ b bytes.Buffer }

func (w *writer) bytes() []byte {
	return append([]byte(xml.Header), w.b.Bytes()...)
}

// open begins an element; attributes come as name, value and are left out when
// empty, but for the first.
func (w *writer) open(name string, attrs ...string) {
	w.b.WriteString("<" + name)
	for i := 0; i+1 < len(attrs); i += 2 {
		if attrs[i+1] == "" && i > 0 {
			continue
		}
		w.b.WriteString(" " + attrs[i] + `="`)
		w.text(attrs[i+1])
		w.b.WriteString(`"`)
	}
	w.b.WriteString(">")
}

func (w *writer) close(name string) { w.b.WriteString("</" + name + ">\n") }

func (w *writer) text(s string) {
	// A bytes.Buffer takes every write.
	_ = xml.EscapeText(&w.b, []byte(s))
}

func (w *writer) leaf(name, value string) {
	if value == "" {
		return
	}
	w.open(name)
	w.text(value)
	w.close(name)
}

func (w *writer) times(associated, closed time.Time) {
	w.leaf("associate-time", stamp(associated))
	w.leaf("disassociate-time", stamp(closed))
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.RFC3339Nano)
}

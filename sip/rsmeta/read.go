package rsmeta

import (
	"strings"
	"time"
)

// reader turns the elements of one document into a Document.
type reader struct {
	loc   *time.Location
	notes []string
	doc   *Document
}

// known are the elements that are no extension data.
var known = map[string]bool{
	"datamode": true, "group": true, "session": true, "participant": true, "stream": true,
	"sessionrecordingassoc": true, "participantsessionassoc": true, "participantstreamassoc": true,
	"nameid": true, "aor": true, "name": true, "label": true, "send": true, "recv": true, "id": true,
	"associate-time": true, "disassociate-time": true, "start-time": true, "stop-time": true, "end-time": true,
	"sipsessionid": true, "reason": true, "group-ref": true, "param": true, "mode": true, "initiator": true,
	"recording": true, "requestor": true, "type": true, "content": true, "requestreason": true,
}

func (r *reader) document(root *element) *Document {
	r.doc = &Document{Dialect: "rfc7865", Complete: true}
	if strings.EqualFold(root.name, "requestsnapshot") {
		r.doc.SnapshotAsk = true
		return r.doc
	}
	if strings.EqualFold(root.name, "recording_metadata") {
		r.doc.Dialect = "recording_metadata"
	}
	for _, e := range hoisted(root.children) {
		switch strings.ToLower(e.name) {
		case "datamode":
			r.doc.Complete = !strings.EqualFold(e.text, "partial")
		case "requestsnapshot":
			r.doc.SnapshotAsk = true
		case "group":
			r.doc.Groups = append(r.doc.Groups, Group{
				ID: id(e, "group_id"), Associated: r.time(e, "associate-time"), Closed: r.time(e, "disassociate-time"),
			})
		case "session":
			r.session(e)
		case "participant":
			r.participant(e)
		case "stream":
			r.stream(e)
		case "sessionrecordingassoc":
			r.doc.SessionAssoc = append(r.doc.SessionAssoc, SessionAssoc{
				Session: ref(e, "session_id", "session"), Associated: r.time(e, "associate-time"), Closed: r.time(e, "disassociate-time"),
			})
		case "participantsessionassoc":
			r.member(e)
		case "participantstreamassoc":
			r.doc.Wires = append(r.doc.Wires, Wire{
				Participant: ref(e, "participant_id", "participant", "id"), Send: texts(e, "send"), Recv: texts(e, "recv"),
				Associated: r.time(e, "associate-time"), Closed: r.time(e, "disassociate-time"),
			})
		}
	}
	for _, e := range root.children {
		r.extensions(e, e.name)
	}
	return r.doc
}

// ownID are the elements of the top level that an end tag left out may have
// put inside the one before, and the attribute they are known by.
var ownID = map[string]string{
	"participant": "participant_id", "stream": "stream_id", "sessionrecordingassoc": "session_id",
	"participantsessionassoc": "participant_id", "participantstreamassoc": "participant_id",
}

// hoisted returns elements with those that belong beside them brought up.
func hoisted(list []*element) (flat []*element) {
	for _, e := range list {
		flat = append(flat, e)
		for _, c := range e.children {
			if name := ownID[strings.ToLower(c.name)]; name != "" && attribute(c, name) != "" {
				flat = append(flat, hoisted([]*element{c})...)
			}
		}
	}
	return flat
}

func (r *reader) session(e *element) {
	s := Session{
		ID: id(e, "session_id"), GroupRef: ref(e, "group-ref", "group_ref", "group"),
		SIPSessionIDs: texts(e, "sipsessionid"), Reasons: texts(e, "reason"),
		Start: r.time(e, "start-time"), Stop: r.time(e, "stop-time"),
	}
	if s.Stop.IsZero() {
		s.Stop = r.time(e, "end-time")
	}
	r.doc.Sessions = append(r.doc.Sessions, s)
}

func (r *reader) participant(e *element) {
	p := Participant{ID: id(e, "participant_id")}
	for _, n := range all(e, "nameid") {
		name := Name{AOR: trimAOR(ref(n, "aor")), Display: ref(n, "name")}
		for _, c := range all(n, "name") {
			name.Lang = ref(c, "lang")
		}
		p.Names = append(p.Names, name)
	}
	for _, a := range all(e, "aor") {
		p.Names = append(p.Names, Name{AOR: trimAOR(a.text), Display: ref(e, "name")})
	}
	if a := attribute(e, "aor"); a != "" {
		p.Names = append(p.Names, Name{AOR: trimAOR(a), Display: ref(e, "name")})
	}
	r.doc.Participants = append(r.doc.Participants, p)
	// Older dialects say inside the participant what associations say later.
	if session := ref(e, "session"); session != "" {
		r.draft()
		r.doc.Members = append(r.doc.Members, Member{Participant: p.ID, Session: session,
			Associated: r.time(e, "associate-time"), Closed: r.time(e, "disassociate-time")})
	}
	sends, recvs := inner(e, "send"), inner(e, "recv")
	if len(sends)+len(recvs) > 0 {
		r.draft()
		r.doc.Wires = append(r.doc.Wires, Wire{Participant: p.ID, Send: sends, Recv: recvs})
	}
}

func (r *reader) draft() {
	if r.doc.Dialect == "rfc7865" {
		r.doc.Dialect = "draft"
	}
}

func (r *reader) stream(e *element) {
	r.doc.Streams = append(r.doc.Streams, Stream{
		ID: id(e, "stream_id"), Session: ref(e, "session_id", "session"), Label: ref(e, "label"), Content: ref(e, "content"),
	})
}

func (r *reader) member(e *element) {
	m := Member{
		Participant: ref(e, "participant_id", "participant", "id"), Session: ref(e, "session_id", "session"),
		Associated: r.time(e, "associate-time"), Closed: r.time(e, "disassociate-time"),
	}
	for _, p := range all(e, "param") {
		if m.Params == nil {
			m.Params = make(map[string]string)
		}
		m.Params[ref(p, "pname")] = ref(p, "pval")
	}
	r.doc.Members = append(r.doc.Members, m)
}

// extensions keeps what is nobody's own element, with its path.
func (r *reader) extensions(e *element, path string) {
	lower := strings.ToLower(e.name)
	if !known[lower] {
		if e.text != "" {
			r.doc.Extensions = append(r.doc.Extensions, Extension{path, e.text})
		}
		for _, a := range e.attrs {
			r.doc.Extensions = append(r.doc.Extensions, Extension{path + "@" + a.name, a.value})
		}
	}
	for _, c := range e.children {
		r.extensions(c, path+"/"+c.name)
	}
}

// layouts are the ways SRCs write a time.
var layouts = []string{
	time.RFC3339Nano, "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05.999999999Z0700",
	"2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999", "2006-01-02T15:04:05Z07",
}

func (r *reader) time(e *element, name string) time.Time {
	s := ref(e, name)
	if s == "" {
		return time.Time{}
	}
	for _, layout := range layouts {
		t, err := time.ParseInLocation(layout, strings.ToUpper(s), r.loc)
		if err != nil {
			continue
		}
		if t.Year() < 2000 || t.Year() > 2200 {
			r.note("a time stated as " + s[:min(10, len(s))] + " was ignored")
			return time.Time{}
		}
		return t
	}
	r.note("a time that cannot be read was ignored")
	return time.Time{}
}

func (r *reader) note(n string) {
	for _, have := range r.notes {
		if have == n {
			return
		}
	}
	r.notes = append(r.notes, n)
}

// id is an element's own identifier: named attribute, "id", or a child so named.
func id(e *element, name string) string { return ref(e, name, "id") }

// ref returns the first of the names that is an attribute or a child with text.
func ref(e *element, names ...string) string {
	for _, n := range names {
		if v := attribute(e, n); v != "" {
			return v
		}
		for _, c := range e.children {
			if strings.EqualFold(c.name, n) && c.text != "" {
				return c.text
			}
		}
	}
	return ""
}

func attribute(e *element, name string) string {
	for _, a := range e.attrs {
		if strings.EqualFold(a.name, name) {
			return a.value
		}
	}
	return ""
}

func all(e *element, name string) (list []*element) {
	for _, c := range e.children {
		if strings.EqualFold(c.name, name) {
			list = append(list, c)
		}
	}
	return list
}

func texts(e *element, name string) (list []string) {
	for _, c := range all(e, name) {
		if c.text != "" {
			list = append(list, c.text)
		}
	}
	return list
}

// inner are references inside a participant: as text, or as an id child.
func inner(e *element, name string) (list []string) {
	for _, c := range all(e, name) {
		if c.text != "" {
			list = append(list, c.text)
		}
		list = append(list, texts(c, "id")...)
	}
	return list
}

// trimAOR takes away brackets and blanks that have no place in an address.
func trimAOR(s string) string {
	return strings.Map(func(c rune) rune {
		if c == ' ' || c == '\t' || c == '<' || c == '>' {
			return -1
		}
		return c
	}, s)
}

package rsmeta

import (
	"slices"
	"strings"
	"time"
)

// reader turns the elements of one document into a Document. It reads RFC 7865
// section 9 and the drafts before it alike: by local names in any case, ids as
// attributes or as children.
type reader struct {
	loc   *time.Location
	notes []string
	doc   *Document
}

func (r *reader) document(root *element) {
	switch strings.ToLower(root.name) {
	case "requestsnapshot":
		r.doc.SnapshotAsk = true
		return
	case "recording_metadata":
		r.doc.Dialect = "recording_metadata"
	}
	root.read = true
	for _, e := range hoisted(root.children) {
		r.element(e)
	}
	for _, e := range root.children {
		of := ""
		if e.read {
			of = e.field("group_id", "participant_id", "stream_id", "session_id", "id")
		}
		r.doc.Extensions = append(r.doc.Extensions, e.unread(of, e.name)...)
	}
}

// element reads one element of the top level.
func (r *reader) element(e *element) {
	e.read = true
	switch strings.ToLower(e.name) {
	case "datamode":
		r.doc.Complete = !strings.EqualFold(e.value(), "partial")
	case "requestsnapshot":
		r.doc.SnapshotAsk = true
	case "group":
		r.doc.Groups = append(r.doc.Groups, Group{
			ID: e.field("group_id", "id"), Associated: r.time(e, "associate-time"), Closed: r.time(e, "disassociate-time"),
		})
	case "session":
		r.session(e)
	case "participant":
		r.participant(e)
	case "stream":
		r.stream(e)
	case "sessionrecordingassoc":
		r.doc.SessionAssoc = append(r.doc.SessionAssoc, SessionAssoc{
			Session: e.field("session_id", "session", "id"), Associated: r.time(e, "associate-time"), Closed: r.time(e, "disassociate-time"),
		})
	case "participantsessionassoc":
		r.member(e)
	case "participantstreamassoc":
		r.doc.Wires = append(r.doc.Wires, Wire{
			Participant: e.field("participant_id", "participant", "id"), Send: e.references("send"), Recv: e.references("recv"),
			Associated: r.time(e, "associate-time"), Closed: r.time(e, "disassociate-time"),
		})
	default:
		e.read = false
	}
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
		lower := strings.ToLower(e.name)
		if lower != "session" && lower != "group" && ownID[lower] == "" {
			continue // extension data may have participants of its own
		}
		for _, c := range e.children {
			if id := ownID[strings.ToLower(c.name)]; id != "" && c.attribute(id) != "" {
				flat = append(flat, hoisted([]*element{c})...)
			}
		}
	}
	return flat
}

func (r *reader) session(e *element) {
	s := Session{
		ID: e.field("session_id", "id"), GroupRef: e.field("group-ref", "group_ref", "group"),
		SIPSessionIDs: e.values("sipSessionID"), Start: r.time(e, "start-time", "associate-time"),
		Stop: r.time(e, "stop-time", "end-time", "disassociate-time"),
	}
	for _, c := range e.all("reason") {
		reason := Reason{Protocol: c.attribute("protocol"), Cause: c.attribute("cause"), Text: c.value()}
		if reason.Protocol == "" {
			reason.Protocol = "SIP"
		}
		s.Reasons = append(s.Reasons, reason)
	}
	r.doc.Sessions = append(r.doc.Sessions, s)
}

func (r *reader) participant(e *element) {
	p := Participant{ID: e.field("participant_id", "id")}
	for _, n := range e.all("nameID") {
		name := Name{AOR: trimAOR(n.field("aor")), Display: n.field("name")}
		for _, c := range n.all("name") {
			if lang := c.attribute("lang"); name.Lang == "" {
				name.Lang = lang
			}
		}
		p.Names = append(p.Names, name)
	}
	for _, a := range append(e.values("aor"), e.attribute("aor")) {
		if a != "" {
			p.Names = append(p.Names, Name{AOR: trimAOR(a), Display: e.field("name")})
		}
	}
	r.doc.Participants = append(r.doc.Participants, p)
	// Older dialects say inside the participant what associations say later.
	associated, closed := r.time(e, "associate-time"), r.time(e, "disassociate-time")
	if session := e.field("session"); session != "" {
		r.draft()
		r.doc.Members = append(r.doc.Members, Member{Participant: p.ID, Session: session, Associated: associated, Closed: closed})
	}
	if sends, recvs := e.references("send"), e.references("recv"); len(sends)+len(recvs) > 0 {
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
		ID: e.field("stream_id", "id"), Session: e.field("session_id", "session"), Label: e.field("label"),
	})
	// Drafts date streams too; who sends them when is said elsewhere.
	e.field("associate-time")
	e.field("disassociate-time")
}

func (r *reader) member(e *element) {
	m := Member{
		Participant: e.field("participant_id", "participant", "id"), Session: e.field("session_id", "session"),
		Associated: r.time(e, "associate-time"), Closed: r.time(e, "disassociate-time"),
	}
	for _, p := range e.all("param") {
		if m.Params == nil {
			m.Params = make(map[string]string)
		}
		m.Params[p.field("pname")] = p.field("pval")
	}
	r.doc.Members = append(r.doc.Members, m)
}

// layouts are the ways SRCs write a time: RFC 3339 and what falls short of it.
var layouts = []string{
	time.RFC3339Nano, "2006-01-02T15:04:05.999999999Z0700", "2006-01-02T15:04:05Z07",
	"2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999",
}

// time reads the first of the fields that is there (RFC 7865 section 6.9).
// Years before 2000 are those of a clock that was never set.
func (r *reader) time(e *element, names ...string) time.Time {
	s := e.field(names...)
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
	if !slices.Contains(r.notes, n) {
		r.notes = append(r.notes, n)
	}
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

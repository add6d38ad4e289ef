package rsmeta

import (
	"slices"
	"time"
)

// viewState is a View's memory.
type viewState struct {
	based    bool
	tiedOnce bool // an association has led to a line: order means nothing any more
	sessions []Session
	names    []Participant // of each participant, in order of appearance
	streams  []Stream
	wires    []Wire // the newest of each participant
	stays    []stay
	labels   []string
	owners   map[string][]string // by label, those who sent it last
	over     map[string]bool     // CSs that ended, or that the RS let go
}

// stay is a participant in a CS, from when to when. session is empty until a
// document names it.
type stay struct {
	id, session  string
	joined, left time.Time // arrival of the documents that said so
	statedJoin   time.Time
	statedLeave  time.Time
	released     bool // it ended because the CS was let go by the RS, not by leaving
}

func (y *stay) here() bool { return y.left.IsZero() }

func (y *stay) end(at, stated time.Time) { y.left, y.statedLeave = at, stated }

// Apply merges doc, which arrived at, into the view. Complete documents replace
// the current state, partial ones upsert (RFC 7865 section 8). It returns notes
// on contradictions and guesses. labels are the a=label values of the RS's
// current m-lines in order, used to tie streams to lines; where a stream cannot
// be tied by label it is tied by order, with a note.
func (v *View) Apply(doc *Document, at time.Time, labels []string) (notes []string) {
	s := &v.state
	s.labels = slices.Clone(labels)
	if doc.SnapshotAsk {
		return nil
	}
	if doc.Complete {
		s.based, v.NeedSnapshot = true, false
		s.streams, s.wires = nil, nil
	} else if !s.based {
		v.NeedSnapshot = true
	}
	doc, notes = unambiguous(doc)
	for _, cs := range doc.Sessions {
		s.session(cs)
	}
	for _, p := range doc.Participants {
		s.name(p)
	}
	for _, st := range doc.Streams {
		s.stream(st)
	}
	notes = append(notes, s.wire(doc)...)
	s.join(doc, at)
	s.leave(doc, at)
	s.release(doc, at)
	if doc.Complete && (len(doc.Participants) > 0 || len(doc.Sessions) > 0) {
		s.replace(doc, at)
	}
	notes = append(notes, s.guessNotes()...)
	s.own()
	return notes
}

// own remembers who sends each line: on hold nobody does, and the line is
// still theirs.
func (s *viewState) own() {
	if s.owners == nil {
		s.owners = make(map[string][]string)
	}
	for i, l := range s.labels {
		if ids := s.senders(i); len(ids) > 0 {
			s.owners[l] = ids
		}
	}
}

// unambiguous leaves out what has the id of something else in the document: the
// first one counts (RFC 7865 section 6.10).
func unambiguous(doc *Document) (_ *Document, notes []string) {
	kinds := make(map[string]string)
	fresh := func(kind, id string) bool {
		before, taken := kinds[id]
		switch {
		case id == "":
		case !taken:
			kinds[id] = kind
		case before == kind:
			notes = append(notes, "a "+kind+" is described twice in one document: the first one counts")
			return false
		default:
			notes = append(notes, "a "+kind+" has the id of a "+before+": it was left out")
			return false
		}
		return true
	}
	one := *doc
	// What decides most comes first.
	one.Participants = keep(doc.Participants, func(p Participant) bool { return fresh("participant", p.ID) })
	one.Streams = keep(doc.Streams, func(st Stream) bool { return fresh("stream", st.ID) })
	one.Sessions = keep(doc.Sessions, func(cs Session) bool { return fresh("session", cs.ID) })
	one.Groups = keep(doc.Groups, func(g Group) bool { return fresh("group", g.ID) })
	return &one, notes
}

func keep[T any](list []T, good func(T) bool) []T {
	return slices.DeleteFunc(slices.Clone(list), func(x T) bool { return !good(x) })
}

func (s *viewState) session(cs Session) {
	s.end(cs.ID, !cs.Stop.IsZero())
	for i := range s.sessions {
		if have := &s.sessions[i]; have.ID == cs.ID {
			if !cs.Stop.IsZero() {
				have.Stop = cs.Stop
			}
			if cs.GroupRef != "" {
				have.GroupRef = cs.GroupRef
			}
			if !cs.Start.IsZero() {
				have.Start = cs.Start
			}
			have.SIPSessionIDs = union(have.SIPSessionIDs, cs.SIPSessionIDs)
			have.Reasons = union(have.Reasons, cs.Reasons)
			return
		}
	}
	s.sessions = append(s.sessions, cs)
}

func (s *viewState) end(session string, over bool) {
	if s.over == nil {
		s.over = make(map[string]bool)
	}
	s.over[session] = over
}

func union(a, b []string) []string {
	for _, x := range b {
		if !slices.Contains(a, x) {
			a = append(a, x)
		}
	}
	return a
}

func (s *viewState) name(p Participant) {
	for i := range s.names {
		if s.names[i].ID == p.ID {
			if len(p.Names) > 0 {
				s.names[i] = p
			}
			return
		}
	}
	s.names = append(s.names, p)
}

func (s *viewState) stream(st Stream) {
	for i := range s.streams {
		if have := &s.streams[i]; have.ID == st.ID && st.ID != "" {
			if st.Label != "" {
				have.Label = st.Label
			}
			if st.Session != "" {
				have.Session = st.Session
			}
			return
		}
	}
	s.streams = append(s.streams, st)
}

// wire replaces each participant's association whole: what the newest report
// does not name has ended (RFC 7865 section 6.8.1).
func (s *viewState) wire(doc *Document) (notes []string) {
	fresh := make(map[string]bool)
	for _, w := range doc.Wires {
		if !s.isParticipant(w.Participant) {
			// Some SRCs write a stream's id here.
			if p := s.unwired(doc); p != "" {
				notes = append(notes, "an association names no participant: given to the one without")
				w.Participant = p
			}
		}
		if !w.Closed.IsZero() {
			w.Send, w.Recv = nil, nil
		}
		i := slices.IndexFunc(s.wires, func(have Wire) bool { return have.Participant == w.Participant })
		switch {
		case i < 0:
			s.wires = append(s.wires, w)
		case fresh[w.Participant]: // one participant, several associations in one document
			s.wires[i].Send, s.wires[i].Recv = union(s.wires[i].Send, w.Send), union(s.wires[i].Recv, w.Recv)
		default:
			s.wires[i] = w
		}
		fresh[w.Participant] = true
	}
	return notes
}

func (s *viewState) isParticipant(id string) bool {
	return slices.ContainsFunc(s.names, func(p Participant) bool { return p.ID == id })
}

// unwired returns the first participant that has no association.
func (s *viewState) unwired(doc *Document) string {
	for _, p := range doc.Participants {
		named := func(w Wire) bool { return w.Participant == p.ID }
		if !slices.ContainsFunc(doc.Wires, named) && !slices.ContainsFunc(s.wires, named) {
			return p.ID
		}
	}
	return ""
}

// join opens the stays of those who have come.
func (s *viewState) join(doc *Document, at time.Time) {
	for _, p := range doc.Participants {
		if !slices.ContainsFunc(doc.Members, func(m Member) bool { return m.Participant == p.ID }) {
			s.enter(Member{Participant: p.ID}, at)
		}
	}
	// Members too of whom the document does not describe the participant: a
	// partial one may bring somebody back.
	for _, m := range doc.Members {
		if m.Closed.IsZero() && s.isParticipant(m.Participant) {
			s.enter(m, at)
		}
	}
}

// enter opens a stay unless there is one.
func (s *viewState) enter(m Member, at time.Time) {
	for i := range s.stays {
		y := &s.stays[i]
		if !y.here() || y.id != m.Participant {
			continue
		}
		if y.session == "" {
			y.session = m.Session
		}
		if m.Session == "" || y.session == m.Session {
			return
		}
	}
	s.stays = append(s.stays, stay{id: m.Participant, session: m.Session, joined: at, statedJoin: m.Associated})
}

// leave ends the stays of those who have gone, one by one or with their CS.
func (s *viewState) leave(doc *Document, at time.Time) {
	for _, m := range doc.Members {
		if m.Closed.IsZero() {
			continue
		}
		// Some SRCs write the participant's own id where the session's belongs.
		known := slices.ContainsFunc(s.sessions, func(cs Session) bool { return cs.ID == m.Session })
		for i := range s.stays {
			if y := &s.stays[i]; y.here() && y.id == m.Participant && (!known || y.session == m.Session || y.session == "") {
				y.end(at, m.Closed)
			}
		}
	}
	for _, cs := range doc.Sessions {
		if cs.Stop.IsZero() {
			continue
		}
		for i := range s.stays {
			if y := &s.stays[i]; y.here() && s.in(y, cs.ID) {
				y.end(at, cs.Stop)
			}
		}
	}
}

// in reports whether a stay is one in the given CS.
func (s *viewState) in(y *stay, session string) bool {
	return y.session == session || y.session == "" && len(s.sessions) == 1
}

// release ends the stays of a CS that the RS lets go, and takes them up again
// when it is tied to the RS anew (RFC 7865 section 6.4).
func (s *viewState) release(doc *Document, at time.Time) {
	for _, a := range doc.SessionAssoc {
		if !a.Closed.IsZero() || !doc.Complete {
			s.end(a.Session, !a.Closed.IsZero())
		}
		for i := range s.stays {
			switch y := &s.stays[i]; {
			case !a.Closed.IsZero() && y.here() && s.in(y, a.Session):
				y.end(at, a.Closed)
				y.released = true
			case a.Closed.IsZero() && y.released && s.in(y, a.Session):
				y.released = false
				s.enter(Member{Participant: y.id, Session: y.session, Associated: a.Associated}, at)
			}
		}
	}
}

// replace ends the stays that a complete document does not know any more.
func (s *viewState) replace(doc *Document, at time.Time) {
	for _, cs := range s.sessions {
		if len(doc.Sessions) > 0 && !slices.ContainsFunc(doc.Sessions, func(d Session) bool { return d.ID == cs.ID }) {
			s.end(cs.ID, true)
		}
	}
	for i := range s.stays {
		y := &s.stays[i]
		if !y.here() {
			continue
		}
		described := slices.ContainsFunc(doc.Participants, func(p Participant) bool { return p.ID == y.id })
		elsewhere := false
		for _, m := range doc.Members {
			if m.Participant == y.id && m.Session == y.session {
				described, elsewhere = true, false
				break
			}
			elsewhere = elsewhere || m.Participant == y.id && m.Session != ""
		}
		if !described || elsewhere && y.session != "" {
			y.end(at, time.Time{})
		}
	}
}

// present reports whether a participant is here, in whatever CS.
func (s *viewState) present(id string) bool {
	return slices.ContainsFunc(s.stays, func(y stay) bool { return y.id == id && y.here() })
}

// Parties returns every participant seen so far, in order of joining, present
// ones and those who left. One who left and came back appears twice, and so
// does one who is in two CSs.
func (v *View) Parties() []Party {
	s := &v.state
	var list []Party
	sends := make(map[string][]string) // labels, by participant
	for i, l := range s.labels {
		for _, id := range s.senders(i) {
			sends[id] = append(sends[id], l)
		}
	}
	names := make(map[string][]Name, len(s.names))
	for _, n := range s.names {
		names[n.ID] = n.Names
	}
	for _, y := range s.stays {
		p := Party{
			ID: y.id, Session: y.session, Joined: y.joined, Left: y.left,
			StatedJoin: y.statedJoin, StatedLeave: y.statedLeave,
		}
		for _, n := range names[y.id] {
			p.AORs = append(p.AORs, n.AOR)
			if p.Name == "" {
				p.Name = n.Display
			}
		}
		p.AOR = best(p.AORs)
		if y.here() {
			p.Sends = slices.Clone(sends[y.id])
			p.Recvs = s.receives(y.id)
		}
		list = append(list, p)
	}
	return list
}

// best prefers an address with a number in it.
func best(aors []string) string {
	for _, a := range aors {
		for _, c := range a {
			if c >= '0' && c <= '9' {
				return a
			}
			if c == '@' {
				break
			}
		}
	}
	if len(aors) > 0 {
		return aors[0]
	}
	return ""
}

// Senders returns the ids of the participants who send the line labelled label
// now.
func (v *View) Senders(label string) []string {
	for i, l := range v.state.labels {
		if l == label {
			return v.state.senders(i)
		}
	}
	return nil
}

// Owners returns the ids of the participants whose line it is: those who send
// it, and on hold those who did and are still here.
func (v *View) Owners(label string) []string {
	if ids := v.Senders(label); len(ids) > 0 {
		return ids
	}
	return slices.DeleteFunc(slices.Clone(v.state.owners[label]), func(id string) bool { return !v.state.present(id) })
}

// senders are those who send the i-th line: by association and label; without
// any association that ever led to a line, by order.
func (s *viewState) senders(i int) (ids []string) {
	if s.tiedOnce {
		for _, w := range s.wires {
			if s.present(w.Participant) && slices.ContainsFunc(w.Send, func(id string) bool { return s.labelOf(id) == s.labels[i] }) {
				ids = append(ids, w.Participant)
			}
		}
		return ids
	}
	seen := make(map[string]bool)
	for _, y := range s.stays {
		if y.here() && !seen[y.id] {
			seen[y.id] = true
			ids = append(ids, y.id)
		}
	}
	switch {
	case len(s.labels) == 1:
		return ids
	case i < len(ids):
		return ids[i : i+1]
	}
	return nil
}

// tied reports whether any association leads to a current line.
func (s *viewState) tied() bool {
	for _, w := range s.wires {
		for _, id := range w.Send {
			if slices.Contains(s.labels, s.labelOf(id)) && s.labelOf(id) != "" && s.present(w.Participant) {
				return true
			}
		}
	}
	return false
}

// labelOf returns the label of a stream; some SRCs name the label itself.
func (s *viewState) labelOf(stream string) string {
	for _, st := range s.streams {
		if st.ID == stream {
			return st.Label
		}
	}
	if slices.Contains(s.labels, stream) {
		return stream
	}
	return ""
}

func (s *viewState) receives(id string) (labels []string) {
	for _, w := range s.wires {
		if w.Participant != id {
			continue
		}
		for _, st := range w.Recv {
			if l := s.labelOf(st); l != "" {
				labels = append(labels, l)
			}
		}
	}
	return labels
}

func (s *viewState) guessNotes() (notes []string) {
	s.tiedOnce = s.tiedOnce || s.tied()
	anybody := slices.ContainsFunc(s.stays, func(y stay) bool { return y.here() })
	if anybody && len(s.labels) > 1 && !s.tiedOnce {
		notes = append(notes, "no association ties a participant to a line: taken by order")
	}
	return notes
}

// Current returns the CSs that go on now.
func (v *View) Current() []Session {
	return slices.DeleteFunc(v.Sessions(), func(cs Session) bool { return v.state.over[cs.ID] })
}

// Sessions returns the CSs seen so far; one with a Stop is over.
func (v *View) Sessions() []Session { return slices.Clone(v.state.sessions) }

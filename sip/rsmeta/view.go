package rsmeta

import (
	"slices"
	"time"
)

// viewState is a View's memory.
type viewState struct {
	based    bool
	sessions []Session
	names    []Participant // newest naming of each participant, in order of appearance
	streams  []Stream
	wires    []Wire // the newest of each participant
	parties  []presence
	labels   []string
}

// presence is one stay of a participant.
type presence struct {
	id, session   string
	joined, left  time.Time
	stated, leave time.Time
}

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
	for _, cs := range doc.Sessions {
		s.session(cs)
	}
	seen := make(map[string]bool)
	for _, p := range doc.Participants {
		if p.ID != "" && seen[p.ID] {
			notes = append(notes, "a participant is described twice: the last one counts")
		}
		seen[p.ID] = true
		s.name(p)
	}
	for _, st := range doc.Streams {
		s.stream(st)
	}
	notes = append(notes, s.wire(doc, at)...)
	s.join(doc, at)
	s.leave(doc, at)
	if doc.Complete && (len(doc.Participants) > 0 || len(doc.Sessions) > 0) {
		for i := range s.parties {
			if p := &s.parties[i]; p.left.IsZero() && !seen[p.id] {
				p.left = at
			}
		}
	}
	return append(notes, s.guessNotes()...)
}

func (s *viewState) session(cs Session) {
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
func (s *viewState) wire(doc *Document, _ time.Time) (notes []string) {
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
		m := Member{Participant: p.ID}
		closed := false
		for _, x := range doc.Members {
			if x.Participant == p.ID {
				m = x
				closed = !x.Closed.IsZero()
			}
		}
		if s.here(p.ID) == nil && !closed {
			s.parties = append(s.parties, presence{id: p.ID, session: m.Session, joined: at, stated: m.Associated})
		}
	}
	// A partial document may bring back somebody it does not describe again.
	for _, m := range doc.Members {
		if m.Closed.IsZero() && s.here(m.Participant) == nil && s.isParticipant(m.Participant) {
			s.parties = append(s.parties, presence{id: m.Participant, session: m.Session, joined: at, stated: m.Associated})
		}
	}
}

// leave ends the stays of those who have gone, one by one or with their CS.
func (s *viewState) leave(doc *Document, at time.Time) {
	for _, m := range doc.Members {
		if p := s.here(m.Participant); p != nil && !m.Closed.IsZero() {
			p.left, p.leave = at, m.Closed
		}
	}
	for _, cs := range doc.Sessions {
		if cs.Stop.IsZero() {
			continue
		}
		for i := range s.parties {
			if p := &s.parties[i]; p.left.IsZero() && (p.session == cs.ID || p.session == "" && len(s.sessions) == 1) {
				p.left, p.leave = at, cs.Stop
			}
		}
	}
}

// here returns the open stay of a participant, nil when there is none.
func (s *viewState) here(id string) *presence {
	for i := range s.parties {
		if p := &s.parties[i]; p.id == id && p.left.IsZero() {
			return p
		}
	}
	return nil
}

// Parties returns every participant seen so far, in order of joining, present
// ones and those who left. One who left and came back appears twice.
func (v *View) Parties() []Party {
	s := &v.state
	var list []Party
	for _, stay := range s.parties {
		p := Party{
			ID: stay.id, Session: stay.session, Joined: stay.joined, Left: stay.left,
			StatedJoin: stay.stated, StatedLeave: stay.leave,
		}
		if i := slices.IndexFunc(s.names, func(n Participant) bool { return n.ID == stay.id }); i >= 0 {
			for _, n := range s.names[i].Names {
				p.AORs = append(p.AORs, n.AOR)
				if p.Name == "" {
					p.Name = n.Display
				}
			}
			p.AOR = best(p.AORs)
		}
		if stay.left.IsZero() {
			for i, l := range s.labels {
				if slices.Contains(s.senders(i), stay.id) {
					p.Sends = append(p.Sends, l)
				}
			}
			p.Recvs = s.receives(stay.id)
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

// senders are those who send the i-th line: by association and label; without
// any association that leads to a line, by order.
func (s *viewState) senders(i int) (ids []string) {
	if s.tied() {
		for _, w := range s.wires {
			if s.here(w.Participant) != nil && slices.ContainsFunc(w.Send, func(id string) bool { return s.labelOf(id) == s.labels[i] }) {
				ids = append(ids, w.Participant)
			}
		}
		return ids
	}
	var present []string
	for _, p := range s.parties {
		if p.left.IsZero() {
			present = append(present, p.id)
		}
	}
	switch {
	case len(s.labels) == 1:
		return present
	case i < len(present):
		return present[i : i+1]
	}
	return nil
}

// tied reports whether any association leads to a current line.
func (s *viewState) tied() bool {
	for _, w := range s.wires {
		for _, id := range w.Send {
			if slices.Contains(s.labels, s.labelOf(id)) && s.labelOf(id) != "" && s.here(w.Participant) != nil {
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
	if len(s.parties) > 0 && len(s.labels) > 1 && !s.tied() {
		notes = append(notes, "no association ties a participant to a line: taken by order")
	}
	return notes
}

// Sessions returns the CSs seen so far; one with a Stop is over.
func (v *View) Sessions() []Session { return slices.Clone(v.state.sessions) }

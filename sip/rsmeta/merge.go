package rsmeta

import (
	"slices"
	"time"
)

// merge is one document on its way into a view.
type merge struct {
	*View
	doc      *Document
	at       time.Time
	replaces bool                  // who is not in the document is not here
	open     map[membership]Member // the associations that are not closed
	periods  map[membership]int    // how many associations there are
	notes    []string
}

// membership is a participant in a CS.
type membership struct{ participant, session string }

// Apply merges doc, which arrived at, into the view. A complete document
// replaces the current state, a partial one upserts (RFC 7865 section 8); what
// was is never changed by what is. It returns notes on contradictions and
// guesses. A document that arrived before the one applied last counts as
// arrived with it.
func (v *View) Apply(doc *Document, at time.Time) (notes []string) {
	if doc.SnapshotAsk {
		return nil
	}
	if at.Before(v.latest) {
		at = v.latest
	}
	v.latest = at
	m := &merge{View: v, at: at}
	m.doc = m.unambiguous(doc)
	if doc.Complete {
		v.based, v.NeedSnapshot = true, false
	} else if !v.based {
		v.NeedSnapshot = true
	}
	if m.replaces = m.isSnapshot(); m.replaces {
		v.streams, v.stream, v.wires, v.wireOf = nil, nil, nil, nil
	}
	m.remember()
	m.describe()
	m.place()
	m.wire()
	m.depart()
	m.arrive()
	return append(m.notes, v.tie()...)
}

// isSnapshot reports whether the document tells all there is. One that was not
// read to its end does not, nor is an empty one believed while somebody is
// here: a CS ends by its stop-time.
func (m *merge) isSnapshot() bool {
	if !m.doc.Complete || m.doc.Cut {
		return false
	}
	if len(m.doc.Participants)+len(m.doc.Sessions) == 0 && len(m.everybody()) > 0 {
		m.note("an empty complete document: nobody was taken to have left")
		return false
	}
	return true
}

// remember gives an empty view its indexes.
func (m *merge) remember() {
	if m.people == nil {
		m.people, m.session, m.staysOf = make(map[string][]Name), make(map[string]int), make(map[string][]int)
	}
	if m.stream == nil {
		m.stream, m.wireOf = make(map[string]int), make(map[string]int)
	}
}

func (m *merge) note(n string) {
	if !slices.Contains(m.notes, n) {
		m.notes = append(m.notes, n)
	}
}

// unambiguous leaves out what has the id of something else in the document: the
// first one counts (RFC 7865 section 6.10).
func (m *merge) unambiguous(doc *Document) *Document {
	kinds := make(map[string]string)
	fresh := func(kind, id string) bool {
		before, taken := kinds[id]
		switch {
		case id == "":
		case !taken:
			kinds[id] = kind
		case before == kind:
			m.note("a " + kind + " is described twice in one document: the first one counts")
			return false
		default:
			m.note("a " + kind + " has the id of a " + before + ": it was left out")
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
	return &one
}

func keep[T any](list []T, good func(T) bool) []T {
	return slices.DeleteFunc(slices.Clone(list), func(x T) bool { return !good(x) })
}

// describe takes in what things are: sessions, participants, streams.
func (m *merge) describe() {
	for _, cs := range m.doc.Sessions {
		m.describeSession(cs)
	}
	for _, p := range m.doc.Participants {
		_, have := m.people[p.ID]
		if len(p.Names) > 0 || !have {
			m.people[p.ID] = p.Names
			m.rename(p)
		}
	}
	for _, st := range m.doc.Streams {
		m.describeStream(st)
	}
}

// place gives associations that name no known CS the one that goes on: some
// SRCs write the participant's own id there, others nothing.
func (m *merge) place() {
	current := m.Current()
	m.doc.Members = slices.Clone(m.doc.Members)
	m.open, m.periods = make(map[membership]Member), make(map[membership]int)
	for i := range m.doc.Members {
		a := &m.doc.Members[i]
		if len(current) == 1 && m.find(a.Session) == nil {
			a.Session = current[0].ID
		}
		is := membership{a.Participant, a.Session}
		m.periods[is]++
		if a.Closed.IsZero() {
			m.open[is] = *a
		}
	}
}

// describeSession upserts a CS. A complete document that does not say it stopped says
// that it goes on.
func (m *merge) describeSession(cs Session) {
	have := m.find(cs.ID)
	if have == nil {
		m.session[cs.ID] = len(m.sessions)
		m.sessions = append(m.sessions, course{Session: cs})
		return
	}
	if !cs.Stop.IsZero() || m.doc.Complete {
		have.Stop = cs.Stop
	}
	if cs.GroupRef != "" {
		have.GroupRef = cs.GroupRef
	}
	if !cs.Start.IsZero() {
		have.Start = cs.Start
	}
	have.dropped = false
	have.SIPSessionIDs = union(have.SIPSessionIDs, cs.SIPSessionIDs)
	have.Reasons = union(have.Reasons, cs.Reasons)
}

func union[T comparable](a, b []T) []T {
	a = slices.Clone(a)
	for _, x := range b {
		if !slices.Contains(a, x) {
			a = append(a, x)
		}
	}
	return a
}

// key is what a stream is known by: its id, or its label when it has none.
func (st Stream) key() string {
	if st.ID == "" {
		return "\x00" + st.Label
	}
	return st.ID
}

// describeStream upserts a stream.
func (m *merge) describeStream(st Stream) {
	i, found := m.stream[st.key()]
	if !found {
		m.stream[st.key()] = len(m.streams)
		m.streams = append(m.streams, st)
		return
	}
	have := &m.streams[i]
	if st.Label != "" {
		have.Label = st.Label
	}
	if st.Session != "" {
		have.Session = st.Session
	}
}

// wire replaces each participant's association whole: what the newest report
// does not name has ended (RFC 7865 section 6.8.1).
func (m *merge) wire() {
	fresh := make(map[string]bool)
	without := m.unwired()
	for _, w := range m.doc.Wires {
		// Some SRCs write a stream's id where the participant's belongs.
		if _, described := m.people[w.Participant]; !described && len(without) > 0 {
			m.note("an association names no participant: given to the one without")
			w.Participant, without = without[0], without[1:]
		}
		if !w.Closed.IsZero() {
			w.Send, w.Recv = nil, nil
		}
		i, found := m.wireOf[w.Participant]
		switch {
		case !found:
			m.wireOf[w.Participant] = len(m.wires)
			m.wires = append(m.wires, w)
		case fresh[w.Participant]: // one participant, several associations in one document
			m.wires[i].Send, m.wires[i].Recv = union(m.wires[i].Send, w.Send), union(m.wires[i].Recv, w.Recv)
		default:
			m.wires[i] = w
		}
		fresh[w.Participant] = true
	}
}

// unwired returns the participants of the document that have no association.
func (m *merge) unwired() (ids []string) {
	wired := make(map[string]bool)
	for _, w := range slices.Concat(m.doc.Wires, m.wires) {
		wired[w.Participant] = true
	}
	for _, p := range m.doc.Participants {
		if !wired[p.ID] {
			ids = append(ids, p.ID)
		}
	}
	return ids
}

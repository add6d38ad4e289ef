package rsmeta

import (
	"slices"
	"strings"
	"time"
)

// rename gives a participant who is here the name he is described by now. With
// another number it is another person: an SRC that transfers a call so keeps
// the id, and the stay of the one before has ended.
func (m *merge) rename(p Participant) {
	for _, i := range m.staysOf[p.ID] {
		y := &m.stays[i]
		if !y.here() {
			continue
		}
		if samePerson(y.names, p.Names) {
			y.names = p.Names
			continue
		}
		m.note("a participant has another number now: taken as another person")
		y.over(absent, m.at, time.Time{})
		m.begin(p.ID, y.session, time.Time{})
	}
}

// samePerson reports whether two descriptions can be of one person. Numbers are
// compared by their ends: one may lack the prefixes that the other has. A
// description without a number was a placeholder.
func samePerson(a, b []Name) bool {
	numbers := func(names []Name) (list []string) {
		for _, n := range names {
			if d := strings.TrimLeft(number(n.AOR), "0"); d != "" {
				list = append(list, d)
			}
		}
		return list
	}
	as, bs := numbers(a), numbers(b)
	for _, x := range as {
		for _, y := range bs {
			if strings.HasSuffix(x, y) || strings.HasSuffix(y, x) {
				return true
			}
		}
	}
	return len(as) == 0 || len(bs) == 0
}

// depart ends the stays of those who have gone: one by one, with their CS, or
// by not being in a complete document any more.
func (m *merge) depart() {
	for _, a := range m.doc.Members {
		if !a.Closed.IsZero() {
			m.left(a)
		}
	}
	for _, cs := range m.doc.Sessions {
		if !cs.Stop.IsZero() {
			m.empty(cs.ID, stated, cs.Stop)
		}
	}
	for _, a := range m.doc.SessionAssoc {
		if cs := m.find(a.Session); cs != nil {
			cs.released = !a.Closed.IsZero()
		}
		if !a.Closed.IsZero() {
			m.empty(a.Session, released, a.Closed)
		}
	}
	if m.replaces {
		m.replace()
	}
}

// left ends the stays that an association closes, in any CS if it names none
// that is known. Where the document has other periods of the same participant
// too, a stay that may be one of those goes on.
func (m *merge) left(a Member) {
	known := m.find(a.Session) != nil
	same := membership{a.Participant, a.Session}
	again, rejoined := m.open[same]
	for _, i := range m.staysOf[a.Participant] {
		y := &m.stays[i]
		switch {
		case !y.here():
		case known && y.session != a.Session && y.session != "":
		case rejoined && !y.statedJoin.Before(again.Associated):
		case m.periods[same] > 1 && !a.Closed.After(y.statedJoin):
		default:
			y.over(stated, m.at, a.Closed)
		}
	}
}

// empty ends all stays in a CS.
func (m *merge) empty(session string, why ending, stated time.Time) {
	for i := range m.stays {
		if y := &m.stays[i]; y.here() && m.in(y, session) {
			y.over(why, m.at, stated)
		}
	}
}

// in reports whether a stay is one in the given CS.
func (v *View) in(y *stay, session string) bool {
	return y.session == session || y.session == "" && len(v.sessions) == 1
}

// replace ends what a complete document does not know any more.
func (m *merge) replace() {
	for i := range m.sessions {
		m.sessions[i].dropped = len(m.doc.Sessions) > 0
	}
	for _, cs := range m.doc.Sessions {
		m.find(cs.ID).dropped = false
	}
	described := make(map[string]bool)
	for _, p := range m.doc.Participants {
		described[p.ID] = true
	}
	in := make(map[string][]string) // CSs by participant, as far as associations name them
	for _, a := range m.doc.Members {
		in[a.Participant] = append(in[a.Participant], a.Session)
	}
	for i := range m.stays {
		y := &m.stays[i]
		if !y.here() || slices.Contains(in[y.id], y.session) {
			continue
		}
		cs := m.find(y.session)
		elsewhere := y.session != "" && (strings.Join(in[y.id], "") != "" || cs != nil && cs.over())
		if !described[y.id] && len(in[y.id]) == 0 || elsewhere {
			y.over(absent, m.at, time.Time{})
		}
	}
}

// arrive opens the stays of those who have come.
func (m *merge) arrive() {
	member := make(map[string]bool)
	for _, a := range m.doc.Members {
		member[a.Participant] = true
		if _, described := m.people[a.Participant]; described {
			m.joined(a)
		}
	}
	for _, a := range m.doc.SessionAssoc {
		if a.Closed.IsZero() {
			m.resume(a)
		}
	}
	current := m.Current()
	for _, p := range m.doc.Participants {
		if !member[p.ID] {
			m.unassociated(p.ID, current)
		}
	}
}

// joined opens the stay of an association. Of somebody who had left before
// anything was heard of him it is one without length.
func (m *merge) joined(a Member) {
	cs := m.find(a.Session)
	if a.Closed.IsZero() && (cs == nil || !cs.over()) {
		m.enter(a.Participant, a.Session, a.Associated)
		return
	}
	if len(m.staysOf[a.Participant]) == 0 {
		m.begin(a.Participant, a.Session, a.Associated)
		m.stays[len(m.stays)-1].over(stated, m.at, a.Closed)
	}
}

// enter opens a stay unless there is one.
func (m *merge) enter(id, session string, associated time.Time) {
	for _, i := range m.staysOf[id] {
		y := &m.stays[i]
		if !y.here() {
			continue
		}
		if y.session == "" {
			y.session = session
		}
		if session == "" || y.session == session {
			if y.statedJoin.IsZero() {
				y.statedJoin = associated
			}
			return
		}
	}
	m.begin(id, session, associated)
}

// begin opens a stay.
func (m *merge) begin(id, session string, associated time.Time) {
	m.staysOf[id] = append(m.staysOf[id], len(m.stays))
	m.stays = append(m.stays, stay{id: id, session: session, names: m.people[id], joined: m.at, statedJoin: associated})
}

// resume takes up the stays in a CS that the RS had let go.
func (m *merge) resume(a SessionAssoc) {
	for i, n := 0, len(m.stays); i < n; i++ {
		if y := &m.stays[i]; y.end == released && m.in(y, a.Session) {
			y.end = stated
			m.enter(y.id, y.session, a.Associated)
		}
	}
}

// unassociated takes in a participant whom no association ties to a CS. One who
// is new has come; so has one who had only gone missing, or who is described
// for another CS by an SRC that sends no associations.
func (m *merge) unassociated(id string, current []Session) {
	session := ""
	if len(current) == 1 {
		session = current[0].ID
	}
	mine := m.staysOf[id]
	if len(mine) == 0 {
		m.begin(id, session, time.Time{})
		if len(m.doc.Sessions) > 0 && len(current) == 0 {
			m.stays[len(m.stays)-1].over(stated, m.at, time.Time{})
		}
		return
	}
	last := &m.stays[mine[len(mine)-1]]
	switch {
	case last.here():
		if last.session == "" {
			last.session = session
		}
	case last.end == absent && (len(current) > 0 || len(m.sessions) == 0),
		len(m.doc.Members) == 0 && session != "" && session != last.session:
		m.enter(id, session, time.Time{})
	}
}

package rsmeta

import (
	"slices"
	"time"
)

// View is the metadata of one RS as it stands after all documents so far,
// with its history. Its zero value is an empty view. It is not safe for
// concurrent use.
type View struct {
	NeedSnapshot bool // a partial arrived that had no base (RFC 7866 section 9.2)

	based    bool      // a complete document came
	latest   time.Time // arrival of the newest document
	sessions []course
	session  map[string]int    // its place in sessions, by id
	people   map[string][]Name // of every participant described, by id
	stays    []stay            // in order of arrival
	staysOf  map[string][]int  // their places in stays, by participant
	streams  []Stream
	stream   map[string]int // its place in streams, by key
	wires    []Wire         // the newest of each participant
	wireOf   map[string]int // its place in wires, by participant
	lines    []line
	wired    bool // an association has led to a line: order means nothing any more
}

// Party is a participant in a view: who, from when to when.
type Party struct {
	ID           string
	AOR          string // the most useful of its AoRs, trimmed
	AORs         []string
	Name         string
	Session      string
	Joined, Left time.Time // arrival times of the documents that said so; zero Left: still here
	StatedJoin   time.Time // the SRC's own time, as stated; zero when absent
	StatedLeave  time.Time
	Sends, Recvs []string // labels of the RS's SDP it sends and receives now
}

// course is a CS and what became of it.
type course struct {
	Session
	released bool // the RS let it go (RFC 7865 section 6.4)
	dropped  bool // the newest complete document does not know it
}

func (c *course) over() bool { return !c.Stop.IsZero() || c.released || c.dropped }

// stay is a participant in a CS, from when to when. session is empty until a
// document names it.
type stay struct {
	id, session  string
	names        []Name
	joined, left time.Time // arrival of the documents that said so
	statedJoin   time.Time
	statedLeave  time.Time
	end          ending
}

// ending is why a stay is over.
type ending int

const (
	here     ending = iota
	stated          // a document says so
	released        // the RS let the CS go
	absent          // a complete document does not know the participant any more
)

func (y *stay) here() bool { return y.end == here }

func (y *stay) over(why ending, at, stated time.Time) {
	y.end, y.left, y.statedLeave = why, at, stated
}

// Parties returns every participant seen so far, in order of joining, present
// ones and those who left. One who left and came back appears twice, and so
// does one who is in two CSs.
func (v *View) Parties() []Party {
	var list []Party
	sends := make(map[string][]string) // labels, by participant
	for _, l := range v.lines {
		for _, id := range l.senders {
			sends[id] = append(sends[id], l.label)
		}
	}
	for i := range v.stays {
		y := &v.stays[i]
		p := Party{
			ID: y.id, Session: y.session, Joined: y.joined, Left: y.left,
			StatedJoin: y.statedJoin, StatedLeave: y.statedLeave,
		}
		for _, n := range y.names {
			p.AORs = append(p.AORs, n.AOR)
			if p.Name == "" {
				p.Name = n.Display
			}
		}
		p.AOR = best(p.AORs)
		if y.here() {
			p.Sends, p.Recvs = slices.Clone(sends[y.id]), v.receives(y.id)
		}
		list = append(list, p)
	}
	return list
}

// best prefers an address with a number in it.
func best(aors []string) string {
	for _, a := range aors {
		if number(a) != "" {
			return a
		}
	}
	if len(aors) > 0 {
		return aors[0]
	}
	return ""
}

// number returns the digits of an address's user part.
func number(aor string) string {
	var digits []byte
	for _, c := range []byte(aor) {
		if c >= '0' && c <= '9' {
			digits = append(digits, c)
		}
		if c == '@' || c == ';' {
			break
		}
	}
	return string(digits)
}

// Sessions returns the CSs seen so far; one with a Stop is over.
func (v *View) Sessions() []Session {
	return v.sessionsThat(func(*course) bool { return true })
}

// Current returns the CSs that go on now.
func (v *View) Current() []Session {
	return v.sessionsThat(func(c *course) bool { return !c.over() })
}

func (v *View) sessionsThat(are func(*course) bool) (list []Session) {
	for i := range v.sessions {
		if c := &v.sessions[i]; are(c) {
			list = append(list, c.Session)
		}
	}
	return list
}

// find returns a CS, nil when it is not known.
func (v *View) find(session string) *course {
	if i, found := v.session[session]; found {
		return &v.sessions[i]
	}
	return nil
}

// present reports whether a participant is here, in whatever CS.
func (v *View) present(id string) bool {
	return slices.ContainsFunc(v.staysOf[id], func(i int) bool { return v.stays[i].here() })
}

// everybody returns the ids of those who are here, in order of joining.
func (v *View) everybody() (ids []string) {
	seen := make(map[string]bool)
	for _, y := range v.stays {
		if y.here() && !seen[y.id] {
			seen[y.id] = true
			ids = append(ids, y.id)
		}
	}
	return ids
}

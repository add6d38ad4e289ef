package recorder

import (
	"slices"
	"time"

	"siprecd/sip/rsmeta"
)

// deal gives every line to the recordings that it is of: of a single one all
// are; where there are several, those whose CS claims it.
func (c *Call) deal(at time.Time) {
	claims := c.claims()
	for i := range c.lines {
		for _, rec := range c.recordings {
			rec.give(i, slices.Contains(claims[i], rec), at)
		}
	}
}

// give makes the line the recording's, or takes it away.
func (rec *recording) give(index int, has bool, at time.Time) {
	as := slices.IndexFunc(rec.lines, func(x recordedLine) bool { return x.index == index })
	switch {
	case as < 0 && has:
		rec.lines = append(rec.lines, recordedLine{index: index, has: true})
	case as >= 0 && has:
		rec.lines[as].has = true
	case as >= 0 && rec.lines[as].has:
		rec.lines[as].has = false
		rec.lines[as].letGo(rec.clock(at), func(int) bool { return true })
		rec.track.Leave(as, at.UnixNano())
	}
}

// claims are the recordings of each line.
func (c *Call) claims() [][]*recording {
	claims := make([][]*recording, len(c.lines))
	if !c.several {
		for i := range claims {
			claims[i] = c.recordings
		}
		return claims
	}
	for i := range claims {
		claims[i] = c.claimed(i)
	}
	for _, rec := range c.recordings {
		rec.claimByMembers(claims)
	}
	for i := range claims {
		l := &c.lines[i]
		switch {
		case len(claims[i]) == 0:
			claims[i] = c.unclaimed(l, claims)
		case len(claims[i]) > 1:
			c.note("line %d carries %d communication sessions at once: it is on the recording of each", i, len(claims[i]))
			l.orphaned = false
		default:
			l.orphaned = false
		}
	}
	return claims
}

// claimed returns the recordings whose CS a line's streams name, and those whose
// CS alone has somebody who sends it. That somebody sent it in a CS that has ended
// makes it no line of another one that he is in.
func (c *Call) claimed(index int) (by []*recording) {
	sessions, owners := c.view.Streamed(index), c.view.Owners(index)
	if c.recorded(index) || c.lines[index].orphaned {
		owners = c.view.Senders(index)
	}
	in := make(map[string][]string) // the CSs of each of the owners
	for _, p := range c.view.Parties() {
		if p.Left.IsZero() && p.Session != "" && slices.Contains(owners, p.ID) {
			in[p.ID] = append(in[p.ID], p.Session)
		}
	}
	for _, rec := range c.recordings {
		ofIt := func(cs string) bool { return slices.Contains(rec.of.sessions, cs) }
		alone := slices.ContainsFunc(owners, func(id string) bool {
			return len(in[id]) > 0 && !slices.ContainsFunc(in[id], func(cs string) bool { return !ofIt(cs) })
		})
		if rec.of.goesOn(c.view.Current()) && (slices.ContainsFunc(sessions, ofIt) || alone) {
			by = append(by, rec)
		}
	}
	return by
}

// claimByMembers gives a recording that claims no line those that the members of
// its CS send: streams need not say of which CS they are (RFC 7865 section
// 6.7.2), nor all of those whose voices are in them.
func (rec *recording) claimByMembers(claims [][]*recording) {
	if slices.ContainsFunc(claims, func(by []*recording) bool { return slices.Contains(by, rec) }) {
		return
	}
	for _, p := range rec.present() {
		for i := range claims {
			if p.Session != "" && slices.Contains(rec.rs.view.Owners(i), p.ID) && !slices.Contains(claims[i], rec) {
				claims[i] = append(claims[i], rec)
			}
		}
	}
}

// unclaimed returns whose a line is that no CS claims: whose it was; else all
// that go on, for no fault of the metadata costs the audio. The line of a recording
// that has ended is that of one which has none, or nobody's.
func (c *Call) unclaimed(l *line, claims [][]*recording) []*recording {
	var before []*recording
	for _, rec := range c.recordings {
		if rec.has(l.index) {
			before = append(before, rec)
		}
	}
	if len(before) > 0 || len(l.codecs) == 0 {
		return before
	}
	if l.orphaned {
		return slices.DeleteFunc(slices.Clone(c.recordings), func(rec *recording) bool {
			return slices.ContainsFunc(rec.lines, func(x recordedLine) bool { return x.has }) ||
				slices.ContainsFunc(claims, func(by []*recording) bool { return slices.Contains(by, rec) })
		})
	}
	if len(c.recordings) > 1 {
		c.note("no communication session claims line %d: it is on the recording of each of %d", l.index, len(c.recordings))
	}
	return c.recordings
}

// parties are those of the recording's CS, whoever has left too. One whom no
// association ties to a CS is in those whose lines he sends, or in all.
func (rec *recording) parties() []rsmeta.Party {
	c := rec.rs
	return slices.DeleteFunc(c.view.Parties(), func(p rsmeta.Party) bool {
		if !c.several || slices.Contains(rec.of.sessions, p.Session) {
			return false
		}
		if p.Session != "" {
			return true
		}
		elsewhere := false
		for i := range c.lines {
			if slices.Contains(c.view.Owners(i), p.ID) {
				if rec.has(i) {
					return false
				}
				elsewhere = true
			}
		}
		return elsewhere
	})
}

// labelled returns those of labels that lines of the recording have.
func (rec *recording) labelled(labels []string) []string {
	if !rec.rs.several {
		return labels
	}
	return slices.DeleteFunc(slices.Clone(labels), func(label string) bool {
		return !slices.ContainsFunc(rec.lines, func(x recordedLine) bool {
			return x.has && rec.rs.lines[x.index].offered.Label == label
		})
	})
}

// foreign reports whether an id is of a CS, or of somebody, on another recording
// of the RS.
func (rec *recording) foreign(id string) bool {
	if id == "" || !rec.rs.several || slices.Contains(rec.of.sessions, id) {
		return false
	}
	named := func(p rsmeta.Party) bool { return p.ID == id }
	cs := slices.ContainsFunc(rec.rs.view.Sessions(), func(cs rsmeta.Session) bool { return cs.ID == id })
	return cs || slices.ContainsFunc(rec.rs.view.Parties(), named) && !slices.ContainsFunc(rec.parties(), named)
}

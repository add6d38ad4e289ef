package rsmeta

import (
	"slices"
	"time"
)

// Forget drops who left before a time, and the CSs that were over and have
// nobody left. An RS may stay open for weeks and carry a CS a minute (RFC 7866
// section 10); whoever keeps the history elsewhere says when it is done with.
// What goes on is not changed by it.
func (v *View) Forget(before time.Time) {
	v.stays = slices.DeleteFunc(v.stays, func(y stay) bool { return !y.here() && y.left.Before(before) })
	clear(v.staysOf)
	inUse := make(map[string]bool)
	for i, y := range v.stays {
		v.staysOf[y.id] = append(v.staysOf[y.id], i)
		inUse[y.session] = true
	}
	gone := make(map[string]bool)
	v.sessions = slices.DeleteFunc(v.sessions, func(c course) bool {
		gone[c.ID] = c.over() && !inUse[c.ID]
		return gone[c.ID]
	})
	clear(v.session)
	for i, c := range v.sessions {
		v.session[c.ID] = i
	}
	for id := range v.people {
		if len(v.staysOf[id]) == 0 {
			delete(v.people, id)
		}
	}
	v.wires = slices.DeleteFunc(v.wires, func(w Wire) bool { return len(v.staysOf[w.Participant]) == 0 })
	clear(v.wireOf)
	wired := make(map[string]bool)
	for i, w := range v.wires {
		v.wireOf[w.Participant] = i
		for _, stream := range slices.Concat(w.Send, w.Recv) {
			wired[stream] = true
		}
	}
	v.streams = slices.DeleteFunc(v.streams, func(st Stream) bool { return gone[st.Session] && !wired[st.ID] })
	clear(v.stream)
	for i, st := range v.streams {
		v.stream[st.key()] = i
	}
}

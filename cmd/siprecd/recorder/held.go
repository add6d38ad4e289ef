package recorder

import (
	"slices"
	"time"

	"siprecd/media"
	"siprecd/sip/rsmeta"
	"siprecd/store"
)

// holding is a stretch of time in which a participant sends a line.
type holding struct {
	store.Holder
	id     string    // of the participant
	joined time.Time // tells a stay from the next one under the same id
	over   bool
}

// Of each line so many stretches are kept.
const holdingsMost = 1000

// hold enters who sends the line from at on. Someone described anew, in the
// same stay or under the same address, goes on.
func (x *recordedLine) hold(senders []rsmeta.Party, at float64) {
	still := make([]bool, len(x.holdings), len(x.holdings)+len(senders))
	for _, p := range senders {
		i := slices.IndexFunc(x.holdings, func(h holding) bool {
			return !h.over && (h.id == p.ID && h.joined.Equal(p.Joined) || h.Participant == p.AOR)
		})
		if i < 0 {
			if len(x.holdings) == holdingsMost {
				continue
			}
			i = len(x.holdings)
			x.holdings = append(x.holdings, holding{Holder: store.Holder{From: at}})
			still = append(still, true)
		}
		h := &x.holdings[i]
		h.Participant, h.id, h.joined, still[i] = p.AOR, p.ID, p.Joined, true
	}
	x.letGo(at, func(i int) bool { return !still[i] })
}

// letGo ends the stretches that are to end at at. One without length never was.
func (x *recordedLine) letGo(at float64, ends func(i int) bool) {
	for i := range x.holdings {
		if h := &x.holdings[i]; !h.over && ends(i) {
			h.over, h.To = true, at
		}
	}
	x.holdings = slices.DeleteFunc(x.holdings, func(h holding) bool { return h.over && h.To <= h.From })
}

// heldBy is what the row says of who sends the line.
func (x *recordedLine) heldBy() []store.Holder {
	var list []store.Holder
	for _, h := range x.holdings {
		list = append(list, h.Holder)
	}
	return list
}

// sending returns the participants who send line l now: on hold nobody does.
func (rec *recording) sending(l *line) []rsmeta.Party {
	c, ids := rec.rs, rec.senders(l)
	if c.understood || len(c.view.Owners(l.index)) > 0 {
		ids = c.view.Senders(l.index)
	}
	return slices.DeleteFunc(rec.present(), func(p rsmeta.Party) bool { return !slices.Contains(ids, p.ID) })
}

// letGo ends all stretches: the recording ends at at.
func (rec *recording) letGo(at time.Time) {
	end := rec.clock(at)
	rec.mu.Lock()
	defer rec.mu.Unlock()
	for as := range rec.lines {
		rec.lines[as].letGo(end, func(int) bool { return true })
		if as < len(rec.row.Streams) {
			rec.row.Streams[as].HeldBy = rec.lines[as].heldBy()
		}
	}
}

// bySide says of each stretch on which channel it is heard, and divides it where
// that changes. What it divided before it puts together again.
func bySide(held []store.Holder, sides []media.Side, channels int) (divided []store.Holder) {
	for i := 0; i < len(held); i++ {
		whole := held[i]
		for i+1 < len(held) && held[i+1].Participant == whole.Participant && held[i+1].From == whole.To {
			i++
			whole.To = held[i].To
		}
		for _, s := range sides {
			part := whole
			part.From, part.To = max(whole.From, round(s.Start, 1000)), min(whole.To, round(s.End, 1000))
			if part.From < part.To {
				part.Channel = channel(channels, s.Channel)
				divided = append(divided, part)
			}
		}
	}
	return divided
}

// letGo ends in the row of an interrupted recording what was going on.
func letGo(row *store.Row) {
	for i := range row.Streams {
		for j := range row.Streams[i].HeldBy {
			if h := &row.Streams[i].HeldBy[j]; h.To == 0 {
				h.To = max(h.From, row.Duration)
			}
		}
	}
}

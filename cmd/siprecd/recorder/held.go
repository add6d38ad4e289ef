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
func (l *line) hold(senders []rsmeta.Party, at float64) {
	still := make([]bool, len(l.holdings), len(l.holdings)+len(senders))
	for _, p := range senders {
		i := slices.IndexFunc(l.holdings, func(h holding) bool {
			return !h.over && (h.id == p.ID && h.joined.Equal(p.Joined) || h.Participant == p.AOR)
		})
		if i < 0 {
			if len(l.holdings) == holdingsMost {
				continue
			}
			i = len(l.holdings)
			l.holdings = append(l.holdings, holding{Holder: store.Holder{From: at}})
			still = append(still, true)
		}
		h := &l.holdings[i]
		h.Participant, h.id, h.joined, still[i] = p.AOR, p.ID, p.Joined, true
	}
	l.letGo(at, func(i int) bool { return !still[i] })
}

// letGo ends the stretches that are to end at at. One without length never was.
func (l *line) letGo(at float64, ends func(i int) bool) {
	for i := range l.holdings {
		if h := &l.holdings[i]; !h.over && ends(i) {
			h.over, h.To = true, at
		}
	}
	l.holdings = slices.DeleteFunc(l.holdings, func(h holding) bool { return h.over && h.To <= h.From })
}

// heldBy is what the row says of who sends the line.
func (l *line) heldBy() []store.Holder {
	var list []store.Holder
	for _, h := range l.holdings {
		list = append(list, h.Holder)
	}
	return list
}

// sending returns the participants who send line l now: on hold nobody does.
func (c *Call) sending(l *line) []rsmeta.Party {
	ids := c.senders(l)
	if c.understood || len(c.view.Owners(l.index)) > 0 {
		ids = c.view.Senders(l.index)
	}
	return slices.DeleteFunc(c.present(), func(p rsmeta.Party) bool { return !slices.Contains(ids, p.ID) })
}

// letGo ends all stretches: the recording ends at at.
func (c *Call) letGo(at time.Time) {
	end := seconds(at.Sub(c.start))
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.lines {
		c.lines[i].letGo(end, func(int) bool { return true })
		if i < len(c.row.Streams) {
			c.row.Streams[i].HeldBy = c.lines[i].heldBy()
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

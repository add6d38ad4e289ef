package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// DefaultDays is how long the regulation keeps a recording (article 8).
const DefaultDays = 90

// Dies returns the date, 2006-01-02 in zone, from whose first moment on a
// recording that ended at end is dead: the day of its end is not counted, it
// lives through the days-th day after it.
func Dies(end time.Time, days int, zone *time.Location) string {
	y, m, d := end.In(zone).Date()
	return time.Date(y, m, d+days+1, 12, 0, 0, 0, time.UTC).Format(time.DateOnly)
}

// Clock is what is known about the time when a night's destruction is decided.
// Destruction cannot be taken back, so a clock that merely says it is late
// proves nothing.
type Clock struct {
	Wall      time.Time // what this machine says
	Zone      *time.Location
	Newest    time.Time     // of the ledger's newest leaf; zero: none
	Ran       time.Duration // monotonic running time since the last destruction, or since the start
	Jumped    time.Duration // by how much it moved on beyond running time since it was last believed
	Away      time.Duration // nothing ran for so long by it before the start, unless it was believed since; it may be a jump
	Proofs    []Proof       // clocks that are not this machine's, one reading of each
	Confirmed string        // an administrator confirmed the plan through this day; "": nobody did
}

// Proof is another clock's reading. What could be written by whoever pleases is
// none: two of them that agree let everything die that is due.
type Proof struct {
	Name  string        // "ntp", "src sbc-1", "witness"
	Error time.Duration // by how much this machine is ahead of it
}

// Agrees reports whether that clock says what this machine's does.
func (p Proof) Agrees() bool { return p.Error.Abs() <= agreement }

// String says what the clock says.
func (p Proof) String() string {
	by := p.Error.Abs().Round(time.Second)
	switch {
	case p.Agrees():
		return p.Name + " agrees"
	case p.Error > 0:
		return fmt.Sprintf("%s is %v behind this machine's clock", p.Name, by)
	}
	return fmt.Sprintf("%s is %v ahead of this machine's clock", p.Name, by)
}

// Proved reports whether the other clocks prove this machine's: two that agree,
// and more of them than of those that do not.
func (c Clock) Proved() bool {
	agree, against := c.count()
	return agree >= 2 && agree > len(against)
}

func (c Clock) count() (agree int, against []string) {
	for _, p := range c.Proofs {
		if p.Agrees() {
			agree++
		} else {
			against = append(against, p.String())
		}
	}
	return agree, against
}

const (
	// agreement is how far two clocks may be apart and still agree.
	agreement = 10 * time.Minute
	// perDay is the running time that lets one day die without proof: a clock
	// that jumps by a year then costs one day a day, and is noticed.
	perDay = 20 * time.Hour
	// backwards is how far the clock may be behind the ledger.
	backwards = time.Minute
)

// Night is what one night does.
type Night struct {
	Destroy []string // days, oldest first
	Wait    []string // days that are due and stay, oldest first
	Why     string   // they stay; also why the clock is in doubt though nothing waits
	Doubt   bool     // the clock is in doubt: an alarm
}

// PlanNight decides which of the days (2006-01-02) that have keys die now.
// Missed nights are made up in order. When in doubt it keeps:
//
//	the clock is behind the ledger         nothing dies, whoever agrees
//	two others agree, fewer do not         all that is due
//	another says otherwise, or the clock   nothing
//	jumped, or may have while away
//	else                                   one day for each 20 h of running
//
// but for what an administrator confirmed. So one false clock keeps what is due,
// which is an alarm, and lets nothing die.
func PlanNight(days []string, c Clock) Night {
	today := c.Wall.In(c.Zone).Format(time.DateOnly)
	var due []string
	for _, d := range days {
		if d <= today {
			due = append(due, d)
		}
	}
	slices.Sort(due)
	n := Night{}
	if c.Wall.Before(c.Newest.Add(-backwards)) {
		n.Why = fmt.Sprintf("the clock says %s, the ledger's newest entry is of %s: the clock went back", stamp(c.Wall), stamp(c.Newest))
		n.Doubt, n.Wait = true, due
		return n
	}
	why := c.suspicion()
	switch {
	case c.Proved():
		n.Destroy = due
	case why != "":
		n.Doubt = true
		n.confirmed(due, c, why)
	case c.Away > perDay && len(due) > 0:
		n.confirmed(due, c, fmt.Sprintf("by this machine's clock nothing ran for %v before the start, or it jumped ahead, and no two other clocks agree with it", c.Away.Round(time.Second)))
		n.Doubt = len(n.Wait) > 0
	case c.Ran >= perDay && len(due) > 0:
		n.confirmed(due[1:], c, "no two other clocks agree with this machine's: one day dies for each 20 hours of running time")
		n.Destroy = slices.Concat(due[:1], n.Destroy)
	default:
		n.confirmed(due, c, "no two other clocks agree with this machine's, and it has not run for 20 hours since the last time")
	}
	n.Doubt = n.Doubt || len(n.Wait) > 1
	return n
}

// suspicion says what speaks against the clock whatever is due; "" nothing.
func (c Clock) suspicion() string {
	_, against := c.count()
	switch {
	case len(against) > 0:
		return strings.Join(against, ", ")
	case c.Jumped > agreement:
		return fmt.Sprintf("this machine's clock jumped ahead by %v, and no two other clocks agree with it", c.Jumped.Round(time.Second))
	}
	return ""
}

// confirmed lets those of due die that an administrator named; the others
// wait.
func (n *Night) confirmed(due []string, c Clock, why string) {
	n.Destroy, n.Wait = nil, nil
	for _, d := range due {
		if d <= c.Confirmed {
			n.Destroy = append(n.Destroy, d)
		} else {
			n.Wait = append(n.Wait, d)
		}
	}
	if len(n.Wait) > 0 || n.Doubt {
		n.Why = why
	}
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

package policy

import (
	"cmp"
	"fmt"
	"slices"
)

// Directions of a call, as seen from our own party.
const (
	DirectionIn       = "in"
	DirectionOut      = "out"
	DirectionInternal = "internal"
	DirectionUnknown  = "unknown"
)

// candidate is a party with its number in comparable form.
type candidate struct {
	Party
	index  int
	number string
	rule   Rule
	ours   bool
	// sure: by [site] numbers or by a line, not by a guess.
	sure bool
}

// Decide takes the decision for a call.
func (r *Rules) Decide(f Facts) Decision {
	parties := r.candidates(f)
	if ours := choose(parties, func(c candidate) bool { return c.ours }); len(ours) > 0 {
		return r.decideFor(ours, parties, f)
	}
	if f.Previous != "" && r.Ours(f.Previous) {
		return Decision{
			Mode: Off, Direction: DirectionUnknown, Why: "nobody of ours is left",
			Other: firstNumber(parties), Start: r.site.Start, Stop: r.site.Stop,
			By: Origin{File: "transfer"}, Known: !incomplete(parties),
		}
	}
	if len(r.numbers) > 0 && !incomplete(parties) {
		return Decision{
			Mode: Off, Direction: DirectionUnknown, Why: "no party of this call is one of the [site] numbers",
			Other: firstNumber(parties), Start: r.site.Start, Stop: r.site.Stop,
			By: Origin{File: "[site] numbers"}, Known: true,
		}
	}
	return r.guess(parties, f)
}

// candidates normalises the parties and marks the ones that are ours.
func (r *Rules) candidates(f Facts) []candidate {
	parties := make([]candidate, len(f.Parties))
	previous := Normalize(f.Previous, r.site.CountryCode)
	anySure := false
	for i, p := range f.Parties {
		number := Normalize(p.AOR, r.site.CountryCode)
		sure := number != "" && r.ours(number)
		anySure = anySure || sure
		parties[i] = candidate{Party: p, index: i, number: number, ours: sure, sure: sure, rule: r.Match(number)}
	}
	if anySure || len(r.numbers) > 0 || previous == "" {
		return parties
	}
	// Nothing tells but that the call was decided for this number before.
	for i := range parties {
		parties[i].ours = parties[i].number == previous
	}
	return parties
}

// decideFor decides for a call with at least one party of ours: the strictest
// line wins, of equal ones the caller's, then the first in order.
func (r *Rules) decideFor(ours, parties []candidate, f Facts) Decision {
	ours = slices.Clone(ours)
	slices.SortStableFunc(ours, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(b.rule.Mode, a.rule.Mode), byFlag(b.Caller, a.Caller))
	})
	chosen := ours[0]
	d := r.decision(chosen, parties)
	for _, c := range parties {
		if c.ours {
			d.Ours = append(d.Ours, c.index)
		}
	}
	others := choose(ours, func(c candidate) bool { return c.number != chosen.number })
	d.Why = r.why(chosen)
	if len(others) == 0 {
		return d
	}
	equal := choose(others, func(c candidate) bool { return c.rule.Mode == chosen.rule.Mode })
	switch {
	case len(equal) == 0:
		d.Why += fmt.Sprintf("; stricter than %s, which is %s by %s", others[0].number, others[0].rule.Mode, others[0].rule.Origin)
	case !chosen.Caller:
		d.Notes = append(d.Notes, fmt.Sprintf("several parties are ours and none is known as the caller: %s taken by label order", chosen.number))
	}
	return d
}

// guess decides when nothing says who is ours: by the default, for the first
// party in label order.
func (r *Rules) guess(parties []candidate, f Facts) Decision {
	known := choose(parties, func(c candidate) bool { return !isPlaceholder(c.number) })
	if !r.listed && len(r.numbers) == 0 {
		known = choose(parties, func(c candidate) bool { return c.number != "" }) // any name is as good
	}
	var first candidate
	switch {
	case len(known) > 0:
		first = known[0]
	case len(parties) > 0:
		first = parties[0]
	}
	first.rule = r.site.Default
	d := r.decision(first, parties)
	d.Why = r.why(first)
	if len(parties) > 0 {
		d.Ours = []int{first.index}
	}
	// Without any line the answer cannot change, whoever they prove to be.
	d.Known = !r.listed && len(r.numbers) == 0 || !incomplete(parties)
	switch {
	case len(parties) == 0:
		d.Notes = append(d.Notes, "no party is named: the default applies")
	case !d.Known:
		d.Notes = append(d.Notes, "the parties are not named yet: the default applies until they are")
	case len(parties) > 1:
		d.Notes = append(d.Notes, fmt.Sprintf("nothing says which party is ours: %s taken by label order; [site] numbers would tell", nameless(first.number)))
	}
	if f.Previous != "" && d.Known {
		d.Notes = append(d.Notes, fmt.Sprintf("%s, decided before, is gone", f.Previous))
	}
	return d
}

// decision fills in what follows from the chosen party alone.
func (r *Rules) decision(chosen candidate, parties []candidate) Decision {
	d := Decision{
		Mode: chosen.rule.Mode, Extension: chosen.number,
		Start: cmp.Or(chosen.rule.Start, r.site.Start),
		Stop:  cmp.Or(chosen.rule.Stop, r.site.Stop),
		By:    chosen.rule.Origin, Known: true,
	}
	outside := choose(parties, func(c candidate) bool { return !c.ours && c.number != chosen.number })
	inside := choose(parties, func(c candidate) bool { return c.ours && c.number != chosen.number })
	switch {
	case len(outside) > 0:
		d.Other = outside[0].number
		d.Direction = direction(chosen, outside)
	case len(inside) > 0:
		d.Other = inside[0].number
		d.Direction = DirectionInternal
	default:
		d.Direction = direction(chosen, nil)
	}
	return d
}

// direction is out when ours placed the call, in when it was called; what one
// side is not, the other is.
func direction(ours candidate, others []candidate) string {
	calls := slices.ContainsFunc(others, func(c candidate) bool { return c.Caller })
	called := slices.ContainsFunc(others, func(c candidate) bool { return c.Callee })
	switch {
	case ours.Caller && !ours.Callee, !ours.Callee && called && !calls:
		return DirectionOut
	case ours.Callee && !ours.Caller, !ours.Caller && calls && !called:
		return DirectionIn
	}
	return DirectionUnknown
}

// why is the sentence that is shown for a decision.
func (r *Rules) why(chosen candidate) string {
	rule, number := chosen.rule, nameless(chosen.number)
	switch {
	case rule.Origin == r.site.Default.Origin && rule.Pattern == r.site.Default.Pattern:
		if rule.Origin.Line == 0 {
			return fmt.Sprintf("no line names %s: %s by the built-in default", number, rule.Mode)
		}
		return fmt.Sprintf("no line names %s: %s by [default] (%s)", number, rule.Mode, rule.Origin)
	case rule.Pattern == chosen.number:
		return fmt.Sprintf("%s is %s by %s", number, rule.Mode, rule.Origin)
	}
	return fmt.Sprintf("%s is %s by %s (%s)", number, rule.Mode, rule.Origin, rule.Pattern)
}

// incomplete reports whether somebody of ours may still be missing.
func incomplete(parties []candidate) bool {
	return len(parties) < 2 || slices.ContainsFunc(parties, func(c candidate) bool { return !c.ours && isPlaceholder(c.number) })
}

func choose(all []candidate, keep func(candidate) bool) []candidate {
	var some []candidate
	for _, c := range all {
		if keep(c) {
			some = append(some, c)
		}
	}
	return some
}

// byFlag orders false before true.
func byFlag(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

func firstNumber(parties []candidate) string {
	if len(parties) == 0 {
		return ""
	}
	return parties[0].number
}

func nameless(number string) string { return cmp.Or(number, "a party without a number") }

package policy

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Rules is an immutable, checked set of rules.
type Rules struct {
	site    Site
	numbers []pattern // of Site.Numbers
	listed  bool      // there is at least one rule
	exact   map[string]Rule
	// ranges of one size and digit count do not overlap (that is a tie), so
	// each group answers by binary search; the smaller sizes come first.
	ranges   map[int][]rangeGroup // by digit count
	prefixes map[string]Rule
	longest  int // of prefixes
}

type rangeGroup struct {
	size    uint64
	members []rangeRule // by lo
}

type rangeRule struct {
	pattern
	Rule
}

// Conflict is a pair of lines that match the same number.
type Conflict struct {
	Winner, Loser Rule
	Tie           bool // neither is more exact: an error
	Partial       bool // the winner is no exception from the loser: it also matches numbers that the loser does not
}

// MaxConflicts bounds how many overlaps New lists; ties come first.
const MaxConflicts = 10_000

// ErrTie is returned by New when two rules of equal rank match one number.
var ErrTie = errors.New("two lines of equal rank match the same number")

// New compiles rules. It returns the overlaps it found, by line of the winner,
// at most MaxConflicts. The error is ErrTie or joins one *PatternError for each
// bad pattern; there are no Rules then.
func New(site Site, rules []Rule) (*Rules, []Conflict, error) {
	if site.Start == "" {
		site.Start = "*1"
	}
	if site.Stop == "" {
		site.Stop = "*2"
	}
	r := &Rules{
		site:     site,
		listed:   len(rules) > 0,
		exact:    make(map[string]Rule),
		ranges:   make(map[int][]rangeGroup),
		prefixes: make(map[string]Rule),
	}
	var faults []error
	for _, n := range site.Numbers {
		p, err := compile(n, site.CountryCode)
		if err != nil {
			faults = append(faults, fmt.Errorf("[site] numbers: %w", err))
		}
		r.numbers = append(r.numbers, p)
	}
	ties, err := r.add(rules)
	if err := errors.Join(append(faults, err)...); err != nil {
		return nil, nil, err
	}
	conflicts := append(ties, r.overlaps(MaxConflicts-len(ties))...)
	slices.SortStableFunc(conflicts, byLine)
	if len(ties) > 0 {
		return nil, conflicts, ErrTie
	}
	return r, conflicts, nil
}

// add sorts the rules into their tables. Of two equal ones the first stays.
func (r *Rules) add(rules []Rule) (ties []Conflict, err error) {
	var faults []error
	tie := func(winner, loser Rule) {
		if len(ties) < MaxConflicts {
			ties = append(ties, Conflict{Winner: winner, Loser: loser, Tie: true})
		}
	}
	type shape struct {
		digits int
		size   uint64
	}
	groups := make(map[shape][]rangeRule)
	for _, rule := range rules {
		p, err := compile(rule.Pattern, r.site.CountryCode)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		table := r.exact
		switch p.kind {
		case numberRange:
			s := shape{p.digits, p.size()}
			groups[s] = append(groups[s], rangeRule{p, rule})
			continue
		case prefix:
			table = r.prefixes
			r.longest = max(r.longest, len(p.text))
		}
		if first, taken := table[p.text]; taken {
			tie(first, rule)
			continue
		}
		table[p.text] = rule
	}
	for s, members := range groups {
		slices.SortStableFunc(members, func(a, b rangeRule) int { return cmp.Compare(a.lo, b.lo) })
		for i := 1; i < len(members); i++ {
			if members[i].lo <= members[i-1].hi {
				tie(members[i-1].Rule, members[i].Rule)
			}
		}
		r.ranges[s.digits] = append(r.ranges[s.digits], rangeGroup{s.size, members})
	}
	for _, of := range r.ranges {
		slices.SortFunc(of, func(a, b rangeGroup) int { return cmp.Compare(a.size, b.size) })
	}
	return ties, errors.Join(faults...)
}

// overlaps lists pairs of different rank that match one number, at most limit.
func (r *Rules) overlaps(limit int) []Conflict {
	var found []Conflict
	prefixes := slices.Sorted(maps.Keys(r.prefixes))
	pair := func(winner, loser Rule) bool {
		if len(found) < limit {
			found = append(found, Conflict{Winner: winner, Loser: loser, Partial: !r.within(winner, loser)})
		}
		return len(found) < limit
	}
	for _, number := range slices.Sorted(maps.Keys(r.exact)) {
		if n, ok := parseDigits(number); ok {
			for _, g := range r.ranges[len(number)] {
				for _, m := range g.between(n, n) {
					pair(r.exact[number], m.Rule)
				}
			}
		}
		if !r.pairPrefixesOf(number, r.exact[number], pair) {
			return found
		}
	}
	for _, digits := range slices.Sorted(maps.Keys(r.ranges)) {
		for i, g := range r.ranges[digits] {
			for _, m := range g.members {
				if !r.pairRange(m, r.ranges[digits][i+1:], prefixes, pair) {
					return found
				}
			}
		}
	}
	for _, p := range prefixes {
		if !r.pairPrefixesOf(p[:len(p)-1], r.prefixes[p], pair) {
			return found
		}
	}
	return found
}

// within reports whether the loser matches every number the winner does. Both
// are good patterns and the winner is the more exact.
func (r *Rules) within(winner, loser Rule) bool {
	w, _ := compile(winner.Pattern, r.site.CountryCode)
	l, _ := compile(loser.Pattern, r.site.CountryCode)
	if w.kind != numberRange {
		return true
	}
	return l.matches(fmt.Sprintf("%0*d", w.digits, w.lo)) && l.matches(fmt.Sprintf("%0*d", w.digits, w.hi))
}

// pairRange pairs a range with the larger ranges and the prefixes it touches.
func (r *Rules) pairRange(m rangeRule, larger []rangeGroup, prefixes []string, pair func(winner, loser Rule) bool) bool {
	for _, g := range larger {
		for _, other := range g.between(m.lo, m.hi) {
			if !pair(m.Rule, other.Rule) {
				return false
			}
		}
	}
	first := fmt.Sprintf("%0*d", m.digits, m.lo)
	last := fmt.Sprintf("%0*d", m.digits, m.hi)
	if !r.pairPrefixesOf(first, m.Rule, pair) {
		return false
	}
	from, exactly := slices.BinarySearch(prefixes, first)
	if exactly {
		from++ // paired above
	}
	for _, p := range prefixes[from:] {
		if p > last {
			break
		}
		if len(p) <= m.digits && isDigits(p) && !pair(m.Rule, r.prefixes[p]) {
			return false
		}
	}
	return true
}

// pairPrefixesOf pairs winner with every prefix rule that s begins with.
func (r *Rules) pairPrefixesOf(s string, winner Rule, pair func(winner, loser Rule) bool) bool {
	for n := min(len(s), r.longest); n > 0; n-- {
		if loser, ok := r.prefixes[s[:n]]; ok && !pair(winner, loser) {
			return false
		}
	}
	return true
}

// between returns the members that touch [lo, hi].
func (g rangeGroup) between(lo, hi uint64) []rangeRule {
	from, _ := slices.BinarySearchFunc(g.members, lo, func(m rangeRule, lo uint64) int { return cmp.Compare(m.hi, lo) })
	to := from
	for to < len(g.members) && g.members[to].lo <= hi {
		to++
	}
	return g.members[from:to]
}

func byLine(a, b Conflict) int {
	return cmp.Or(cmp.Compare(a.Winner.Origin.Line, b.Winner.Origin.Line),
		cmp.Compare(a.Loser.Origin.Line, b.Loser.Origin.Line))
}

// Match returns the rule that holds for one number of ours, or the default.
func (r *Rules) Match(number string) Rule {
	rule, ok := r.line(Normalize(number, r.site.CountryCode))
	if !ok {
		return r.site.Default
	}
	return rule
}

// All returns every rule that matches a number, the one that holds first; none
// when only the default does.
func (r *Rules) All(number string) []Rule {
	number = Normalize(number, r.site.CountryCode)
	var all []Rule
	if rule, ok := r.exact[number]; ok {
		all = append(all, rule)
	}
	if n, ok := parseDigits(number); ok {
		for _, g := range r.ranges[len(number)] {
			for _, m := range g.between(n, n) {
				all = append(all, m.Rule)
			}
		}
	}
	for n := min(len(number), r.longest); n > 0; n-- {
		if rule, ok := r.prefixes[number[:n]]; ok {
			all = append(all, rule)
		}
	}
	return all
}

// Ours reports whether a number is ours: by [site] numbers when they are
// given, else because a line names it. Without either nobody can tell.
func (r *Rules) Ours(number string) bool {
	return r.ours(Normalize(number, r.site.CountryCode))
}

func (r *Rules) ours(number string) bool {
	if len(r.numbers) > 0 {
		return slices.ContainsFunc(r.numbers, func(p pattern) bool { return p.matches(number) })
	}
	_, named := r.line(number)
	return named
}

// line finds the rule that names a normalised number.
func (r *Rules) line(number string) (Rule, bool) {
	if rule, ok := r.exact[number]; ok {
		return rule, true
	}
	if n, ok := parseDigits(number); ok {
		for _, g := range r.ranges[len(number)] {
			if hit := g.between(n, n); len(hit) > 0 {
				return hit[0].Rule, true
			}
		}
	}
	for n := min(len(number), r.longest); n > 0; n-- {
		if rule, ok := r.prefixes[number[:n]]; ok {
			return rule, true
		}
	}
	return Rule{}, false
}

// isPlaceholder reports whether an address says nothing about who it is: no
// user part, or a word without digits that stands for somebody unknown.
func isPlaceholder(number string) bool {
	return !strings.ContainsAny(number, "0123456789")
}

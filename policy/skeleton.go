package policy

// Rules is an immutable, checked set of rules.
type Rules struct{}

// Conflict is a pair of lines that match the same number.
type Conflict struct {
	Winner, Loser Rule
	Tie           bool // neither is more exact: an error
}

// New compiles rules. It returns the overlaps it found; with a tie among them
// the rules must not be used.
func New(site Site, rules []Rule) (*Rules, []Conflict, error) { panic("unbuilt") }

// Decide takes the decision for a call.
func (r *Rules) Decide(f Facts) Decision { panic("unbuilt") }

// Match returns the rule that holds for one number of ours, or the default.
func (r *Rules) Match(number string) Rule { panic("unbuilt") }

// Ours reports whether a number is ours.
func (r *Rules) Ours(number string) bool { panic("unbuilt") }

// Normalize reduces an AoR (sip:, sips:, tel:, bare number) to the form in
// which numbers are compared: user part, no visual separators, country code
// replaced by the trunk 0, parameters such as ;ext= honoured.
func Normalize(aor, countryCode string) string { panic("unbuilt") }

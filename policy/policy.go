package policy

import "fmt"

// Mode is what the regulation asks for a call, the weaker first.
type Mode uint8

const (
	Off       Mode = iota // not recorded
	Selective             // from the employee's key on
	Full                  // every call, all of it
)

func (m Mode) String() string { return [...]string{"off", "selective", "full"}[m] }

// Origin is the file and line that made a rule.
type Origin struct {
	File string // base name, "extensions.toml"
	Line int    // 1-based; 0: built in
}

func (o Origin) String() string {
	if o.Line == 0 {
		return "built-in default"
	}
	return fmt.Sprintf("%s:%d", o.File, o.Line)
}

// Rule is one line of extensions.toml, or [default].
type Rule struct {
	Pattern string // as written: "2001", "3000-3099", "0318036*", "alice"
	Mode    Mode
	Start   string // start key command; "": the site's
	Stop    string
	Origin  Origin
}

// Site is what the whole house has in common.
type Site struct {
	Numbers     []string // patterns that say which numbers are ours; empty: the listed ones
	CountryCode string   // "82": +82 31… is the same as 031…
	Start, Stop string   // "*1", "*2"
	Default     Rule
}

// Facts is what is known about a call when it is decided.
type Facts struct {
	Parties  []Party // present ones, in label order
	Previous string  // the extension decided before, on a transfer; "" at the beginning
}

// Party is one present participant.
type Party struct {
	AOR    string // sip:, sips:, tel: URI or bare number
	Name   string
	Caller bool // known to have placed the call
	Callee bool
	Label  string // a line this party sends, "" unknown
}

// Decision is what holds for the call from now on.
type Decision struct {
	Mode      Mode
	Extension string // our party's number, normalised; "" when nobody is ours
	Other     string // the other party's number
	Ours      []int  // indexes into Facts.Parties
	Direction string // "in", "out", "internal", "unknown"
	Start     string // start key command
	Stop      string
	By        Origin
	Why       string // one readable sentence
	Known     bool   // false: no party could be told to be ours yet (placeholder): decide again when metadata comes
	Notes     []string
}

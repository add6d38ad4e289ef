package policy

import "fmt"

// Mode is what the regulation asks for a call, the weaker first.
type Mode uint8

const (
	Off       Mode = iota // not recorded
	Selective             // from the employee's key on
	Full                  // every call, all of it
)

var modeNames = [...]string{Off: "off", Selective: "selective", Full: "full"}

func (m Mode) String() string {
	if int(m) >= len(modeNames) {
		return fmt.Sprintf("Mode(%d)", uint8(m))
	}
	return modeNames[m]
}

// ParseMode reads "full", "selective" or "off"; ok is false for anything else.
func ParseMode(s string) (m Mode, ok bool) {
	for i, name := range modeNames {
		if s == name {
			return Mode(i), true
		}
	}
	return Off, false
}

// Origin is the file and line that made a rule.
type Origin struct {
	File string // base name, "extensions.toml"; what decided instead of a line when Line is 0
	Line int    // 1-based; 0: no line
}

func (o Origin) String() string {
	switch {
	case o == Origin{}:
		return "built-in default"
	case o.Line == 0:
		return o.File
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
	Start, Stop string   // "": "*1" and "*2"
	Default     Rule     // for numbers of ours that no line names; the zero Rule is off
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
	Why       string // one readable sentence; it names numbers

	// Known is false while nobody present could be told to be ours because a
	// party is a placeholder or still missing: decide again when metadata
	// comes. Mode is then what holds when the time is up: the default at the
	// beginning, off on a transfer.
	Known bool
	Notes []string // every guess made, readable
}

package policy

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// MaxRange is how many numbers one range may cover.
const MaxRange = 1_000_000

// PatternFault is what is wrong with a pattern.
type PatternFault uint8

const (
	PatternEmpty         PatternFault = iota + 1 // no digit and no letter
	PatternCharacter                             // a blank, a quote, a control character…
	PatternStar                                  // a star that is not at the end
	PatternUnequalLength                         // 300-3099
	PatternReversed                              // 3099-3000
	PatternTooLarge                              // more than MaxRange numbers, or more than 15 digits
)

var patternFaults = [...]string{
	PatternEmpty:         "no number",
	PatternCharacter:     "a character that no number or name has",
	PatternStar:          "a star that is not at the end",
	PatternUnequalLength: "the two ends have different numbers of digits",
	PatternReversed:      "the first number is the larger one",
	PatternTooLarge:      "covers too many numbers",
}

// PatternError is a pattern that cannot be used.
type PatternError struct {
	Pattern string
	Fault   PatternFault
}

func (e *PatternError) Error() string {
	return fmt.Sprintf("%q: %s", e.Pattern, patternFaults[e.Fault])
}

// CheckPattern says what is wrong with a pattern: nil, or a *PatternError.
func CheckPattern(pattern, countryCode string) error {
	_, err := compile(pattern, countryCode)
	return err
}

type patternKind uint8

// In order of precedence.
const (
	exact patternKind = iota
	numberRange
	prefix
)

// pattern is a compiled Rule.Pattern. A range is kept as integers plus its
// number of digits, because 007 and 7 are different numbers.
type pattern struct {
	kind   patternKind
	text   string // exact: the number; prefix: without the star
	digits int    // of a range
	lo, hi uint64
}

func (p pattern) size() uint64 { return p.hi - p.lo + 1 }

func (p pattern) matches(number string) bool {
	switch p.kind {
	case exact:
		return p.text == number
	case prefix:
		return strings.HasPrefix(number, p.text)
	}
	n, ok := parseDigits(number)
	return ok && len(number) == p.digits && p.lo <= n && n <= p.hi
}

func compile(written, countryCode string) (pattern, error) {
	fault := func(f PatternFault) (pattern, error) { return pattern{}, &PatternError{written, f} }
	s := strings.TrimSpace(narrow(written))
	if strings.ContainsFunc(s, notInPattern) {
		return fault(PatternCharacter)
	}
	if star := strings.IndexByte(s, '*'); star > 0 && star < len(s)-1 {
		return fault(PatternStar)
	}
	if first, last, ok := strings.Cut(s, "-"); ok && isDigits(first) && isDigits(last) {
		return compileRange(written, first, last)
	}
	if head, ok := strings.CutSuffix(s, "*"); ok {
		if head = normalizePrefix(head, countryCode); saysNothing(head) {
			return fault(PatternEmpty)
		}
		return pattern{kind: prefix, text: head}, nil
	}
	if s = normalizeUser(s, countryCode); saysNothing(s) {
		return fault(PatternEmpty)
	}
	return pattern{kind: exact, text: s}, nil
}

func compileRange(written, first, last string) (pattern, error) {
	if len(first) != len(last) {
		return pattern{}, &PatternError{written, PatternUnequalLength}
	}
	lo, okLo := parseDigits(first)
	hi, okHi := parseDigits(last)
	if !okLo || !okHi {
		return pattern{}, &PatternError{written, PatternTooLarge}
	}
	if lo > hi {
		return pattern{}, &PatternError{written, PatternReversed}
	}
	p := pattern{kind: numberRange, digits: len(first), lo: lo, hi: hi}
	if p.size() > MaxRange {
		return pattern{}, &PatternError{written, PatternTooLarge}
	}
	return p, nil
}

// normalizePrefix treats "+82*" like the beginning of a number: the trunk 0.
func normalizePrefix(head, countryCode string) string {
	if countryCode != "" && head == "+"+countryCode {
		return "0"
	}
	return normalizeUser(head, countryCode)
}

func saysNothing(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) })
}

func notInPattern(r rune) bool {
	return r <= ' ' || r == 0x7f || strings.ContainsRune("\"'<>@:;,=[]\\^`{|}\u2018\u2019\u201c\u201d", r)
}

func isDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// parseDigits reads up to 15 digits, the longest number E.164 knows.
func parseDigits(s string) (n uint64, ok bool) {
	if len(s) > 15 || !isDigits(s) {
		return 0, false
	}
	n, err := strconv.ParseUint(s, 10, 64)
	return n, err == nil
}

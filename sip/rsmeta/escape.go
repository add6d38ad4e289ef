package rsmeta

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// unescape resolves the five entities of XML and character references; any
// other stays as it is written.
func unescape(t string) string {
	if strings.IndexByte(t, '&') < 0 {
		return t
	}
	var b strings.Builder
	for {
		before, after, found := strings.Cut(t, "&")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		name, _, ended := strings.Cut(after[:min(len(after), 10)], ";")
		if r := reference(name); ended && r > 0 {
			b.WriteRune(r)
			t = after[len(name)+1:]
			continue
		}
		b.WriteByte('&')
		t = after
	}
}

// reference returns the character that a reference names, 0 when it names none.
func reference(name string) rune {
	switch name {
	case "lt":
		return '<'
	case "gt":
		return '>'
	case "amp":
		return '&'
	case "quot":
		return '"'
	case "apos":
		return '\''
	}
	digits, found := strings.CutPrefix(name, "#")
	if !found {
		return 0
	}
	base := 10
	if hex, found := strings.CutPrefix(strings.ToLower(digits), "x"); found {
		digits, base = hex, 16
	}
	n, err := strconv.ParseUint(digits, base, 21)
	if err != nil || !utf8.ValidRune(rune(n)) {
		return 0
	}
	return rune(n)
}

package config

import (
	"fmt"
	"strings"
)

// Language is what people are told problems in.
type Language uint8

const (
	English Language = iota
	Korean
)

// LanguageOf reads LC_ALL, LC_MESSAGES and LANG, in that order of precedence,
// as setlocale(3) does.
func LanguageOf(getenv func(string) string) Language {
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		if v := getenv(name); v != "" {
			if strings.HasPrefix(strings.ToLower(v), "ko") {
				return Korean
			}
			return English
		}
	}
	return English
}

// message makes the text and the hint of a problem.
func (p Problem) message(l Language) (text, hint string) {
	m := messages[p.Code]
	format, advice := m.text, m.hint
	if l == Korean {
		format, advice = m.textKo, m.hintKo
	}
	text = fill(format, p.args)
	var hints []string
	if advice != "" {
		hints = append(hints, fill(advice, p.args))
	}
	if p.like != "" {
		did := "Did you mean %q?"
		if l == Korean {
			did = "혹시 %q입니까?"
		}
		hints = append(hints, fmt.Sprintf(did, p.like))
	}
	if len(p.of) > 0 {
		hints = append(hints, "("+strings.Join(p.of, ", ")+")")
	}
	return text, strings.Join(hints, " ")
}

// fill puts arguments in where a format asks for them by number ("%[1]q"); one
// that it does not ask for is left out.
func fill(format string, args []any) string {
	if !strings.Contains(format, "%") {
		return format
	}
	return fmt.Sprintf(format, args...)
}

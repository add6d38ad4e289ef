package config

import (
	"cmp"
	"strings"
)

// tokens reads one line of extensions.toml from left to right. The first fault
// ends the line.
type tokens struct {
	report *report
	line   int
	text   string // straightened
	at     int
	failed bool
}

// word is a key or a value with its place.
type word struct {
	text   string
	from   int
	to     int
	quoted bool
}

func (t *tokens) fail(code Code, from, to int, args ...any) *Problem {
	t.failed = true
	return t.report.error(code, t.place(from, to), args...)
}

// place turns bytes of the straightened line into a place in the file.
func (t *tokens) place(from, to int) place {
	original := t.report.lines[t.line-1]
	return place{t.line, inOriginal(t.text, original, from), inOriginal(t.text, original, to)}
}

// inOriginal finds the byte in the line as written for a byte in the line as
// straightened; both have the same characters one for one.
func inOriginal(straightened, original string, at int) int {
	if len(straightened) == len(original) {
		return at
	}
	n := len([]rune(straightened[:at]))
	for i := range original {
		if n == 0 {
			return i
		}
		n--
	}
	return len(original)
}

func (t *tokens) blanks() {
	for t.at < len(t.text) && (t.text[t.at] == ' ' || t.text[t.at] == '\t') {
		t.at++
	}
}

// peek skips blanks and returns the next byte; 0 at the end or at a comment.
func (t *tokens) peek() byte {
	t.blanks()
	if t.at >= len(t.text) || t.text[t.at] == '#' {
		return 0
	}
	return t.text[t.at]
}

// accept skips blanks and takes c if it comes next.
func (t *tokens) accept(c byte) bool {
	if t.peek() != c {
		return false
	}
	t.at++
	return true
}

// end reports what stands where the line should end.
func (t *tokens) end() {
	if !t.failed && t.peek() != 0 {
		t.fail(codeTrailing, t.at, t.restEnd())
	}
}

// restEnd is where the rest of the line ends, without its comment.
func (t *tokens) restEnd() int {
	rest := t.text[t.at:]
	return t.at + len(strings.TrimRight(rest[:commentStart(rest)], " \t"))
}

// quotedWord reads "text" or 'text'.
func (t *tokens) quotedWord() word {
	quote := t.text[t.at]
	from := t.at
	length := strings.IndexByte(t.text[from+1:], quote)
	if length < 0 {
		t.fail(codeUnclosed, from, t.restEnd(), strings.TrimRight(t.text[from:t.restEnd()], " \t"), string(quote))
		return word{}
	}
	t.at = from + 1 + length + 1
	w := word{text: t.text[from+1 : t.at-1], from: from, to: t.at, quoted: true}
	if slash := strings.IndexByte(w.text, '\\'); slash >= 0 && quote == '"' {
		t.fail(codeBackslash, from+1+slash, from+2+slash)
	}
	return w
}

// bareWord reads up to a blank or one of the stops.
func (t *tokens) bareWord(stops string) word {
	from := t.at
	for t.at < len(t.text) && !strings.ContainsRune(stops+" \t#\"", rune(t.text[t.at])) {
		t.at++
	}
	return word{text: t.text[from:t.at], from: from, to: t.at}
}

// key reads a key. Anything that TOML does not allow bare is a fault that says
// how to write it.
func (t *tokens) key() word {
	if c := t.peek(); c == '"' || c == '\'' {
		return t.quotedWord()
	}
	w := t.bareWord("=")
	switch {
	case w.text == "":
		t.fail(codeLine, t.at, t.restEnd())
	case strings.Contains(w.text, "~"):
		t.fail(codeTilde, w.from, w.to, w.text, strings.ReplaceAll(w.text, "~", "-"))
	case !isBareKey(w.text):
		if strings.ContainsAny(w.text, ":") {
			t.fail(codeLine, w.from, t.restEnd())
		} else {
			t.fail(codeBareKey, w.from, w.to, w.text)
		}
	}
	return w
}

func isBareKey(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '-' && c != '_' {
			return false
		}
	}
	return s != ""
}

// textValue reads a value that must be a text.
func (t *tokens) textValue() word {
	switch c := t.peek(); c {
	case 0:
		t.fail(codeLine, t.lineStart(), max(t.restEnd(), t.at))
		return word{}
	case '"', '\'':
		return t.quotedWord()
	}
	w := t.bareWord(",}")
	switch {
	case w.text == "":
		t.fail(codeLine, t.at, t.restEnd())
	case w.text != "true" && w.text != "false" && strings.Trim(w.text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") == "",
		strings.Trim(w.text, "*#0123456789") == "" && strings.ContainsAny(w.text, "*#"):
		t.fail(codeBareValue, w.from, w.to, w.text, cmp.Or(nearest(w.text, policies), w.text))
	default:
		t.fail(codeNotText, w.from, w.to, w.text)
	}
	return w
}

// lineStart is where the first word of the line begins.
func (t *tokens) lineStart() int {
	return len(t.text) - len(strings.TrimLeft(t.text, " \t"))
}

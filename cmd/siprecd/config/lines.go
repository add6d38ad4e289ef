package config

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/korean"
)

// readLines cuts a file into lines of UTF-8 and reports what an editor may
// have done to it. A byte order mark, CRLF and comments in CP949 are taken as
// they come; for the rest, lines are returned as they were probably meant, so
// that what else is wrong with them is found too.
func (r *report) readLines(data []byte) {
	if bytes.HasPrefix(data, []byte("\xff\xfe")) || bytes.HasPrefix(data, []byte("\xfe\xff")) {
		r.error(codeUTF16, place{})
		return
	}
	data, marked := bytes.CutPrefix(data, []byte("\ufeff"))
	text := string(data)
	r.lines = make([]string, 0, strings.Count(text, "\n")+1)
	comments, firstComment := 0, 0
	for raw := range strings.SplitSeq(text, "\n") {
		raw = strings.TrimSuffix(raw, "\r")
		r.lines = append(r.lines, raw)
		number := len(r.lines)
		if !isPlain(raw) {
			inComment := r.readForeign(number, raw)
			if inComment {
				comments++
				if comments == 1 {
					firstComment = number
				}
			}
		}
	}
	if marked {
		r.warn(codeBOM, place{line: 1})
	}
	if comments > 0 {
		r.warn(codeComment, place{line: firstComment}, comments)
	}
}

// isPlain reports whether a line is printable ASCII and tabs.
func isPlain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c >= 0x7f || c < ' ' && c != '\t' {
			return false
		}
	}
	return true
}

// readForeign judges a line with anything but plain ASCII. It reports whether
// its comment, and only that, was in CP949.
func (r *report) readForeign(number int, raw string) (commentCP949 bool) {
	if !utf8.ValidString(raw) {
		decoded, err := korean.EUCKR.NewDecoder().String(raw)
		if err != nil || strings.ContainsRune(decoded, utf8.RuneError) {
			decoded = strings.ToValidUTF8(raw, "\ufffd")
		}
		r.lines[number-1] = decoded
		if utf8.ValidString(raw[:commentStart(raw)]) {
			commentCP949 = true
		} else {
			r.error(codeEncoding, place{line: number})
		}
		raw = decoded
	}
	for i, c := range raw {
		if (c < ' ' && c != '\t') || c == 0x7f {
			r.error(codeControl, place{number, i, i + 1}, c)
			break
		}
	}
	return commentCP949
}

// commentStart returns where the comment of a line begins, or its length.
func commentStart(line string) int {
	var quote rune
	escaped := false
	for i, c := range line {
		switch {
		case escaped:
			escaped = false
		case quote != 0:
			if c == quote {
				quote = 0
			}
			escaped = c == '\\' && quote == '"'
		case c == '"' || c == '\'':
			quote = c
		case c == '#':
			return i
		}
	}
	return len(line)
}

// straighten replaces, one character for one, what a word processor or a
// Korean input method writes for the ASCII that TOML is made of. A full-width
// letter inside quotation marks is replaced as well: no number has any.
func straighten(s string) string {
	return strings.Map(func(c rune) rune {
		if plain, ok := straight(c); ok {
			return plain
		}
		return c
	}, s)
}

func straight(c rune) (plain rune, ok bool) {
	switch c {
	case '\u201c', '\u201d', '\u201e', '\u201f', '\u2033', '\u300c', '\u300d', '\uff02':
		return '"', true
	case '\u2018', '\u2019', '\u201a', '\u201b', '\u2032', '\uff07':
		return '\'', true
	case '\u2010', '\u2011', '\u2012', '\u2013', '\u2014', '\u2015', '\u2212':
		return '-', true
	case '\u223c', '\u301c': // a wave for "from … to"
		return '~', true
	case '\u00a0', '\u3000', '\u200b', '\ufeff':
		return ' ', true
	}
	if c >= 0xFF01 && c <= 0xFF5E {
		return c - 0xFEE0, true
	}
	return c, false
}

// isQuote reports whether a character straightens to a quotation mark.
func isQuote(c rune) bool {
	plain, ok := straight(c)
	return ok && (plain == '"' || plain == '\'')
}

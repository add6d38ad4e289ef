package rsmeta

import (
	"strings"
	"unicode/utf8"
)

// The limits of a document. What is beyond them is left out, with a note: bad
// input costs names, never a call.
const (
	maxBytes    = 256 << 10
	maxDepth    = 16
	maxElements = 5000
	maxTags     = 4 * maxElements // starts, ends and what is taken for one
	maxAttrs    = 64
	maxValue    = 4096 // bytes of one value
)

// element is one XML element by its local name, whatever its namespace.
type element struct {
	name     string
	attrs    []attr
	children []*element
	chars    []byte
	read     bool // it has a meaning of ours: what nobody reads is extension data
}

type attr struct {
	name, value string
	read        bool
}

// scanner reads elements out of XML and out of what SRCs take for XML: blanks
// within a tag's brackets, bare and typographically quoted values, addresses
// in angle brackets, a lone & or <, elements that are not ended or not begun.
// No input is an error, and its time is linear in the input: nothing is looked
// for twice, no entity is looked up, no declaration is obeyed.
type scanner struct {
	in       string
	at       int
	open     []*element // not ended yet; the first holds the roots
	deeper   int        // elements open below the deepest one that is kept
	elements int
	tags     int

	malformed bool // it is not XML
	doctype   bool // a document type declaration was left out
	missing   bool // something was beyond the limits
	cut       bool // so much that the rest was not read
}

// scan reads in whole.
func scan(in string) *scanner {
	s := &scanner{in: in, open: []*element{{}}}
	for s.at < len(in) && s.elements <= maxElements && s.tags <= maxTags {
		i := strings.IndexByte(in[s.at:], '<')
		if i < 0 {
			i = len(in) - s.at
		}
		s.text(s.legal(unescape(in[s.at : s.at+i])))
		if s.at += i; s.at < len(in) {
			s.markup()
		}
	}
	s.cut = s.elements > maxElements || s.tags > maxTags
	s.malformed = s.malformed || len(s.open) > 1 || s.deeper > 0
	return s
}

// text adds characters to the innermost element. Blanks alone count as one, and
// before anything else they are indentation.
func (s *scanner) text(t string) {
	e := s.open[len(s.open)-1]
	if strings.Trim(t, " \t\r\n") == "" {
		if t == "" || len(e.chars) == 0 || blank(e.chars[len(e.chars)-1]) {
			return
		}
		t = " "
	}
	if s.deeper == 0 {
		e.chars = append(e.chars, s.clip(t, maxValue-len(e.chars))...)
	}
}

// legal puts U+FFFD where a character stands that no XML document has (XML 1.0
// section 2.2): written or printed again, a value neither grows nor moves a
// cursor.
func (s *scanner) legal(t string) string {
	clean := strings.Map(func(r rune) rune {
		if r >= ' ' && r < 0xfffe || r == '\t' || r == '\n' || r == '\r' || r > 0xffff {
			return r
		}
		return utf8.RuneError
	}, t)
	s.malformed = s.malformed || clean != t
	return clean
}

// clip cuts what is longer than there is room for, between characters.
func (s *scanner) clip(t string, room int) string {
	if len(t) <= room {
		return t
	}
	s.missing = true
	for room > 0 && !utf8.RuneStart(t[room]) {
		room--
	}
	return t[:room]
}

// markup reads what begins with < here.
func (s *scanner) markup() {
	rest := s.in[s.at:]
	switch {
	case strings.HasPrefix(rest, "<!--"):
		s.upTo("-->")
	case strings.HasPrefix(rest, "<![CDATA["):
		s.at += len("<![CDATA[")
		s.text(s.legal(s.upTo("]]>")))
	case strings.HasPrefix(rest, "<?"):
		s.upTo(">")
	case strings.HasPrefix(rest, "<!"):
		s.declaration()
	default:
		s.tag()
	}
}

// upTo moves behind end and returns what stood before it.
func (s *scanner) upTo(end string) string {
	before, _, found := strings.Cut(s.in[s.at:], end)
	s.at += len(before) + len(end)
	if !found {
		s.malformed, s.at = true, len(s.in)
	}
	return before
}

// declaration passes over a document type declaration and its internal subset.
func (s *scanner) declaration() {
	s.doctype = true
	depth := 0
	for ; s.at < len(s.in); s.at++ {
		switch s.in[s.at] {
		case '[':
			depth++
		case ']':
			depth--
		case '>':
			if depth <= 0 {
				s.at++
				return
			}
		}
	}
	s.malformed = true
}

// tag reads the start or the end of an element, or finds that it is none.
func (s *scanner) tag() {
	begin := s.at
	s.at++
	s.tags++
	s.blanks()
	closing := s.next('/')
	s.blanks()
	if s.at-begin > 2 || s.at-begin == 2 && !closing {
		s.malformed = true
	}
	name := s.word("/<>=\"'")
	if !isName(name) || s.peek() == '=' {
		s.at = begin
		s.literal()
		return
	}
	_, local, found := strings.Cut(name, ":")
	if !found {
		local = name
	}
	if closing {
		s.end(local)
		return
	}
	attrs, empty := s.attributes()
	s.begin(&element{name: local, attrs: attrs}, empty)
}

// isName reports whether a word can name an element: an address cannot.
func isName(word string) bool {
	if word == "" || isAddress(word) {
		return false
	}
	c := word[0]
	return (c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_' || c >= utf8.RuneSelf) && !strings.ContainsAny(word, "@;,()&")
}

func isAddress(s string) bool {
	scheme, _, found := strings.Cut(s[:min(len(s), 5)], ":")
	switch strings.ToLower(scheme) {
	case "sip", "sips", "tel":
		return found
	}
	return false
}

// literal takes a < for a character, and with it what it brackets.
func (s *scanner) literal() {
	s.malformed = true
	n := 1
	if i := strings.IndexAny(s.in[s.at+1:], "<>"); i >= 0 && s.in[s.at+1+i] == '>' {
		n = i + 2
	}
	s.text(s.legal(unescape(s.in[s.at : s.at+n])))
	s.at += n
}

// begin opens an element, or counts it as one that is left out.
func (s *scanner) begin(e *element, empty bool) {
	if s.deeper > 0 || len(s.open) > maxDepth {
		s.missing = true
		if !empty {
			s.deeper++
		}
		return
	}
	if s.elements++; s.elements > maxElements {
		return
	}
	parent := s.open[len(s.open)-1]
	parent.children = append(parent.children, e)
	if !empty {
		s.open = append(s.open, e)
	}
}

// end closes the innermost element of that name and what is open within it.
func (s *scanner) end(name string) {
	junk := s.word("<>")
	s.blanks()
	s.malformed = !s.next('>') || junk != "" || s.malformed
	if s.deeper > 0 {
		s.deeper--
		return
	}
	for i := len(s.open) - 1; i > 0; i-- {
		if strings.EqualFold(s.open[i].name, name) {
			s.malformed = s.malformed || i != len(s.open)-1
			s.open = s.open[:i]
			return
		}
	}
	s.malformed = true
}

// attributes reads up to the end of a tag. Declarations of namespaces are left
// out.
func (s *scanner) attributes() (list []attr, empty bool) {
	for {
		s.blanks()
		switch s.peek() {
		case 0, '<': // the tag is not ended
			s.malformed = true
			return list, false
		case '>':
			s.at++
			return list, false
		}
		if s.next('/') {
			if s.blanks(); s.next('>') {
				return list, true
			}
			continue
		}
		name := s.word("/<>=")
		s.blanks()
		if !s.next('=') {
			s.malformed = true
			continue
		}
		s.blanks()
		value := s.legal(unescape(s.value()))
		prefix, local, found := strings.Cut(name, ":")
		if !found {
			local = name
		}
		switch {
		case prefix == "xmlns" || prefix == "xsi":
		case len(list) == maxAttrs:
			s.missing = true
		default:
			list = append(list, attr{name: local, value: s.clip(strings.TrimSpace(value), maxValue)})
		}
	}
}

// quotes are what SRCs and those who print their messages set values in, and
// what ends each.
var quotes = []struct{ open, closing string }{
	{`"`, `"`}, {`'`, `'`}, {`\"`, `"`}, {"“", "”“″\""}, {"”", "”“″\""}, {"″", "”“″\""}, {"‘", "’‘'"}, {"’", "’‘'"},
}

// value reads the value of an attribute. One that is never closed ends at the
// first blank.
func (s *scanner) value() string {
	rest := s.in[s.at:]
	for i, q := range quotes {
		body, found := strings.CutPrefix(rest, q.open)
		if !found {
			continue
		}
		s.malformed = s.malformed || i > 1
		n := closed(body, q.closing)
		if n < 0 {
			s.at += len(q.open)
			break
		}
		_, width := utf8.DecodeRuneInString(body[n:])
		s.at += len(q.open) + n + width
		if q.open[0] == '\\' {
			return strings.TrimSuffix(body[:n], `\`)
		}
		return body[:n]
	}
	s.malformed = true
	v := s.word("<>")
	if s.peek() == '>' && strings.HasSuffix(v, "/") {
		s.at--
		return v[:len(v)-1]
	}
	return v
}

// closed returns where the value ends that begins body, -1 when a tag comes
// before that.
func closed(body, closing string) int {
	for at := 0; ; {
		i := strings.IndexAny(body[at:], closing+"<")
		switch {
		case i < 0:
			return -1
		case body[at+i] != '<':
			return at + i
		case !isAddress(body[at+i+1:]):
			return -1
		}
		at += i + 1
	}
}

// word reads up to a blank or one of the stops.
func (s *scanner) word(stops string) string {
	begin := s.at
	for s.at < len(s.in) && !blank(s.in[s.at]) && strings.IndexByte(stops, s.in[s.at]) < 0 {
		s.at++
	}
	return s.in[begin:s.at]
}

func blank(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

func (s *scanner) blanks() {
	for s.at < len(s.in) && blank(s.in[s.at]) {
		s.at++
	}
}

// peek returns the next byte, 0 at the end.
func (s *scanner) peek() byte {
	if s.at < len(s.in) {
		return s.in[s.at]
	}
	return 0
}

// next moves over c if it comes next.
func (s *scanner) next(c byte) bool {
	if s.at < len(s.in) && s.in[s.at] == c {
		s.at++
		return true
	}
	return false
}

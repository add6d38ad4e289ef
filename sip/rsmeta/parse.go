package rsmeta

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"
)

// The limits of a document (bad inputs are notes, never a lost call).
const (
	maxBytes    = 256 << 10
	maxDepth    = 16
	maxElements = 2000
	maxAttrs    = 64
	maxMended   = 32 << 10 // bytes; what is longer is read as far as it is well-formed
)

// element is one XML element by its local name, whatever its namespace.
type element struct {
	name     string
	attrs    []attr
	children []*element
	text     string
}

type attr struct{ name, value string }

// errTooLarge ends the reading of a document that is beyond a limit; what came
// before is kept.
var errTooLarge = errors.New("beyond the limits of depth or number")

// Parse reads one document. It is as tolerant as SRCs are inventive: notes say
// in plain words what had to be guessed. err is non-nil only when nothing at
// all could be understood. loc is the zone of zone-less times (nil: UTC).
// Limits: no DTD, depth 16, 2,000 elements, 64 attributes, 256 KiB.
func Parse(raw []byte, loc *time.Location) (doc *Document, notes []string, err error) {
	if loc == nil {
		loc = time.UTC
	}
	if len(raw) > maxBytes {
		raw = raw[:maxBytes]
		notes = append(notes, fmt.Sprintf("document cut at %d bytes", maxBytes))
	}
	clean, more := prepare(raw)
	notes = append(notes, more...)
	root, err := readTree(clean)
	if err != nil && !errors.Is(err, errTooLarge) {
		mended, again := readTree(mend(clean[:min(len(clean), maxMended)]))
		if again == nil && len(clean) <= maxMended || (mended != nil && (root == nil || size(mended) > size(root))) {
			root, err = mended, again
		}
		notes = append(notes, "metadata degraded: not well-formed XML, read leniently")
	}
	if errors.Is(err, errTooLarge) {
		notes = append(notes, "metadata beyond the limits of depth or number: the rest was left out")
	}
	root = top(root)
	if root == nil {
		return nil, notes, errors.New("no recording element")
	}
	r := reader{loc: loc, notes: notes}
	doc = r.document(root)
	return doc, r.notes, nil
}

// prepare makes bytes that an XML decoder can read at all: UTF-8, no document
// type declaration.
func prepare(raw []byte) (clean []byte, notes []string) {
	clean = bytes.TrimLeft(bytes.TrimPrefix(raw, []byte("\xef\xbb\xbf")), " \t\r\n")
	head := strings.ToLower(string(clean[:min(len(clean), 120)]))
	latin := strings.Contains(head, "iso-8859-1") || strings.Contains(head, "windows-1252") || strings.Contains(head, "latin1")
	if !utf8.Valid(clean) {
		if latin {
			clean = fromLatin1(clean)
		} else {
			clean = bytes.ToValidUTF8(clean, []byte("\uFFFD"))
			notes = append(notes, "bytes that are not UTF-8 were replaced")
		}
	}
	if bytes.HasPrefix(clean, []byte("<?xml")) {
		if i := bytes.Index(clean, []byte("?>")); i >= 0 {
			clean = clean[i+2:]
		}
	}
	if i := bytes.Index(clean, []byte("<!DOCTYPE")); i >= 0 {
		notes = append(notes, "document type declaration left out")
		clean = append(bytes.Clone(clean[:i]), clean[endOfDoctype(clean, i):]...)
	}
	return clean, notes
}

func fromLatin1(b []byte) []byte {
	out := make([]byte, 0, len(b)+len(b)/8)
	for _, c := range b {
		out = utf8.AppendRune(out, rune(c))
	}
	return out
}

// endOfDoctype returns where the declaration that begins at i ends, its
// internal subset included.
func endOfDoctype(b []byte, i int) int {
	depth := 0
	for ; i < len(b); i++ {
		switch b[i] {
		case '[':
			depth++
		case ']':
			depth--
		case '>':
			if depth <= 0 {
				return i + 1
			}
		}
	}
	return len(b)
}

// readTree reads elements until the end or the first fault; what was read
// before the fault is returned with it.
func readTree(b []byte) (root *element, err error) {
	d := xml.NewDecoder(bytes.NewReader(b))
	d.Strict = false
	d.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil }
	d.Entity = map[string]string{}
	holder := &element{}
	stack := []*element{holder}
	count := 0
	for {
		tok, err := d.RawToken()
		if err == io.EOF {
			if len(stack) > 1 {
				return first(holder), errors.New("elements left open")
			}
			return first(holder), nil
		}
		if err != nil {
			return first(holder), err
		}
		switch t := tok.(type) {
		case xml.StartElement:
			if count++; count > maxElements || len(stack) > maxDepth || len(t.Attr) > maxAttrs {
				return first(holder), errTooLarge
			}
			e := &element{name: strings.TrimSpace(t.Name.Local)}
			for _, a := range t.Attr {
				if a.Name.Space != "xmlns" && a.Name.Local != "xmlns" {
					e.attrs = append(e.attrs, attr{a.Name.Local, strings.TrimSpace(a.Value)})
				}
			}
			parent := stack[len(stack)-1]
			parent.children = append(parent.children, e)
			stack = append(stack, e)
		case xml.EndElement:
			if len(stack) == 1 {
				return first(holder), errors.New("an element ends that did not begin")
			}
			if stack[len(stack)-1].name != strings.TrimSpace(t.Name.Local) {
				return first(holder), fmt.Errorf("%s ends where %s should", t.Name.Local, stack[len(stack)-1].name)
			}
			stack = stack[:len(stack)-1]
		case xml.CharData:
			e := stack[len(stack)-1]
			if s := strings.TrimSpace(string(t)); s != "" {
				e.text += s
			}
		}
	}
}

func first(holder *element) *element {
	if len(holder.children) == 0 {
		return nil
	}
	return holder.children[0]
}

func size(e *element) int {
	if e == nil {
		return 0
	}
	n := 1
	for _, c := range e.children {
		n += size(c)
	}
	return n
}

// top finds the recording element, which some wrap or prefix.
func top(e *element) *element {
	if e == nil {
		return nil
	}
	switch strings.ToLower(e.name) {
	case "recording", "recording_metadata", "requestsnapshot":
		return e
	}
	for _, c := range e.children {
		if t := top(c); t != nil {
			return t
		}
	}
	return nil
}

var (
	// An address written as if it were an element: <sip:…>.
	bareAddress = regexp.MustCompile(`<\s*((?:sips?|tel):[^<>]*)>`)
	// An attribute value without quotes.
	bareValue = regexp.MustCompile(`(<[^<>]*?\s[\w:.-]+=)([^"'\s<>][^\s<>]*)`)
	// Blanks inside a tag's brackets.
	blankOpen  = regexp.MustCompile(`<(/?)\s+([A-Za-z])`)
	blankClose = regexp.MustCompile(`<\s*/\s+`)
	bareAmp    = regexp.MustCompile(`&([^a-zA-Z#]|[a-zA-Z]+[^a-zA-Z;])`)
	quotes     = strings.NewReplacer("“", `"`, "”", `"`, "″", `"`, "‘", "'", "’", "'")
)

// mend repairs what SRCs are known to break.
func mend(b []byte) []byte {
	s := quotes.Replace(string(b))
	s = blankClose.ReplaceAllString(s, "</")
	s = blankOpen.ReplaceAllString(s, "<$1$2")
	s = bareAddress.ReplaceAllString(s, "&lt;$1&gt;")
	s = bareValue.ReplaceAllString(s, `$1"$2"`)
	s = bareAmp.ReplaceAllString(s, "&amp;$1")
	return []byte(closeOpen(s))
}

var tag = regexp.MustCompile(`<(/?)([A-Za-z_][\w:.-]*)((?:[^<>"']|"[^"]*"|'[^']*')*?)(/?)>`)

// closeOpen balances the tags: an end without a beginning is dropped, a missing
// end is added where its parent ends.
func closeOpen(s string) string {
	var out strings.Builder
	var stack []string
	at := 0
	for _, m := range tag.FindAllStringSubmatchIndex(s, -1) {
		out.WriteString(strings.ReplaceAll(s[at:m[0]], "<", "&lt;"))
		at = m[1]
		name, closing, empty := s[m[4]:m[5]], m[2] != m[3], m[8] != m[9]
		switch {
		case empty:
			out.WriteString(s[m[0]:m[1]])
		case !closing:
			out.WriteString(s[m[0]:m[1]])
			stack = append(stack, name)
		default:
			i := len(stack) - 1
			for i >= 0 && stack[i] != name {
				i--
			}
			if i < 0 {
				continue
			}
			for j := len(stack) - 1; j >= i; j-- {
				out.WriteString("</" + stack[j] + ">")
			}
			stack = stack[:i]
		}
	}
	for j := len(stack) - 1; j >= 0; j-- {
		out.WriteString("</" + stack[j] + ">")
	}
	return out.String()
}

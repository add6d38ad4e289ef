package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/width"
)

// Severity tells what keeps a file from being used.
type Severity uint8

const (
	Error   Severity = iota // the file is not used
	Warning                 // it is, but somebody should look
	Note                    // it is, and as it probably was meant
)

func (s Severity) String() string {
	return [...]string{Error: "error", Warning: "warning", Note: "note"}[s]
}

// MarshalText writes "error", "warning" or "note".
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Problem is one thing that is wrong with a file.
type Problem struct {
	File     string   `json:"file"` // as it was named, or the base name beside siprecd.toml
	Line     int      `json:"line"` // 1-based; 0: the file as a whole
	Col      int      `json:"col"`  // 1-based, in characters; 0: the line as a whole
	Severity Severity `json:"severity"`
	Code     Code     `json:"code"` // stable, "SR-…"
	Text     string   `json:"text"`
	Hint     string   `json:"hint,omitempty"`
	Excerpt  string   `json:"excerpt,omitempty"` // the line

	span int // characters under the caret
	args []any
	like string   // what was probably meant
	of   []string // what could have been meant
}

// In returns the problem in another language.
func (p Problem) In(l Language) Problem {
	p.Text, p.Hint = p.message(l)
	return p
}

// String is the problem as it is printed: where, what, what to do; the line;
// a caret. A note is one line.
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d", p.Line)
		if p.Col > 0 {
			fmt.Fprintf(&b, ":%d", p.Col)
		}
	}
	b.WriteString(": ")
	if p.Severity != Error {
		b.WriteString(p.Severity.String() + ": ")
	}
	b.WriteString(p.Text)
	if p.Hint != "" {
		b.WriteString(" " + p.Hint)
	}
	if p.Excerpt != "" && p.Severity != Note {
		line, caret := p.pointer()
		fmt.Fprintf(&b, "\n    %s", line)
		if caret != "" {
			fmt.Fprintf(&b, "\n    %s", caret)
		}
	}
	return b.String()
}

// pointer returns the line, cut to what fits a terminal, and the caret below.
func (p Problem) pointer() (line, caret string) {
	const most, before = 160, 60
	runes := []rune(p.Excerpt)
	at := min(max(p.Col-1, 0), len(runes))
	if len(runes) > most {
		from := max(0, at-before)
		to := min(len(runes), from+most)
		runes, at = runes[from:to], at-from
	}
	line = strings.Map(func(r rune) rune {
		if r != '\t' && unicode.IsControl(r) {
			return '\ufffd'
		}
		return r
	}, string(runes))
	if p.Col == 0 {
		return line, ""
	}
	var pad strings.Builder
	for _, r := range runes[:at] {
		if r == '\t' {
			pad.WriteByte('\t')
			continue
		}
		pad.WriteString(strings.Repeat(" ", columns(r)))
	}
	wide := 0
	for _, r := range runes[at:min(len(runes), at+max(p.span, 1))] {
		wide += columns(r)
	}
	return line, pad.String() + strings.Repeat("^", max(wide, 1))
}

// columns is how many columns of a terminal a character takes.
func columns(r rune) int {
	if unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf) {
		return 0
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}

// mostProblems is how many are listed; the rest is counted.
const mostProblems = 1000

// report collects the problems of one file.
type report struct {
	file     string
	lines    []string // the text of the file, decoded; for excerpts
	problems []Problem
	dropped  [3]int // by severity
}

// place is where on a line something is: byte offsets into it.
type place struct{ line, from, to int }

func (r *report) add(s Severity, code Code, at place, args ...any) *Problem {
	p := Problem{File: r.file, Line: at.line, Severity: s, Code: code, args: args}
	if at.line > 0 && at.line <= len(r.lines) {
		text := r.lines[at.line-1]
		p.Excerpt = text
		if at.to > at.from {
			from, to := min(at.from, len(text)), min(at.to, len(text))
			p.Col = utf8.RuneCountInString(text[:from]) + 1
			p.span = utf8.RuneCountInString(text[from:to])
		}
	}
	p.Text, p.Hint = p.message(English)
	if len(r.problems) >= mostProblems {
		r.dropped[s]++
		return &p
	}
	r.problems = append(r.problems, p)
	return &r.problems[len(r.problems)-1]
}

func (r *report) error(code Code, at place, args ...any) *Problem {
	return r.add(Error, code, at, args...)
}

func (r *report) warn(code Code, at place, args ...any) *Problem {
	return r.add(Warning, code, at, args...)
}

func (r *report) note(code Code, at place, args ...any) *Problem {
	return r.add(Note, code, at, args...)
}

// meant adds "Did you mean" and the list of what would do.
func (p *Problem) meant(written string, choices []string) {
	p.like, p.of = nearest(written, choices), choices
	p.Text, p.Hint = p.message(English)
}

// all returns the problems in the order of the file.
func (r *report) all() []Problem {
	slices.SortStableFunc(r.problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col))
	})
	for s, n := range r.dropped {
		if n > 0 {
			p := Problem{File: r.file, Severity: Severity(s), Code: codeMore, args: []any{n}}
			p.Text, p.Hint = p.message(English)
			r.problems = append(r.problems, p)
		}
	}
	return r.problems
}

func hasErrors(problems []Problem) bool {
	return slices.ContainsFunc(problems, func(p Problem) bool { return p.Severity == Error })
}

package config

import (
	"cmp"
	"errors"
	"slices"
	"strings"

	"siprecd/policy"
)

var (
	policies   = []string{"full", "selective", "off"}
	entryKeys  = []string{"policy", "start", "stop"}
	tableNames = []string{"default", "extensions"}
)

// extensions is what extensions.toml says.
type extensions struct {
	report
	byDefault policy.Rule
	rules     []policy.Rule

	table      string         // the one the line is in; "" above the first
	tableLines map[string]int // where each begins
	keyLines   map[string]int // of [extensions]
	sawDefault bool           // there is a policy under [default], good or bad
	hasDefault bool           // a good one
	country    string         // code, for patterns
}

// readExtensions reads the lines of extensions.toml. name is how the file is
// called in problems; the origins of the rules have its base name.
func readExtensions(name, base string, data []byte, countryCode string) *extensions {
	e := &extensions{
		report:     report{file: name},
		byDefault:  policy.Rule{Mode: policy.Full},
		tableLines: make(map[string]int),
		keyLines:   make(map[string]int),
		country:    countryCode,
	}
	e.readLines(data)
	for i, text := range e.lines {
		e.readLine(i+1, text, base)
	}
	if line, ok := e.tableLines["default"]; ok && !e.sawDefault {
		e.error(codeNoPolicy, place{line: line}, "[default]")
	}
	return e
}

func (e *extensions) readLine(number int, text, base string) {
	t := &tokens{report: &e.report, line: number, text: text}
	if !isPlain(text) {
		t.text = e.straightenLine(number, text)
	}
	switch t.peek() {
	case 0:
		return
	case '[':
		e.readTable(t)
		return
	}
	key := t.key()
	if t.failed {
		return
	}
	e.sawDefault = e.sawDefault || e.table == "default" && key.text == "policy"
	if !t.accept('=') {
		t.fail(codeLine, t.lineStart(), max(t.restEnd(), key.to))
		return
	}
	rule := policy.Rule{Pattern: key.text, Origin: policy.Origin{File: base, Line: number}}
	if t.peek() == '{' {
		e.readEntry(t, key, &rule)
	} else if w := t.textValue(); !t.failed {
		e.readPolicy(t, w, &rule)
	}
	t.end()
	if e.standsRight(t, key) && !t.failed {
		e.keep(t, key, rule)
	}
}

// straightenLine reports characters that only look right, and returns the line
// as it was meant.
func (e *extensions) straightenLine(number int, text string) string {
	end := commentStart(text)
	meant := straighten(text[:end])
	if hash := commentStart(meant); hash < len(meant) {
		meant = meant[:hash] // a full-width number sign began the comment
	}
	for i, c := range text[:end] {
		if _, odd := straight(c); !odd {
			continue
		}
		code := codeFullWidth
		if isQuote(c) {
			code = codeQuotes
		}
		e.error(code, place{number, i, i + len(string(c))}, string(c), strings.TrimSpace(meant))
		break
	}
	return meant + text[end:]
}

// readTable reads a line such as [extensions].
func (e *extensions) readTable(t *tokens) {
	from := t.at
	t.at++
	if t.at < len(t.text) && t.text[t.at] == '[' {
		t.fail(codeLine, from, t.restEnd())
		return
	}
	closing := strings.IndexByte(t.text[t.at:t.restEnd()], ']')
	if closing < 0 {
		t.fail(codeUnclosed, from, t.restEnd(), t.text[from:t.restEnd()], "]")
		closing = t.restEnd() - t.at
	}
	name := strings.TrimSpace(t.text[t.at : t.at+closing])
	if !t.failed {
		t.at += closing + 1
		t.end()
	}
	e.table = name
	if !slices.Contains(tableNames, name) {
		if !t.failed {
			t.fail(codeTable, from, t.at, name).meant(name, tableNames)
		}
		return
	}
	if first, again := e.tableLines[name]; again {
		t.fail(codeTableTwice, from, t.at, name, first)
		return
	}
	e.tableLines[name] = t.line
}

// readEntry reads { policy = "selective", start = "*7", stop = "*8" }.
func (e *extensions) readEntry(t *tokens, key word, rule *policy.Rule) {
	from := t.at
	t.at++
	seen := make(map[string]word)
	for first := true; !t.accept('}'); first = false {
		if t.peek() == 0 || !first && !t.accept(',') {
			t.fail(codeUnclosed, from, t.restEnd(), t.text[from:t.restEnd()], "}")
			return
		}
		name := t.key()
		if t.failed {
			return
		}
		if !slices.Contains(entryKeys, name.text) {
			t.fail(codeKey, name.from, name.to, name.text).meant(name.text, entryKeys)
			return
		}
		if _, again := seen[name.text]; again {
			t.fail(codeDuplicate, name.from, name.to, name.text, t.line)
			return
		}
		if !t.accept('=') {
			t.fail(codeLine, name.from, name.to)
			return
		}
		w := t.textValue()
		if t.failed {
			return
		}
		seen[name.text] = w
	}
	w, ok := seen["policy"]
	if !ok {
		t.fail(codeNoPolicy, key.from, key.to, key.text)
		return
	}
	e.readPolicy(t, w, rule)
	rule.Start, rule.Stop = e.command(t, seen, "start"), e.command(t, seen, "stop")
}

// command reads a key command; "" when there is none.
func (e *extensions) command(t *tokens, of map[string]word, name string) string {
	w, ok := of[name]
	if ok && !isCommand(w.text) {
		t.fail(codeCommand, w.from, w.to, w.text)
	}
	return w.text
}

// isCommand reports whether s can be pressed: one to eight of 0-9, * and #.
func isCommand(s string) bool {
	return s != "" && len(s) <= 8 && strings.Trim(s, "0123456789*#") == ""
}

func (e *extensions) readPolicy(t *tokens, w word, rule *policy.Rule) {
	mode, ok := policy.ParseMode(w.text)
	if !ok {
		t.fail(codePolicy, w.from, w.to, w.text).meant(w.text, policies)
		return
	}
	rule.Mode = mode
}

// standsRight reports a key that stands in the wrong table.
func (e *extensions) standsRight(t *tokens, key word) bool {
	switch {
	case e.table == "extensions" && key.text == "policy" && !key.quoted:
		t.fail(codePolicyHere, key.from, key.to)
	case e.table == "extensions":
		return true
	case e.table == "":
		t.fail(codeNoTable, key.from, key.to, key.text)
	case e.table == "default" && key.text == "policy":
		return true
	case e.table == "default" && (key.quoted || strings.ContainsAny(key.text, "0123456789")):
		t.fail(codeMisplaced, key.from, key.to, key.text, "default")
	case e.table == "default":
		t.fail(codeKey, key.from, key.to, key.text).meant(key.text, []string{"policy"})
	}
	return false // of a table that is not known nothing more is said
}

// keep adds a good line to the rules, or says why it cannot be.
func (e *extensions) keep(t *tokens, key word, rule policy.Rule) {
	if e.table == "default" {
		if e.hasDefault {
			t.fail(codeDuplicate, key.from, key.to, key.text, e.byDefault.Origin.Line)
			return
		}
		e.hasDefault = true
		rule.Pattern = ""
		e.byDefault = rule
		return
	}
	if first, again := e.keyLines[key.text]; again {
		t.fail(codeDuplicate, key.from, key.to, key.text, first)
		return
	}
	e.keyLines[key.text] = t.line
	if err := policy.CheckPattern(key.text, e.country); err != nil {
		e.badPattern(t.place(key.from, key.to), err)
		return
	}
	e.rules = append(e.rules, rule)
}

// badPattern reports a pattern that policy.CheckPattern refused.
func (r *report) badPattern(at place, err error) {
	var bad *policy.PatternError
	if !errors.As(err, &bad) {
		return
	}
	switch bad.Fault {
	case policy.PatternEmpty:
		r.error(codeEmpty, at, bad.Pattern)
	case policy.PatternCharacter:
		r.error(codeCharacter, at, bad.Pattern)
	case policy.PatternStar:
		r.error(codeStar, at, bad.Pattern)
	case policy.PatternUnequalLength:
		r.error(codeUnequal, at, bad.Pattern)
	case policy.PatternReversed:
		first, last, _ := strings.Cut(bad.Pattern, "-")
		r.error(codeReversed, at, bad.Pattern, last+"-"+first)
	case policy.PatternTooLarge:
		r.error(codeTooLarge, at, bad.Pattern, policy.MaxRange)
	}
}

// mostExceptions is how many of them are listed; exceptions from a range are
// common, and a list of all of them would hide what matters.
const mostExceptions = 50

// conflicts reports what policy.New found: an exception from a range or a prefix
// is what exact lines are for; two that cross were hardly both meant.
func (e *extensions) conflicts(found []policy.Conflict) {
	exceptions := 0
	for _, c := range found {
		at := e.keyPlace(c.Winner.Origin.Line)
		if c.Tie {
			later, first := c.Loser, c.Winner
			if later.Origin.Line < first.Origin.Line {
				later, first = first, later
			}
			e.error(codeTie, e.keyPlace(later.Origin.Line), later.Pattern, first.Pattern, first.Origin.Line)
			continue
		}
		args := []any{c.Winner.Pattern, c.Loser.Pattern, c.Loser.Origin.Line, c.Winner.Origin.Line}
		if c.Partial {
			e.warn(codePartial, at, args...)
			continue
		}
		if exceptions++; exceptions > mostExceptions {
			e.dropped[Note]++
			continue
		}
		e.note(codeOverlap, at, args...)
	}
}

// keyPlace is where the key of a good line stands.
func (e *extensions) keyPlace(line int) place {
	text := e.lines[line-1]
	key, _, _ := strings.Cut(text, "=")
	from := len(key) - len(strings.TrimLeft(key, " \t"))
	return place{line, from, len(strings.TrimRight(key, " \t"))}
}

// sameKeys reports lines whose start and stop key are one, the site's keys
// filled in.
func (e *extensions) sameKeys(site Keys) {
	for _, rule := range e.rules {
		if start := cmp.Or(rule.Start, site.Start); start == cmp.Or(rule.Stop, site.Stop) && (rule.Start != "" || rule.Stop != "") {
			e.error(codeSameKeys, e.keyPlace(rule.Origin.Line), start)
		}
	}
}

// notOurs warns of lines that [site] numbers leave without effect.
func (e *extensions) notOurs(rules *policy.Rules) {
	for _, rule := range e.rules {
		first, last, isRange := strings.Cut(rule.Pattern, "-")
		switch {
		case strings.HasSuffix(rule.Pattern, "*"), rules.Ours(rule.Pattern):
			continue
		case isRange && (rules.Ours(first) || rules.Ours(last)):
			continue
		}
		e.warn(codeNotOurs, e.keyPlace(rule.Origin.Line), rule.Pattern)
	}
}

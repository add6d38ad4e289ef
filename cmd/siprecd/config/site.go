package config

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// document is siprecd.toml as it is written. A pointer is nil when its key is
// absent.
type document struct {
	SIP struct {
		Listen   *[]string `toml:"listen"`
		Cert     string    `toml:"cert"`
		Key      string    `toml:"key"`
		ClientCA string    `toml:"client_ca"`
	} `toml:"sip"`
	Site struct {
		Numbers     []string `toml:"numbers"`
		CountryCode *string  `toml:"country_code"`
		TimeZone    *string  `toml:"time_zone"`
	} `toml:"site"`
	Media struct {
		Ports   *string `toml:"ports"`
		Address *string `toml:"address"`

		Codecs        *[]string `toml:"codecs"`
		WithoutFFmpeg *string   `toml:"codecs_without_ffmpeg"`
	} `toml:"media"`
	Data struct {
		Dir       *string `toml:"dir"`
		Originals *string `toml:"originals"`
	} `toml:"data"`
	Src  []sourceTable `toml:"src"`
	Keys struct {
		Start *string `toml:"start"`
		Stop  *string `toml:"stop"`

		InBand *bool `toml:"inband"`
	} `toml:"keys"`
	Limits struct {
		MaxCalls *int64  `toml:"max_calls"`
		Grace    *string `toml:"grace"`
	} `toml:"limits"`
	Retention struct {
		Days          *int64           `toml:"days"`
		RegulationRef string           `toml:"regulation_ref"`
		Extensions    map[string]int64 `toml:"extensions"`
	} `toml:"retention"`
	Ledger struct {
		Witness    *string `toml:"witness"`
		WitnessKey *string `toml:"witness_key"`
		RowsMonths *int64  `toml:"rows_months"`
	} `toml:"ledger"`
	Log struct {
		Level  *string `toml:"level"`
		Format *string `toml:"format"`
	} `toml:"log"`
}

type sourceTable struct {
	Name         string   `toml:"name"`
	Addresses    []string `toml:"addresses"`
	Cert         string   `toml:"cert"`
	User         string   `toml:"user"`
	Password     string   `toml:"password"`
	PasswordFile string   `toml:"password_file"`
	TimeZone     *string  `toml:"time_zone"`
	NAT          bool     `toml:"nat"`
	Media        *string  `toml:"media"`

	Profile           *string `toml:"profile"`
	ParticipantHeader string  `toml:"participant_header"`
}

// site reads one siprecd.toml.
type site struct {
	report
	dir  string // of the file: what paths in it are relative to
	doc  document
	keys map[string]place // where each value stands, "sip.listen", "src[1].name"

	partial bool // lines were left out, so that a missing key means nothing
}

// mostRetries bounds how often decoding starts again after an error.
const mostRetries = 100

// decode reads the file into c. With errors, what was not understood has its
// default.
func (s *site) decode(data []byte, c *Config) {
	s.readLines(data)
	text := make([]string, len(s.lines))
	for i, line := range s.lines {
		text[i] = s.decodable(i+1, line)
	}
	s.keys = locate(text)
	headerLost := false
	for range mostRetries {
		s.doc = document{}
		err := toml.NewDecoder(strings.NewReader(strings.Join(text, "\n"))).DisallowUnknownFields().Decode(&s.doc)
		var unknown *toml.StrictMissingError
		var bad *toml.DecodeError
		switch {
		case errors.As(err, &unknown):
			if !headerLost {
				s.unknown(unknown)
			}
		case errors.As(err, &bad):
			from, to := s.bad(bad, text)
			if from < 1 || to > len(text) || strings.Join(text[from-1:to], "") == "" {
				break // the same place again: nothing is gained by trying on
			}
			headerLost = headerLost || isTable(text[from-1])
			s.partial = true
			clear(text[from-1 : to])
			continue
		case err != nil:
			s.error(codeSyntax, place{}, err.Error())
		}
		break
	}
	s.check(c)
}

// decodable returns a line that the TOML library takes: comments that were not
// UTF-8 or hold control characters are cut, typographic quotes outside quotation
// marks are reported and set right.
func (s *site) decodable(number int, line string) string {
	if isPlain(line) {
		return line
	}
	end := commentStart(line)
	line = strings.Map(func(c rune) rune {
		if c < ' ' && c != '\t' || c == 0x7f {
			return ' '
		}
		return c
	}, line[:end])
	var quote rune
	reported := false
	return strings.Map(func(c rune) rune {
		plain, odd := straight(c)
		switch {
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			return c
		case c == '"' || c == '\'':
			quote = c
		case odd && !reported:
			reported = true
			at := strings.IndexRune(line, c)
			code := codeFullWidth
			if isQuote(c) {
				code = codeQuotes
			}
			s.error(code, place{number, at, at + len(string(c))}, string(c), strings.TrimSpace(straighten(line)))
			return plain
		}
		return plain
	}, line)
}

// bad reports what the TOML library stopped at, and returns the first and the
// last line to leave out.
func (s *site) bad(err *toml.DecodeError, text []string) (from, to int) {
	line, column := err.Position()
	if line < 1 || line > len(s.lines) {
		s.error(codeSyntax, place{}, libraryText(err))
		return 0, 0
	}
	at := place{line: line}
	at.from = max(min(column-1, len(s.lines[line-1])-1), 0)
	at.to = at.from + 1
	if first, last, ok := s.unclosed(text, line); ok {
		return first, last
	}
	key, said := strings.Join(err.Key(), "."), libraryText(err)
	want := kindOf(key)
	first := s.firstLine(line)
	switch {
	case want != "" && (strings.Contains(said, "cannot") || strings.Contains(said, "incompatible")):
		for _, where := range s.keys {
			if where.line == line && !isTable(s.lines[line-1]) {
				at = where
			}
		}
		s.error(codeType, at, key, want)
	case first > 0 && strings.Contains(said, "already"):
		s.error(codeDuplicate, at, strings.TrimSpace(keyOf(s.lines[line-1])), first)
	default:
		s.error(codeSyntax, at, said)
	}
	return line, line
}

func libraryText(err *toml.DecodeError) string { return strings.TrimPrefix(err.Error(), "toml: ") }

// unclosed reports an array or a text of several lines that swallows what comes
// after it: the library would only complain far below. It returns the lines
// that belong to it.
func (s *site) unclosed(text []string, line int) (first, last int, found bool) {
	for first = line; first >= 1; first-- {
		key, value, ok := strings.Cut(text[first-1], "=")
		if !ok || !isBareKey(strings.TrimSpace(key)) {
			continue
		}
		value = strings.TrimSpace(value[:commentStart(value)])
		closing := ""
		for opening, c := range map[string]string{"[": "]", `"""`: `"""`, "'''": "'''"} {
			if rest, ok := strings.CutPrefix(value, opening); ok && !strings.Contains(rest, c) {
				closing = c
			}
		}
		if closing == "" {
			return 0, 0, false
		}
		for last = first; last < len(text); last++ {
			next := text[last]
			if isTable(next) || isKeyLine(next) {
				break
			}
			if strings.Contains(next, closing) {
				return 0, 0, false
			}
		}
		from := len(key) + 1 + strings.Index(text[first-1][len(key)+1:], value)
		s.error(codeUnclosed, place{first, from, from + len(value)}, strings.TrimSpace(key), closing)
		return first, last, true
	}
	return 0, 0, false
}

func isKeyLine(line string) bool {
	key, _, ok := strings.Cut(line, "=")
	return ok && isBareKey(strings.TrimSpace(key))
}

// unknown reports keys and tables that nobody reads.
func (s *site) unknown(err *toml.StrictMissingError) {
	for _, e := range err.Errors {
		line, column := e.Position()
		key := e.Key()
		name := key[len(key)-1]
		at := place{line: line}
		if line >= 1 && line <= len(s.lines) {
			at.from = min(max(column-1, 0), len(s.lines[line-1]))
			at.to = at.from + len(name)
		}
		if len(key) == 1 && isTable(s.lines[line-1]) {
			if slices.Contains(tableNames, name) {
				s.error(codeOtherFile, at, name, extensionsFile)
				continue
			}
			s.error(codeTable, at, name).meant(name, namesIn(""))
			continue
		}
		choices := namesIn(strings.Join(key[:len(key)-1], "."))
		s.error(codeKey, at, name).meant(name, choices)
	}
}

func isTable(line string) bool { return strings.HasPrefix(strings.TrimSpace(line), "[") }

func keyOf(line string) string {
	if isTable(line) {
		return strings.Trim(strings.TrimSpace(line[:commentStart(line)]), "[]")
	}
	key, _, _ := strings.Cut(line, "=")
	return key
}

// firstLine finds the line that a duplicate repeats; 0 when it cannot.
func (s *site) firstLine(line int) int {
	if line < 1 || line > len(s.lines) {
		return 0
	}
	wanted := strings.TrimSpace(keyOf(s.lines[line-1]))
	table := isTable(s.lines[line-1])
	for n := line - 1; n >= 1; n-- {
		text := s.lines[n-1]
		if isTable(text) == table && strings.TrimSpace(keyOf(text)) == wanted {
			return n
		}
		if isTable(text) && !table {
			return 0
		}
	}
	return 0
}

// needs reports a key that is missing.
func (s *site) needs(at place, what, missing string) {
	if !s.partial {
		s.error(codeNeeds, at, what, missing)
	}
}

// path makes a path of the file absolute to the folder the file is in.
func (s *site) path(p string) string {
	if p == "" || filepath.IsAbs(p) {
		return p
	}
	abs, err := filepath.Abs(filepath.Join(s.dir, p))
	if err != nil {
		return filepath.Join(s.dir, p)
	}
	return abs
}

func (s *site) hasPassword() bool {
	return slices.ContainsFunc(s.doc.Src, func(t sourceTable) bool { return t.Password != "" })
}

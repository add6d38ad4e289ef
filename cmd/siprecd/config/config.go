package config

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"siprecd/policy"
)

// Config is what siprecd.toml and extensions.toml say together. It is a value
// that never changes; a reload makes a new one.
type Config struct {
	File       string // siprecd.toml as it was read; "": built-in defaults
	Extensions string // extensions.toml as it was read; "": every extension, full

	SIP     SIP
	Site    Site
	Media   Media
	Data    Data
	Sources []Source // who may send recording sessions; empty: anybody
	Keys    Keys
	Limits  Limits
	Log     Log

	Retention Retention
	Ledger    Ledger

	Default policy.Rule   // [default] of extensions.toml
	Lines   []policy.Rule // [extensions], in order of the file
	Rules   *policy.Rules // all of it, compiled

	text []string // the lines of extensions.toml
}

// Text returns the line of extensions.toml that made a rule; "" when no line
// did.
func (c *Config) Text(o policy.Origin) string {
	if o.Line < 1 || o.Line > len(c.text) || o.File != filepath.Base(c.Extensions) {
		return ""
	}
	return c.text[o.Line-1]
}

// SIP is where recording sessions arrive.
type SIP struct {
	Listen    []Listen
	ByDefault bool   // nobody configured Listen: another port may be taken when 5060 is in use
	Cert, Key string // files, PEM, for tls
	ClientCA  string // file, PEM; given: a tls client must show a certificate signed by it
}

// Listen is one address to listen on.
type Listen struct {
	Network string // "udp", "tcp", "tls"
	Addr    netip.AddrPort
}

func (l Listen) String() string { return l.Network + ":" + l.Addr.String() }

// Site is what the house has in common.
type Site struct {
	Numbers     []string // patterns of our own numbers; empty: the ones extensions.toml names
	CountryCode string   // "82"; "": numbers with + are never national
	TimeZone    *time.Location
}

// Media is where the audio arrives.
type Media struct {
	FirstPort, LastPort uint16     // both usable
	Address             netip.Addr // announced in SDP; the zero Addr: the one the SRC reached us at

	Codecs        []string // what lines are accepted with, as Usual, Rare and ByFFmpeg name them
	WithoutFFmpeg string   // "refuse" the codecs of ByFFmpeg where it is not found, or "keep" them until it is
}

// Data is where everything is kept.
type Data struct {
	Dir string // absolute when a file names it; else "siprecd-data" below the working directory

	Originals string // "auto", "always", "never": whose tapes are kept, sealed, beside the recording
}

// Source is an SRC that may send us recording sessions.
type Source struct {
	Name      string
	Addresses []netip.Prefix // empty: any, when Cert or User tells who it is
	Cert      string         // name in its client certificate
	User      string         // of digest authentication; "": none asked for
	Password  string
	TimeZone  *time.Location // of its zone-less timestamps
	NAT       bool           // media may come from elsewhere than its SDP says
	Media     string         // "srtp": encrypted or refused; "rtp": in clear or refused; "either"

	Profile     string // how it tells what it sends: one of Profiles
	PartyHeader string // of "participant-header": the header; "": any x-…-recording-participant
}

// Keys are the key commands of selective recording.
type Keys struct {
	Start, Stop string
	InBand      bool // they count as tones in the sound too
}

// Limits bound what one recorder takes on.
type Limits struct {
	MaxCalls int           // recording sessions at once
	Grace    time.Duration // for live calls, at the first SIGTERM
}

// Log is how and how much is logged.
type Log struct {
	Level  slog.Level
	Format string // "text", "json"
}

// Ledger is who else looks at the ledger.
type Ledger struct {
	Witness    string // address of the machine that cosigns its checkpoints, http:// or https://; "": there is none
	WitnessKey string // that machine's verifier key
	RowsMonths int    // whole months that its readable rows are kept after their own
}

// Retention is how long recordings are kept: those of the longest matching
// pattern as it says, all others Days.
type Retention struct {
	Days          int            // whole days after the day of the recording's end
	RegulationRef string         // what allows another number than the regulation's
	Extensions    map[string]int // by pattern of an extension

	match *policy.Rules // the patterns, compiled
}

// DaysFor returns how many days a recording of an extension is kept.
func (r Retention) DaysFor(extension string) int {
	if r.match != nil {
		if days, ok := r.Extensions[r.match.Match(extension).Pattern]; ok {
			return days
		}
	}
	return r.Days
}

// ErrNotFound is returned by Find for a file that was asked for by name.
var ErrNotFound = errors.New("no such file")

// Find returns the siprecd.toml to read: the one given by --config, else
// ./siprecd.toml, else /etc/siprecd/siprecd.toml; a folder with only an
// extensions.toml counts. "" when there is none: the built-in defaults hold.
func Find(flag string) (string, error) {
	if flag != "" {
		info, err := os.Stat(flag)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return "", fmt.Errorf("--config %s: %w", flag, ErrNotFound)
		case err == nil && info.IsDir():
			return filepath.Join(flag, siteFile), nil
		}
		return flag, nil
	}
	for _, dir := range []string{".", "/etc/siprecd"} {
		for _, name := range []string{siteFile, extensionsFile} {
			if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
				return filepath.Join(dir, siteFile), nil
			}
		}
	}
	return "", nil
}

const (
	siteFile       = "siprecd.toml"
	extensionsFile = "extensions.toml"
)

// Load reads siprecd.toml and the extensions.toml beside it. A file that does
// not exist stands for the defaults; with path "" neither is looked for. The
// Config is nil when one of the problems is an Error.
func Load(path string) (*Config, []Problem) {
	if path == "" {
		return LoadFiles("", "")
	}
	return LoadFiles(path, filepath.Join(filepath.Dir(path), extensionsFile))
}

// LoadFiles is Load with extensions.toml somewhere else.
func LoadFiles(sitePath, extensionsPath string) (*Config, []Problem) {
	c := &Config{}
	s := &site{report: report{file: shown(sitePath)}, dir: filepath.Dir(sitePath)}
	data, found := read(sitePath, &s.report)
	if found {
		c.File = sitePath
	}
	s.decode(data, c)
	if c.File != "" {
		checkMode(sitePath, &s.report, s.hasPassword())
	}

	r := &report{file: shown(extensionsPath)}
	data, found = read(extensionsPath, r)
	if found {
		c.Extensions = extensionsPath
	}
	e := readExtensions(shown(extensionsPath), filepath.Base(extensionsPath), data, c.Site.CountryCode)
	e.problems = append(e.problems, r.problems...)
	if found {
		checkMode(extensionsPath, &e.report, false)
	}
	c.Default, c.Lines, c.text = e.byDefault, e.rules, e.lines
	c.compile(e)

	problems := append(s.all(), e.all()...)
	if hasErrors(problems) {
		return nil, problems
	}
	return c, problems
}

// CheckFile returns what is wrong with one file, whichever of the two it is: an
// extensions.toml is known by its name or its tables, and is judged together
// with the siprecd.toml beside it.
func CheckFile(path string) []Problem {
	r := &report{file: shown(path)}
	data, found := read(path, r)
	if !found {
		r.error(codeMissing, place{})
	}
	if len(r.problems) > 0 {
		return r.problems
	}
	var problems []Problem
	if dir := filepath.Dir(path); isExtensions(path, data) {
		_, problems = LoadFiles(filepath.Join(dir, siteFile), path)
	} else {
		_, problems = LoadFiles(path, "")
	}
	return slices.DeleteFunc(problems, func(p Problem) bool { return p.File != shown(path) })
}

func isExtensions(path string, data []byte) bool {
	switch filepath.Base(path) {
	case extensionsFile:
		return true
	case siteFile:
		return false
	}
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSpace(line); isTable(line) {
			return slices.Contains(tableNames, strings.TrimSpace(keyOf(line)))
		}
	}
	return strings.Contains(filepath.Base(path), "extensions")
}

// compile makes the rules and reports their overlaps.
func (c *Config) compile(e *extensions) {
	rules, conflicts, err := policy.New(policy.Site{
		Numbers:     c.Site.Numbers,
		CountryCode: c.Site.CountryCode,
		Start:       c.Keys.Start,
		Stop:        c.Keys.Stop,
		Default:     c.Default,
	}, c.Lines)
	e.conflicts(conflicts)
	e.sameKeys(c.Keys)
	if err != nil && len(conflicts) == 0 {
		e.error(codeSyntax, place{}, err.Error()) // every pattern was checked, so this is never seen
	}
	if err == nil && len(c.Site.Numbers) > 0 {
		e.notOurs(rules)
	}
	c.Rules = rules
}

// shown is how a file is called in problems.
func shown(path string) string {
	if dir := filepath.Dir(path); dir == "." {
		return filepath.Base(path)
	}
	return path
}

// read returns the bytes of a file; found is false when it does not exist.
func read(path string, r *report) (data []byte, found bool) {
	if path == "" {
		return nil, false
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false
	}
	if err != nil {
		r.error(codeRead, place{}, reason(err))
	}
	return data, true
}

// reason is a file error without the name of the file, which is shown beside it.
func reason(err error) error {
	var pathError *fs.PathError
	if errors.As(err, &pathError) {
		return pathError.Err
	}
	return err
}

func checkMode(path string, r *report, secret bool) {
	info, err := os.Stat(path)
	if err != nil {
		return
	}
	mode := info.Mode().Perm()
	switch {
	case mode&0o002 != 0:
		r.warn(codeWritable, place{}, fmt.Sprintf("%04o", mode), path)
	case secret && mode&0o004 != 0:
		r.warn(codeSecret, place{}, fmt.Sprintf("%04o", mode), path)
	}
}

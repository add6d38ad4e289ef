package config

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"

	"siprecd/policy"
)

// mostNamed is how many changed lines Diff names before it only counts.
const mostNamed = 20

// Diff says in short sentences what a reload changes: extensions first, then
// settings. A setting that a running daemon cannot take over says that it needs
// a restart. Nothing changed: nil.
func Diff(old, new *Config) []string {
	lines := diffLines(old, new)
	if a, b := entry(old.Default), entry(new.Default); a != b {
		lines = append(lines, fmt.Sprintf("[default] %s → %s", a, b))
	}
	lines = append(lines, diffSources(old.Sources, new.Sources)...)
	for _, s := range settings {
		a, b := s.show(old), s.show(new)
		if a == b {
			continue
		}
		line := fmt.Sprintf("%s %s → %s", s.name, a, b)
		if s.restart {
			line += " (needs a restart)"
		}
		lines = append(lines, line)
	}
	return lines
}

// NeedRestart names the settings that differ and that a running daemon cannot
// take over.
func NeedRestart(old, new *Config) (names []string) {
	for _, s := range settings {
		if s.restart && s.show(old) != s.show(new) {
			names = append(names, s.name)
		}
	}
	return names
}

// entry is a line without its number.
func entry(r policy.Rule) string {
	s := r.Mode.String()
	if r.Start != "" {
		s += " start " + r.Start
	}
	if r.Stop != "" {
		s += " stop " + r.Stop
	}
	return s
}

func diffLines(old, new *Config) (lines []string) {
	before := make(map[string]string, len(old.Lines))
	for _, r := range old.Lines {
		before[r.Pattern] = entry(r)
	}
	changed, added := 0, 0
	for _, r := range new.Lines {
		was, known := before[r.Pattern]
		delete(before, r.Pattern)
		switch now := entry(r); {
		case !known:
			added++
		case was != now:
			if changed++; changed <= mostNamed {
				lines = append(lines, fmt.Sprintf("%s %s → %s", r.Pattern, was, now))
			}
		}
	}
	if more := changed - mostNamed; more > 0 {
		lines = append(lines, fmt.Sprintf("%d more changed", more))
	}
	if added > 0 {
		lines = append(lines, fmt.Sprintf("%d new", added))
	}
	if len(before) > 0 {
		lines = append(lines, fmt.Sprintf("%d removed", len(before)))
	}
	return lines
}

func diffSources(old, new []Source) (lines []string) {
	for _, s := range new {
		i := slices.IndexFunc(old, func(o Source) bool { return o.Name == s.Name })
		switch {
		case i < 0:
			lines = append(lines, "src "+s.Name+" new")
		case !reflect.DeepEqual(old[i], s):
			lines = append(lines, "src "+s.Name+" changed")
		}
	}
	for _, o := range old {
		if !slices.ContainsFunc(new, func(s Source) bool { return s.Name == o.Name }) {
			lines = append(lines, "src "+o.Name+" removed")
		}
	}
	return lines
}

type setting struct {
	name    string
	restart bool
	show    func(*Config) string
}

// settings is every key of siprecd.toml but [[src]]; a test holds it against
// the document.
var settings = []setting{
	{"sip.listen", true, func(c *Config) string { return fmt.Sprint(c.SIP.Listen) }},
	{"sip.cert", true, func(c *Config) string { return quoted(c.SIP.Cert) }},
	{"sip.key", true, func(c *Config) string { return quoted(c.SIP.Key) }},
	{"sip.client_ca", true, func(c *Config) string { return quoted(c.SIP.ClientCA) }},
	{"site.numbers", false, func(c *Config) string { return "[" + strings.Join(c.Site.Numbers, ", ") + "]" }},
	{"site.country_code", false, func(c *Config) string { return quoted(c.Site.CountryCode) }},
	{"site.time_zone", false, func(c *Config) string { return c.Site.TimeZone.String() }},
	{"media.ports", true, func(c *Config) string { return fmt.Sprintf("%d-%d", c.Media.FirstPort, c.Media.LastPort) }},
	{"media.address", false, func(c *Config) string { return showAddress(c.Media.Address) }},
	{"media.codecs", false, func(c *Config) string { return "[" + strings.Join(c.Media.Codecs, ", ") + "]" }},
	{"media.codecs_without_ffmpeg", false, func(c *Config) string { return c.Media.WithoutFFmpeg }},
	{"data.dir", true, func(c *Config) string { return c.Data.Dir }},
	{"data.originals", false, func(c *Config) string { return c.Data.Originals }},
	{"keys.start", false, func(c *Config) string { return c.Keys.Start }},
	{"keys.stop", false, func(c *Config) string { return c.Keys.Stop }},
	{"keys.inband", false, func(c *Config) string { return fmt.Sprint(c.Keys.InBand) }},
	{"limits.max_calls", false, func(c *Config) string { return fmt.Sprint(c.Limits.MaxCalls) }},
	{"limits.grace", false, func(c *Config) string { return c.Limits.Grace.String() }},
	{"retention.days", false, func(c *Config) string { return fmt.Sprint(c.Retention.Days) }},
	{"retention.regulation_ref", false, func(c *Config) string { return quoted(c.Retention.RegulationRef) }},
	{"retention.extensions", false, func(c *Config) string { return fmt.Sprint(c.Retention.Extensions) }},
	{"ledger.witness", false, func(c *Config) string { return quoted(c.Ledger.Witness) }},
	{"ledger.witness_key", false, func(c *Config) string { return quoted(c.Ledger.WitnessKey) }},
	{"ledger.rows_months", false, func(c *Config) string { return fmt.Sprint(c.Ledger.RowsMonths) }},
	{"log.level", false, func(c *Config) string { return strings.ToLower(c.Log.Level.String()) }},
	{"log.format", true, func(c *Config) string { return c.Log.Format }},
}

func quoted(s string) string { return fmt.Sprintf("%q", s) }

func showAddress(a netip.Addr) string {
	if !a.IsValid() {
		return `""`
	}
	return a.String()
}

package config

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // a recorder on a minimal system still knows Asia/Seoul

	"siprecd/policy"
)

// check turns the document into the Config, and reports every value that
// cannot be used.
func (s *site) check(c *Config) {
	s.checkSIP(c)
	s.checkSite(c)
	s.checkMedia(c)
	c.Data.Dir = "siprecd-data"
	if dir := s.doc.Data.Dir; dir != nil && *dir != "" {
		c.Data.Dir = s.path(*dir)
	}
	s.checkOriginals(c)
	if at, ok := s.keys["src"]; ok && isTable(s.lines[at.line-1]) {
		s.error(codeType, at, "src", "[[src]]")
	}
	names := make(map[string]bool)
	for i, t := range s.doc.Src {
		c.Sources = append(c.Sources, s.checkSource(fmt.Sprintf("src[%d]", i), t, names))
	}
	c.Keys = Keys{
		Start: s.checkCommand("keys.start", s.doc.Keys.Start, "*1"),
		Stop:  s.checkCommand("keys.stop", s.doc.Keys.Stop, "*2"),

		InBand: s.doc.Keys.InBand == nil || *s.doc.Keys.InBand,
	}
	if c.Keys.Start == c.Keys.Stop {
		s.error(codeSameKeys, s.value("keys.stop", c.Keys.Stop), c.Keys.Stop)
	}
	s.checkLimits(c)
	s.checkRetention(c)
	s.checkLedger(c)
	s.checkLog(c)
}

func (s *site) checkSIP(c *Config) {
	d := s.doc.SIP
	c.SIP = SIP{Cert: s.path(d.Cert), Key: s.path(d.Key), ClientCA: s.path(d.ClientCA)}
	if d.Listen == nil {
		any := netip.AddrPortFrom(netip.IPv4Unspecified(), 5060)
		c.SIP.Listen = []Listen{{"udp", any}, {"tcp", any}}
		c.SIP.ByDefault = true
		return
	}
	for _, text := range *d.Listen {
		l, ok := parseListen(text)
		switch {
		case !ok:
			s.error(codeListen, s.value("sip.listen", text), text)
		case slices.Contains(c.SIP.Listen, l):
			s.error(codeTwice, s.value("sip.listen", text), text)
		case l.Network == "tls" && (d.Cert == "" || d.Key == ""):
			s.needs(s.value("sip.listen", text), text, "[sip] cert, key")
		default:
			c.SIP.Listen = append(c.SIP.Listen, l)
		}
	}
	if len(*d.Listen) == 0 {
		s.needs(s.keys["sip.listen"], "listen", `"udp:0.0.0.0:5060"`)
	}
	for key, file := range map[string]string{"cert": d.Cert, "key": d.Key, "client_ca": d.ClientCA} {
		s.checkFile("sip."+key, file)
	}
}

func parseListen(text string) (Listen, bool) {
	network, addr, ok := strings.Cut(text, ":")
	if !ok || !slices.Contains([]string{"udp", "tcp", "tls"}, network) {
		return Listen{}, false
	}
	ap, err := netip.ParseAddrPort(addr)
	return Listen{network, ap}, err == nil
}

// readPassword reads the first line of a small regular file.
func (s *site) readPassword(key, file string) string {
	info, err := os.Stat(s.path(file))
	if err == nil && (!info.Mode().IsRegular() || info.Size() > 4096) {
		err = errors.New("not a small regular file")
	}
	var secret []byte
	if err == nil {
		secret, err = os.ReadFile(s.path(file))
	}
	if err != nil {
		s.error(codeFile, s.value(key, file), file, reason(err))
	}
	line, _, _ := strings.Cut(string(secret), "\n")
	return strings.TrimSuffix(line, "\r")
}

// checkFile reports a file that is named and cannot be read.
func (s *site) checkFile(key, file string) {
	if file == "" {
		return
	}
	info, err := os.Stat(s.path(file))
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("not a regular file")
	}
	var f *os.File
	if err == nil {
		f, err = os.Open(s.path(file))
	}
	if err != nil {
		s.error(codeFile, s.value(key, file), file, reason(err))
		return
	}
	f.Close()
}

func (s *site) checkSite(c *Config) {
	d := s.doc.Site
	c.Site = Site{CountryCode: "82", TimeZone: s.checkZone("site.time_zone", d.TimeZone, seoul())}
	if d.CountryCode != nil {
		code := strings.TrimPrefix(*d.CountryCode, "+")
		if strings.Trim(code, "0123456789") != "" || len(code) > 3 {
			s.error(codeCountry, s.value("site.country_code", *d.CountryCode), *d.CountryCode)
			code = "82"
		}
		c.Site.CountryCode = code
	}
	for _, n := range d.Numbers {
		if err := policy.CheckPattern(n, c.Site.CountryCode); err != nil {
			s.badPattern(s.value("site.numbers", n), err)
			continue
		}
		c.Site.Numbers = append(c.Site.Numbers, n)
	}
}

// seoul is where the regulation holds.
func seoul() *time.Location {
	zone, err := time.LoadLocation("Asia/Seoul")
	if err != nil {
		return time.FixedZone("KST", 9*60*60)
	}
	return zone
}

func (s *site) checkZone(key string, name *string, otherwise *time.Location) *time.Location {
	if name == nil {
		return otherwise
	}
	zone, err := time.LoadLocation(*name)
	if err != nil || *name == "" || *name == "Local" {
		s.error(codeZone, s.value(key, *name), *name)
		return otherwise
	}
	return zone
}

func (s *site) checkMedia(c *Config) {
	c.Media = Media{FirstPort: 40000, LastPort: 49999}
	d := s.doc.Media
	if d.Ports != nil {
		first, last, _ := strings.Cut(*d.Ports, "-")
		from, errFrom := strconv.ParseUint(strings.TrimSpace(first), 10, 16)
		to, errTo := strconv.ParseUint(strings.TrimSpace(last), 10, 16)
		if errFrom != nil || errTo != nil || from < 1024 || to < from+3 {
			s.error(codePorts, s.value("media.ports", *d.Ports), *d.Ports)
		} else {
			c.Media.FirstPort, c.Media.LastPort = uint16(from), uint16(to)
		}
	}
	if d.Address != nil && *d.Address != "" {
		addr, err := netip.ParseAddr(*d.Address)
		if err != nil {
			s.error(codeAddress, s.value("media.address", *d.Address), *d.Address)
		}
		c.Media.Address = addr
	}
	s.checkFormats(c)
}

func (s *site) checkSource(key string, t sourceTable, names map[string]bool) Source {
	src := Source{
		Name: t.Name, Cert: t.Cert, User: t.User, NAT: t.NAT, Password: t.Password,
		TimeZone: s.checkZone(key+".time_zone", t.TimeZone, seoul()), Media: "either",
	}
	if medias := []string{"srtp", "rtp", "either"}; t.Media != nil && !slices.Contains(medias, *t.Media) {
		s.error(codeChoice, s.value(key+".media", *t.Media), *t.Media, "media").meant(*t.Media, medias)
	} else if t.Media != nil {
		src.Media = *t.Media
	}
	s.checkProfile(key, t, &src)
	switch {
	case t.Name == "":
		s.needs(s.keys[key], "[[src]]", "name")
	case names[t.Name]:
		s.error(codeTwice, s.value(key+".name", t.Name), t.Name)
	}
	names[t.Name] = true
	for _, text := range t.Addresses {
		prefix, err := parsePrefix(text)
		if err != nil {
			s.error(codeAddress, s.value(key+".addresses", text), text)
			continue
		}
		src.Addresses = append(src.Addresses, prefix)
	}
	if len(t.Addresses) == 0 && t.Cert == "" && t.User == "" {
		s.needs(s.keys[key], "[[src]]", "addresses, cert, user")
	}
	switch {
	case t.Password != "" && t.PasswordFile != "":
		s.error(codeTwice, s.keys[key+".password_file"], "password")
	case t.User != "" && t.Password == "" && t.PasswordFile == "":
		s.needs(s.keys[key+".user"], "user", "password, password_file")
	case t.User == "" && (t.Password != "" || t.PasswordFile != ""):
		s.needs(s.keys[key], "password", "user")
	case t.PasswordFile != "":
		src.Password = s.readPassword(key+".password_file", t.PasswordFile)
	}
	return src
}

func parsePrefix(text string) (netip.Prefix, error) {
	if strings.Contains(text, "/") {
		p, err := netip.ParsePrefix(text)
		return p.Masked(), err
	}
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Prefix{}, err
	}
	addr = addr.Unmap()
	return addr.Prefix(addr.BitLen())
}

func (s *site) checkCommand(key string, written *string, otherwise string) string {
	if written == nil {
		return otherwise
	}
	if !isCommand(*written) {
		s.error(codeCommand, s.value(key, *written), *written)
		return otherwise
	}
	return *written
}

func (s *site) checkLimits(c *Config) {
	c.Limits = Limits{MaxCalls: 1000, Grace: 30 * time.Second}
	if n := s.doc.Limits.MaxCalls; n != nil {
		if *n < 1 || *n > 100_000 {
			s.error(codeNumber, s.keys["limits.max_calls"], "max_calls", 1, 100_000)
		} else {
			c.Limits.MaxCalls = int(*n)
		}
	}
	if text := s.doc.Limits.Grace; text != nil {
		d, err := time.ParseDuration(*text)
		if err != nil || d < 0 || d > 24*time.Hour {
			s.error(codeDuration, s.value("limits.grace", *text), *text)
		} else {
			c.Limits.Grace = d
		}
	}
}

// longestRetention is more than any document asks for: ten years.
const longestRetention = 3660

func (s *site) checkRetention(c *Config) {
	doc := s.doc.Retention
	c.Retention = Retention{Days: policy.DefaultDays, RegulationRef: doc.RegulationRef, Extensions: make(map[string]int)}
	usual := true
	days := func(key string, n int64) int {
		if n < 1 || n > longestRetention {
			s.error(codeNumber, s.keys[key], key, 1, longestRetention)
			return policy.DefaultDays
		}
		usual = usual && n == policy.DefaultDays
		return int(n)
	}
	if doc.Days != nil {
		c.Retention.Days = days("retention.days", *doc.Days)
	}
	var rules []policy.Rule
	for _, pattern := range slices.Sorted(maps.Keys(doc.Extensions)) {
		key := "retention.extensions." + pattern
		c.Retention.Extensions[pattern] = days(key, doc.Extensions[pattern])
		rules = append(rules, policy.Rule{Pattern: pattern, Mode: policy.Full, Origin: policy.Origin{File: siteFile, Line: s.keys[key].line}})
	}
	match, _, err := policy.New(policy.Site{CountryCode: c.Site.CountryCode}, rules)
	if err != nil {
		s.error(codeSyntax, s.keys["retention.extensions"], err.Error())
	}
	c.Retention.match = match
	if !usual && strings.TrimSpace(doc.RegulationRef) == "" {
		s.error(codeRegulation, s.keys["retention.days"], policy.DefaultDays)
	}
}

func (s *site) checkLog(c *Config) {
	c.Log = Log{Level: slog.LevelInfo, Format: "text"}
	levels := []string{"debug", "info", "warn", "error"}
	if text := s.doc.Log.Level; text != nil {
		if !slices.Contains(levels, *text) {
			s.error(codeChoice, s.value("log.level", *text), *text, "level").meant(*text, levels)
		} else if err := c.Log.Level.UnmarshalText([]byte(*text)); err != nil {
			s.error(codeSyntax, s.value("log.level", *text), err.Error())
		}
	}
	formats := []string{"text", "json"}
	if text := s.doc.Log.Format; text != nil {
		if !slices.Contains(formats, *text) {
			s.error(codeChoice, s.value("log.format", *text), *text, "format").meant(*text, formats)
		} else {
			c.Log.Format = *text
		}
	}
}

func (s *site) checkOriginals(c *Config) {
	choices := []string{"auto", "always", "never"}
	c.Data.Originals = choices[0]
	switch given := s.doc.Data.Originals; {
	case given == nil:
	case !slices.Contains(choices, *given):
		s.error(codeChoice, s.value("data.originals", *given), *given, "originals").meant(*given, choices)
	default:
		c.Data.Originals = *given
	}
}

package sip

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// uri is a SIP, SIPS or tel URI taken apart as far as signalling needs it.
type uri struct {
	scheme string // lower case
	user   string // unescaped; of a tel URI the number
	host   string // without brackets
	port   int    // 0 when absent
	params map[string]string
}

// parseURI reads what it can; parts it cannot read stay empty.
func parseURI(s string) uri {
	var u uri
	scheme, rest, ok := strings.Cut(strings.TrimSpace(s), ":")
	if !ok || strings.ContainsAny(scheme, "@;. ") {
		scheme, rest = "", s
	}
	u.scheme = strings.ToLower(scheme)
	if i := strings.IndexByte(rest, '?'); i >= 0 {
		rest = rest[:i]
	}
	if u.scheme == "tel" {
		number, params, _ := strings.Cut(rest, ";")
		u.user, u.params = unescape(number), parseParams(params)
		return u
	}
	hostport := rest
	// A user part may itself hold ';' and ':' (RFC 3261 section 19.1.1).
	if i := strings.LastIndexByte(rest, '@'); i >= 0 {
		user := rest[:i]
		hostport = rest[i+1:]
		if j := strings.IndexByte(user, ':'); j >= 0 {
			user = user[:j]
		}
		u.user = unescape(strings.TrimSpace(user))
	}
	hostport, params, _ := strings.Cut(hostport, ";")
	u.params = parseParams(params)
	u.host, u.port = splitHostPort(hostport)
	return u
}

// splitHostPort reads host, host:port, [v6] and [v6]:port; an unbracketed IPv6
// address is taken as a host alone. A port that is none gives -1.
func splitHostPort(s string) (host string, port int) {
	s = strings.TrimSpace(s)
	if strings.HasPrefix(s, "[") {
		if i := strings.IndexByte(s, ']'); i > 0 {
			host, s = s[1:i], s[i+1:]
			if p, ok := strings.CutPrefix(strings.TrimSpace(s), ":"); ok {
				return host, portNumber(p)
			}
			return host, 0
		}
	}
	if strings.Count(s, ":") > 1 {
		return s, 0
	}
	host, p, ok := strings.Cut(s, ":")
	if ok {
		port = portNumber(p)
	}
	return strings.TrimSpace(host), port
}

// bareIPv6 reports whether a SIP URI's host is an IPv6 address without
// brackets, so that nobody knows where it ends and a port begins.
func bareIPv6(uri string) bool {
	scheme, rest, _ := strings.Cut(uri, ":")
	if !strings.EqualFold(scheme, "sip") && !strings.EqualFold(scheme, "sips") {
		return false
	}
	rest, _, _ = strings.Cut(rest, "?")
	rest = rest[strings.LastIndexByte(rest, '@')+1:]
	rest, _, _ = strings.Cut(rest, ";")
	return !strings.HasPrefix(rest, "[") && strings.Count(rest, ":") > 1
}

func portNumber(s string) int {
	n, err := strconv.ParseUint(strings.TrimSpace(s), 10, 16)
	if err != nil || n == 0 {
		return -1
	}
	return int(n)
}

func unescape(s string) string {
	if plain, err := url.PathUnescape(s); err == nil {
		return plain
	}
	return s
}

// parseAddress reads a name-addr or addr-spec (RFC 3261 section 20.10). A
// missing closing bracket is supplied at the end of the value.
func parseAddress(s string) Address {
	s = strings.TrimSpace(s)
	var a Address
	open := indexOutside(s, '<')
	if open < 0 && strings.HasPrefix(s, `"`) {
		open = strings.LastIndexByte(s, '<') // the quote is never closed
	}
	if open >= 0 {
		a.Display = unquote(strings.TrimSpace(s[:open]))
		s = s[open+1:]
		target, rest, ok := strings.Cut(s, ">")
		if !ok {
			rest = ""
		}
		a.URI = strings.TrimSpace(target)
		_, params, _ := strings.Cut(rest, ";")
		a.Params = parseParams(params)
	} else {
		target, params, _ := strings.Cut(s, ";")
		a.URI, a.Params = strings.TrimSpace(target), parseParams(params)
	}
	u := parseURI(a.URI)
	a.User, a.Host = u.user, u.host
	return a
}

// parseParams reads ";a=b;c" without its first semicolon; names in lower case.
func parseParams(s string) map[string]string {
	if s == "" {
		return nil
	}
	params := map[string]string{}
	for _, p := range splitOutside(s, ';') {
		name, value, _ := strings.Cut(p, "=")
		name = strings.ToLower(strings.TrimSpace(name))
		if name == "" {
			continue
		}
		if _, twice := params[name]; !twice {
			params[name] = unquote(strings.TrimSpace(value))
		}
	}
	return params
}

// splitOutside splits at sep outside quotes and angle brackets, trims each
// element and leaves out empty ones.
func splitOutside(s string, sep byte) []string {
	var parts []string
	for s != "" {
		i := indexOutside(s, sep)
		part := s
		if i < 0 {
			s = ""
		} else {
			part, s = s[:i], s[i+1:]
		}
		if part = strings.TrimSpace(part); part != "" {
			parts = append(parts, part)
		}
	}
	return parts
}

func indexOutside(s string, c byte) int {
	quoted, bracket := false, false
	for i := 0; i < len(s); i++ {
		switch {
		case quoted:
			if s[i] == '\\' {
				i++
			} else if s[i] == '"' {
				quoted = false
			}
		case s[i] == c && !bracket:
			return i
		case s[i] == '"':
			quoted = true
		case s[i] == '<':
			bracket = true
		case s[i] == '>':
			bracket = false
		}
	}
	return -1
}

func unquote(s string) string {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return s
	}
	s = s[1 : len(s)-1]
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// via is one Via value (RFC 3261 section 20.42).
type via struct {
	transport string // upper case
	host      string
	port      int // 0 when absent, -1 when it is no port
	params    map[string]string
}

func parseVia(s string) (v via, ok bool) {
	protocol, rest, _ := strings.Cut(s, ";")
	v.params = parseParams(rest)
	name, rest, ok1 := strings.Cut(protocol, "/")
	version, rest, ok2 := strings.Cut(rest, "/")
	rest = strings.TrimSpace(rest)
	i := strings.IndexAny(rest, " \t")
	if !ok1 || !ok2 || i < 0 || !strings.EqualFold(strings.TrimSpace(name), "SIP") || strings.TrimSpace(version) != "2.0" {
		return v, false
	}
	v.transport = strings.ToUpper(rest[:i])
	v.host, v.port = splitHostPort(rest[i:])
	return v, v.host != ""
}

// hostPort writes an address for a URI or Via.
func hostPort(a netip.AddrPort) string {
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port()).String()
}

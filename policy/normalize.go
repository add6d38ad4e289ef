package policy

import (
	"net/netip"
	"net/url"
	"strings"
)

// Normalize reduces an AoR (sip:, sips:, tel:, bare number) to the form in
// which numbers are compared: the user part in lower case, without visual
// separators (RFC 3966 section 3), the country code (digits, "82"; empty:
// none is ours) replaced by the trunk 0. An ;ext= of the number stands for the
// number itself: it is the extension that was meant. An address without a user
// part gives "".
func Normalize(aor, countryCode string) string {
	user, params := userPart(strings.TrimSpace(narrow(aor)))
	for _, p := range params {
		name, value, _ := strings.Cut(p, "=")
		if strings.EqualFold(strings.TrimSpace(name), "ext") {
			if ext := normalizeUser(value, countryCode); ext != "" {
				return ext
			}
		}
	}
	return normalizeUser(user, countryCode)
}

// userPart cuts everything off an address but the user and the parameters that
// belong to the user (before the @, or of a tel: URI).
func userPart(aor string) (user string, params []string) {
	if open := strings.LastIndexByte(aor, '<'); open >= 0 {
		aor, _, _ = strings.Cut(aor[open+1:], ">")
		aor = strings.TrimSpace(aor)
	}
	scheme, rest, found := strings.Cut(aor, ":")
	if !found {
		scheme, rest = "", aor
	}
	switch strings.ToLower(strings.TrimSpace(scheme)) {
	case "tel":
		parts := strings.Split(rest, ";")
		return parts[0], parts[1:]
	case "sip", "sips":
		aor = strings.TrimSpace(rest)
	default:
		scheme = "" // "user:password@host", or "host:port"
	}
	info, _, hasHost := strings.Cut(aor, "@")
	parts := strings.Split(info, ";")
	user, params = parts[0], parts[1:]
	if hasHost {
		user, _, _ = strings.Cut(user, ":")
		return user, params
	}
	if isHost(user, scheme != "") {
		return "", nil
	}
	return user, params
}

// isHost tells an address without @ that names a machine from a bare number or
// name. Only a URI can mean a host name by "pbx.example".
func isHost(s string, uri bool) bool {
	if strings.HasPrefix(s, "[") || strings.Contains(s, ":") {
		return true
	}
	if _, err := netip.ParseAddr(s); err == nil {
		return true
	}
	return uri && strings.Contains(s, ".") && strings.Trim(s, "+0123456789.-()") != ""
}

func normalizeUser(user, countryCode string) string {
	if plain, err := url.PathUnescape(user); err == nil {
		user = plain
	}
	user = strings.ToLower(strings.TrimSpace(narrow(user)))
	number, isNumber := dialString(user)
	if !isNumber {
		// Written so that reading it again gives the same name: "0%2500" is not "0\x00".
		return strings.ReplaceAll(user, "%", "%25")
	}
	if countryCode == "" {
		return number
	}
	if national, ok := strings.CutPrefix(number, "+"+countryCode); ok && national != "" {
		return "0" + strings.TrimPrefix(national, "0") // "+82 (0)31" is written too
	}
	return number
}

// dialString removes visual separators from what is a number: digits, * and #,
// with at most one leading +. Anything else is a name and is left alone.
func dialString(s string) (number string, ok bool) {
	var b strings.Builder
	digits := false
	for _, c := range s {
		switch {
		case c >= '0' && c <= '9':
			digits = true
			b.WriteRune(c)
		case c == '*' || c == '#':
			b.WriteRune(c)
		case c == '+' && b.Len() == 0:
			b.WriteRune(c)
		case strings.ContainsRune("-.()/ \t\u00a0\u2010\u2011\u2012\u2013\u2014", c):
		default:
			return "", false
		}
	}
	return b.String(), digits
}

// narrow turns full-width forms, which a Korean input method leaves behind,
// into ASCII.
func narrow(s string) string {
	if strings.IndexFunc(s, isWide) < 0 {
		return s
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r == 0x3000:
			return ' '
		case isWide(r):
			return r - 0xFEE0
		}
		return r
	}, s)
}

func isWide(r rune) bool { return r >= 0xFF01 && r <= 0xFF5E || r == 0x3000 }

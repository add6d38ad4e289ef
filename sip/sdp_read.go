package sip

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	maxSDP     = 64 << 10
	maxLines   = 64  // m= lines
	maxFormats = 128 // of a line: as many as there are payload numbers
	maxClock   = 1_000_000
	maxPtime   = 1000 // ms
	maxNotes   = 64   // of one description

	maxFingerprints = 8 // of a level
)

// staticCodecs are the payload numbers that need no rtpmap (RFC 3551 section 6).
// 19 is comfort noise of before RFC 3389.
var staticCodecs = map[uint8]Codec{
	0:  {Name: "PCMU", Clock: 8000, Channels: 1},
	3:  {Name: "GSM", Clock: 8000, Channels: 1},
	4:  {Name: "G723", Clock: 8000, Channels: 1},
	8:  {Name: "PCMA", Clock: 8000, Channels: 1},
	9:  {Name: "G722", Clock: 8000, Channels: 1},
	10: {Name: "L16", Clock: 44100, Channels: 2},
	11: {Name: "L16", Clock: 44100, Channels: 1},
	13: {Name: "CN", Clock: 8000, Channels: 1},
	15: {Name: "G728", Clock: 8000, Channels: 1},
	18: {Name: "G729", Clock: 8000, Channels: 1},
	19: {Name: "CN", Clock: 8000, Channels: 1},
}

// readDescription reads SDP as it comes: lines in any order within their
// level, unknown ones and nonsense passed over. An error is a *bodyError.
func readDescription(raw []byte) (*Description, error) {
	if len(raw) > maxSDP {
		return nil, &bodyError{488, "the session description is larger than 64 KiB"}
	}
	r := sdpReader{d: &Description{Raw: raw, timing: "0 0"}}
	for line := range sdpLines(raw) {
		if len(line) < 2 || line[1] != '=' {
			continue
		}
		value := strings.TrimSpace(line[2:])
		if line[0] == 'm' {
			if len(r.media) == maxLines {
				return nil, &bodyError{488, fmt.Sprintf("the session description holds more than %d media lines", maxLines)}
			}
			r.media = append(r.media, sdpMedia{m: value, at: len(r.media)})
			continue
		}
		r.level(line[0], value)
	}
	switch {
	case !r.version:
		return nil, &bodyError{488, "the session description has no v= line"}
	case len(r.media) == 0:
		return nil, &bodyError{488, "no media line"}
	}
	for i := range r.media {
		r.d.Lines = append(r.d.Lines, r.line(&r.media[i]))
	}
	r.labels()
	return r.d, nil
}

// sdpLines yields the lines of a text whatever ends them, blanks trimmed.
func sdpLines(raw []byte) func(yield func(string) bool) {
	return strings.FieldsFuncSeq(strings.ToValidUTF8(string(raw), "\uFFFD"), func(c rune) bool { return c == '\n' || c == '\r' })
}

// sdpReader gathers the session level and the lines of every medium; what they
// mean is worked out when all are known.
type sdpReader struct {
	d       *Description
	version bool
	session sdpLevel
	media   []sdpMedia
}

// sdpLevel is what session and media level both may state.
type sdpLevel struct {
	connection string // c=, the first
	direction  Direction
	ptime      time.Duration
	noReports  bool // b=RR:0

	fingerprints []string
	setup        string
}

type sdpMedia struct {
	sdpLevel
	at         int
	m          string // value of the m= line
	attributes []string
}

func (r *sdpReader) note(format string, args ...any) {
	if len(r.d.Notes) < maxNotes {
		r.d.Notes = append(r.d.Notes, fmt.Sprintf(format, args...))
	}
}

// level takes a line that is no m= line.
func (r *sdpReader) level(kind byte, value string) {
	level := &r.session
	if n := len(r.media); n > 0 {
		level = &r.media[n-1].sdpLevel
	}
	switch kind {
	case 'v':
		r.version = true
	case 'o':
		r.origin(value)
	case 'c':
		if level.connection == "" {
			level.connection = value
		}
	case 't':
		if start, stop, ok := strings.Cut(value, " "); ok && decimal(start) && decimal(strings.TrimSpace(stop)) {
			r.d.timing = start + " " + strings.TrimSpace(stop)
		}
	case 'b':
		if kbps, ok := strings.CutPrefix(value, "RR:"); ok {
			level.noReports = strings.TrimSpace(kbps) == "0"
		}
	case 'a':
		r.attribute(level, value)
	}
}

func (r *sdpReader) attribute(level *sdpLevel, a string) {
	name, value, _ := strings.Cut(a, ":")
	switch name = strings.ToLower(strings.TrimSpace(name)); name {
	case "sendrecv", "sendonly", "recvonly", "inactive":
		level.direction = Direction(name)
	case "ptime":
		ms := leadingNumber(strings.TrimSpace(value))
		if ms >= 1 && ms <= maxPtime {
			level.ptime = time.Duration(ms) * time.Millisecond
		} else {
			r.note("ptime %q is not between 1 and %d ms: ignored", brief(value), maxPtime)
		}
	case "fingerprint":
		if hash, digits, ok := strings.Cut(strings.TrimSpace(value), " "); ok && len(level.fingerprints) < maxFingerprints {
			level.fingerprints = append(level.fingerprints, strings.ToLower(hash)+" "+strings.ToUpper(strings.TrimSpace(digits)))
		}
	case "setup":
		level.setup = strings.ToLower(strings.TrimSpace(value))
	default:
		if n := len(r.media); n > 0 {
			r.media[n-1].attributes = append(r.media[n-1].attributes, name+":"+strings.TrimSpace(value))
		}
	}
}

func (r *sdpReader) origin(value string) {
	if r.d.Origin != "" {
		return
	}
	r.d.Origin = value
	fields := strings.Fields(value)
	if len(fields) < 3 {
		r.note("the o= line is incomplete")
		return
	}
	version, err := strconv.ParseUint(fields[2], 10, 64)
	if err != nil {
		r.note("the version in o= is not a number")
	}
	r.d.Version = version
}

// line makes a Line of all that is said of one medium.
func (r *sdpReader) line(m *sdpMedia) Line {
	l := Line{Index: m.at, Direction: SendRecv, Ptime: r.session.ptime}
	port := r.mediaLine(&l, m.m)
	connection := m.connection
	if connection == "" {
		connection = r.session.connection
	}
	addr := r.address(connection, m.at)
	l.Addr = netip.AddrPortFrom(addr, port)
	for _, d := range []Direction{r.session.direction, m.direction} {
		if d != "" {
			l.Direction = d
		}
	}
	if addr.IsValid() && addr.IsUnspecified() {
		l.Direction = Inactive // RFC 3264 section 8.4, the older way to hold
	}
	if m.ptime != 0 {
		l.Ptime = m.ptime
	}
	l.NoReports = m.noReports || r.session.noReports
	if l.Fingerprints, l.Setup = m.fingerprints, m.setup; l.Fingerprints == nil {
		l.Fingerprints = r.session.fingerprints
	}
	if l.Setup == "" {
		l.Setup = r.session.setup
	}
	rtcp := ""
	for _, a := range m.attributes {
		name, value, _ := strings.Cut(a, ":")
		switch name {
		case "label":
			l.Label = value
		case "content":
			l.Content = value
		case "crypto":
			r.crypto(&l, value)
		case "rtcp-mux":
			l.Mux = true
		case "rtcp":
			rtcp = value
		}
	}
	l.RTCP = rtcpAddress(rtcp, &l)
	r.codecs(&l, m.attributes)
	return l
}

// crypto takes one a=crypto; one that cannot be read is told by its place alone.
func (r *sdpReader) crypto(l *Line, value string) {
	c, err := ParseCrypto(value)
	switch {
	case len(l.Crypto) == maxCryptos:
		return
	case err != nil:
		r.note("m-line %d: an a=crypto cannot be read, %v: ignored", l.Index+1, err)
		return
	case slices.ContainsFunc(l.Crypto, func(o Crypto) bool { return o.Tag == c.Tag }):
		r.note("m-line %d: two a=crypto have the tag %d: the first counts", l.Index+1, c.Tag)
		return
	}
	l.Crypto = append(l.Crypto, c)
}

// mediaLine reads kind, protocol and formats of an m= line, and returns its
// port. A line that cannot be read keeps its place and has port 0.
func (r *sdpReader) mediaLine(l *Line, value string) (port uint16) {
	fields := strings.Fields(value)
	if n := len(fields); n < 3 {
		fields = append(fields, []string{"audio", "0", "RTP/AVP"}[n:]...)
		r.note("m-line %d is incomplete", l.Index+1)
	}
	l.Kind, l.Proto = strings.ToLower(fields[0]), fields[2]
	for _, f := range fields[3:min(len(fields), 3+maxFormats)] {
		if !slices.Contains(l.formats, format{listed: f}) {
			l.formats = append(l.formats, format{listed: f})
		}
	}
	number, count, several := strings.Cut(fields[1], "/")
	n, err := strconv.ParseUint(number, 10, 16)
	if err != nil {
		r.note("m-line %d: port %q does not exist: taken as 0", l.Index+1, brief(number))
		return 0
	}
	if several && count != "1" {
		r.note("m-line %d asks for several ports: one is used", l.Index+1)
	}
	return uint16(n)
}

// address reads the last field of a c= line; host names are not resolved.
func (r *sdpReader) address(connection string, at int) netip.Addr {
	fields := strings.Fields(connection)
	if len(fields) == 0 {
		r.note("m-line %d has no c= line", at+1)
		return netip.Addr{}
	}
	host, _, _ := strings.Cut(fields[len(fields)-1], "/")
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	if err != nil {
		r.note("m-line %d: its c= line holds a host name, which is not resolved", at+1)
		return netip.Addr{}
	}
	return addr.Unmap().WithZone("")
}

// rtcpAddress reads a=rtcp (RFC 3605): a port, or a port and an address.
func rtcpAddress(value string, l *Line) netip.AddrPort {
	addr, port := l.Addr.Addr(), l.Addr.Port()
	if port == 0 {
		return netip.AddrPort{}
	}
	if fields := strings.Fields(value); len(fields) > 0 {
		if n, err := strconv.ParseUint(fields[0], 10, 16); err == nil && n > 0 {
			if a, err := netip.ParseAddr(strings.Trim(fields[len(fields)-1], "[]")); err == nil && len(fields) > 1 {
				addr = a.Unmap().WithZone("")
			}
			return netip.AddrPortFrom(addr, uint16(n))
		}
	}
	if !l.Mux && port < 65535 {
		port++
	}
	return netip.AddrPortFrom(addr, port)
}

// labels tells of streams that can be told apart by their order only.
func (r *sdpReader) labels() {
	seen := map[string]bool{}
	for _, l := range r.d.Lines {
		switch {
		case l.Addr.Port() == 0:
		case l.Label == "":
			r.note("m-line %d has no a=label: matched by its place", l.Index+1)
		case seen[l.Label]:
			r.note("m-line %d repeats the label of another: matched by its place", l.Index+1)
		}
		seen[l.Label] = true
	}
}

// leadingNumber reads the digits s begins with, -1 without any; nonsense after
// them is passed over.
func leadingNumber(s string) int {
	end := strings.IndexFunc(s, func(c rune) bool { return c < '0' || c > '9' })
	if end < 0 {
		end = len(s)
	}
	n, err := strconv.Atoi(s[:end])
	if err != nil {
		return -1
	}
	return n
}

func decimal(s string) bool {
	return s != "" && len(s) <= 20 && strings.Trim(s, "0123456789") == ""
}

// brief shortens what a note quotes.
func brief(s string) string {
	if s = strings.TrimSpace(s); len(s) > 24 {
		return strings.ToValidUTF8(s[:24], "") + "…"
	}
	return s
}

package sip

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Limits of one message. What is larger is refused, so that no peer can make us
// hold or scan more.
const (
	maxHead    = 64 << 10  // bytes of start line and headers
	maxBody    = 256 << 10 // bytes of body
	maxHeaders = 256
	maxFolds   = 256 // continuation lines in all
	maxHops    = 64  // Via and Record-Route values each
	maxCallID  = 256
)

// gateError is a message the gate refused. Its status is what a request is
// answered with.
type gateError struct {
	status int
	reason string
	lost   bool // nobody knows where it ends, and the next one begins
}

func (e *gateError) Error() string { return e.reason }

func refuse(status int, format string, args ...any) error {
	return &gateError{status: status, reason: fmt.Sprintf(format, args...)}
}

func lose(status int, format string, args ...any) error {
	return &gateError{status, fmt.Sprintf(format, args...), true}
}

// ParseMessage reads one message from the beginning of raw, as the server would
// from its socket, and returns the bytes it took. datagram: raw is a whole UDP
// payload (RFC 3261 section 18.3). Of a stream that ends within a message the
// error is io.ErrUnexpectedEOF. With any other error m is nil.
func ParseMessage(raw []byte, datagram bool) (m *Message, n int, err error) {
	m, n, err = readMessage(raw, datagram)
	if err != nil {
		return nil, n, err
	}
	return m, n, nil
}

// readMessage is ParseMessage that also returns what it could read of a
// refused message, so that it can be answered.
func readMessage(raw []byte, datagram bool) (*Message, int, error) {
	start := leadingBreaks(raw)
	head, n := headEnd(raw[start:])
	switch {
	case len(head) > maxHead || n < 0 && len(raw)-start > maxHead:
		return nil, len(raw), lose(513, "headers of more than %d bytes", maxHead)
	case n < 0 && datagram:
		return nil, len(raw), lose(400, "no empty line after the headers")
	case n < 0:
		return nil, start, io.ErrUnexpectedEOF
	}
	n += start
	m, wrong := readHead(head)
	size, err := m.readBody(raw[n:], datagram)
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return m, n, err
	case err != nil:
		return m, len(raw), err
	case wrong == nil:
		wrong = m.check()
	}
	return m, n + size, wrong
}

func leadingBreaks(raw []byte) int {
	i := 0
	for i < len(raw) && (raw[i] == '\r' || raw[i] == '\n') {
		i++
	}
	return i
}

// headEnd finds the empty line. Lines may end in CRLF or, as some senders
// write them, in LF alone; the body is never touched.
func headEnd(raw []byte) (head []byte, n int) {
	for from := 0; ; {
		i := bytes.IndexByte(raw[from:], '\n')
		if i < 0 {
			return nil, -1
		}
		from += i + 1
		switch {
		case bytes.HasPrefix(raw[from:], []byte("\r\n")):
			return raw[:from], from + 2
		case bytes.HasPrefix(raw[from:], []byte("\n")):
			return raw[:from], from + 1
		}
	}
}

// readHead reads start line and headers. What is wrong with one line does not
// keep the others from being read: the refusal is built on them.
func readHead(head []byte) (*Message, error) {
	m := &Message{}
	var wrong error
	blame := func(err error) {
		if wrong == nil {
			wrong = err
		}
	}
	bareLF, folds := false, 0
	for first := true; len(head) > 0; first = false {
		i := bytes.IndexByte(head, '\n')
		line := head[:i]
		head = head[i+1:]
		if len(line) > 0 && line[len(line)-1] == '\r' {
			line = line[:len(line)-1]
		} else {
			bareLF = true
		}
		text := string(line)
		if c, found := strayControl(line); found {
			blame(refuse(400, "control character 0x%02x in a header", c))
			text = plainText(text)
		}
		if first {
			blame(m.readStartLine(text))
			continue
		}
		if text[0] == ' ' || text[0] == '\t' {
			folds++
		}
		blame(m.readHeader(text))
		if len(m.headers) > maxHeaders {
			break
		}
		if folds > maxFolds {
			blame(refuse(400, "more than %d continuation lines", maxFolds))
			break
		}
	}
	if bareLF {
		m.notes = append(m.notes, "SIP header lines end in LF alone; read as CRLF")
	}
	m.identify()
	return m, wrong
}

// readHeader takes one header line, or what continues the one before.
func (m *Message) readHeader(line string) error {
	if line[0] == ' ' || line[0] == '\t' {
		if len(m.headers) == 0 {
			return refuse(400, "the first header is a continuation")
		}
		h := &m.headers[len(m.headers)-1]
		h.value = strings.TrimSpace(h.value + " " + strings.TrimSpace(line))
		return nil
	}
	name, value, ok := strings.Cut(line, ":")
	name = strings.TrimRight(name, " \t")
	if !ok || !isToken(name) {
		return refuse(400, "a header line is not name: value")
	}
	m.add(longName(name), strings.TrimSpace(value))
	if len(m.headers) > maxHeaders {
		return refuse(400, "more than %d headers", maxHeaders)
	}
	return nil
}

// strayControl finds a control character that no backslash escapes, as one in a
// quoted string may be (RFC 4475 section 3.1.1.2). A bare CR is never good.
func strayControl(line []byte) (byte, bool) {
	for i, c := range line {
		if (c < ' ' && c != '\t' || c == 0x7f) && (c == '\r' || i == 0 || line[i-1] != '\\') {
			return c, true
		}
	}
	return 0, false
}

func isToken(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' {
			continue
		}
		if strings.IndexByte("-.!%*_+`'~", c) < 0 {
			return false
		}
	}
	return s != ""
}

func (m *Message) readStartLine(line string) error {
	if len(line) >= 4 && strings.EqualFold(line[:4], "SIP/") {
		version, rest, _ := strings.Cut(line, " ")
		code, phrase, _ := strings.Cut(rest, " ")
		status, err := strconv.Atoi(code)
		if err != nil || status < 100 || status > 699 || !strings.EqualFold(version, "SIP/2.0") {
			return refuse(400, "the status line cannot be read")
		}
		m.Status, m.phrase = status, phrase
		return nil
	}
	parts := strings.Split(line, " ")
	if len(parts) != 3 || !isToken(parts[0]) || parts[1] == "" || len(parts[2]) < 4 || !strings.EqualFold(parts[2][:4], "SIP/") {
		return refuse(400, "the request line is not METHOD URI SIP/2.0")
	}
	m.Request, m.Method, m.RequestURI = true, parts[0], parts[1]
	if !strings.EqualFold(parts[2], "SIP/2.0") {
		return refuse(505, "SIP version %.20q", parts[2])
	}
	return nil
}

// identify fills the fields that name the message's transaction and dialog. It
// accepts anything: check refuses.
func (m *Message) identify() {
	m.CallID = m.header("Call-ID")
	m.FromTag = parseAddress(m.header("From")).Params["tag"]
	m.ToTag = parseAddress(m.header("To")).Params["tag"]
	m.ContentType = m.header("Content-Type")
	fields := strings.Fields(m.header("CSeq"))
	if len(fields) != 2 {
		return
	}
	if n, err := strconv.ParseUint(fields[0], 10, 31); err == nil {
		m.CSeq = uint32(n)
	}
	if !m.Request {
		m.Method = fields[1]
	}
}

// readBody takes the body from after the empty line and returns its length.
func (m *Message) readBody(rest []byte, datagram bool) (int, error) {
	stated, ok := m.only("Content-Length")
	if !ok {
		return 0, lose(400, "two Content-Length headers")
	}
	if stated == "" {
		if !datagram {
			return 0, lose(400, "no Content-Length on a stream")
		}
		m.Body = bytes.Clone(rest)
		return len(rest), nil
	}
	size, err := strconv.ParseUint(stated, 10, 32)
	if err != nil {
		return 0, lose(400, "Content-Length is not a number")
	}
	if size > maxBody {
		return 0, lose(513, "a body of more than %d bytes", maxBody)
	}
	length := int(size)
	if length > len(rest) {
		if !datagram {
			return 0, io.ErrUnexpectedEOF
		}
		// RFC 3261 section 18.3 asks for 400. A body whose last line is whole was
		// miscounted by its sender, not cut off: refusing it would lose the call.
		if len(rest) == 0 || rest[len(rest)-1] != '\n' {
			return 0, lose(400, "the body is shorter than its Content-Length")
		}
		m.notes = append(m.notes, fmt.Sprintf("Content-Length says %d bytes, %d came; taken as they came", length, len(rest)))
		length = len(rest)
	}
	if length > 0 {
		m.Body = bytes.Clone(rest[:length])
	}
	return length, nil
}

// check refuses what no transaction or dialog could be built on. It runs last,
// so that what it refuses can be answered.
func (m *Message) check() error {
	for _, name := range []string{"From", "To", "Call-ID", "CSeq"} {
		if m.header(name) == "" {
			return refuse(400, "no %s header", name)
		}
	}
	for _, name := range []string{"From", "To", "Call-ID", "CSeq", "Content-Type", "Max-Forwards"} {
		if _, ok := m.only(name); !ok {
			return refuse(400, "two %s headers", name)
		}
	}
	if len(m.CallID) > maxCallID || strings.ContainsFunc(m.CallID, func(c rune) bool { return c < ' ' || c == 0x7f }) {
		return refuse(400, "a Call-ID of more than %d bytes or with control characters", maxCallID)
	}
	fields := strings.Fields(m.header("CSeq"))
	if len(fields) != 2 || fields[1] != m.Method {
		return refuse(400, "the CSeq method is not the request's")
	}
	if _, err := strconv.ParseUint(fields[0], 10, 31); err != nil {
		return refuse(400, "the CSeq number is not below 2^31")
	}
	vias := m.list("Via")
	if len(vias) == 0 || len(vias) > maxHops || len(m.list("Record-Route")) > maxHops {
		return refuse(400, "%d Via and %d Record-Route values: there must be 1 to %d and at most %d",
			len(vias), len(m.list("Record-Route")), maxHops, maxHops)
	}
	if v, ok := parseVia(vias[0]); !ok || v.port < 0 || m.emptyVia() {
		return refuse(400, "the Via cannot be read")
	}
	if m.Request && bareIPv6(m.RequestURI) {
		return refuse(400, "an IPv6 address without brackets in the Request-URI") // RFC 5118 section 4.1
	}
	if hops := m.header("Max-Forwards"); hops != "" {
		if _, err := strconv.ParseUint(hops, 10, 32); err != nil {
			return refuse(400, "Max-Forwards is not a number")
		}
	}
	return nil
}

// emptyVia finds a Via list with nothing between two commas, or at its end: a
// hop was lost there.
func (m *Message) emptyVia() bool {
	for _, h := range m.headers {
		if !strings.EqualFold(h.name, "Via") {
			continue
		}
		for rest, more := h.value, true; more; {
			i := indexOutside(rest, ',')
			one := rest
			if more = i >= 0; more {
				one, rest = rest[:i], rest[i+1:]
			}
			if strings.Trim(one, " \t;") == "" {
				return true
			}
		}
	}
	return false
}

// longName expands the compact form of a header name (RFC 3261 section 7.3.3).
func longName(name string) string {
	if len(name) != 1 {
		return name
	}
	switch name[0] | 0x20 {
	case 'a':
		return "Accept-Contact"
	case 'c':
		return "Content-Type"
	case 'e':
		return "Content-Encoding"
	case 'f':
		return "From"
	case 'i':
		return "Call-ID"
	case 'k':
		return "Supported"
	case 'l':
		return "Content-Length"
	case 'm':
		return "Contact"
	case 'o':
		return "Event"
	case 'r':
		return "Refer-To"
	case 's':
		return "Subject"
	case 't':
		return "To"
	case 'u':
		return "Allow-Events"
	case 'v':
		return "Via"
	case 'x':
		return "Session-Expires"
	}
	return name
}

// frameLost reports whether a stream cannot be read on after err.
func frameLost(err error) bool {
	var g *gateError
	return errors.As(err, &g) && g.lost
}

// gateStatus is the status of an error from the gate, 0 when it is none.
func gateStatus(err error) int {
	var g *gateError
	if errors.As(err, &g) {
		return g.status
	}
	return 0
}

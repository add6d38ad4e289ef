package sip

import (
	"crypto/rand"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

const (
	allowed   = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, PRACK"
	accepted  = "application/sdp, application/rs-metadata+xml, application/rs-metadata, multipart/mixed"
	supported = "timer"
)

// response builds the answer to a request: Via, From, Call-ID and CSeq as they
// came, To with our tag (RFC 3261 section 8.2.6.2).
func (tx *serverTx) response(status int, phrase string) *Message {
	if phrase == "" {
		phrase = phrases[status]
	}
	r := &Message{Status: status, Method: tx.req.Method, phrase: plainText(phrase)}
	for _, h := range tx.req.headers {
		if strings.EqualFold(h.name, "Via") {
			r.add("Via", h.value)
		}
	}
	to := tx.req.header("To")
	if tx.req.ToTag == "" && status > 100 && to != "" {
		to += ";tag=" + tx.tag
	}
	for _, h := range []header{{"From", tx.req.header("From")}, {"To", to}, {"Call-ID", tx.req.CallID}, {"CSeq", tx.req.header("CSeq")}} {
		if h.value != "" {
			r.headers = append(r.headers, h)
		}
	}
	switch status {
	case 405:
		r.add("Allow", allowed)
	case 415:
		r.add("Accept", accepted)
		r.add("Accept-Encoding", "identity")
	case 488:
		r.add("Warning", `304 siprecd "`+r.phrase+`"`)
	}
	return r
}

// plainText keeps a phrase on one line of a header.
func plainText(s string) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f || c == '"' || c == '\\' {
			return '\''
		}
		return c
	}, s)
}

func seconds(d time.Duration) string {
	return strconv.Itoa(int((d + time.Second - 1) / time.Second))
}

// unsupportedTags lists the Require tags we do not know. "100relsiprec" is two
// tags that one SRC runs together.
func unsupportedTags(m *Message) []string {
	var unknown []string
	for _, tag := range m.list("Require") {
		switch strings.ToLower(tag) {
		case "siprec", "100rel", "timer", "100relsiprec":
		default:
			unknown = append(unknown, tag)
		}
	}
	return unknown
}

// stampVia writes where the request really came from into its top Via
// (RFC 3261 section 18.2.1, RFC 3581 section 4).
func stampVia(m *Message, from netip.AddrPort) {
	for i := range m.headers {
		if !strings.EqualFold(m.headers[i].name, "Via") {
			continue
		}
		top, rest := m.headers[i].value, ""
		if comma := indexOutside(top, ','); comma >= 0 {
			top, rest = top[:comma], top[comma:]
		}
		v, ok := parseVia(top)
		if !ok {
			return
		}
		addr := from.Addr().Unmap().WithZone("").String()
		_, rport := v.params["rport"]
		parts := splitOutside(top, ';')
		kept := parts[:1]
		for _, p := range parts[1:] {
			name, _, _ := strings.Cut(p, "=")
			switch strings.ToLower(strings.TrimSpace(name)) {
			case "received":
			case "rport":
				kept = append(kept, "rport="+strconv.Itoa(int(from.Port())))
			default:
				kept = append(kept, p)
			}
		}
		if rport || v.host != addr {
			kept = append(kept, "received="+addr)
		}
		m.headers[i].value = strings.Join(kept, ";") + rest
		return
	}
}

// replyAddress is where a response over UDP goes: the source of the packet,
// and of its ports the one the Via asks for (RFC 3261 section 18.2.2, RFC 3581).
// An address in the Via is never followed.
func replyAddress(m *Message, from netip.AddrPort) netip.AddrPort {
	vias := m.list("Via")
	if len(vias) == 0 {
		return from
	}
	v, ok := parseVia(vias[0])
	if _, rport := v.params["rport"]; !ok || rport || v.port < 0 {
		return from
	}
	if v.port == 0 {
		v.port = 5060
	}
	return netip.AddrPortFrom(from.Addr(), uint16(v.port))
}

// token returns n random characters for tags and branches.
func token(n int) string { return strings.ToLower(rand.Text()[:n]) }

var phrases = map[int]string{
	100: "Trying", 200: "OK", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden",
	405: "Method Not Allowed", 413: "Request Entity Too Large", 415: "Unsupported Media Type",
	416: "Unsupported URI Scheme", 420: "Bad Extension", 422: "Session Interval Too Small",
	469: "Bad Info Package", 480: "Temporarily Unavailable", 481: "Call/Transaction Does Not Exist", 482: "Loop Detected",
	486: "Busy Here", 487: "Request Terminated", 488: "Not Acceptable Here", 491: "Request Pending",
	500: "Server Internal Error", 503: "Service Unavailable", 505: "Version Not Supported",
	513: "Message Too Large", 603: "Decline",
}

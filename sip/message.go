package sip

import (
	"bytes"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Message is one SIP message that passed the strict gate.
type Message struct {
	Request        bool
	Method         string // of a request; of a response the CSeq method
	RequestURI     string
	Status         int
	CallID         string
	FromTag, ToTag string
	CSeq           uint32
	ContentType    string
	Body           []byte

	// PartyHeader names the party of each line, where that is not SIPREC's
	// metadata; "": any X-…-Recording-Participant does. Whoever reads a message of
	// a Source sets it.
	PartyHeader string

	phrase  string
	headers []header
	notes   []string // what the gate had to put right
}

// header is one header field: the long form of its name, and its value with
// folding undone.
type header struct{ name, value string }

// header returns the first value of name, "" when there is none.
func (m *Message) header(name string) string {
	for i := range m.headers {
		if strings.EqualFold(m.headers[i].name, name) {
			return m.headers[i].value
		}
	}
	return ""
}

// only is header for one that may stand there once; ok is false when it stands
// there more often.
func (m *Message) only(name string) (value string, ok bool) {
	n := 0
	for i := range m.headers {
		if strings.EqualFold(m.headers[i].name, name) {
			if n++; n == 1 {
				value = m.headers[i].value
			}
		}
	}
	return value, n < 2
}

func (m *Message) has(name string) bool {
	for i := range m.headers {
		if strings.EqualFold(m.headers[i].name, name) {
			return true
		}
	}
	return false
}

// list returns every element of a header that may be a comma-separated list or
// be repeated (RFC 3261 section 7.3.1), in order.
func (m *Message) list(name string) []string {
	var all []string
	for i := range m.headers {
		if strings.EqualFold(m.headers[i].name, name) {
			all = append(all, splitOutside(m.headers[i].value, ',')...)
		}
	}
	return all
}

// option says whether an option tag stands in a Require or Supported list.
func (m *Message) option(name, tag string) bool {
	for _, t := range m.list(name) {
		if strings.EqualFold(t, tag) {
			return true
		}
	}
	return false
}

func (m *Message) add(name, value string) {
	m.headers = append(m.headers, header{name, value})
}

// bytes writes the message as it goes on the wire.
func (m *Message) bytes() []byte {
	var b bytes.Buffer
	b.Grow(1024 + len(m.Body))
	if m.Request {
		b.WriteString(m.Method + " " + m.RequestURI + " SIP/2.0\r\n")
	} else {
		b.WriteString("SIP/2.0 " + strconv.Itoa(m.Status) + " " + m.phrase + "\r\n")
	}
	for _, h := range m.headers {
		b.WriteString(h.name + ": " + h.value + "\r\n")
	}
	if m.ContentType != "" && len(m.Body) > 0 {
		b.WriteString("Content-Type: " + m.ContentType + "\r\n")
	}
	b.WriteString("Content-Length: " + strconv.Itoa(len(m.Body)) + "\r\n\r\n")
	b.Write(m.Body)
	return b.Bytes()
}

// content reads the body.
func (m *Message) content() (content, error) {
	if len(m.Body) == 0 {
		return content{notes: m.notes}, nil
	}
	c, err := readContent(m.ContentType, m.header("Content-Disposition"), m.header("Content-Encoding"), m.Body)
	if len(m.notes) > 0 {
		c.notes = append(append([]string(nil), m.notes...), c.notes...)
	}
	return c, err
}

// Offer returns what a captured request asks; answering it does nothing.
func (m *Message) Offer(at time.Time) (*Offer, error) {
	c, err := m.content()
	if err != nil {
		return nil, err
	}
	return m.offer(at, c, unheard{}), nil
}

// Description returns the SDP of a message, nil when it has none.
func (m *Message) Description() (*Description, error) {
	c, err := m.content()
	if err != nil {
		return nil, err
	}
	return c.media, nil
}

func (m *Message) offer(at time.Time, c content, reply replier) *Offer {
	parties, notes := m.named()
	o := &Offer{
		Method: m.Method, CSeq: m.CSeq, At: at, Media: c.media,
		WantOffer: m.Method == "INVITE" && c.media == nil,
		Metadata:  c.metadata, Named: parties, Presses: c.presses, Notes: slices.Concat(c.notes, notes), reply: reply,
	}
	if len(m.Body) > 0 {
		o.Raw = m.Body
	}
	return o
}

// unheard is the reply path of a captured message: there is nobody to answer.
type unheard struct{}

func (unheard) answer(Answer) error      { return nil }
func (unheard) reject(int, string) error { return nil }

// Info returns what a captured INVITE says of its RS.
func (m *Message) Info(at time.Time, transport string, remote, local netip.AddrPort) Info {
	info := Info{
		CallID: m.CallID, RequestURI: m.RequestURI,
		From: parseAddress(m.header("From")), To: parseAddress(m.header("To")),
		Source: remote.Addr().Unmap().String(), Transport: transport,
		Remote: remote, Local: local.Addr(), Arrived: at,
		UserAgent: m.header("User-Agent"), Correlation: m.correlation(),
	}
	if contacts := m.list("Contact"); len(contacts) > 0 {
		info.Contact = parseAddress(contacts[0])
	}
	for _, v := range m.list("P-Asserted-Identity") {
		info.PAI = append(info.PAI, parseAddress(v))
	}
	return info
}

// correlation gathers the identifiers by which SRCs and call centres tie
// dialogs together: whole headers, and the parameters of Request-URI, From and To.
func (m *Message) correlation() map[string]string {
	found := map[string]string{}
	for _, h := range m.headers {
		name := strings.ToLower(h.name)
		switch name {
		case "user-to-user", "cisco-guid", "cisco-gucid", "session-id", "call-info", "date":
		default:
			if !strings.HasPrefix(name, "x-") {
				continue
			}
		}
		if have, ok := found[h.name]; ok {
			found[h.name] = have + ", " + h.value
		} else {
			found[h.name] = h.value
		}
	}
	keep := func(params map[string]string) {
		for name, value := range params {
			switch name {
			case "tag", "lr", "transport", "user":
			default:
				if _, ok := found[name]; !ok {
					found[name] = value
				}
			}
		}
	}
	keep(parseURI(m.RequestURI).params)
	for _, name := range []string{"To", "From"} {
		a := parseAddress(m.header(name))
		keep(a.Params)
		keep(parseURI(a.URI).params)
	}
	if len(found) == 0 {
		return nil
	}
	return found
}

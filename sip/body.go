package sip

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"
)

const (
	maxDepth   = 4  // multipart within multipart
	maxParts   = 32 // of one body, nested ones counted
	maxPresses = 32 // of one INFO
	// maxPartHeader is how many bytes of a part's folded header are put together.
	maxPartHeader = 4096
	maxDuration   = time.Minute
)

// content is a message body taken apart.
type content struct {
	media    *Description
	metadata []Metadata
	presses  []Press
	notes    []string // on the body's shape; those on its SDP are media.Notes
}

// bodyError is a body that cannot be answered.
type bodyError struct {
	status int // 400, 415, 488, or 500 when the fault is ours
	reason string
}

func (e *bodyError) Error() string { return e.reason }

// part is one body part: a whole body is the outermost one.
type part struct {
	mediaType   string // lower case, without parameters
	params      map[string]string
	disposition string // lower case, without parameters
	encoding    string // Content-Encoding
	transfer    string // Content-Transfer-Encoding
	body        []byte
}

func newPart(contentType, disposition, encoding string, body []byte) part {
	p := part{encoding: strings.ToLower(strings.TrimSpace(encoding)), body: body}
	mediaType, params, _ := strings.Cut(contentType, ";")
	p.mediaType, p.params = strings.ToLower(strings.TrimSpace(mediaType)), parseParams(params)
	disposition, _, _ = strings.Cut(disposition, ";")
	p.disposition = strings.ToLower(strings.TrimSpace(disposition))
	return p
}

// readContent takes a body apart: multipart of any shape, SDP, rs-metadata,
// DTMF INFO. An error is a *bodyError with the status to answer.
func readContent(contentType, disposition, encoding string, body []byte) (content, error) {
	if len(body) == 0 {
		return content{}, nil
	}
	var r bodyReader
	whole := newPart(contentType, disposition, encoding, body)
	if !whole.plain() {
		return content{}, &bodyError{415, "the body is encoded as " + strconv.Quote(whole.encoding) + "; send it as it is"}
	}
	known, err := r.read(whole, 0)
	if err != nil {
		return content{}, err
	}
	if !known {
		return content{}, &bodyError{415, "a body of type " + strconv.Quote(whole.mediaType) + " is not understood here"}
	}
	return r.content, nil
}

// bodyReader gathers what the parts of one body hold.
type bodyReader struct {
	content
	parts int
}

func (r *bodyReader) note(format string, args ...any) {
	r.notes = append(r.notes, fmt.Sprintf(format, args...))
}

// read takes one part; known is false when its type says nothing to us.
func (r *bodyReader) read(p part, depth int) (known bool, err error) {
	if p.mediaType == "" {
		if p.mediaType = guessType(p.body); p.mediaType == "" {
			return false, nil
		}
		r.note("no Content-Type: read as %s", p.mediaType)
	}
	switch {
	case strings.HasPrefix(p.mediaType, "multipart/"):
		return true, r.readMultipart(p, depth)
	case p.mediaType == "application/sdp":
		return true, r.readMedia(p)
	case isMetadata(p.mediaType):
		r.metadata = append(r.metadata, Metadata{Type: p.mediaType, Charset: p.params["charset"], Body: p.body})
	case p.disposition == "recording-session" && strings.HasSuffix(p.mediaType, "xml"):
		r.note("the metadata calls itself %s", p.mediaType)
		r.metadata = append(r.metadata, Metadata{Type: p.mediaType, Charset: p.params["charset"], Body: p.body})
	case p.mediaType == "application/dtmf-relay":
		r.readRelay(p.body)
	case p.mediaType == "application/dtmf":
		r.readKeys(p.body)
	default:
		return false, nil
	}
	return true, nil
}

// isMetadata knows the registered type (RFC 9806), the one of RFC 7866 and the
// drafts' type for snapshot requests.
func isMetadata(mediaType string) bool {
	switch mediaType {
	case metadataType, "application/rs-metadata", "application/rs-metadata-request", "application/rs-metadata-request+xml":
		return true
	}
	return false
}

// guessType tells what a part without a Content-Type is, "" when unknown.
func guessType(body []byte) string {
	body = bytes.TrimSpace(body)
	switch {
	case bytes.HasPrefix(body, []byte("v=")):
		return "application/sdp"
	case bytes.HasPrefix(body, []byte("<")) && bytes.Contains(body, []byte("recording")):
		return metadataType
	}
	return ""
}

func (r *bodyReader) readMedia(p part) error {
	if r.media != nil {
		return &bodyError{400, "the body holds two session descriptions; one is expected"}
	}
	d, err := readDescription(p.body)
	r.media = d
	return err
}

// readRelay reads "Signal=5" and "Duration=160" (milliseconds). What key it was
// stands in no note: it may be part of somebody's PIN.
func (r *bodyReader) readRelay(body []byte) {
	var press Press
	for line := range sdpLines(body) {
		name, value, found := strings.Cut(line, "=")
		if !found {
			name, value, _ = strings.Cut(line, ":")
		}
		value = strings.TrimSpace(value)
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "signal":
			press.Digit = key(value)
		case "duration":
			ms, err := strconv.Atoi(value)
			if d := time.Duration(ms) * time.Millisecond; err == nil && ms >= 0 && d <= maxDuration {
				press.Duration = d
			} else {
				r.note("the key's duration cannot be read")
			}
		}
	}
	if press.Digit == 0 {
		r.note("the INFO names no key")
		return
	}
	r.presses = append(r.presses, press)
}

// readKeys reads application/dtmf: the keys themselves, usually one.
func (r *bodyReader) readKeys(body []byte) {
	text := strings.TrimSpace(string(body))
	if len(text) > maxPresses {
		r.note("the INFO holds more than %d keys: the rest is ignored", maxPresses)
		text = text[:maxPresses]
	}
	unread, before := false, len(r.presses)
	for i := range len(text) {
		if digit := key(text[i : i+1]); digit != 0 {
			r.presses = append(r.presses, Press{Digit: digit})
		} else {
			unread = unread || !strings.ContainsRune(" \t\r\n,", rune(text[i]))
		}
	}
	if unread || len(r.presses) == before {
		r.note("the INFO names no key")
	}
}

// key reads a key's name, or its event code (RFC 4733 section 3.2) above 9.
func key(s string) byte {
	if len(s) == 1 {
		c := s[0]
		if 'a' <= c && c <= 'd' {
			c -= 'a' - 'A'
		}
		if '0' <= c && c <= '9' || 'A' <= c && c <= 'D' || c == '*' || c == '#' {
			return c
		}
		return 0
	}
	if n, err := strconv.Atoi(s); err == nil && n >= 10 && n <= 15 {
		return "*#ABCD"[n-10]
	}
	return 0
}

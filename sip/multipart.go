package sip

import (
	"bytes"
	"encoding/base64"
	"io"
	"mime/quotedprintable"
	"strings"
)

// readMultipart reads the parts of p in any order. Every multipart subtype is
// read as mixed (RFC 5621 section 4.2), but that the last SDP of an
// alternative is the one that counts.
func (r *bodyReader) readMultipart(p part, depth int) error {
	if depth == maxDepth {
		r.note("multipart nested more than %d deep: not read", maxDepth)
		return nil
	}
	bodies, err := r.split(p)
	if err != nil {
		return err
	}
	parts := make([]part, len(bodies))
	last := -1 // the last SDP
	for i, body := range bodies {
		if parts[i] = r.readHead(body); parts[i].mediaType == "application/sdp" {
			last = i
		}
	}
	for i, inner := range parts {
		if p.mediaType == "multipart/alternative" && inner.mediaType == "application/sdp" && i != last {
			continue
		}
		if err := r.readPart(inner, depth); err != nil {
			return err
		}
	}
	return nil
}

func (r *bodyReader) readPart(p part, depth int) error {
	if len(bytes.TrimSpace(p.body)) == 0 && p.mediaType == "" {
		return nil // what follows a closing delimiter that lacks its two dashes
	}
	required := p.mediaType == "application/sdp"
	if !p.plain() {
		if required {
			return &bodyError{415, "the session description is encoded; send it as it is"}
		}
		r.note("a part of type %q is encoded as %q: ignored", p.mediaType, p.encoding)
		return nil
	}
	body, err := decodeTransfer(p)
	switch {
	case err != nil && required:
		return &bodyError{400, "the session description's " + p.transfer + " cannot be decoded"}
	case err != nil:
		r.note("a part of type %q says it is %s but is not: kept as it came", p.mediaType, p.transfer)
	default:
		p.body = body
	}
	known, err := r.read(p, depth+1)
	if err == nil && !known {
		r.note("a part of type %q is not understood: ignored", p.mediaType)
	}
	return err
}

// plain tells that no content coding must be undone.
func (p part) plain() bool { return p.encoding == "" || p.encoding == "identity" }

// decodeTransfer undoes the part's Content-Transfer-Encoding (RFC 2045 section 6).
func decodeTransfer(p part) ([]byte, error) {
	switch p.transfer {
	case "base64":
		packed := bytes.Join(bytes.Fields(p.body), nil)
		packed = bytes.TrimRight(packed, "=")
		return base64.RawStdEncoding.AppendDecode(nil, packed)
	case "quoted-printable":
		return io.ReadAll(quotedprintable.NewReader(bytes.NewReader(p.body)))
	}
	return p.body, nil
}

// split returns what stands between the delimiter lines.
func (r *bodyReader) split(p part) ([][]byte, error) {
	boundary := strings.Trim(p.params["boundary"], `" `)
	if !hasDelimiter(p.body, boundary) {
		found := firstDelimiter(p.body)
		if found == "" {
			return nil, &bodyError{400, "the multipart body holds no delimiter line"}
		}
		if boundary == "" {
			r.note("multipart without a boundary: its first delimiter line was taken")
		} else {
			r.note("the multipart boundary occurs nowhere: the first delimiter line was taken")
		}
		boundary = found
	}
	var bodies [][]byte
	begin, closed := -1, false
	for at, line := range numberedLines(p.body) {
		delimiter, closing := isDelimiter(line, boundary)
		if !delimiter {
			continue
		}
		if begin >= 0 {
			if r.parts++; r.parts > maxParts {
				r.note("more than %d parts: the rest is ignored", maxParts)
				return bodies, nil
			}
			bodies = append(bodies, trimNewline(p.body[begin:at]))
		}
		begin = at + len(line)
		if closing {
			closed = true
			break
		}
	}
	if rest := p.body[begin:]; !closed && len(bytes.TrimSpace(rest)) > 0 {
		r.note("the multipart body is not closed")
		if r.parts++; r.parts <= maxParts {
			bodies = append(bodies, rest)
		}
	}
	return bodies, nil
}

// numberedLines yields each line with its newline and where it begins.
func numberedLines(b []byte) func(yield func(int, []byte) bool) {
	return func(yield func(int, []byte) bool) {
		at := 0
		for line := range bytes.Lines(b) {
			if !yield(at, line) {
				return
			}
			at += len(line)
		}
	}
}

// isDelimiter compares a whole line, because one boundary may begin another.
func isDelimiter(line []byte, boundary string) (delimiter, closing bool) {
	line = bytes.TrimRight(line, " \t\r\n")
	if boundary == "" || len(line) < 2+len(boundary) || line[0] != '-' || line[1] != '-' || string(line[2:2+len(boundary)]) != boundary {
		return false, false
	}
	rest := string(line[2+len(boundary):])
	return rest == "" || rest == "--", rest == "--"
}

func hasDelimiter(body []byte, boundary string) bool {
	for line := range bytes.Lines(body) {
		if delimiter, _ := isDelimiter(line, boundary); delimiter {
			return true
		}
	}
	return false
}

// firstDelimiter guesses the boundary from the first line that begins with two dashes.
func firstDelimiter(body []byte) string {
	for line := range bytes.Lines(body) {
		line = bytes.TrimRight(line, " \t\r\n")
		if len(line) > 2 && line[0] == '-' && line[1] == '-' {
			return string(line[2:])
		}
	}
	return ""
}

// trimNewline takes away the newline that belongs to the delimiter after it.
func trimNewline(b []byte) []byte {
	b = bytes.TrimSuffix(b, []byte("\n"))
	return bytes.TrimSuffix(b, []byte("\r"))
}

// readHead separates a part's headers from its body. They end at an empty line
// or at the first line that is no header.
func (r *bodyReader) readHead(b []byte) part {
	headers := map[string]string{}
	last := ""
	for len(b) > 0 {
		line, rest, _ := bytes.Cut(b, []byte("\n"))
		text := strings.TrimRight(string(line), " \t\r")
		if text == "" {
			b = rest
			break
		}
		if last != "" && (text[0] == ' ' || text[0] == '\t') { // folded
			if len(headers[last]) < maxPartHeader {
				headers[last] += " " + strings.TrimSpace(text)
			}
			b = rest
			continue
		}
		name, value, ok := strings.Cut(text, ":")
		name = strings.ToLower(strings.TrimSpace(name))
		if !ok || !isToken(name) {
			r.note("a part's headers do not end in an empty line")
			break
		}
		if _, twice := headers[name]; !twice {
			headers[name] = strings.TrimSpace(value)
		}
		last, b = name, rest
	}
	p := newPart(headers["content-type"], headers["content-disposition"], headers["content-encoding"], b)
	p.transfer = strings.ToLower(headers["content-transfer-encoding"])
	return p
}

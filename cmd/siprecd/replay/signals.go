package replay

import (
	"bytes"
	"errors"
	"io"
	"net/netip"
	"regexp"
	"time"

	"siprecd/sip"
)

// signal is one SIP message of a capture.
type signal struct {
	at       time.Time
	network  string // "udp" or "tcp"
	src, dst netip.AddrPort
	*sip.Message
}

// startLine is the first line of a SIP message, at the beginning of a line.
var startLine = regexp.MustCompile(`(?m)^(?:SIP/2\.0 [1-6][0-9][0-9]|[A-Z]{3,12} [^ \r\n]+ SIP/2\.0\r?$)`)

// Limits of what is kept of a stream.
const (
	longestMessage = 384 << 10 // headers and body that sip.ParseMessage takes at most
	probe          = 4096      // bytes in which a connection that carries SIP shows it
)

// looksLikeSIP reports whether a datagram is meant to be a SIP message. Line
// breaks before it are keep-alives.
func looksLikeSIP(b []byte) bool {
	b = bytes.TrimLeft(b[:min(len(b), 2048)], "\r\n")
	line, _, _ := bytes.Cut(b, []byte("\n"))
	return len(line) > 12 && bytes.Contains(line, []byte("SIP/2.0"))
}

// framer finds the SIP messages in one direction of a TCP connection.
type framer struct {
	buf    []byte
	synced bool // buf begins where a message may begin
	fresh  bool // the connection's first byte was seen
	found  bool // at least one message
}

// errNoSIP says that a connection carries something else.
var errNoSIP = errors.New("no SIP on this connection")

// add takes the next bytes and hands over every whole message. What lies
// between messages and cannot be read is counted as refused.
func (f *framer) add(p Packet, give func(*sip.Message), refused func(error)) error {
	if p.Fresh {
		*f = framer{fresh: true, synced: true}
		return nil
	}
	if p.Lost {
		f.buf, f.synced = nil, false
	}
	f.buf = append(f.buf, p.Payload...)
	for len(f.buf) > 0 {
		if !f.synced && !f.sync() {
			break
		}
		f.buf = bytes.TrimLeft(f.buf, "\r\n") // keep-alives
		m, n, err := sip.ParseMessage(f.buf, false)
		switch {
		case errors.Is(err, io.ErrUnexpectedEOF):
			if !f.found && !f.promising() {
				f.synced = false
				if f.fresh || !f.sync() {
					return errNoSIP
				}
				continue
			}
			if len(f.buf) > longestMessage {
				f.buf, f.synced = nil, false
			}
			return nil
		case err != nil:
			if !f.found && !f.promising() {
				return errNoSIP
			}
			refused(err)
			f.buf, f.synced = f.buf[1:], false
		default:
			f.found = true
			f.buf = f.buf[n:]
			give(m)
		}
	}
	if !f.found && len(f.buf) > probe {
		return errNoSIP
	}
	if len(f.buf) > longestMessage {
		f.buf = nil
	}
	return nil
}

// promising reports whether what has come so far may be the beginning of SIP.
func (f *framer) promising() bool {
	line, _, whole := bytes.Cut(f.buf, []byte("\n"))
	if whole || len(line) > probe {
		return startLine.Match(append(bytes.Clone(line), '\n'))
	}
	for _, c := range line {
		if c < ' ' && c != '\r' || c > '~' {
			return false
		}
	}
	return true
}

// sync drops what comes before the next start line. Without one it keeps the
// last line, which may be the beginning of one.
func (f *framer) sync() bool {
	if at := startLine.FindIndex(f.buf); at != nil {
		f.buf, f.synced = f.buf[at[0]:], true
		return true
	}
	if i := bytes.LastIndexByte(f.buf, '\n'); i >= 0 && f.found {
		f.buf = f.buf[i+1:]
	}
	return false
}

package sip

import (
	"bytes"
	"strings"
	"time"
)

// takeover is the status for an INVITE that wants the place of another dialog,
// or to join it (RFC 3891 section 3, RFC 3911 section 4): 481 when there is
// none, 603 when there is, for no RS gives way to another. 0: it wants neither.
func (s *serverState) takeover(m *Message) int {
	for _, name := range []string{"Replaces", "Join"} {
		if !m.has(name) {
			continue
		}
		callID, rest, _ := strings.Cut(m.header(name), ";")
		tags := parseParams(rest)
		if s.find(dialogKey{strings.TrimSpace(callID), tags["to-tag"], tags["from-tag"]}) == nil {
			return 481
		}
		return 603
	}
	return 0
}

// recording classifies an INVITE (RFC 7866 section 6.2). A source we were told
// about needs no sign of it.
func (s *serverState) recording(tx *serverTx) bool {
	if tx.flow.source.Strict {
		return tx.req.option("Require", "siprec") && tx.req.featured()
	}
	return s.named() || tx.req.Recording()
}

// hintedAgain is how long the log is silent after telling of an INVITE that was
// refused for want of a configured source.
const hintedAgain = 10 * time.Second

// notRecording refuses an INVITE that shows no sign of an RS. Where its headers
// name the parties as sources without SIPREC do, the log says what would take it.
func (s *serverState) notRecording(tx *serverTx) {
	option := tx.req.profile()
	if option == "" {
		s.reply(tx, tx.response(403, "Not a recording session"))
		return
	}
	s.mu.Lock()
	now := time.Now()
	say := now.Sub(s.hinted) > hintedAgain
	if say {
		s.hinted = now
	}
	s.mu.Unlock()
	if say {
		s.log.Warn("a call was refused, it is not SIPREC", "src", tx.flow.source.Name, "side", "src",
			"reason", `list its source as [[src]] with profile = "`+option+`"`)
	}
	s.reply(tx, tx.response(403, "Not SIPREC, and its source has no profile"))
}

// profile is the profile of a source that sends such an INVITE without SIPREC; ""
// when its headers name nobody.
func (m *Message) profile() string {
	if _, forked := forkParams(parseAddress(m.header("From"))); forked {
		return "leg-per-dialog"
	}
	if parties, _ := m.named(); len(parties) > 0 {
		return "participant-header"
	}
	return ""
}

// Recording reports whether an INVITE opens a recording session. Many SRCs
// leave out one sign or another; any is enough.
func (m *Message) Recording() bool {
	for _, name := range []string{"Require", "Supported", "Proxy-Require"} {
		for _, tag := range m.list(name) {
			if strings.HasSuffix(strings.ToLower(tag), "siprec") {
				return true
			}
		}
	}
	body := bytes.ToLower(m.Body)
	return m.featured() ||
		bytes.Contains(body, []byte("rs-metadata")) || bytes.Contains(body, []byte("recording-session")) ||
		strings.Contains(strings.ToLower(m.ContentType), "rs-metadata")
}

// featured reports whether a Contact says that its owner is an SRC.
func (m *Message) featured() bool {
	for _, c := range m.list("Contact") {
		a := parseAddress(c)
		u := parseURI(a.URI)
		for _, tag := range []string{"+sip.src", "+sip-src", "src"} {
			_, outside := a.Params[tag]
			_, inside := u.params[tag]
			if outside || inside {
				return true
			}
		}
	}
	return false
}

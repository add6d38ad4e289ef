package sip

import (
	"net/netip"
	"time"
)

// dateLayout is SIP-date (RFC 3261 section 20.17): always GMT. A Date in any
// other zone says that its writer guessed, and counts for nothing.
const dateLayout = "Mon, 02 Jan 2006 15:04:05 GMT"

// ClockReading is what an SRC's clock said. The zero value: nothing yet.
type ClockReading struct {
	Date  time.Time  // of the Date header, whole seconds
	Heard time.Time  // when it came, with its monotonic reading: this machine's own clock may jump afterwards
	From  netip.Addr // where it came from
}

// reading is the Date of a request that came at at from an address; the zero value: it has none
// that can be read.
func (m *Message) reading(at time.Time, from netip.Addr) ClockReading {
	value, ok := m.only("Date")
	if !ok {
		return ClockReading{}
	}
	date, err := time.Parse(dateLayout, value)
	if err != nil {
		return ClockReading{}
	}
	return ClockReading{date, at, from}
}

// dated keeps the newest reading of a source. It is called only with what that
// source certainly sent, for anybody can write its address on a datagram: with
// the requests of a dialog, whose tag of ours nobody has who did not get our
// response, with the INVITE that began it, once there is such a request, and
// with what comes over a connection of a source that needs no account.
// s.mu is held.
func (s *serverState) dated(name string, readings ...ClockReading) {
	st := s.heard[name]
	if st == nil {
		return
	}
	for _, r := range readings {
		if !r.Date.IsZero() && r.Heard.After(st.Clock.Heard) {
			st.Clock = r
		}
	}
}

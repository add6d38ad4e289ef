package sip

import (
	"net/netip"
	"time"
)

// Info is what is known of an RS from the INVITE that opened it.
type Info struct {
	CallID     string
	RequestURI string
	From, To   Address
	Contact    Address
	PAI        []Address // P-Asserted-Identity
	Source     string    // name of the [[src]], or the peer's IP when none is configured
	Transport  string    // "udp", "tcp", "tls"
	Remote     netip.AddrPort
	Local      netip.Addr // our address towards this SRC, for the c= line of answers
	Arrived    time.Time  // when the INVITE was read
	UserAgent  string
	// Correlation holds vendors' call identifiers found in headers and in the
	// parameters of Request-URI and To, by name (srcs.md Q37, Q38).
	Correlation map[string]string
}

// Address is a name-addr or addr-spec (RFC 3261 section 20.10).
type Address struct {
	Display string
	URI     string // without angle brackets, with URI parameters
	User    string // unescaped user part; of a tel URI the number
	Host    string
	Params  map[string]string // header parameters, e.g. tag, +sip.src
}

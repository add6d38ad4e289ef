package sip

import (
	"strconv"
	"strings"
)

// Named is a party that a header names, where the source sends no metadata.
type Named struct {
	Address
	Line int // index of the m= line that carries the party's voice, -1: none
}

// named reads the two ways in which sources without SIPREC tell the parties: a
// header for each m= line, with its media-index, or both ends of the call in
// the parameters of From.
func (m *Message) named() []Named {
	var parties []Named
	for _, h := range m.headers {
		name := strings.ToLower(h.name)
		if !strings.HasPrefix(name, "x-") || !strings.HasSuffix(name, "-recording-participant") {
			continue
		}
		for _, value := range splitOutside(h.value, ',') {
			a := parseAddress(value)
			line, err := strconv.ParseUint(a.Params["media-index"], 10, 8)
			if a.URI == "" || err != nil {
				continue
			}
			parties = append(parties, Named{a, int(line)})
		}
	}
	if len(parties) > 0 {
		return parties
	}
	return m.ends()
}

// ends are the near and the far end of a call that a phone forks: each end's
// voice comes in a session of its own, and From says whose this one is.
func (m *Message) ends() (parties []Named) {
	from := parseAddress(m.header("From"))
	params := parseURI(from.URI).params
	if _, ok := params["x-nearendaddr"]; !ok {
		params = from.Params
	}
	for _, end := range []string{"x-nearend", "x-farend"} {
		addr := params[end+"addr"]
		if addr == "" {
			continue
		}
		party := Named{Address{URI: addr, User: addr}, -1}
		if _, here := params[end]; here {
			party.Line = 0
		}
		parties = append(parties, party)
	}
	return parties
}

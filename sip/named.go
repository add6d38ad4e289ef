package sip

import (
	"fmt"
	"slices"
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
// the parameters of From. The notes are what had to be guessed.
func (m *Message) named() (parties []Named, notes []string) {
	header := ""
	for _, h := range m.headers {
		if !m.namesParty(h.name) {
			continue
		}
		header = h.name
		for _, value := range splitOutside(h.value, ',') {
			a := parseAddress(value)
			if a.URI == "" {
				continue
			}
			line, err := strconv.ParseUint(a.Params["media-index"], 10, 8)
			if err != nil {
				line = uint64(freeLine(parties))
				notes = append(notes, fmt.Sprintf("%s without a media-index: taken for line %d, by order", header, line+1))
			}
			parties = append(parties, Named{a, int(line)})
		}
	}
	switch {
	case len(parties) > 0:
		return parties, notes
	case header != "":
		return nil, []string{header + " names nobody"}
	}
	return m.ends(), nil
}

// namesParty reports whether a header names the party of a line.
func (m *Message) namesParty(name string) bool {
	if m.PartyHeader != "" {
		return strings.EqualFold(name, m.PartyHeader)
	}
	name = strings.ToLower(name)
	return strings.HasPrefix(name, "x-") && strings.HasSuffix(name, "-recording-participant")
}

// freeLine is the first line that no party has.
func freeLine(parties []Named) (line int) {
	for slices.ContainsFunc(parties, func(p Named) bool { return p.Line == line }) {
		line++
	}
	return line
}

// ends are the near and the far end of a call that a phone forks: each end's
// voice comes in a session of its own, and From says whose this one is. From
// itself is the near end, where no parameter names it.
func (m *Message) ends() (parties []Named) {
	from := parseAddress(m.header("From"))
	params, known := forkParams(from)
	if !known {
		return nil
	}
	for _, end := range []string{"x-nearend", "x-farend"} {
		addr := params[end+"addr"]
		if addr == "" && end == "x-nearend" {
			addr = from.User
		}
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

// forkParams are the parameters of From that tell of a forked call; they stand in
// its URI, or outside of it.
func forkParams(from Address) (params map[string]string, known bool) {
	for _, params := range []map[string]string{parseURI(from.URI).params, from.Params} {
		for _, name := range []string{"x-nearend", "x-farend"} {
			if _, known := params[name]; known {
				return params, true
			}
		}
	}
	return nil, false
}

package sip

import (
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// admit returns the sources an address may be. It is asked before anything is
// read of a message: who is none gets nothing at all.
func (s *serverState) admit(addr netip.Addr) []Source {
	addr = addr.Unmap()
	var all []Source
	if s.Access != nil {
		all = s.Access()
	}
	if len(all) == 0 {
		return []Source{{Name: addr.String()}}
	}
	var fit []Source
	for _, src := range all {
		byProof := len(src.Networks) == 0 && (len(src.CertSANs) > 0 || src.Digest != nil)
		if byProof || slices.ContainsFunc(src.Networks, func(p netip.Prefix) bool { return p.Contains(addr) }) {
			fit = append(fit, src)
		}
	}
	return fit
}

// vouched picks the source that the connection's certificate names fit too.
func vouched(sources []Source, names []string) (Source, bool) {
	for _, src := range sources {
		if len(src.CertSANs) == 0 {
			return src, true
		}
		for _, want := range src.CertSANs {
			if slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, want) }) {
				return src, true
			}
		}
	}
	return Source{}, false
}

// Strangers is who got no answer because no Source names them.
type Strangers struct {
	Count     int64 // messages over UDP, connections over TCP and TLS
	Last      netip.Addr
	LastHeard time.Time
}

// Strangers returns what is known of them; a zero Count says there were none.
func (srv *Server) Strangers() Strangers {
	s := srv.state
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.strangers
}

func (s *serverState) turnAway(addr netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.strangers = Strangers{s.strangers.Count + 1, addr.Unmap(), time.Now()}
}

// named says whether the list of sources is in force.
func (s *serverState) named() bool { return s.Access != nil && len(s.Access()) > 0 }

// localPaths finds which of our addresses the system uses towards a peer. One
// reader owns it.
type localPaths struct {
	bound netip.AddrPort
	known map[netip.Addr]netip.Addr
	since time.Time
}

func newLocalPaths(bound netip.AddrPort) *localPaths { return &localPaths{bound: bound} }

func (p *localPaths) towards(remote netip.AddrPort) netip.AddrPort {
	if !p.bound.Addr().IsUnspecified() {
		return p.bound
	}
	if now := time.Now(); now.Sub(p.since) > time.Minute || len(p.known) > 1000 {
		p.since, p.known = now, map[netip.Addr]netip.Addr{}
	}
	addr, ok := p.known[remote.Addr()]
	if !ok {
		addr = p.bound.Addr()
		// Connecting a UDP socket sends nothing; it asks for the route.
		if conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(remote)); err == nil {
			addr = addrPort(conn.LocalAddr()).Addr()
			conn.Close()
		}
		p.known[remote.Addr()] = addr
	}
	return netip.AddrPortFrom(addr, p.bound.Port())
}

// count updates what is known of a source. s.mu is held.
func (s *serverState) count(f *flow) *SourceStats {
	name := f.source.Name
	st := s.heard[name]
	if st == nil {
		if len(s.heard) >= 10_000 {
			return &SourceStats{} // scanners without a list in force
		}
		st = &SourceStats{Name: name}
		s.heard[name] = st
	}
	st.Addr, st.LastHeard = f.remote.Addr(), time.Now()
	return st
}

func (s *serverState) sources() []SourceStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	live := map[string]int{}
	for _, d := range s.dialogs {
		live[d.info.Source]++
	}
	var all []SourceStats
	for _, st := range s.heard {
		one := *st
		one.Sessions = live[st.Name]
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b SourceStats) int { return strings.Compare(a.Name, b.Name) })
	return all
}

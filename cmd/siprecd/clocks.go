package main

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"siprecd/cmd/siprecd/config"
	"siprecd/policy"
	"siprecd/sip"
)

// freshDate is how old the Date of an SRC may be. The running time since it is
// counted on, which drifts by seconds a day; so a day is sharp enough, and calls
// of the office hours prove the night. Longer, and an SRC that nobody knows to be
// alive would still speak.
const freshDate = 24 * time.Hour

// proofs are the other clocks there are.
func (d *daemon) proofs() []policy.Proof {
	proofs := append(otherClocks(), d.witnessClock()...)
	return append(proofs, srcClocks(d.cfg.Load().Sources, d.sip.Sources(), time.Now(), time.Since)...)
}

// srcClocks are the clocks of the sources that the configuration lists, one for
// each address: two names of one machine are no two clocks. Whoever is admitted
// from everywhere and shows neither account nor certificate may be anybody, and
// proves nothing. What the Date said is taken forward by the running time since,
// so that a jump of this machine's clock after it shows.
func srcClocks(listed []config.Source, heard []sip.SourceStats, now time.Time, since func(time.Time) time.Duration) (proofs []policy.Proof) {
	// The newest first: of two names of one machine it counts.
	heard = slices.SortedFunc(slices.Values(heard), func(a, b sip.SourceStats) int { return b.Clock.Heard.Compare(a.Clock.Heard) })
	seen := make(map[netip.Addr]bool)
	for _, h := range heard {
		i := slices.IndexFunc(listed, func(src config.Source) bool { return src.Name == h.Name })
		if i < 0 || isAnybody(listed[i]) || h.Clock.Date.IsZero() || seen[h.Clock.From] {
			continue
		}
		age := since(h.Clock.Heard)
		if age > freshDate {
			continue
		}
		seen[h.Clock.From] = true
		proofs = append(proofs, policy.Proof{Name: "src " + h.Name, Error: now.Round(0).Sub(h.Clock.Date.Add(age))})
	}
	slices.SortFunc(proofs, func(a, b policy.Proof) int { return strings.Compare(a.Name, b.Name) })
	return proofs
}

// isAnybody reports whether a source of the configuration may be everybody.
func isAnybody(src config.Source) bool {
	everywhere := func(p netip.Prefix) bool { return p.Bits() == 0 }
	return src.Cert == "" && src.User == "" && (len(src.Addresses) == 0 || slices.ContainsFunc(src.Addresses, everywhere))
}

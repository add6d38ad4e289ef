package main

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"siprecd/store"
)

func TestStatusFitsATerminal(t *testing.T) {
	now := time.Now()
	s := status{
		Version: version(), Started: now.Add(-100 * time.Hour), Draining: true,
		Listen:  []string{"udp 192.0.2.100:5060", "tcp 192.0.2.100:5060", "tls 192.0.2.100:5061", "tls [2001:db8::1234]:5061"},
		Config:  configStatus{File: "/etc/siprecd/siprecd.toml", Loaded: now, Policy: "12 lines", Error: "extensions.toml:1: bad\n"},
		Sources: []srcStatus{{Name: "pbx-of-the-second-floor", Address: "2001:db8:1234:5678::9abc", LastHeard: now.Add(-time.Hour), Requests: 10_000_000, Refused: 12}, {Name: "never"}},
		Live:    []store.Row{{ID: "01M84SA42CDTNETV0C2GR3XJBW", Start: now, State: store.Live}},
		Disk:    diskStatus{Dir: "/var/lib/siprecd", Free: 1 << 40, Total: 1 << 42},
		Calls:   12,
		Errors:  []recentError{{At: now, Text: "an error"}},
		Warnings: []string{
			"the kernel gives each stream at most 208 KiB, enough for 5 s of G.711: sysctl -w net.core.rmem_max=4194304 lets it give more",
		},
	}
	var b strings.Builder
	s.print(&b, time.UTC, now)
	for line := range strings.Lines(b.String()) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 80 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	for _, want := range []string{
		"DRAINING", "WARNING  the kernel gives", "\n         ", "CONFIG   the file on disk is NOT in force:\nextensions.toml:1: bad\ndisk",
		"1h0m0s ago", "never ", "last errors\n", "an error\n", "12 in the catalogue, 1 live",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}

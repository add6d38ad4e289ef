package replay

import (
	"bufio"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"

	"siprecd/sip"
)

// chosen returns those of the keys that one side gave which the other side
// took: what the first encrypts with.
func chosen(given, taken []sip.Crypto, secure bool) []sip.Crypto {
	both := slices.DeleteFunc(slices.Clone(given), func(c sip.Crypto) bool {
		return !slices.ContainsFunc(taken, func(o sip.Crypto) bool { return o.Tag == c.Tag && o.Suite == c.Suite })
	})
	if len(both) == 0 && secure {
		return given // the other side is not in the capture, or cannot be read
	}
	return both
}

// settle leaves of an offer's keys those that the recorder of the capture took.
func settle(o *sip.Offer, e *exchange) {
	if o.Media == nil || !e.accepted() {
		return
	}
	desc, err := e.final.Description()
	if err != nil || desc == nil {
		return
	}
	for i := range o.Media.Lines[:min(len(o.Media.Lines), len(desc.Lines))] {
		l := &o.Media.Lines[i]
		l.Crypto = chosen(l.Crypto, desc.Lines[i].Crypto, l.Secure())
	}
}

// ReadKeys reads the keys of declared streams: lines of IP:PORT, a blank and the
// value of a=crypto as in SDP; blank lines and such as begin with # are passed
// over. Its errors tell the line and nothing of the key.
func ReadKeys(r io.Reader) (map[netip.AddrPort][]sip.Crypto, error) {
	keys := make(map[netip.AddrPort][]sip.Crypto)
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		text := strings.TrimSpace(lines.Text())
		if text == "" || text[0] == '#' {
			continue
		}
		to, value, _ := strings.Cut(text, " ")
		addr, err := netip.ParseAddrPort(to)
		if err != nil {
			return nil, fmt.Errorf("line %d does not begin with IP:PORT", n)
		}
		c, err := sip.ParseCrypto(strings.TrimPrefix(strings.TrimSpace(value), "a=crypto:"))
		if err != nil {
			return nil, fmt.Errorf("line %d: %w (write: IP:PORT 1 AES_CM_128_HMAC_SHA1_80 inline:…)", n, err)
		}
		addr = netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
		keys[addr] = append(keys[addr], c)
	}
	return keys, lines.Err()
}

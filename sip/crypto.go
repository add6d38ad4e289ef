package sip

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Crypto is one a=crypto attribute: the keys with which its sender encrypts
// what it sends (RFC 4568 section 9.1). It prints without them.
type Crypto struct {
	Tag    int         // 1 to 999,999,999, unique within a line
	Suite  string      // upper case, e.g. "AES_CM_128_HMAC_SHA1_80"
	Keys   []CryptoKey // with more than one, each has an MKI
	Params []string    // session parameters as written, e.g. "KDR=0"
}

// CryptoKey is one master key of a Crypto.
type CryptoKey struct {
	Key      []byte // master key followed by master salt, as the suite has them
	Lifetime uint64 // packets; 0: not stated
	MKI      []byte // as it stands in packets; nil: none
}

// Format prints suite and tag whatever the verb: keys never reach a log.
func (c Crypto) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "crypto %d %s", c.Tag, c.Suite) }

// Format prints nothing of the key.
func (CryptoKey) Format(f fmt.State, _ rune) { fmt.Fprint(f, "key") }

// MarshalJSON keeps the keys out of JSON too.
func (c Crypto) MarshalJSON() ([]byte, error) {
	return strconv.AppendQuote(nil, strconv.Itoa(c.Tag)+" "+c.Suite), nil
}

// MarshalJSON is like that of Crypto.
func (CryptoKey) MarshalJSON() ([]byte, error) { return []byte(`"key"`), nil }

const (
	maxCryptos    = 32 // of a line
	maxCryptoKeys = 16 // of an attribute
	maxMKI        = 128
)

// ParseCrypto reads the value of a=crypto. Its errors hold nothing of the key.
func ParseCrypto(value string) (Crypto, error) {
	fields := strings.Fields(value)
	if len(fields) < 3 {
		return Crypto{}, errors.New("tag, suite or key is missing")
	}
	tag, err := strconv.ParseUint(fields[0], 10, 32)
	if err != nil || tag > 999_999_999 {
		return Crypto{}, errors.New("its tag is no number")
	}
	if !isToken(fields[1]) {
		return Crypto{}, errors.New("its suite cannot be read")
	}
	c := Crypto{Tag: int(tag), Suite: strings.ToUpper(fields[1]), Params: fields[3:]}
	params := strings.Split(strings.TrimSuffix(fields[2], ";"), ";")
	if len(params) > maxCryptoKeys {
		return Crypto{}, errors.New("it holds too many keys")
	}
	for _, p := range params {
		k, err := readCryptoKey(p)
		if err != nil {
			return Crypto{}, err
		}
		c.Keys = append(c.Keys, k)
	}
	return c, c.check()
}

// check tells keys apart by their MKI, which has one length (RFC 4568 section 6.1).
func (c *Crypto) check() error {
	if len(c.Keys) < 2 {
		return nil
	}
	for i, k := range c.Keys {
		switch {
		case k.MKI == nil:
			return errors.New("it holds several keys, one without an MKI")
		case len(k.MKI) != len(c.Keys[0].MKI):
			return errors.New("its MKIs differ in length")
		case slices.ContainsFunc(c.Keys[:i], func(o CryptoKey) bool { return string(o.MKI) == string(k.MKI) }):
			return errors.New("two of its keys have one MKI")
		}
	}
	return nil
}

// readCryptoKey reads "inline:KEY|LIFETIME|MKI:LENGTH", the latter two optional.
func readCryptoKey(s string) (k CryptoKey, err error) {
	method, info, _ := strings.Cut(s, ":")
	if !strings.EqualFold(method, "inline") {
		return k, errors.New("its key is not inline")
	}
	parts := strings.Split(info, "|")
	// Some write the padding of base64 and some do not.
	k.Key, err = base64.RawStdEncoding.DecodeString(strings.TrimRight(parts[0], "="))
	if err != nil || len(k.Key) == 0 {
		return k, errors.New("its key is no base64")
	}
	for _, p := range parts[1:] {
		if value, length, isMKI := strings.Cut(p, ":"); isMKI {
			k.MKI, err = readMKI(value, length)
		} else {
			k.Lifetime, err = readLifetime(p)
		}
		if err != nil {
			return k, err
		}
	}
	return k, nil
}

func readLifetime(s string) (uint64, error) {
	if power, ok := strings.CutPrefix(s, "2^"); ok {
		n, err := strconv.ParseUint(power, 10, 8)
		if err != nil || n > 48 {
			return 0, errors.New("its lifetime cannot be read")
		}
		return 1 << n, nil
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return 0, errors.New("its lifetime cannot be read")
	}
	return n, nil
}

func readMKI(value, length string) ([]byte, error) {
	n, err := strconv.Atoi(length)
	v, err2 := strconv.ParseUint(value, 10, 64)
	if err != nil || err2 != nil || n < 1 || n > maxMKI || n < 8 && v>>(8*n) != 0 {
		return nil, errors.New("its MKI cannot be read")
	}
	var wide [maxMKI]byte
	binary.BigEndian.PutUint64(wide[maxMKI-8:], v)
	return slices.Clone(wide[maxMKI-n:]), nil
}

// Equal reports whether two attributes say the same, keys included.
func (c Crypto) Equal(o Crypto) bool { return c.text() == o.text() }

// text is the attribute's value as it is written.
func (c Crypto) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d %s ", c.Tag, c.Suite)
	for i, k := range c.Keys {
		if i > 0 {
			b.WriteByte(';')
		}
		b.WriteString("inline:" + base64.StdEncoding.EncodeToString(k.Key))
		switch {
		case k.Lifetime == 0:
		case k.Lifetime&(k.Lifetime-1) == 0:
			fmt.Fprintf(&b, "|2^%d", log2(k.Lifetime))
		default:
			fmt.Fprintf(&b, "|%d", k.Lifetime)
		}
		if n := len(k.MKI); n > 0 {
			var wide [8]byte
			copy(wide[max(0, 8-n):], k.MKI[max(0, n-8):])
			fmt.Fprintf(&b, "|%d:%d", binary.BigEndian.Uint64(wide[:]), n)
		}
	}
	for _, p := range c.Params {
		b.WriteString(" " + p)
	}
	return b.String()
}

func log2(n uint64) (power int) {
	for ; n > 1; n >>= 1 {
		power++
	}
	return power
}

// Secure reports whether the line's profile asks for SRTP. A line may carry keys
// in a profile that does not: best effort, as many SRCs do (RFC 3711, 5124).
func (l Line) Secure() bool { return strings.Contains(strings.ToUpper(l.Proto), "RTP/SAVP") }

// DTLS reports whether the line's keys come by DTLS (RFC 5764): its profile says
// so, or it is to be encrypted and has a fingerprint and no keys, as from browsers.
func (l Line) DTLS() bool {
	return l.Secure() && (strings.HasPrefix(strings.ToUpper(l.Proto), "UDP/TLS/") || len(l.Crypto) == 0 && len(l.Fingerprints) > 0)
}

// sameKeys reports whether two descriptions of the same side hold the same keys
// and fingerprints.
func sameKeys(a, b *Description) bool {
	keys := func(d *Description) (all []string) {
		if d == nil {
			return nil
		}
		for i, l := range d.Lines {
			for _, c := range l.Crypto {
				all = append(all, strconv.Itoa(i)+" "+c.text())
			}
			for _, f := range l.Fingerprints {
				all = append(all, strconv.Itoa(i)+" "+f)
			}
		}
		return all
	}
	return slices.Equal(keys(a), keys(b))
}

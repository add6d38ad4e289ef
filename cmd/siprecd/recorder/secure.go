package recorder

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"siprecd/media"
	"siprecd/sip"
)

// Encryption is what the media of an SRC must be.
type Encryption uint8

const (
	EitherWay Encryption = iota // as the SRC offers it; encrypted where it offers both
	OnlySRTP                    // encrypted, or not taken
	OnlyRTP                     // in clear, or not taken
)

// secured is how one line is encrypted, both ways. The zero value is in clear.
type secured struct {
	on     bool
	suite  string
	theirs []media.MasterKey // none yet: our offer has not been answered
	ours   []sip.Crypto      // one in an answer, several in our offer
	peers  []string          // fingerprints, when the keys come by DTLS
}

// dtlsSuite is how a row calls a line whose keys come by DTLS: which suite that
// settled on stays with the media.
const dtlsSuite = "DTLS-SRTP"

// offeredSuites are what we offer when the INVITE leaves it to us: few, for the
// description has to fit into a datagram.
var offeredSuites = []string{"AEAD_AES_256_GCM", "AEAD_AES_128_GCM", "AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32"}

// secure works out how an offered line is to be encrypted; before is how it was
// until now. The error says why the line cannot be taken.
func secure(offered sip.Line, must Encryption, before secured) (secured, error) {
	if must == OnlyRTP {
		if offered.Secure() {
			return secured{}, errors.New(`it is encrypted, and this source is configured with media = "rtp"`)
		}
		return secured{}, nil
	}
	if offered.DTLS() {
		return secureByDTLS(offered)
	}
	var why error
	for _, c := range offered.Crypto {
		theirs, err := masterKeys(c)
		if err != nil {
			why = errors.Join(why, err)
			continue
		}
		ours, err := before.answer(c)
		if err != nil {
			return secured{}, err
		}
		return secured{on: true, suite: c.Suite, theirs: theirs, ours: []sip.Crypto{ours}}, nil
	}
	switch {
	case offered.Secure() && why == nil:
		return secured{}, errors.New("it is to be encrypted, and no key is offered")
	case offered.Secure():
		return secured{}, fmt.Errorf("none of its keys can be used: %v", oneLine(why))
	case must == OnlySRTP && why == nil:
		return secured{}, errors.New(`it is not encrypted, and this source is configured with media = "srtp"`)
	case must == OnlySRTP:
		return secured{}, fmt.Errorf(`this source is configured with media = "srtp", and none of the keys offered can be used: %v`, oneLine(why))
	}
	return secured{}, nil
}

// secureByDTLS takes a line whose keys are made in the media's own path. The SRC
// begins (RFC 5763 section 5): we are the passive side.
func secureByDTLS(offered sip.Line) (secured, error) {
	var peers []string
	for _, f := range offered.Fingerprints {
		if media.KnownFingerprint(f) {
			peers = append(peers, f)
		}
	}
	switch {
	case len(peers) == 0:
		return secured{}, errors.New("its keys are to come by DTLS, and no fingerprint that can be used is offered")
	case offered.Setup == "passive" || offered.Setup == "holdconn":
		return secured{}, fmt.Errorf("its keys are to come by DTLS, and it does not begin itself (a=setup:%s)", offered.Setup)
	}
	return secured{on: true, suite: dtlsSuite, peers: peers}, nil
}

func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", ", ") }

// masterKeys turns a crypto attribute into keys that a Path can use.
func masterKeys(c sip.Crypto) ([]media.MasterKey, error) {
	if !slices.Contains(media.SRTPSuites(), c.Suite) {
		return nil, fmt.Errorf("suite %.40q is not known", c.Suite)
	}
	for _, p := range c.Params {
		name, value, _ := strings.Cut(strings.ToUpper(p), "=")
		switch {
		case strings.HasPrefix(name, "-"): // what need not be understood (RFC 4568 section 6.3.7)
		case name == "UNENCRYPTED_SRTCP", name == "WSH", name == "FEC_ORDER", name == "KDR" && value == "0":
		default:
			return nil, fmt.Errorf("session parameter %.40q is not possible", name)
		}
	}
	var keys []media.MasterKey
	for _, k := range c.Keys {
		m := media.MasterKey{Suite: c.Suite, Key: k.Key, MKI: k.MKI}
		if err := m.Check(); err != nil {
			return nil, err
		}
		keys = append(keys, m)
	}
	return keys, nil
}

// answer is our own side of an offered crypto: a key of ours, which stays while
// the suite does. We send nothing but RTCP under it.
func (s secured) answer(c sip.Crypto) (sip.Crypto, error) {
	for _, o := range s.ours {
		if o.Suite == c.Suite {
			return sip.Crypto{Tag: c.Tag, Suite: c.Suite, Keys: o.Keys}, nil
		}
	}
	return ownCrypto(c.Tag, c.Suite)
}

// own is the key we send under; nil: none has been settled on.
func (s secured) own() *media.MasterKey {
	for _, o := range s.ours {
		if o.Suite == s.suite && len(o.Keys) > 0 {
			return &media.MasterKey{Suite: o.Suite, Key: o.Keys[0].Key, MKI: o.Keys[0].MKI}
		}
	}
	return nil
}

func ownCrypto(tag int, suite string) (sip.Crypto, error) {
	k, err := media.NewMasterKey(suite)
	if err != nil {
		return sip.Crypto{}, err
	}
	return sip.Crypto{Tag: tag, Suite: suite, Keys: []sip.CryptoKey{{Key: k.Key}}}, nil
}

// proposal is what a line of our own offer says: keys of ours where the source
// must encrypt, and until it answers nothing is taken.
func proposal(must Encryption, before secured) (secured, error) {
	if must != OnlySRTP || before.on {
		return before, nil
	}
	s := secured{on: true}
	for i, suite := range offeredSuites {
		c, err := ownCrypto(i+1, suite)
		if err != nil {
			return secured{}, err
		}
		s.ours = append(s.ours, c)
	}
	return s, nil
}

// awaitsKeys reports whether an offer of ours has not been answered with keys.
func (c *Call) awaitsKeys() bool {
	return slices.ContainsFunc(c.lines, func(l line) bool { return l.secured.on && l.secured.suite == "" })
}

// shake lets the keys of a line be made whose keys come by DTLS. A capture holds
// none.
func (c *Call) shake(l *line) {
	if l.secured.peers == nil || !c.wants(l) {
		return
	}
	if c.ports.Secure == nil {
		c.note("line %d: its keys were made by DTLS and are not in the capture: nothing of it can be decrypted", l.index)
		return
	}
	if !l.offered.Mux {
		c.note("line %d: DTLS without a=rtcp-mux: its RTCP is not decrypted", l.index)
	}
	index := l.index
	c.ports.Secure(index, l.secured.peers, func(err error) { c.note("line %d: DTLS: %v", index, err) })
}

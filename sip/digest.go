package sip

import (
	"crypto/md5"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"hash"
	"strings"
	"time"
)

// nonceBook holds the nonces given out and not used yet. Each is good once.
type nonceBook map[string]time.Time

const (
	nonceLife = time.Minute
	maxNonces = 4096
)

func (b nonceBook) issue(now time.Time) string {
	if len(b) >= maxNonces {
		for n, until := range b {
			if now.After(until) || len(b) >= maxNonces {
				delete(b, n)
			}
		}
	}
	n := token(24)
	b[n] = now.Add(nonceLife)
	return n
}

func (b nonceBook) redeem(now time.Time, nonce string) bool {
	until, ok := b[nonce]
	delete(b, nonce)
	return ok && !now.After(until)
}

// authentic checks an INVITE's digest (RFC 3261 section 22, RFC 8760) or
// challenges it with SHA-256 and MD5, the better one first.
func (s *serverState) authentic(tx *serverTx, d *Digest) bool {
	now := time.Now()
	for _, h := range tx.req.headers {
		if !strings.EqualFold(h.name, "Authorization") || len(h.value) < 7 || !strings.EqualFold(h.value[:7], "Digest ") {
			continue
		}
		given := digestParams(h.value[7:])
		source := s.account(tx.flow, given["username"])
		right := source.Digest.right(given, tx.req.Method)
		s.mu.Lock()
		fresh := s.nonces.redeem(now, given["nonce"])
		s.mu.Unlock()
		if right && fresh {
			tx.flow.source = source
			return true
		}
	}
	s.mu.Lock()
	nonce := s.nonces.issue(now)
	s.mu.Unlock()
	r := tx.response(401, "")
	for _, algorithm := range []string{"SHA-256", "MD5"} {
		r.add("WWW-Authenticate", `Digest realm="`+plainText(d.Realm)+`", nonce="`+nonce+`", algorithm=`+algorithm+`, qop="auth"`)
	}
	s.reply(tx, r)
	return false
}

// account is the source that an INVITE's account names, of those its address may
// be: several may share one.
func (s *serverState) account(f *flow, user string) Source {
	for _, src := range s.admit(f.remote.Addr()) {
		if src.Digest != nil && src.Digest.User == user && len(src.CertSANs) == 0 {
			return src
		}
	}
	return f.source
}

func digestParams(s string) map[string]string {
	params := map[string]string{}
	for _, p := range splitOutside(s, ',') {
		name, value, _ := strings.Cut(p, "=")
		params[strings.ToLower(strings.TrimSpace(name))] = unquote(strings.TrimSpace(value))
	}
	return params
}

// right compares in constant time. A response without qop is that of RFC 2069,
// which RFC 3261 section 22.4 still asks for.
func (d *Digest) right(given map[string]string, method string) bool {
	var newHash func() hash.Hash
	switch strings.ToUpper(given["algorithm"]) {
	case "", "MD5":
		newHash = md5.New
	case "SHA-256":
		newHash = sha256.New
	default:
		return false
	}
	sum := func(parts ...string) string {
		h := newHash()
		h.Write([]byte(strings.Join(parts, ":")))
		return hex.EncodeToString(h.Sum(nil))
	}
	var want string
	secret, request := sum(d.User, d.Realm, d.Password), sum(method, given["uri"])
	switch given["qop"] {
	case "auth":
		want = sum(secret, given["nonce"], given["nc"], given["cnonce"], "auth", request)
	case "":
		want = sum(secret, given["nonce"], request)
	default:
		return false
	}
	same := subtle.ConstantTimeCompare([]byte(want), []byte(strings.ToLower(given["response"])))
	known := subtle.ConstantTimeCompare([]byte(d.User), []byte(given["username"])) & subtle.ConstantTimeCompare([]byte(d.Realm), []byte(given["realm"]))
	return same&known == 1
}

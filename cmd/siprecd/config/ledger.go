package config

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"strings"
)

func (s *site) checkLedger(c *Config) {
	given := s.doc.Ledger
	c.Ledger = Ledger{}
	if given.Witness != nil && *given.Witness != "" {
		if u, err := url.Parse(*given.Witness); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			s.error(codeWitness, s.value("ledger.witness", *given.Witness), *given.Witness)
		} else {
			c.Ledger.Witness = *given.Witness
		}
		if given.WitnessKey == nil || *given.WitnessKey == "" {
			s.needs(s.value("ledger.witness", *given.Witness), "witness", "witness_key")
		}
	}
	if given.WitnessKey == nil || *given.WitnessKey == "" {
		return
	}
	if given.Witness == nil || *given.Witness == "" {
		s.needs(s.value("ledger.witness_key", *given.WitnessKey), "witness_key", "witness")
	}
	if !isWitnessKey(*given.WitnessKey) {
		s.error(codeWitnessKey, s.value("ledger.witness_key", *given.WitnessKey), *given.WitnessKey)
		return
	}
	c.Ledger.WitnessKey = *given.WitnessKey
}

// isWitnessKey knows the verifier key of a witness by its form and its checksum
// (C2SP tlog-cosignature, Format: Ed25519 has the number 4). The ledger's own
// key, which is easily taken for it, has the number 1.
func isWitnessKey(text string) bool {
	parts := strings.SplitN(text, "+", 3)
	if len(parts) != 3 || parts[0] == "" {
		return false
	}
	key, err := base64.StdEncoding.Strict().DecodeString(parts[2])
	if err != nil || len(key) != 1+ed25519.PublicKeySize || key[0] != 4 {
		return false
	}
	sum := sha256.Sum256(append([]byte(parts[0]+"\n"), key...))
	return hex.EncodeToString(sum[:4]) == parts[1]
}

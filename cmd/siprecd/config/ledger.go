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
	s.checkRows(c)
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

const (
	usualRows  = 60  // months: what an auditor or a court may ask about
	fewestRows = 12  // months: a year of access records is the least the law asks for
	mostRows   = 600 // months
)

// checkRows is run when the retention is known: rows outlive the recordings they
// speak of.
func (s *site) checkRows(c *Config) {
	c.Ledger = Ledger{RowsMonths: usualRows}
	longest := c.Retention.Days
	for _, days := range c.Retention.Extensions {
		longest = max(longest, days)
	}
	fewest := max(fewestRows, longest/28+1)
	c.Ledger.RowsMonths = max(usualRows, fewest)
	given := s.doc.Ledger.RowsMonths
	switch {
	case given == nil:
	case *given < int64(fewest) || *given > mostRows:
		s.error(codeNumber, s.keys["ledger.rows_months"], "rows_months", fewest, mostRows)
	default:
		c.Ledger.RowsMonths = int(*given)
	}
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

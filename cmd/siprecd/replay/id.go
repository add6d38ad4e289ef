package replay

import (
	"crypto/sha256"
	"math/big"
	"time"
)

// crockford is the alphabet of a ULID.
const crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// NewID is the ULID of a replayed recording: the time within it is the call's,
// and what else is random comes from the Call-ID, so that the same capture
// always gives the same id. It fits recorder.Recorder's NewID.
func NewID(start time.Time, callID string) string {
	sum := sha256.Sum256(start.UTC().AppendFormat([]byte(callID+"\x00"), time.RFC3339Nano))
	n := new(big.Int).SetUint64(uint64(max(start.UnixMilli(), 0)) & (1<<48 - 1))
	n.Lsh(n, 80).Or(n, new(big.Int).SetBytes(sum[:10]))
	id := make([]byte, 26)
	digit, base := new(big.Int), big.NewInt(32)
	for i := len(id) - 1; i >= 0; i-- {
		n.DivMod(n, base, digit)
		id[i] = crockford[digit.Int64()]
	}
	return string(id)
}

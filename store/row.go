package store

import (
	"encoding/json"
	"time"
)

// State is where a recording stands in its life.
type State string

const (
	Live        State = "live"
	Ending      State = "ending"      // BYE seen, not sealed
	Sealed      State = "sealed"      // whole, in the vault
	Interrupted State = "interrupted" // sealed after a crash
	Waiting     State = "waiting"     // a decoder or a key is missing
	Held        State = "held"
	NotRecorded State = "not-recorded"
	Deleted     State = "deleted"
)

// Row is one recording in the catalogue, and the JSON of `siprecd calls`. Its
// field names are a contract: added to, never renamed.
type Row struct {
	ID           string        `json:"id"` // ULID
	State        State         `json:"state"`
	Start        time.Time     `json:"start"`
	End          time.Time     `json:"end,omitzero"`
	Duration     float64       `json:"duration"` // seconds
	Extension    string        `json:"extension"`
	Other        string        `json:"other"`
	Direction    string        `json:"direction"` // in, out, internal, unknown
	Policy       string        `json:"policy"`    // full, selective, off
	DecidedBy    string        `json:"decided_by"`
	Source       string        `json:"src"`
	Participants []Participant `json:"participants"`
	Segments     []Segment     `json:"segments"`
	Streams      []Stream      `json:"streams"`
	Keys         []Key         `json:"keys"`
	Notes        []string      `json:"notes"`
	Quality      []string      `json:"quality,omitempty"` // no-rtp, undecryptable, refused, one-way, silent, blank; in words in Notes

	CallID    string            `json:"call_id,omitempty"`  // of the RS
	Sessions  []string          `json:"sessions,omitempty"` // session_id of each CS
	Ended     string            `json:"ended,omitempty"`    // side and reason, "src: bye"
	File      string            `json:"file,omitempty"`     // path in the vault, relative to the data directory
	Bytes     int64             `json:"bytes,omitempty"`
	SHA256    string            `json:"sha256,omitempty"` // of the file as it is heard and exported, hex
	Dies      Day               `json:"dies,omitempty"`   // the date from whose first moment on nothing opens it
	Format    string            `json:"format,omitempty"` // e.g. "wav pcmu 8000 Hz 2 ch"
	Vendor    map[string]string `json:"vendor,omitempty"` // correlation ids and extension data
	Decisions []Decision        `json:"decisions,omitempty"`

	Hold *Hold `json:"hold,omitempty"` // what keeps it past its day

	// Other recordings of the same call, and the one that this repeats. Found
	// when rows are read, never stored.
	Linked      []Link `json:"linked,omitempty"`
	DuplicateOf string `json:"duplicate_of,omitempty"`

	Leaf int64 `json:"leaf,omitempty"` // number of the ledger's leaf that says it was sealed, from 1; 0: none

	Salt string `json:"salt,omitempty"` // hex, of the digest of these facts in the ledger

	SealedBytes  int64  `json:"sealed_bytes,omitempty"`  // of the body in the vault; Bytes are those in clear
	SealedSHA256 string `json:"sealed_sha256,omitempty"` // of the body in the vault, hex

	Original *Original `json:"original,omitempty"` // the tape, when it is kept

	WaitingFor []string `json:"waiting_for,omitempty"` // of a waiting recording: codecs without a decoder

	// Heard is up to which second the Quality, the Levels and the Streams' figures
	// are of, while a call goes on. Never stored.
	Heard float64 `json:"heard,omitempty"`
}

// stored returns the size of the body in the vault.
func (r *Row) stored() int64 {
	if r.SealedBytes > 0 {
		return r.SealedBytes
	}
	return r.Bytes
}

// MarshalJSON writes a list that is nil as an empty one: who reads the JSON
// finds a list wherever the contract says so. A struct that embeds a Row
// would inherit this and lose its other fields: give the Row a name there.
func (r Row) MarshalJSON() ([]byte, error) {
	orEmpty(&r.Participants)
	orEmpty(&r.Segments)
	orEmpty(&r.Streams)
	orEmpty(&r.Keys)
	orEmpty(&r.Notes)
	type plain Row // without this method
	return json.Marshal(plain(r))
}

// MarshalJSON is like that of Row.
func (s Stream) MarshalJSON() ([]byte, error) {
	orEmpty(&s.Gaps)
	type plain Stream
	return json.Marshal(plain(s))
}

func orEmpty[T any](list *[]T) {
	if *list == nil {
		*list = []T{}
	}
}

// Link is another recording of the same call, or one made beside it.
type Link struct {
	ID  string  `json:"id"`
	Why string  `json:"why"`
	Gap float64 `json:"gap,omitempty"` // seconds between the two that are on neither
}

// Why a recording is linked to another.
const (
	LinkDuplicate = "duplicate"  // two sources, or two sessions, sent the same at the same time
	LinkFailOver  = "fail-over"  // another source went on with it
	LinkContinued = "continued"  // the same source went on with it in another session
	LinkOtherHalf = "other-half" // each holds one side
	LinkBeside    = "beside"     // another call that the same recording session carried at the same time
)

// Participant is one party, when it was there (RFC 3339; zero Left: to the end).
type Participant struct {
	AOR    string    `json:"aor"`
	Name   string    `json:"name"`
	Number string    `json:"number"`
	Joined time.Time `json:"joined,omitzero"`
	Left   time.Time `json:"left,omitzero"`
}

// Segment is a recorded period in seconds from the call's start.
type Segment struct {
	Start float64 `json:"start"`
	End   float64 `json:"end"`
}

// Stream is one media line and how it fared.
type Stream struct {
	Label       string `json:"label"`
	Participant string `json:"participant"` // AoR of who sends it; several joined by ", "
	Channel     string `json:"channel"`     // at the end: left, right, mono
	Codec       string `json:"codec"`
	Packets     int64  `json:"packets"`
	Lost        int64  `json:"lost"`
	Late        int64  `json:"late"`
	Duplicates  int64  `json:"duplicates"`
	Refused     int64  `json:"refused"`

	SRTP            string `json:"srtp,omitempty"`            // suite; "": in clear
	Unauthenticated int64  `json:"unauthenticated,omitempty"` // of those refused: under none of the SRTP keys

	Jitter    float64 `json:"jitter_ms"` // the mean (RFC 3550 section 6.4.1)
	JitterMax float64 `json:"jitter_max_ms"`
	Drift     float64 `json:"drift_ppm"`       // by which the sender's clock is fast
	Level     *Level  `json:"level,omitempty"` // nil: nothing was heard

	HeldBy []Holder `json:"held_by,omitempty"` // who sent it when; several at once on a mixed line

	Gaps        []Gap        `json:"gaps"`
	Corrections []Correction `json:"corrections,omitempty"`
}

// Holder is who sent a stream from when to when, as the SRC's metadata said so,
// in seconds from the call's start. While the call goes on, To is 0 for those
// who send.
type Holder struct {
	Participant string  `json:"participant"` // AoR
	From        float64 `json:"from"`
	To          float64 `json:"to,omitempty"`
	Channel     string  `json:"channel,omitempty"` // left, right, mono: where it is heard; known when it is rendered
}

// Level is how loud a stream was.
type Level struct {
	RMS     float64 `json:"rms_dbfs"`
	Peak    float64 `json:"peak_dbfs"`
	Speech  float64 `json:"speech"`  // seconds in which somebody seems to speak
	Silence float64 `json:"silence"` // seconds that were sent and in which nobody does
	Clipped float64 `json:"clipped"` // share of samples at the end of the scale, 0 to 1
}

// Correction is where the file follows the sender's clock: seconds from the
// call's start, and samples put in (positive) or left out. In JSON it is a pair
// of the two.
type Correction [2]float64

// Gap is audio missing from a stream.
type Gap struct {
	Start float64 `json:"start"`
	End   float64 `json:"end"`
	Cause string  `json:"cause"`
}

// Key is a command pressed. Only commands are kept, never other digits.
type Key struct {
	At      float64 `json:"at"`
	Stream  string  `json:"stream"` // label
	Command string  `json:"command"`
	Via     string  `json:"via"`
	Ignored string  `json:"ignored,omitempty"` // why it had no effect, e.g. "foreign"
}

// Decision is one taking of the policy's decision, in order.
type Decision struct {
	At        time.Time `json:"at"`
	Policy    string    `json:"policy"`
	DecidedBy string    `json:"decided_by"`
	Why       string    `json:"why"`
}

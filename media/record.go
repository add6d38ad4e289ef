package media

import (
	"iter"
	"time"
)

// Kind tells what a tape record holds. Kinds below 64 are media's; those from
// 64 on belong to whoever drives the Path and are passed over by Measure.
type Kind uint8

const (
	KindStart  Kind = 1 // call time 0, the arrival of the INVITE; data: JSON Start
	KindPacket Kind = 2 // RTP as received, telephone-event digits that are no command blanked
	KindRTCP   Kind = 3 // RTCP as received
	KindLine   Kind = 4 // JSON LineSpec: the line from this time on
	KindGate   Kind = 5 // JSON GateMove
	KindKey    Kind = 6 // JSON KeyPress: a command obeyed, or ignored with its reason
	KindCounts Kind = 7 // JSON []LineCounts: what never reached the tape, at the end
	KindEnd    Kind = 8 // the end of the call: BYE; data: nil
	KindLoom   Kind = 64
)

// Record is one entry of a tape as Measure reads it. Data is valid until the
// next record is read.
type Record struct {
	Kind Kind
	At   int64 // Unix nanoseconds: kernel arrival time, or when it was decided
	Line uint16
	Data []byte
}

// Tape opens the records of one tape from the beginning, in order of At within
// a line; it is called once per pass. A torn tail ends the sequence without an
// error.
type Tape func() iter.Seq2[Record, error]

// Sink is where a Path puts what it keeps. Append copies data before it
// returns and never blocks on a disk; Flush hands everything appended so far
// to the file. Both are called with the Path's lock held.
type Sink struct {
	Append func(kind Kind, at int64, line uint16, data []byte)
	Flush  func() error
}

// Format is one payload format a line may carry.
type Format struct {
	Payload  uint8  `json:"pt"`
	Name     string `json:"name"`  // upper case: PCMU, PCMA, CN, TELEPHONE-EVENT, ...
	Clock    int    `json:"clock"` // Hz
	Channels int    `json:"channels,omitempty"`
	Fmtp     string `json:"fmtp,omitempty"`
}

// Start is the data of KindStart.
type Start struct {
	Version int `json:"version"` // of this record encoding: 1
}

// GateMove is the data of KindGate.
type GateMove struct {
	Open bool   `json:"open"`
	Why  string `json:"why"` // "full", "key", "stop-key", "nobody-of-ours", "decided-off", "held-over", ...
}

// KeyPress is the data of KindKey.
type KeyPress struct {
	Command string `json:"command"` // the whole command, e.g. "*1"
	Via     string `json:"via"`     // "rfc4733", "info", "inband"
	Obeyed  bool   `json:"obeyed"`
	Why     string `json:"why,omitempty"` // why not obeyed: "foreign", "already-open", "not-selective"
}

// LineCounts is what a Path counted on one line.
type LineCounts struct {
	Line        int   `json:"line"`
	Received    int64 `json:"received"`         // RTP packets that passed the source lock
	Kept        int64 `json:"kept"`             // of them, put on tape
	Refused     int64 `json:"refused"`          // from elsewhere than the SRC's media address, or no RTP
	KernelDrops int64 `json:"kernel,omitempty"` // lost in our own socket buffer
	Paused      int64 `json:"paused,omitempty"` // came while the line was inactive, not kept
	RTCP        int64 `json:"rtcp,omitempty"`

	// Foreign packets, among the refused ones, came from another address or port
	// than the line's sender; Crowded ones are of one SSRC too many; Unannounced
	// ones have a payload type that nobody gave a meaning. RefusedSound is how much
	// audio the former two hold.
	Foreign      int64         `json:"foreign,omitempty"`
	Crowded      int64         `json:"crowded,omitempty"`
	Unannounced  int64         `json:"unannounced,omitempty"`
	RefusedSound time.Duration `json:"refused_ns,omitempty"`

	// Unheard packets are of our side in a selective call, on a line without
	// telephone-events, in a codec whose sound is not listened to for keys.
	Unheard int64 `json:"unheard,omitempty"`

	// Unauthenticated packets, among the refused ones, are under none of the
	// line's keys; Replayed ones came before.
	Unauthenticated int64 `json:"unauthenticated,omitempty"`
	Replayed        int64 `json:"replayed,omitempty"`

	Lost   int64   `json:"lost,omitempty"`      // of the senders that are here, so far
	Jitter float64 `json:"jitter_ms,omitempty"` // now, of whoever sent most (RFC 3550 section 6.4.1)

	LastPacket time.Time `json:"-"`
}

package media

// Facts is what Measure found out about a tape; what was heard, the Levels and
// Quality, is known when WriteTo is done. Times are seconds from call time 0.
type Facts struct {
	Duration    float64
	Empty       bool   // no audio was kept: there is nothing to write
	Interrupted bool   // the tape has no KindEnd
	Container   string // "wav" or "flac"; also the file name's extension
	Encoding    string // "pcmu", "pcma", "flac"
	Rate        int    // Hz
	Channels    int
	Frames      int64 // samples per channel
	Lossy       bool  // something was decoded, mixed or dropped on the way
	Segments    []Segment
	Streams     []StreamFacts
	Keys        []Key
	Corrections []Correction
	Quality     []Quality
	Waiting     []string // names of codecs that FFmpeg would decode: silent until rendered again with it
	Undecodable []string // names of codecs that nothing decodes
	Notes       []string
}

// Segment is a period in which the gate was open.
type Segment struct {
	Start float64 `json:"start"`
	End   float64 `json:"end"`
}

// StreamFacts tells how one line fared.
type StreamFacts struct {
	Line       int
	Label      string
	Channel    int    // at the end: 0 left, 1 right; both when mono
	Sides      []Side // when it was on which
	Codec      string // of most packets, e.g. "PCMU"
	Packets    int64  // on tape
	Lost       int64  // missing sequence numbers while the gate was open
	Late       int64  // too late for their place: kept on tape, not in the file
	Duplicates int64
	Refused    int64
	Gaps       []Gap

	Jitter    float64 // ms, the mean of RFC 3550 6.4.1's
	JitterMax float64 // ms
	Drift     float64 // ppm by which the sender's clock is fast; 0 also when the stream is too short to tell
	Level     *Level  // nil: nothing was heard

	Unauthenticated int64 // of those refused, packets that none of the SRTP keys fits

	expected bool // for expectedSpan and more, packets should have come and been kept
}

// Side is a period in which a stream is on one channel.
type Side struct {
	Start   float64
	End     float64
	Channel int // 0 left, 1 right; both when mono
}

// Gap is missing audio on one stream.
type Gap struct {
	Start float64 `json:"start"`
	End   float64 `json:"end"`
	Cause string  `json:"cause"` // "lost", "kernel", "held", "paused", "dtx", "not-sent", "refused", "undecodable"
}

// Key is one command on the call's clock.
type Key struct {
	At      float64
	Line    int
	Command string
	Via     string
	Obeyed  bool
	Why     string
}

// Correction is a clock correction: samples inserted (positive) or dropped.
type Correction struct {
	At      float64
	Line    int
	Samples int
}

// Quality is something that is wrong with a call as a whole.
type Quality string

const (
	QualityNoRTP         Quality = "no-rtp"        // a line was signalled, and not a packet came
	QualityUndecryptable Quality = "undecryptable" // packets of a line came, and none is under its keys
	QualityRefused       Quality = "refused"       // packets of a line came, and none from where it was said, or none was RTP
	QualityOneWay        Quality = "one-way"       // one side was heard, the other was not
	QualitySilent        Quality = "silent"        // packets came, and nobody was heard
	QualityBlank         Quality = "blank"         // every sample of a line is the same
)

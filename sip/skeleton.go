package sip

// content is a message body taken apart.
type content struct {
	media    *Description
	metadata []Metadata
	presses  []Press
	notes    []string
}

// readContent takes a body apart: multipart of any shape, SDP, rs-metadata,
// DTMF INFO. An error is a *bodyError with the status to answer.
func readContent(contentType, disposition, encoding string, body []byte) (content, error) {
	panic("unbuilt")
}

// bodyError is a body that cannot be answered.
type bodyError struct {
	status int // 400, 415, 488
	reason string
}

func (e *bodyError) Error() string { return e.reason }

// encodeAnswer writes the SDP that answers offer: same lines in order, labels
// echoed, directions allowed by RFC 3264 section 6.1. session and version are
// ours for the o= line. It returns the answer as it was narrowed. A nil offer
// means a is our own offer.
func encodeAnswer(offer *Description, a Answer, session, version uint64) (sdp []byte, used Answer, err error) {
	panic("unbuilt")
}

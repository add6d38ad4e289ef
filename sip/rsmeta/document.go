package rsmeta

import "time"

// Document is one rs-metadata document as understood. Every list is in the
// document's order. Times are as the SRC states them, zero when absent.
type Document struct {
	Dialect      string // "rfc7865", "draft", "recording_metadata"
	Complete     bool   // dataMode complete, or absent (RFC 7865 section 5.1.2)
	Cut          bool   // not all of it was read: what it does not name may still be there
	SnapshotAsk  bool   // a requestsnapshot document (RFC 7865 section 7)
	Groups       []Group
	Sessions     []Session
	Participants []Participant
	Streams      []Stream
	SessionAssoc []SessionAssoc
	Members      []Member // participantsessionassoc
	Wires        []Wire   // participantstreamassoc
	Extensions   []Extension
}

// Group is a communication session group (RFC 7865 section 6.2).
type Group struct {
	ID                 string
	Associated, Closed time.Time
}

// Session is a communication session, CS (RFC 7865 section 6.3).
type Session struct {
	ID            string
	GroupRef      string
	SIPSessionIDs []string
	Reasons       []Reason
	Start, Stop   time.Time
}

// Reason is why a CS began or ended (RFC 3326, RFC 7865 section 6.3.1).
type Reason struct {
	Protocol string // "SIP" when the document names none
	Cause    string
	Text     string
}

// Participant is a party of a CS (RFC 7865 section 6.5).
type Participant struct {
	ID    string
	Names []Name
}

// Name is one nameID of a participant. Lang is the xml:lang of Display.
type Name struct{ AOR, Display, Lang string }

// Stream is a media stream of a CS (RFC 7865 section 6.7). Label is that of the
// m-line it comes on; one that is not delivered to the SRS may have none.
type Stream struct{ ID, Session, Label string }

// SessionAssoc ties a CS to the RS (RFC 7865 section 6.4).
type SessionAssoc struct {
	Session            string
	Associated, Closed time.Time
}

// Member ties a participant to a CS (RFC 7865 section 6.6).
type Member struct {
	Participant, Session string
	Associated, Closed   time.Time
	Params               map[string]string
}

// Wire ties a participant to the streams it sends and receives, by stream id
// (RFC 7865 section 6.8).
type Wire struct {
	Participant        string
	Send, Recv         []string
	Associated, Closed time.Time
}

// Extension is one leaf of extension data: whatever has no meaning in RFC 7865
// and its drafts (RFC 7865 section 5.1.1). Path is the element names from the
// document's root joined by "/", local names only. An element's attribute name,
// label or key is one more step of the path, its attribute value what stands
// there; other attributes come as "element@attribute".
type Extension struct {
	Of          string // id of the group, session, participant or stream it is in, "" for none
	Path, Value string
}

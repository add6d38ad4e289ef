// Package rsmeta reads and writes SIPREC metadata (RFC 7865), in every dialect
// that SRCs send.
package rsmeta

import "time"

// Document is one rs-metadata document as understood. Every list is in the
// document's order.
type Document struct {
	Dialect      string // "rfc7865", "draft", "recording_metadata"
	Complete     bool   // dataMode complete, or absent
	SnapshotAsk  bool   // a requestsnapshot document
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
	Reasons       []string
	Start, Stop   time.Time
}

// Participant is a party of a CS (RFC 7865 section 6.5).
type Participant struct {
	ID    string
	Names []Name
}

// Name is one nameID of a participant.
type Name struct{ AOR, Display, Lang string }

// Stream is a media stream of a CS (RFC 7865 section 6.7).
type Stream struct{ ID, Session, Label, Content string }

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

// Extension is one leaf of extension data: Path is the element names from the
// document's root joined by "/", local names only; attributes come as
// "element@attribute".
type Extension struct{ Path, Value string }

// View is the metadata of one RS as it stands after all documents so far,
// with its history. Its zero value is an empty view. It is not safe for
// concurrent use.
type View struct {
	NeedSnapshot bool // a partial arrived that had no base
	state        viewState
}

// Party is a participant in a view: who, from when to when.
type Party struct {
	ID           string
	AOR          string // the most useful of its AoRs, trimmed
	AORs         []string
	Name         string
	Session      string
	Joined, Left time.Time // arrival times of the documents that said so; zero Left: still here
	StatedJoin   time.Time // the SRC's own time, as stated; zero when absent
	StatedLeave  time.Time
	Sends, Recvs []string // labels of the RS's SDP it sends and receives now
}

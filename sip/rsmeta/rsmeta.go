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

// Parse reads one document. It is as tolerant as srcs.md asks: notes say in
// plain words what had to be guessed. err is non-nil only when nothing at all
// could be understood. loc is the zone of zone-less times (nil: UTC).
// Limits: no DTD, depth 16, 2,000 elements, 64 attributes, 256 KiB.
func Parse(raw []byte, loc *time.Location) (doc *Document, notes []string, err error) {
	panic("unbuilt")
}

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

// Apply merges doc, which arrived at, into the view. Complete documents replace
// the current state, partial ones upsert (RFC 7865 section 8). It returns notes
// on contradictions and guesses. labels are the a=label values of the RS's
// current m-lines in order, used to tie streams to lines; where a stream cannot
// be tied by label it is tied by order, with a note.
func (v *View) Apply(doc *Document, at time.Time, labels []string) (notes []string) { panic("unbuilt") }

// Parties returns every participant seen so far, in order of joining, present
// ones and those who left. One who left and came back appears twice.
func (v *View) Parties() []Party { panic("unbuilt") }

// Senders returns the ids of the participants who send the line labelled label
// now.
func (v *View) Senders(label string) []string { panic("unbuilt") }

// Sessions returns the CSs seen so far; one with a Stop is over.
func (v *View) Sessions() []Session { panic("unbuilt") }

// SnapshotRequest builds the requestsnapshot document (RFC 7865 section 7).
func SnapshotRequest(reason string) []byte { panic("unbuilt") }

// Encode writes doc as an RFC 7865 document, schema order, for an SRC.
func Encode(doc *Document) []byte { panic("unbuilt") }

type viewState struct{}

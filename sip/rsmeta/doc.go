// Package rsmeta reads and writes SIPREC metadata (RFC 7865), in every dialect
// that SRCs send, and keeps what all documents of a recording session (RS) say
// together.
//
// # From bytes to a view over time
//
//	body of a part ── Parse ──▶ Document ── View.Apply, with its arrival ──▶ View
//	                   notes                 notes                            │
//	a=label of the m-lines ──────── View.SetLines ───────────────────────────▶│
//	                                                                          │
//	  who is or was there, from when to when    Parties    ◀──────────────────┤
//	  who sends a line now                      Senders    ◀──────────────────┤
//	  whose it is, on hold too                  Owners     ◀──────────────────┤
//	  which calls (CS) go on                    Current    ◀──────────────────┘
//
// Parse is charset.go, then scan.go and escape.go, which makes elements of XML and of what is
// taken for it, then read.go, which knows what they mean; what nobody reads is
// extension data. A Document is what was said, by lists of Group, Session,
// Participant, Stream and the three associations, SessionAssoc, Member and Wire.
//
// Apply is merge.go for what things are and stays.go for who comes and goes. A
// participant in a CS is a stay; one who leaves and comes back has two:
//
//	complete: Kim, Lee       at 0 s    Kim  0 s ─────────────────▶
//	partial: Lee has left    at 5 s    Lee  0 s ────▌ 5 s
//	partial: Lee again       at 9 s    Lee            9 s ───────▶
//
// Stays that ended never change. Their times are the arrivals of the documents,
// for an SRC's own clock may be off by its zone or by decades; what it states is
// kept beside them. Forget drops the old ones of an RS that never ends.
//
// A line is its senders' by ids alone (lines.go):
//
//	m-line ── a=label ── stream ── participantstreamassoc ── participant
//
// Only where no association has ever led to a line is it taken by order, and a
// note says so.
//
// # Faults
//
// No fault of a document costs more than what it hides: a note says what was
// guessed or left out, and an error means that nothing was understood. Limits
// keep Parse and Apply well below 50 ms each for any input.
//
// # What it is not
//
// It starts no goroutine, holds no lock and knows no clock: whoever owns a View
// says when a document arrived. It does not know which participant is ours, nor
// what a number means. It is not a validator: 131 of 138 documents seen in the
// field break the schema.
//
// testdata/rsmeta shows by example what sequences of documents come to.
package rsmeta

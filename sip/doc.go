// Package sip is both ends of SIPREC signalling: Server, a recording server
// (SRS), and Caller, a recording client (SRC).
//
// A Server calls its Handler once for each recording session (RS), with a
// Session that yields an Offer for every message that may change the RS. The
// Offer holds what was asked, as Description, Metadata, Named and Press; its Answer
// goes back to the SRC. Message is one message read from a capture by the same
// strict gate that stands before the Server's sockets.
//
// # From the socket to the handler
//
//	socket reader ─ gate ─ transactions ─ mailbox ─ dialog ─ Offers ─ Handler
//
// One goroutine reads each UDP socket and each connection. It asks Access before
// it reads anything else, frames and checks the message (readMessage), absorbs
// repetitions (txTable) and puts what is new into the mailbox of its dialog,
// never waiting. So the messages of a dialog arrive there in the order they came.
//
// Session.run is one goroutine per RS. It alone drives the dialog, a state
// machine without socket and clock: requests, responses, wishes of ours and the
// time go in, replies, requests and offers come out. It starts the Handler's
// goroutine and returns after it. Another goroutine per Server is the
// transactions' clock. Start starts the readers and the clock; Close ends the
// sessions with BYE, waits for them and then for the readers.
//
// # The source's clock
//
// The Date header (RFC 3261 section 20.17) of a request is kept as the clock of
// its source, SourceStats.Clock, only where it is certain who sent it: over a
// connection of a source that needs no account, and within a dialog, whose tag of
// ours nobody knows who did not get our 200; the ACK vouches for the Date of its
// INVITE too. A datagram alone proves nothing, for its address is forged easily.
// Whoever can read and change what passes between the SRC and us can forge a
// Date, except over TLS.
//
// # Bodies
//
// A body is taken apart by readContent: multipart of any shape, SDP, metadata
// (kept byte for byte, read by rsmeta elsewhere), keys of INFO. What cannot be
// answered is a *bodyError with its status; whatever else is odd becomes a
// readable note, in Offer.Notes on the body and in Description.Notes on its SDP.
// encodeAnswer writes our SDP and narrows an Answer to what the offer allows.
// testdata/src shows by example what SRCs send and what they are answered.
//
// # Our own layers
//
// Transports, transactions and dialog are ours, because order within a dialog,
// the repetition of a 2xx until its ACK, messages larger than 1300 bytes over
// UDP, headers that end in a bare LF and the silence towards strangers all have
// to be decided below or beside where a general stack lets one decide.
//
// # The other end
//
// A Caller is started with Start, which begins one goroutine that reads its
// socket (and one for each connection over TCP and TLS). Invite opens an RS and
// returns an Outgoing; each has one goroutine, which sends the snapshots and
// session refreshes it owes the SRS and ends with the RS. Everything else runs in
// the goroutine of whoever calls a method. Close awaits them all. Caller handles
// no media: an Outgoing tells by Lines where the SRS receives.
//
// # What it is not
//
// It is no proxy and no registrar, sends no media, and knows nothing of what is
// recorded: the Handler decides. It follows no address a message merely names
// when it answers, and resolves no host names: a next hop that is a name is
// reached where the SRC's messages come from.
//
// testdata/conformance.txt names the test for every requirement of the RFCs and
// of the field that an SRS must meet, quirks.txt for what SRCs send beside them,
// bad-inputs.txt for what nobody should send. testdata/tortuous holds messages
// of the last kind, and of those that only look like it.
package sip

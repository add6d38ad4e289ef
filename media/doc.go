// Package media receives RTP, decides packet by packet what reaches the tape,
// and renders tapes into recordings.
//
// A Path takes a packet through source lock, SRTP, telephone-events and gate.
// SRTP is ours (srtp_*.go) and not a library's: it allocates nothing for forged
// packets either, finds the rollover counter of a stream joined late, and keeps
// one state for all keys of a line, which a new key in mid-call needs.
//
// For clients and tests, a Sender sends Clips as RTP: one goroutine for any
// number of streams, begun by NewSender and awaited by Close.
package media

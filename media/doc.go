// Package media receives RTP, decides packet by packet what reaches the tape,
// and renders tapes into recordings.
//
// For clients and tests, a Sender sends Clips as RTP: one goroutine for any
// number of streams, begun by NewSender and awaited by Close.
package media

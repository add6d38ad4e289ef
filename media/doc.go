// Package media receives RTP, decides packet by packet what reaches the tape,
// and renders tapes into recordings.
//
// A Path is the way of one recording session's packets from arrival to tape:
// the lock to their source, SRTP, the keys pressed in them, the gate. It has no
// goroutine and takes its time as input, so that a capture drives it as a
// Receiver does. SRTP is ours (srtp_*.go) and not a library's: it allocates
// nothing for forged packets either, finds the rollover counter of a stream
// joined late, and keeps one state for all keys of a line, which a new key in
// mid-call needs.
//
// A Receiver owns the RTP sockets of every live session; an Intake is those of
// one. NewReceiver starts one goroutine a shard, on a thread of its own, which
// drains the sockets of its Intakes every 100 ms and hands a session's packets
// to its Path in order of the kernel's arrival times; Receiver.Close ends and
// awaits them. Where the system has no recvmmsg, and on request, each socket has
// a goroutine instead, begun by AddLine and awaited when its pair's quarantine
// is over or the Receiver closes. Nothing here decodes audio before a tape is
// complete.
//
// Intake.Secure starts one goroutine a line, which makes keys by DTLS-SRTP and
// ends with the line; CloseLine and Close await it.
//
// For clients and tests, a Sender sends Clips as RTP: one goroutine for any
// number of streams, begun by NewSender and awaited by Close.
package media

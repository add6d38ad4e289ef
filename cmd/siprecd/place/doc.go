// Package place places SIPREC calls at a recording server as a recording client
// (SRC) does: signalling, metadata and the media of both parties.
//
// An SRC is one signalling socket and one RTP sender; Open starts it, Close ends
// it. A Call is one recording session with two media lines, A (label "1", the
// caller) and B (label "2", the callee); Run blocks until it is over and reports
// in a Result what was sent, so that a recording can be compared with it byte for
// byte. A Batch places many calls at a rate. Pairs sends RTP alone, for
// signalling that somebody else does.
package place

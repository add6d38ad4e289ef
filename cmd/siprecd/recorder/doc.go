// Package recorder is the loom: the whole life of a recording session, woven
// from sip (what is signalled), policy (what is decided), media (what arrives
// and how it sounds) and store (what is kept).
//
// Its types: Recorder, one a process; Call, the recordings of one RS as a
// machine whose inputs are events with their times and which has no goroutine
// and no clock: one as a rule, one after the other on a persistent RS, and of
// several CSs at once each its own, which share the RS's lines and sockets; Ports, where a Call's lines get their sockets. ServeSession drives a Call
// live, package replay drives one from a capture; both take the same steps.
//
// Recorder.Start starts the rendering workers and Close waits for them. Each
// ServeSession runs in the goroutine that the SIP server gave it; what it asks
// of the SRC, re-INVITEs and snapshots, waits for its answers in an asker's
// goroutines, which ServeSession awaits.
//
// How a call fares while it goes on is heard from its tape by whoever asks
// (hearing.go): Recorder.Listen decodes what came since it was asked last, in the
// asker's goroutine and for as long as the asker has time, and Recorder.Live
// tells it. Where the gate is shut there is nothing on the tape to be heard.
//
// Where each end of a call comes in a dialog of its own (LegPerDialog), the
// ServeSession of the first one drives both as one RS with two lines, made of them
// by ends; that of the second one waits until its dialog has ended.
//
// It is not where a protocol is read, a packet is judged or a file is laid
// out: those are the leaves' work.
//
// # What the loom itself puts on a tape
//
//	kind 64  row       JSON store.Row as it stood then; the newest one counts
//	kind 65  metadata  media type, NUL, the rs-metadata document as received
//	kind 66  decision  JSON store.Decision
package recorder

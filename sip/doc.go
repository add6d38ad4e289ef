// Package sip is both ends of SIPREC signalling: Server, a recording server
// (SRS), and Caller, a recording client (SRC).
//
// A Caller is started with Start, which begins one goroutine that reads its
// socket (and one for each connection over TCP and TLS). Invite opens an RS and
// returns an Outgoing; each has one goroutine, which sends the snapshots and
// session refreshes it owes the SRS and ends with the RS. Everything else runs in
// the goroutine of whoever calls a method. Close awaits them all. Caller handles
// no media: an Outgoing tells by Lines where the SRS receives.
package sip

// Package replay turns a capture file into recording sessions: what a tester
// hands to "siprecd replay" takes the same steps as what a PBX sends.
//
// Its types: Packet, a UDP datagram or the next bytes of a TCP connection, in
// capture order (Packets); Plan, what the signalling of a capture says, read in
// a first pass (Survey); Player, which reads the file a second time and drives a
// recorder.Call for every session of the plan with the capture's own clock.
// Two passes, because the ports of an offer's media stand in the answer that
// comes after it.
//
// Nothing here has a goroutine, a clock or a random number: the same file gives
// the same bytes. Memory is bounded whatever the file holds: packets are
// streamed, and only signalling is kept (64 MiB of it at most).
//
// It judges no packet and decides nothing: that is the recorder's work.
package replay

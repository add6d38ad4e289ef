//go:build race

package sip

// unacknowledged is how many sessions a bubble holds at once. The race detector of
// Go 1.26 crashes, once in four times, when the timers of a bubble have run for some
// ten thousand times.
const unacknowledged = 40

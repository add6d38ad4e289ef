//go:build race

package rsmeta

// slowness is what the race detector, and a machine that does other things
// meanwhile, may cost.
const slowness = 10

//go:build race

package recorder

// slowness is what the race detector may cost.
const slowness = 5

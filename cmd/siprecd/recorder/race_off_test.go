//go:build !race

package recorder

const slowness = 1

//go:build !race

package rsmeta

const slowness = 1

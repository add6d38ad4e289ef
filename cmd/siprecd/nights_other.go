//go:build !linux

package main

import "siprecd/policy"

// otherClocks knows none on this system.
func otherClocks() []policy.Proof { return nil }

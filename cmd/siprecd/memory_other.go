//go:build !linux

package main

// keepMemory knows no way on this system.
func keepMemory() []string { return []string{"memory may be swapped to disk"} }

//go:build race

package store

// raceDetector: one goroutine lays thousands of disks and opens them, of which the
// detector finds nothing and takes minutes.
const raceDetector = true

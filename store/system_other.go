//go:build !linux

package store

import "os"

func realSyncFS() func(dir *os.File) error { return nil }

// uncache does nothing: there is no such call.
func uncache(Body) {}

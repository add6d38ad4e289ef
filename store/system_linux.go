package store

import (
	"os"

	"golang.org/x/sys/unix"
)

// realSyncFS is syncfs(2). The kernel reports a failed write-back once per
// descriptor, so dir must be one that was opened before anything was written.
func realSyncFS() func(dir *os.File) error {
	return func(dir *os.File) error {
		return os.NewSyscallError("syncfs", unix.Syncfs(int(dir.Fd())))
	}
}

// uncache takes what is cached of a body out of memory, so that the disk is read.
// What is locked there or not written yet stays: then the disk has not got it.
func uncache(b Body) {
	if f, ok := b.(*vaultBody); ok {
		// Advice: where it is not taken, nothing is worse than before.
		_ = unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
	}
}

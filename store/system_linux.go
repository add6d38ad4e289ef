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

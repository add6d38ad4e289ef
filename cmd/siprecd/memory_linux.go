package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// keepMemory keeps what this process holds off the disk: no core dumps, and no
// swap where the kernel lets us. It returns what could not be had.
func keepMemory() (notes []string) {
	none := unix.Rlimit{}
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &none); err != nil {
		notes = append(notes, "core dumps cannot be switched off: "+err.Error())
	}
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		notes = append(notes, "this process can be read by others of its user: "+err.Error())
	}
	// With a limit, memory locked later could be refused in mid-call: all or
	// nothing.
	var limit unix.Rlimit
	err := unix.Getrlimit(unix.RLIMIT_MEMLOCK, &limit)
	if err == nil && (limit.Cur == unix.RLIM_INFINITY || os.Geteuid() == 0) {
		err = unix.Mlockall(unix.MCL_CURRENT | unix.MCL_FUTURE | unix.MCL_ONFAULT)
		if err == nil {
			return notes
		}
	}
	return append(notes, "memory may be swapped to disk: give the service LimitMEMLOCK=infinity, or encrypt the swap")
}

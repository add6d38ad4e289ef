package media

import "golang.org/x/sys/unix"

// confine keeps a program from writing files and core dumps and from taking more
// memory or processor time than a decoder of speech ever needs. Where the kernel
// refuses, the program's own options still keep it to its pipes.
func confine(pid int) {
	const memory, hour = 2 << 30, 3600
	for what, most := range map[int]uint64{
		unix.RLIMIT_FSIZE: 0, unix.RLIMIT_CORE: 0, unix.RLIMIT_AS: memory, unix.RLIMIT_CPU: hour,
	} {
		limit := unix.Rlimit{Cur: most, Max: most}
		unix.Prlimit(pid, what, &limit, nil)
	}
}

package store

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// TestScrubbingReadsTheDisk looks whether the kernel has a body in memory.
func TestScrubbingReadsTheDisk(t *testing.T) {
	dir := t.TempDir()
	var on unix.Statfs_t
	check(t, unix.Statfs(dir, &on))
	if on.Type == unix.TMPFS_MAGIC || on.Type == unix.OVERLAYFS_SUPER_MAGIC {
		t.Skipf("%s is no disk's file system (type %#x): set TMPDIR", dir, on.Type)
	}
	name := filepath.Join(dir, "body")
	check(t, os.WriteFile(name, bytes.Repeat([]byte("x"), 1<<20), 0o600))
	f, err := os.Open(name)
	check(t, err)
	defer f.Close()
	check(t, f.Sync())
	if n := resident(t, f); n == 0 {
		t.Skip("nothing of a file that was just written is in memory here")
	}
	uncache(&vaultBody{File: f, size: 1 << 20})
	if n := resident(t, f); n != 0 {
		t.Errorf("%d pages of it are still in memory", n)
	}
}

// resident returns how many pages of a file are in memory.
func resident(t *testing.T, f *os.File) (pages int) {
	t.Helper()
	const size = 1 << 20
	m, err := unix.Mmap(int(f.Fd()), 0, size, unix.PROT_READ, unix.MAP_SHARED)
	check(t, err)
	defer unix.Munmap(m)
	there := make([]byte, size/os.Getpagesize())
	if _, _, no := unix.Syscall(unix.SYS_MINCORE, uintptr(unsafe.Pointer(&m[0])), size, uintptr(unsafe.Pointer(&there[0]))); no != 0 {
		t.Skip("mincore: ", no)
	}
	for _, b := range there {
		pages += int(b & 1)
	}
	return pages
}

//go:build unix

package main

import (
	"net"
	"syscall"
)

// listenPrivately binds a socket that only its owner may use, from its first
// moment on.
func listenPrivately(path string) (net.Listener, error) {
	old := syscall.Umask(0o177)
	defer syscall.Umask(old)
	return net.Listen("unix", path)
}

//go:build unix

package main

import (
	"net"
	"syscall"
)

// listenPrivate binds a socket that nobody else may use from its first moment
// on.
func listenPrivate(path string) (net.Listener, error) {
	old := syscall.Umask(0o177)
	defer syscall.Umask(old)
	return net.Listen("unix", path)
}

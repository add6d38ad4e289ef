//go:build !unix

package main

import "net"

// listenPrivate binds a socket; who may use it follows from its folder's rights.
func listenPrivate(path string) (net.Listener, error) { return net.Listen("unix", path) }

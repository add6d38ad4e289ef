package main

import "net"

// listenPrivately binds a socket; who may use it is what the data directory
// says.
func listenPrivately(path string) (net.Listener, error) { return net.Listen("unix", path) }

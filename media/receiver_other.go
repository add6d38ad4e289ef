//go:build !linux

package media

import (
	"errors"
	"net/netip"
)

// tickDrained tells whether sockets can be drained by a tick here.
const tickDrained = false

type recvBatch struct{}

func newRecvBatch() *recvBatch { return nil }

func bindRaw(netip.AddrPort, int) (socket, error) { return nil, errors.ErrUnsupported }

func awaitStamps(socket) bool { return false }

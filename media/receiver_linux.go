package media

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strconv"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// tickDrained tells whether sockets can be drained by a tick here.
const tickDrained = true

const (
	batchSize    = 64
	batchRounds  = 16 // of a socket and tick, so that a flood does not stop the others
	controlSize  = 128
	meminfoDrops = 8 // SK_MEMINFO_DROPS
	meminfoVars  = 9
)

// rawSocket is a non-blocking socket the Go runtime does not know.
type rawSocket struct {
	fd    int
	port  uint16
	rcv   int
	drops uint32 // the kernel's count, as far as reported
}

// mmsghdr is struct mmsghdr of recvmmsg(2).
type mmsghdr struct {
	header unix.Msghdr
	length uint32
}

// recvBatch is the memory of one recvmmsg.
type recvBatch struct {
	messages [batchSize]mmsghdr
	vectors  [batchSize]unix.Iovec
	names    [batchSize]unix.RawSockaddrInet6 // the larger of both families
	controls [batchSize][controlSize]byte
	data     [batchSize][maxDatagram]byte
}

func newRecvBatch() *recvBatch {
	b := new(recvBatch)
	for i := range b.messages {
		b.vectors[i].Base = &b.data[i][0]
		b.vectors[i].SetLen(maxDatagram)
		h := &b.messages[i].header
		h.Name = (*byte)(unsafe.Pointer(&b.names[i]))
		h.Iov = &b.vectors[i]
		h.SetIovlen(1)
		h.Control = &b.controls[i][0]
	}
	return b
}

// receive reads up to batchSize datagrams that have already arrived.
func (b *recvBatch) receive(fd int) int {
	for i := range b.messages {
		h := &b.messages[i].header
		h.Namelen = unix.SizeofSockaddrInet6
		h.SetControllen(controlSize)
	}
	n, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&b.messages[0])),
		batchSize, unix.MSG_DONTWAIT, 0, 0)
	runtime.KeepAlive(b)
	if errno != 0 {
		return 0 // nothing there, or an ICMP error: the tick comes again
	}
	return int(n)
}

func (b *recvBatch) source(i int) netip.AddrPort {
	name := &b.names[i]
	port := binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(&name.Port))[:])
	if name.Family == unix.AF_INET {
		name4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(name))
		return netip.AddrPortFrom(netip.AddrFrom4(name4.Addr), port)
	}
	return netip.AddrPortFrom(netip.AddrFrom16(name.Addr).Unmap(), port)
}

// control reads the kernel's arrival time, 0 if it gave none, and its count of
// packets dropped before this one.
func (b *recvBatch) control(i int) (at int64, drops uint32, hasDrops bool) {
	c := b.controls[i][:b.messages[i].header.Controllen]
	for len(c) >= unix.SizeofCmsghdr {
		h := (*unix.Cmsghdr)(unsafe.Pointer(&c[0]))
		length := int(h.Len)
		if length < unix.CmsgLen(0) || length > len(c) {
			return at, drops, hasDrops
		}
		body := c[unix.CmsgLen(0):length]
		if h.Level == unix.SOL_SOCKET {
			switch {
			case h.Type == unix.SO_TIMESTAMPNS && len(body) >= int(unsafe.Sizeof(unix.Timespec{})):
				at = (*unix.Timespec)(unsafe.Pointer(&body[0])).Nano()
			case h.Type == unix.SO_RXQ_OVFL && len(body) >= 4:
				drops, hasDrops = binary.NativeEndian.Uint32(body), true
			}
		}
		c = c[min(unix.CmsgSpace(length-unix.CmsgLen(0)), len(c)):]
	}
	return at, drops, hasDrops
}

func bindRaw(at netip.AddrPort, readBuffer int) (_ socket, err error) {
	family := unix.AF_INET
	if at.Addr().Is6() {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_UDP)
	if err != nil {
		return nil, fmt.Errorf("rtp socket: %w", err)
	}
	defer func() {
		if err != nil {
			unix.Close(fd)
		}
	}()
	for _, o := range []struct{ option, value int }{
		{unix.SO_TIMESTAMPNS, 1}, {unix.SO_RXQ_OVFL, 1}, {unix.SO_RCVBUF, readBuffer},
	} {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, o.option, o.value); err != nil {
			return nil, os.NewSyscallError("setsockopt", err)
		}
	}
	rcv, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF)
	if err != nil {
		return nil, os.NewSyscallError("getsockopt", err)
	}
	if err := unix.Bind(fd, sockaddr(at)); err != nil {
		return nil, fmt.Errorf("rtp port %v: %w", at, err)
	}
	port, err := boundPort(fd)
	if err != nil {
		return nil, err
	}
	return &rawSocket{fd: fd, port: port, rcv: rcv}, nil
}

func sockaddr(at netip.AddrPort) unix.Sockaddr {
	if !at.Addr().Is6() {
		s := &unix.SockaddrInet4{Port: int(at.Port())}
		if at.Addr().Is4() {
			s.Addr = at.Addr().As4()
		}
		return s
	}
	s := &unix.SockaddrInet6{Port: int(at.Port()), Addr: at.Addr().As16()}
	if zone := at.Addr().Zone(); zone != "" {
		if n, err := strconv.ParseUint(zone, 10, 32); err == nil {
			s.ZoneId = uint32(n)
		} else if device, err := net.InterfaceByName(zone); err == nil {
			s.ZoneId = uint32(device.Index)
		}
	}
	return s
}

func boundPort(fd int) (uint16, error) {
	name, err := unix.Getsockname(fd)
	if err != nil {
		return 0, os.NewSyscallError("getsockname", err)
	}
	switch name := name.(type) {
	case *unix.SockaddrInet4:
		return uint16(name.Port), nil
	case *unix.SockaddrInet6:
		return uint16(name.Port), nil
	}
	return 0, fmt.Errorf("rtp socket: bound to %T", name)
}

// stampWait is how long the kernel may take to begin stamping. It does so for
// the first socket that asks, and not at once.
const stampWait = time.Second

// awaitStamps returns once packets get the time of their arrival; until then
// they would get that of being read. It reports whether they do.
func awaitStamps(s socket) bool {
	raw := s.(*rawSocket)
	batch := newRecvBatch()
	to := &unix.SockaddrInet4{Port: int(raw.port), Addr: loopback4}
	for end := time.Now().Add(stampWait); time.Now().Before(end); {
		if err := unix.Sendto(raw.fd, []byte{0}, 0, to); err != nil {
			return false
		}
		sent := time.Now()
		// Only time tells arrival from reading.
		<-time.After(3 * time.Millisecond)
		for n := batch.receive(raw.fd); n > 0; n = batch.receive(raw.fd) {
			if at, _, _ := batch.control(n - 1); at != 0 && at < sent.Add(time.Millisecond).UnixNano() {
				return true
			}
		}
	}
	return false
}

var loopback4 = [4]byte{127, 0, 0, 1}

func (s *rawSocket) drain(d *drainer, line int, rtcp bool) (dropped int64) {
	b := d.batch
	first := len(d.arrived)
	defer func() {
		// One socket's packets are in order of arrival, whatever they are
		// stamped with.
		for i := len(d.arrived) - 2; i >= first; i-- {
			d.arrived[i].at = min(d.arrived[i].at, d.arrived[i+1].at)
		}
	}()
	for range batchRounds {
		n := b.receive(s.fd)
		for i := range n {
			at, drops, hasDrops := b.control(i)
			if hasDrops {
				dropped += int64(drops - s.drops)
				s.drops = drops
			}
			if at == 0 {
				at = time.Now().UnixNano()
			}
			m := &b.messages[i]
			d.add(arrival{
				at: at, from: b.source(i), line: line, rtcp: rtcp,
				tooLarge: m.header.Flags&unix.MSG_TRUNC != 0,
			}, b.data[i][:min(m.length, maxDatagram)])
		}
		if n < batchSize {
			break
		}
	}
	return dropped
}

// dropped asks the kernel outright: SO_RXQ_OVFL comes only with a packet that
// was queued after the loss.
func (s *rawSocket) dropped() int64 {
	var info [meminfoVars]uint32
	size := uint32(unsafe.Sizeof(info))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(s.fd), unix.SOL_SOCKET, unix.SO_MEMINFO,
		uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 || size < uint32(unsafe.Sizeof(info)) {
		return 0
	}
	n := info[meminfoDrops] - s.drops
	s.drops = info[meminfoDrops]
	return int64(n)
}

func (s *rawSocket) start(*Intake, int, bool) {}
func (s *rawSocket) settle()                  {}
func (s *rawSocket) localPort() uint16        { return s.port }
func (s *rawSocket) readBuffer() int          { return s.rcv }
func (s *rawSocket) close()                   { unix.Close(s.fd) }

func (s *rawSocket) send(to netip.AddrPort, b []byte) error {
	return os.NewSyscallError("sendto", unix.Sendto(s.fd, b, unix.MSG_DONTWAIT, sockaddr(to)))
}

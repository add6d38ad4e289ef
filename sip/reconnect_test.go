package sip

import (
	"fmt"
	"net"
	"testing"
	"time"
)

// Several sessions that lost one connection share the new one, and along it
// goes what the SRC sends next.
func TestLostConnectionIsOpenedOnce(t *testing.T) {
	const sessions = 20
	s := listen(t, "tcp", nil)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	c := s.dial(t)
	c.contact = "<sip:src@" + ln.Addr().String() + ";transport=tcp>;+sip.src"
	for i := range sessions {
		c.callID, c.to, c.target = fmt.Sprintf("call-%d", i), "", ""
		c.start()
	}
	c.write("a frame without end\r\n\r\n") // the server closes the connection
	c.closed()
	done := make(chan error, sessions)
	for range sessions {
		rs := <-s.live
		go func() { done <- rs.RequestSnapshot(t.Context(), "") }()
	}
	conn, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fresh := newSRC(t, conn, "tcp")
	for range sessions {
		fresh.answer(fresh.asked("UPDATE"), 200, "", "")
	}
	for range sessions {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	ln.(*net.TCPListener).SetDeadline(time.Now().Add(100 * time.Millisecond))
	if more, err := ln.Accept(); err == nil {
		more.Close()
		t.Error("another connection was opened")
	}
}

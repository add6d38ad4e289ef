package sip

import (
	"errors"
	"io"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
)

// checkFrame: on a stream a message is the same whatever follows it, and a part
// of it is a part, not another message.
func checkFrame(t *testing.T, raw []byte, m *Message, n int) {
	alone, size, err := ParseMessage(raw[:n], false)
	if err != nil || size != n || !reflect.DeepEqual(alone, m) {
		t.Fatalf("without what follows, of %d bytes: %d, %v", n, size, err)
	}
	for _, cut := range []int{n / 4, n / 2, n - len(m.Body), n - 1} {
		if part, _, err := ParseMessage(raw[:cut], false); cut < n && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("%d of %d bytes: %v, %v", cut, n, part, err)
		}
	}
}

func FuzzParseMessage(f *testing.F) {
	f.Add([]byte(plainOptions), true)
	f.Add([]byte("SIP/2.0 200 OK\r\n"+plainOptions[strings.Index(plainOptions, "Via"):]), false)
	f.Add([]byte(strings.ReplaceAll(plainOptions, "\r\n", "\n")), true)
	dir, _ := filepath.Glob("../testdata/src/*.txtar")
	for _, name := range dir {
		archive, err := txtar.ParseFile(name)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range archive.Files {
			f.Add(file.Data, true)
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte, datagram bool) {
		m, n, err := ParseMessage(raw, datagram)
		if n < 0 || n > len(raw) {
			t.Fatalf("took %d of %d bytes", n, len(raw))
		}
		if err != nil {
			return
		}
		if !datagram {
			checkFrame(t, raw, m, n)
		}
		if m.CallID == "" || len(m.list("Via")) == 0 {
			t.Fatal("the gate let a message without Call-ID or Via through")
		}
		if m.Request {
			txKey(m, "source")
			stampVia(m, bubbleSRC.AddrPort())
			replyAddress(m, bubbleSRC.AddrPort())
			info := m.Info(time.Time{}, "udp", bubbleSRC.AddrPort(), bubbleSRS.AddrPort())
			if strings.ContainsAny(info.CallID, "\r\n\x00") {
				t.Fatal("control characters in the Call-ID")
			}
			unsupportedTags(m)
			agree(time.Time{}, m)
		}
		tx := &serverTx{req: m, flow: &flow{}, tag: "x"}
		again, _, err := ParseMessage(tx.response(200, "").bytes(), true)
		if err != nil || again.CallID != m.CallID {
			t.Fatalf("our answer cannot be read: %v", err)
		}
	})
}

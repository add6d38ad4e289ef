package sip

import (
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
)

// TestTortuous sends every message of testdata/tortuous over UDP, TCP and TLS.
// The first word of a section's name is the status it is answered with, or
// "nothing".
func TestTortuous(t *testing.T) {
	files, err := filepath.Glob("../testdata/tortuous/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	ca := newAuthority(t)
	for _, network := range []string{"udp", "tcp", "tls"} {
		t.Run(network, func(t *testing.T) {
			s := listen(t, network, func(s *served) { s.Listen[0].TLS = ca.serverConfig(t) })
			for _, file := range files {
				archive, err := txtar.ParseFile(file)
				if err != nil {
					t.Fatal(err)
				}
				for _, f := range archive.Files {
					t.Run(f.Name, func(t *testing.T) { s.suffer(t, f) })
				}
			}
		})
	}
}

// suffer sends one message and checks that the server answers as it should and
// goes on.
func (s *served) suffer(t *testing.T, f txtar.File) {
	c := s.dial(t)
	c.write(tortured(c, string(f.Data)))
	expect, _, _ := strings.Cut(f.Name, " ")
	if expect != "nothing" {
		status, err := strconv.Atoi(expect)
		if err != nil {
			t.Fatalf("%q is neither a status nor nothing", expect)
		}
		if got := c.status(t); got != status {
			t.Errorf("answered with %d", got)
		}
	}
	// Nothing may have stopped the server, and what was not answered is not
	// answered later.
	after := s.dial(t)
	if expect == "nothing" {
		after = c
	}
	after.request(200, "OPTIONS", "", "")
}

// status reads the status line of the next response, which may lack what a
// response should have: the request did.
func (c *src) status(t *testing.T) int {
	t.Helper()
	c.raw.SetReadDeadline(time.Now().Add(5 * time.Second))
	b := make([]byte, 65536)
	n, err := c.raw.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(b[:n]))
	if len(fields) < 2 || fields[0] != "SIP/2.0" {
		t.Fatalf("answered with %s", b[:n])
	}
	status, _ := strconv.Atoi(fields[1])
	return status
}

var escaped = regexp.MustCompile(`\\x[0-9a-f]{2}`)

// tortured makes the message of a section what goes on the wire.
func tortured(c *src, text string) string {
	text = strings.ReplaceAll(text, "\n", "\r\n")
	head, body, _ := strings.Cut(text, "\r\n\r\n")
	text = escaped.ReplaceAllStringFunc(head+"\r\n\r\n"+body, func(s string) string {
		n, _ := strconv.ParseUint(s[2:], 16, 8)
		return string([]byte{byte(n)})
	})
	return strings.NewReplacer(
		"{via}", c.via+";branch=z9hG4bK"+token(12)+";rport",
		"{via2543}", c.via+";rport",
		"{length}", strconv.Itoa(len(body)),
	).Replace(text)
}

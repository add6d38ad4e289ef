package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"

	"siprecd/cmd/siprecd/place"
	"siprecd/sip"
)

// runCall runs "siprecd call" and returns what it prints and its exit status.
func runCall(t *testing.T, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	var out, err bytes.Buffer
	var line struct {
		Globals
		Call CallCmd `cmd:""`
	}
	line.Stdout, line.Stderr = &out, &err
	line.Getenv = func(string) string { return "" }
	parser, failure := kong.New(&line)
	if failure != nil {
		t.Fatal(failure)
	}
	parsed, failure := parser.Parse(append([]string{"call"}, args...))
	if failure != nil {
		return "", failure.Error(), 2
	}
	failure = parsed.Run(&line.Globals)
	var exit exitError
	switch {
	case errors.As(failure, &exit):
		status = exit.code
	case failure != nil:
		t.Fatal(failure)
	}
	return out.String(), err.String(), status
}

// takeCalls starts a server that accepts every call and listens to none; busy
// refuses them.
func takeCalls(t *testing.T, busy bool) string {
	t.Helper()
	sink, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sink.Close() })
	port := uint16(sink.LocalAddr().(*net.UDPAddr).Port)
	server := &sip.Server{
		Listen: []sip.Listener{{Network: "udp", Address: "127.0.0.1:0"}},
		Busy:   func() (time.Duration, bool) { return 5 * time.Second, busy },
		Handler: func(_ context.Context, s *sip.Session) error {
			for o := range s.Offers() {
				a := sip.Answer{Addr: s.Info().Local}
				if o.Media != nil {
					for _, l := range o.Media.Lines {
						a.Lines = append(a.Lines, sip.AnswerLine{Port: port, Direction: sip.RecvOnly, Codecs: l.Codecs})
					}
				}
				if err := o.Answer(a); err != nil {
					return err
				}
			}
			return nil
		},
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		server.Close(ctx)
	})
	return "sip:" + server.Addr(0).String()
}

func TestCallCommand(t *testing.T) {
	target := takeCalls(t, false)
	out, stderr, status := runCall(t, target, "-n", "3", "-r", "50", "--duration", "200ms", "--from", "2002",
		"--dtmf-a", "40ms:*", "--info-a", "100ms:1", "--pause", "50ms:50ms")
	if status != 0 || !strings.Contains(out, "calls ok        3\n") || !strings.Contains(out, "200 after       p50 ") {
		t.Errorf("status %d\n%s%s", status, out, stderr)
	}
	out, stderr, status = runCall(t, target, "--duration", "100ms", "--json", "--codec", "pcma")
	var got struct {
		Calls  []placed
		Totals place.Totals
	}
	if err := json.Unmarshal([]byte(out), &got); err != nil || status != 0 || stderr != "" {
		t.Fatalf("%v, status %d\n%s%s", err, status, out, stderr)
	}
	if len(got.Calls) != 1 || got.Calls[0].Lines[1].Packets != 5 || got.Calls[0].Lines[0].Codec != "PCMA" || len(got.Calls[0].Lines[0].SHA256) != 64 || got.Totals.OK != 1 {
		t.Errorf("%s", out)
	}
}

func TestCallCommandFails(t *testing.T) {
	out, stderr, status := runCall(t, takeCalls(t, true), "-n", "2", "-r", "100")
	if status != 1 || !strings.Contains(out, "calls failed    2\n") || strings.Count(stderr, "503 Service Unavailable (try again after 5s)") != 2 {
		t.Errorf("status %d\n%s%s", status, out, stderr)
	}
	for _, args := range []string{"", "sip:192.0.2.1 --codec g729", "sip:192.0.2.1 -n 0", "sip:192.0.2.1 --a no-such.wav",
		"sip:192.0.2.1 --dtmf-a *1", "sip:192.0.2.1 --pause 2s", "sip:192.0.2.1 --transport tls --ca no-such.pem",
		"sip:192.0.2.1 --srtp AES_CM_512", "sip:192.0.2.1 --rekey 5s"} {
		if out, stderr, status := runCall(t, strings.Fields(args)...); status != 2 || stderr == "" || out != "" {
			t.Errorf("%q: status %d\n%s%s", args, status, out, stderr)
		}
	}
}

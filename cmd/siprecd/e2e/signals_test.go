//go:build e2e

package e2e

import (
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"siprecd/store"
)

// SIGTERM refuses new calls and lets the live one finish; a second one ends it
// with BYE. Either way the daemon leaves in order and the call is sealed.
func TestSignals(t *testing.T) {
	for name, c := range map[string]struct {
		length string
		twice  bool
		ended  string
	}{"once": {"5s", false, "src: bye"}, "twice": {"60s", true, "srs: shutdown"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, "[default]\npolicy = \"full\"\n")
			d := s.start()
			call := exec.Command(program, "call", "sip:"+d.udp, "--from", "2001", "--to", "0105550101", "--duration", c.length)
			if err := call.Start(); err != nil {
				t.Fatal(err)
			}
			s.liveFor(1)
			s.signal(d, syscall.SIGTERM)
			out := s.refusal(d)
			if !strings.Contains(out, "503") {
				t.Errorf("a new call is answered:\n%s", out)
			}
			if c.twice {
				s.signal(d, syscall.SIGTERM)
			}
			if err := call.Wait(); (err == nil) == c.twice {
				t.Errorf("the live call ended with %v", err)
			}
			select {
			case err := <-d.done:
				if err != nil {
					t.Errorf("siprecd ended with %v:\n%s", err, d.log)
				}
			case <-time.After(30 * time.Second):
				t.Fatal("siprecd does not end")
			}
			again := s.start()
			rows := slices.DeleteFunc(s.settled(1), func(r store.Row) bool { return r.Extension != "2001" })
			again.stop()
			if len(rows) != 1 || rows[0].State != store.Sealed || rows[0].Ended != c.ended {
				t.Errorf("rows %+v", rows)
			}
		})
	}
}

func (s *site) signal(d *daemon, sig syscall.Signal) {
	s.t.Helper()
	if err := d.cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}

// refusal places calls until one is refused, for a signal is not heard at once,
// and returns what the caller says.
func (s *site) refusal(d *daemon) string {
	s.t.Helper()
	for range 20 {
		out, err := exec.Command(program, "call", "sip:"+d.udp, "--from", "2002", "--to", "0105550102", "--duration", "20ms").CombinedOutput()
		if err != nil {
			return string(out)
		}
	}
	s.t.Fatal("no call is refused")
	return ""
}

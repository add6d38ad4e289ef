//go:build e2e

package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"siprecd/store"
)

// program is siprecd, built once for all tests.
var program string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "siprecd-e2e-")
	if err != nil {
		panic(err)
	}
	program = filepath.Join(dir, "siprecd")
	if out, err := exec.Command("go", "build", "-o", program, "..").CombinedOutput(); err != nil {
		os.Stderr.Write(out)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// site is a directory with a configuration and the data of a daemon.
type site struct {
	t      *testing.T
	dir    string
	config string
	env    []string // of the daemon; nil: as it is
}

func newSite(t *testing.T, extensions string) *site {
	t.Helper()
	s := &site{t: t, dir: t.TempDir()}
	s.config = filepath.Join(s.dir, "siprecd.toml")
	s.write("siprecd.toml", `[sip]
listen = ["udp:127.0.0.1:0", "tcp:127.0.0.1:0"]
[data]
dir = "`+filepath.Join(s.dir, "data")+`"
`)
	s.write("extensions.toml", extensions)
	return s
}

func (s *site) write(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// daemon is a running siprecd.
type daemon struct {
	site *site
	cmd  *exec.Cmd
	log  *bytes.Buffer
	udp  string
	tcp  string
	tls  string // "" unless configured
	done chan error
}

var sipLine = regexp.MustCompile(`^\s*SIP (udp|tcp|tls)\s+(\S+)`)

// start runs `siprecd serve` and returns once it listens.
func (s *site) start() *daemon {
	s.t.Helper()
	d := &daemon{site: s, log: &bytes.Buffer{}, done: make(chan error, 1)}
	d.cmd = exec.Command(program, "serve", "--config", s.config)
	d.cmd.Dir, d.cmd.Env = s.dir, s.env
	d.cmd.Stderr = d.log
	out, err := d.cmd.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := d.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for (d.udp == "" || d.tcp == "") && lines.Scan() {
		if m := sipLine.FindStringSubmatch(lines.Text()); m != nil {
			*map[string]*string{"udp": &d.udp, "tcp": &d.tcp, "tls": &d.tls}[m[1]] = m[2]
		}
	}
	if d.udp == "" || d.tcp == "" {
		_ = d.cmd.Wait()
		s.t.Fatalf("siprecd did not start:\n%s", d.log)
	}
	go func() {
		for lines.Scan() {
		}
		d.done <- d.cmd.Wait()
	}()
	return d
}

// kill is kill -9.
func (d *daemon) kill() {
	d.site.t.Helper()
	if err := d.cmd.Process.Kill(); err != nil {
		d.site.t.Fatal(err)
	}
	<-d.done
}

// stop ends the daemon as systemd would, and fails the test if it does not
// leave in order.
func (d *daemon) stop() {
	d.site.t.Helper()
	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		d.site.t.Fatal(err)
	}
	select {
	case err := <-d.done:
		if err != nil {
			d.site.t.Errorf("siprecd ended with %v:\n%s", err, d.log)
		}
	case <-time.After(60 * time.Second):
		_ = d.cmd.Process.Kill()
		d.site.t.Fatalf("siprecd does not end:\n%s", d.log)
	}
}

// siprecd runs a command and returns its standard output.
func (s *site) siprecd(args ...string) string {
	s.t.Helper()
	cmd := exec.Command(program, append(args, "--config", s.config)...)
	cmd.Dir = s.dir
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		s.t.Fatalf("siprecd %s: %v\n%s%s", strings.Join(args, " "), err, out, errs.String())
	}
	return string(out)
}

// calls returns the whole catalogue, newest first.
func (s *site) calls() []store.Row {
	s.t.Helper()
	var rows []store.Row
	if err := json.Unmarshal([]byte(s.siprecd("calls", "--json", "--limit", "0")), &rows); err != nil {
		s.t.Fatal(err)
	}
	return rows
}

// settled waits until no call is live, ending or unrendered any more.
func (s *site) settled(n int) []store.Row {
	s.t.Helper()
	deadline := time.Now().Add(2 * time.Minute)
	for {
		rows := s.calls()
		open := 0
		for _, r := range rows {
			if r.State == store.Live || r.State == store.Ending {
				open++
			}
		}
		if open == 0 && len(rows) >= n {
			return rows
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("%d of %d calls are still open, want %d in all", open, len(rows), n)
		}
		// The catalogue is asked again; nothing signals its changes from outside.
		<-time.After(100 * time.Millisecond)
	}
}

// liveFor waits until a call has been live for so many seconds.
func (s *site) liveFor(seconds float64) store.Row {
	s.t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for time.Now().Before(deadline) {
		for _, r := range s.calls() {
			if r.State == store.Live && time.Since(r.Start).Seconds() > seconds {
				return r
			}
		}
		<-time.After(100 * time.Millisecond)
	}
	s.t.Fatal("no call is live")
	return store.Row{}
}

// file takes a recording out and returns where it lies.
func (s *site) file(r store.Row) string {
	s.t.Helper()
	name := filepath.Join(s.dir, r.ID+".wav")
	if _, err := os.Stat(name); err != nil {
		s.siprecd("export", r.ID, "-o", name)
	}
	return name
}

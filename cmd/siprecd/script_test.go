package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"siprecd/store"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestScripts runs the binary as it is shipped through testdata/script. It is
// built without the race detector, under which a passphrase takes ten seconds.
func TestScripts(t *testing.T) {
	bin := t.TempDir()
	build := exec.Command("go", "build", "-trimpath", "-o", filepath.Join(bin, "siprecd"), ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "../../testdata/script",
		UpdateScripts:       *update,
		RequireUniqueNames:  true,
		RequireExplicitExec: true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"up": up, "settled": settled, "live": live, "errors": erred, "hangup": hangup, "mode": fileMode, "damage": damage, "private": private,
			"paste": paste, "witnessed": witnessed, "caught": caught,
		},
		Setup: func(e *testscript.Env) error {
			e.Setenv("PATH", bin+string(os.PathListSeparator)+e.Getenv("PATH"))
			e.Setenv("LANG", "C")
			samples, err := filepath.Abs("../../testdata/rtp")
			e.Setenv("RTP", samples)
			return errors.Join(err, writeCertificate(e.WorkDir))
		},
	})
}

// up waits until a siprecd runs on the directory given and puts the address it
// takes SIP at into $SIP, $SIPTCP and $SIPTLS, its ledger's key into $LEDGERKEY.
func up(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: up DIR")
	}
	s := await(ts, args[0], func(s status) bool { return len(s.Listen) > 0 })
	for _, l := range s.Listen {
		network, addr, _ := strings.Cut(l, " ")
		ts.Setenv(map[string]string{"udp": "SIP", "tcp": "SIPTCP", "tls": "SIPTLS"}[network], "sip:"+addr)
	}
	ts.Setenv("LEDGERKEY", s.Ledger.Key)
}

// paste waits until a witness runs on the directory given and appends what it
// says to a siprecd.toml: paste DIR FILE.
func paste(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: paste DIR FILE")
	}
	address := ""
	for end := time.Now().Add(20 * time.Second); address == "" && time.Now().Before(end); <-time.After(20 * time.Millisecond) {
		if at, err := os.ReadFile(filepath.Join(ts.MkAbs(args[0]), witnessAddress)); err == nil {
			address = strings.TrimSpace(string(at))
		}
	}
	_, key, err := store.ReadWitness(ts.MkAbs(args[0]))
	ts.Check(err)
	text := ts.ReadFile(args[1]) + fmt.Sprintf("\n[ledger]\nwitness = %q\nwitness_key = %q\n", "http://"+address, key)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(text), 0o600))
}

// witnessed waits until the witness of a siprecd has cosigned something of its
// ledger or all of it, refuses it, or does not answer: witnessed DIR agrees.
func witnessed(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: witnessed DIR agrees|all|refuses|silent")
	}
	await(ts, args[0], func(s status) bool {
		w := s.Ledger.Witness
		return w != nil && map[string]bool{
			"agrees": w.Refused == "" && w.Leaves > 0, "all": w.Leaves == s.Ledger.Leaves, "refuses": w.Refused != "", "silent": w.Failure != "",
		}[args[1]]
	})
}

// caught waits until the witness of a directory has evidence against a ledger.
func caught(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: caught DIR")
	}
	var logs []store.WitnessedLog
	var err error
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); <-time.After(20 * time.Millisecond) {
		if logs, _, err = store.ReadWitness(ts.MkAbs(args[0])); err == nil && len(logs) > 0 && len(logs[0].Evidence) > 0 {
			return
		}
	}
	ts.Fatalf("the witness has nothing against anybody: %+v, %v", logs, err)
}

// live waits until so many calls are live and puts the id of one into $ID.
func live(ts *testscript.TestScript, neg bool, args []string) {
	s := await(ts, args[0], func(s status) bool { return len(s.Live) == number(ts, neg, args) })
	ts.Setenv("ID", s.Live[0].ID)
}

// erred waits until status shows so many errors.
func erred(ts *testscript.TestScript, neg bool, args []string) {
	await(ts, args[0], func(s status) bool { return len(s.Errors) == number(ts, neg, args) })
}

func number(ts *testscript.TestScript, neg bool, args []string) int {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: live DIR N, errors DIR N, settled DIR N")
	}
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	return n
}

// await asks the siprecd of a directory for its status until it is good.
func await(ts *testscript.TestScript, dir string, good func(status) bool) status {
	var s status
	var err error
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); <-time.After(20 * time.Millisecond) {
		if s, err = statusOf(ts.MkAbs(dir)); err == nil && good(s) {
			return s
		}
	}
	ts.Fatalf("the siprecd of %s is not as it should be: %+v, %v", dir, s, err)
	return s
}

// hangup sends SIGHUP to the program that was started first in the background.
func hangup(ts *testscript.TestScript, _ bool, _ []string) {
	ts.Check(ts.BackgroundCmds()[0].Process.Signal(syscall.SIGHUP))
}

func statusOf(dir string) (s status, err error) {
	cl, err := dial(dir, false)
	if err != nil {
		return s, err
	}
	defer cl.Close()
	body, err := cl.do("GET", "/status", nil)
	if err != nil {
		return s, err
	}
	defer body.Close()
	return s, json.NewDecoder(body).Decode(&s)
}

// settled waits until so many calls are sealed, or known not to be recorded,
// and puts the id of the newest into $ID.
func settled(ts *testscript.TestScript, neg bool, args []string) {
	want := number(ts, neg, args)
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); <-time.After(20 * time.Millisecond) {
		cl, err := dial(ts.MkAbs(args[0]), true)
		if err != nil {
			continue
		}
		var rows []store.Row
		body, err := cl.do("GET", "/calls", nil)
		if err == nil {
			err = errors.Join(json.NewDecoder(body).Decode(&rows), body.Close())
		}
		ts.Check(errors.Join(err, cl.Close()))
		over := slices.DeleteFunc(rows, func(r store.Row) bool { return r.State == store.Live || r.State == store.Ending })
		if len(over) >= want {
			ts.Setenv("ID", over[0].ID)
			return
		}
	}
	ts.Fatalf("there are not %d calls", want)
}

// fileMode checks the permissions of a file: mode 0600 FILE.
func fileMode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: mode MODE FILE")
	}
	info, err := os.Stat(ts.MkAbs(args[1]))
	ts.Check(err)
	if got := fmt.Sprintf("%04o", info.Mode().Perm()); got != args[0] {
		ts.Fatalf("%s is %s, want %s", args[1], got, args[0])
	}
}

// private checks that nobody but its owner may look into a directory.
func private(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: private DIR")
	}
	ts.Check(filepath.WalkDir(ts.MkAbs(args[0]), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			err = fmt.Errorf("%s is %v", path, info.Mode())
		}
		return err
	}))
}

// damage changes one byte of the first recording below a folder.
func damage(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: damage DIR")
	}
	found, err := filepath.Glob(filepath.Join(ts.MkAbs(args[0]), "*", "*", "*", "*.body"))
	ts.Check(err)
	if len(found) == 0 {
		ts.Fatalf("no recording below %s", args[0])
	}
	b, err := os.ReadFile(found[0])
	ts.Check(err)
	b[len(b)/2] ^= 1
	ts.Check(os.WriteFile(found[0], b, 0o600))
}

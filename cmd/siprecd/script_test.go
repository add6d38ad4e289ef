package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"siprecd/store"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"siprecd": func() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) },
	})
}

// TestScripts runs the binary through testdata/script.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "../../testdata/script",
		UpdateScripts:       *update,
		RequireUniqueNames:  true,
		RequireExplicitExec: true,
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"up": up, "settled": settled, "mode": fileMode},
		Setup: func(e *testscript.Env) error {
			e.Setenv("LANG", "C")
			samples, err := filepath.Abs("../../testdata/rtp")
			e.Setenv("RTP", samples)
			return err
		},
	})
}

// up waits until a siprecd runs on the directory given and puts the address it
// takes SIP at into $SIP.
func up(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: up DIR")
	}
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); <-time.After(20 * time.Millisecond) {
		s, err := statusOf(ts.MkAbs(args[0]))
		if err != nil || len(s.Listen) == 0 {
			continue
		}
		_, addr, _ := strings.Cut(s.Listen[0], " ")
		ts.Setenv("SIP", "sip:"+addr)
		return
	}
	ts.Fatalf("no siprecd came up on %s", args[0])
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
	if neg || len(args) != 2 {
		ts.Fatalf("usage: settled DIR N")
	}
	want, err := strconv.Atoi(args[1])
	ts.Check(err)
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

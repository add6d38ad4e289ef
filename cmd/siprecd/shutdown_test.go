package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"siprecd/cmd/siprecd/config"
	"siprecd/cmd/siprecd/place"
	"siprecd/media"
	"siprecd/sip"
	"siprecd/store"
)

// plainDaemon runs in this process, with settings beside those it needs. The
// test ends it.
func plainDaemon(t *testing.T, settings string) *daemon {
	t.Helper()
	dir := t.TempDir()
	text := "[sip]\nlisten = [\"udp:127.0.0.1:0\"]\n[data]\ndir = \"data\"\n" + settings
	if err := os.WriteFile(filepath.Join(dir, "siprecd.toml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, problems := config.Load(filepath.Join(dir, "siprecd.toml"))
	if cfg == nil {
		t.Fatal(printed(problems))
	}
	d, err := startDaemon(daemonOptions{Config: cfg, Errors: &lockedBuffer{}})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// going is a call that goes on beside the test.
type going struct {
	result place.Result
	err    error
	done   chan struct{}
}

// placeCall returns once the call is answered.
func placeCall(t *testing.T, d *daemon, length time.Duration) *going {
	t.Helper()
	p := &going{done: make(chan struct{})}
	answered := make(chan struct{})
	call := place.Call{
		Target: "sip:" + d.sip.Addr(0).String(), From: "2001", To: "0105550101", Duration: length,
		A: place.Side{Clip: media.Tone(440)}, Answered: func(*sip.Outgoing) { close(answered) },
	}
	go func() {
		defer close(p.done)
		p.result, p.err = call.Run(t.Context())
	}()
	select {
	case <-answered:
	case <-p.done:
		t.Fatalf("the call is over: %v", p.err)
	}
	return p
}

// refused checks that neither calls nor probes are taken at the moment.
func refused(t *testing.T, d *daemon) {
	t.Helper()
	src, err := place.Open(place.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	target := "sip:" + d.sip.Addr(0).String()
	_, err = place.Call{SRC: src, Target: target, From: "2001", To: "0105550102", Duration: time.Second}.Run(t.Context())
	var answer *sip.StatusError
	if !errors.As(err, &answer) || answer.Status != 503 || answer.RetryAfter <= 0 {
		t.Errorf("a call is answered %v, want 503 with Retry-After", err)
	}
	if err := src.Caller.Options(t.Context(), target); !errors.As(err, &answer) || answer.Status != 503 {
		t.Errorf("OPTIONS is answered %v, want 503, so that an SBC fails over", err)
	}
}

// kept opens the data of a daemon that has ended and returns its rows.
func kept(t *testing.T, d *daemon) (rows []*store.Row) {
	t.Helper()
	s, err := store.Open(store.Options{Dir: d.dir})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for row, err := range s.Catalog.Find(context.Background(), store.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, row)
	}
	return rows
}

// TestShutdown: at the first signal new calls are refused and live ones finish,
// for as long as the grace lasts; a second signal ends them with BYE. All of
// them are sealed before the daemon has ended.
func TestShutdown(t *testing.T) {
	for name, c := range map[string]struct {
		length, grace time.Duration
		again         bool // a second signal
		endedBy       string
	}{
		"live calls finish": {1500 * time.Millisecond, time.Minute, false, "src"},
		"the grace is over": {time.Minute, 600 * time.Millisecond, false, "srs"},
		"the second signal": {time.Minute, time.Hour, true, "srs"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := plainDaemon(t, "")
			call := placeCall(t, d, c.length)
			again, ended := make(chan os.Signal, 1), make(chan error, 1)
			d.sip.Drain() // shutdown begins with it, at a moment that the test does not see
			refused(t, d)
			go func() { ended <- d.shutdown(c.grace, again) }()
			if c.again {
				again <- syscall.SIGTERM
			}
			select {
			case err := <-ended:
				if err != nil {
					t.Error(err)
				}
			case <-time.After(20 * time.Second):
				t.Fatal("the daemon does not end")
			}
			<-call.done
			if call.result.EndedBy != c.endedBy || (call.err == nil) != (c.endedBy == "src") {
				t.Errorf("the call was ended by %s: %v", call.result.EndedBy, call.err)
			}
			rows := kept(t, d)
			if len(rows) != 1 || rows[0].State != store.Sealed || rows[0].Streams[0].Lost != 0 {
				t.Fatalf("rows %+v", rows)
			}
			if want := map[string]string{"src": "src: bye", "srs": "srs: shutdown"}[c.endedBy]; rows[0].Ended != want {
				t.Errorf("ended %q, want %q", rows[0].Ended, want)
			}
		})
	}
}

// TestOverload: more calls than are allowed are refused before they cost the
// live ones anything, and taken again as soon as there is room.
func TestOverload(t *testing.T) {
	d := plainDaemon(t, "[limits]\nmax_calls = 2\n")
	defer func() {
		if err := d.stop(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	first, second := placeCall(t, d, 700*time.Millisecond), placeCall(t, d, 700*time.Millisecond)
	refused(t, d)
	for _, p := range []*going{first, second} {
		if <-p.done; p.err != nil || p.result.EndedBy != "src" {
			t.Errorf("a live call ended by %s: %v", p.result.EndedBy, p.err)
		}
	}
	third := placeCall(t, d, 100*time.Millisecond)
	if <-third.done; third.err != nil {
		t.Errorf("there is room again: %v", third.err)
	}
}

package main

import (
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"siprecd/cmd/siprecd/config"
	"siprecd/policy"
	"siprecd/store"
)

// leavesOf returns the leaves of a kind, each as its public facts in one line.
func leavesOf(t *testing.T, dir, kind string) (lines []string) {
	t.Helper()
	_, err := store.VerifyLog(filepath.Join(dir, "ledger"), func(_ int64, l store.Leaf) {
		if l.Kind != kind {
			return
		}
		var facts []string
		for _, k := range slices.Sorted(maps.Keys(l.Public)) {
			facts = append(facts, k+" "+l.Public[k])
		}
		lines = append(lines, strings.TrimSpace(strings.Join(facts, ", ")+" "+l.Subject))
	})
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

func emptyStore(t *testing.T) (*store.Store, string) {
	t.Helper()
	dir := t.TempDir()
	s, err := store.Open(store.Options{Dir: dir, SyncEvery: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, dir
}

func expectLines(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("told:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestAlarmsAreTransitions lets a disk fill up and be emptied again, to and fro,
// and refuses a thousand calls meanwhile.
func TestAlarmsAreTransitions(t *testing.T) {
	s, dir := emptyStore(t)
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex // guards the next fields
		disk, n, why := diskWell, int64(0), ""
		var keys []string
		set := func(do func()) {
			mu.Lock()
			defer mu.Unlock()
			do()
		}
		log := &lockedBuffer{}
		a := &alarms{store: s, log: slog.New(slog.NewTextHandler(log, nil)),
			disk:    func() (s string) { set(func() { s = disk }); return s },
			refused: func() (c int64, w string) { set(func() { c, w = n, why }); return c, w },
			keys:    func() (k []string) { set(func() { k = keys }); return k },
		}
		a.start()
		// step lets the goroutine look, and only then goes on: it owns the rest.
		step := func(d time.Duration) { time.Sleep(d); synctest.Wait() }
		step(time.Second)
		for range 50 { // at the limit
			set(func() { disk = diskNearly })
			step(alarmsLook)
			set(func() { disk = diskWell })
			step(alarmsLook)
		}
		set(func() { disk, why = diskFull, "the disk is full" })
		for range 1000 {
			set(func() { n++ })
			step(alarmsLook / 10)
		}
		set(func() { disk = diskWell })
		step(calm + time.Minute)
		set(func() { n++ }) // another storm, which the end of the daemon ends
		step(alarmsLook)
		set(func() { n += 4; disk, keys = diskSuspect, []string{"custodian kim: damaged", "another"} })
		step(2 * alarmsLook)
		set(func() { keys = nil })
		step(alarmsLook)
		a.close()
		if strings.Contains(log.String(), "kim") || strings.Count(log.String(), "troubles=2") != 1 {
			t.Errorf("log:\n%s", log.String())
		}
	})
	expectLines(t, leavesOf(t, dir, store.EventDisk),
		"before well, state nearly-full", "before nearly-full, state full", "before full, state well", "before well, state suspect")
	expectLines(t, leavesOf(t, dir, store.EventKeys), "before 0, troubles 2", "before 2, troubles 0")
	refused := leavesOf(t, dir, store.EventRefused)
	for i, line := range refused {
		before, rest, _ := strings.Cut(line, ",")
		if strings.Contains(line, "phase begin") {
			refused[i] = before[:5] + rest
		}
	}
	expectLines(t, refused,
		"count phase begin, reason the disk is full, what calls", "count 1000, phase end, reason the disk is full, what calls",
		"count phase begin, reason the disk is full, what calls", "count 5, phase end, reason the disk is full, what calls")
}

// TestClockInDoubtIsTold sets the clock back and right again.
func TestClockInDoubtIsTold(t *testing.T) {
	s, dir := emptyStore(t)
	cfg, _ := config.Load("")
	now := time.Now()
	k := &keeper{
		store: s, config: func() *config.Config { return cfg }, now: func() time.Time { return now },
		running: func() time.Duration { return 0 },
		proofs:  func() []policy.Proof { return nil }, failed: func(what string, err error) { t.Errorf("%s: %v", what, err) },
	}
	s.Tell(store.Entry{Kind: store.EventStarted})
	for _, clock := range []time.Time{now, now.Add(-time.Hour), now.Add(-2 * time.Hour), now.Add(time.Minute), now.Add(2 * time.Minute)} {
		now = clock
		if _, err := k.plan(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	told := leavesOf(t, dir, store.EventClock)
	if len(told) != 2 || !strings.HasPrefix(told[0], "doubt true, reason the clock says ") || !strings.HasSuffix(told[0], "the clock went back, waiting 0") {
		t.Errorf("%q", told)
	}
	expectLines(t, told[1:], "doubt false, waiting 0")
}

// TestRefusalsAreTold asks a desk for what it must not give.
func TestRefusalsAreTold(t *testing.T) {
	sc, _, body := scrubbed(t, 100)
	dir, id := body[:strings.Index(body, "/vault/")], strings.TrimSuffix(filepath.Base(body), ".body")
	k := &desk{store: sc.store}
	cl := &client{http: httpOf(k)}
	ask := func(method, path string, q url.Values, secret string) {
		t.Helper()
		if res, err := cl.send(method, path, q, strings.NewReader(secret)); err == nil {
			res.Body.Close()
			t.Errorf("%s %s is allowed", method, path)
		}
	}
	if _, err := sc.store.Keys.Recipient("2099-01-01"); err != nil {
		t.Fatal(err)
	}
	stranger := strangersIdentity(t)
	for range 100 { // somebody tries identities
		ask("POST", "/keys/unlock", url.Values{"for": {"1h"}}, stranger)
	}
	sc.store.Keys.Lock()
	for range 2 {
		ask("GET", "/export/"+id, url.Values{"format": {"wav"}}, "")
	}
	ask("POST", "/bundle", url.Values{"id": {id}, "reason": {"r"}, "document": {"d"}}, "")
	row, err := sc.store.Catalog.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if err := sc.store.Retire(t.Context(), row, "error", "2026-12-01"); err != nil {
		t.Fatal(err)
	}
	ask("GET", "/export/"+id, url.Values{"format": {"wav"}}, "")
	ask("POST", "/bundle", url.Values{"id": {id}, "reason": {"r"}, "document": {"d"}}, "")
	ask("GET", "/export/01AAAAAAAAAAAAAAAAAAAAAAAA", nil, "") // nobody's: no refusal
	expectLines(t, leavesOf(t, dir, store.EventRefused),
		"count 1, reason wrong-identity, what unlock",
		"count 1, reason locked, what export "+id, "count 1, reason locked, what bundle "+id,
		"count 1, reason destroyed, what export "+id, "count 1, reason destroyed, what bundle "+id)
}

// TestRefusalsAreCounted tells of those that were only counted with the next.
func TestRefusalsAreCounted(t *testing.T) {
	var r refusals
	at := time.Now()
	var told []string
	for i := range 200 { // one a second, and another at the end
		if n := r.again("unlock", at.Add(time.Duration(i)*time.Second)); n > 0 {
			told = append(told, fmt.Sprintf("%d at %d", n, i))
		}
	}
	expectLines(t, told, "1 at 0", "60 at 60", "60 at 120", "60 at 180")
	r.again("export", at.Add(time.Hour))
	r.again("export", at.Add(3*time.Hour))
	if n := r.again("unlock", at.Add(4*time.Hour)); n != 20 {
		t.Errorf("%d after hours, want the 19 that were only counted and this one", n)
	}
}

// httpOf asks a desk in this process.
func httpOf(d *desk) *http.Client { return &http.Client{Transport: inProcess{d.handler()}} }

// strangersIdentity is nobody's: of another data directory.
func strangersIdentity(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "keys")
	if _, err := store.OpenKeys(dir, store.System{}); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, "custodians", "first.identity"))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

package witness

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"siprecd/store"
)

// scene is a ledger, a witness and the feeder between them, without a network.
type scene struct {
	t       *testing.T
	dir     string
	ledger  *store.Ledger
	witness *store.Witness
	feeder  *Feeder
	log     bytes.Buffer

	mu     sync.Mutex // guards what follows
	target Target
	down   error                                                         // no request arrives
	change func(code int, body string) (changedCode int, changed string) // of answers; nil: none
	posts  int
}

// unsynced spares the tests the disk.
var unsynced = store.System{Sync: func(*os.File) error { return nil }}

// play begins a scene within a bubble; the witness's clock is so far behind.
func play(t *testing.T, behind time.Duration) *scene {
	s := &scene{t: t, dir: t.TempDir()}
	s.open()
	w, err := store.OpenWitness(filepath.Join(s.dir, "witness"), unsynced, []string{s.ledger.VerifierKey()},
		slog.New(slog.DiscardHandler), func() time.Time { return time.Now().Add(-behind) })
	if err != nil {
		t.Fatal(err)
	}
	s.witness = w
	s.target = Target{"http://192.0.2.9:8095", w.Key()}
	s.start()
	return s
}

func (s *scene) open() {
	l, err := store.OpenLedger(filepath.Join(s.dir, "data", "ledger"), unsynced, slog.New(slog.DiscardHandler), time.Now)
	if err != nil {
		s.t.Fatal(err)
	}
	s.ledger = l
	s.grow(3)
}

func (s *scene) start() {
	s.feeder = &Feeder{Ledger: s.ledger, Target: func() Target {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.target
	}, Log: slog.New(slog.NewTextHandler(&s.log, nil)), send: s.send}
	s.feeder.Start()
	synctest.Wait()
}

// stop ends feeder and ledger, as a daemon does.
func (s *scene) stop() {
	s.feeder.Close()
	if err := s.ledger.Close(); err != nil {
		s.t.Error(err)
	}
}

func (s *scene) end() {
	s.stop()
	if err := s.witness.Close(); err != nil {
		s.t.Error(err)
	}
}

func (s *scene) send(req *http.Request) (*http.Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.posts++
	if s.down != nil {
		return nil, s.down
	}
	answer := httptest.NewRecorder()
	(&Server{s.witness, slog.New(slog.DiscardHandler)}).Handler().ServeHTTP(answer, req)
	if s.change != nil {
		code, body := s.change(answer.Code, answer.Body.String())
		answer = httptest.NewRecorder()
		answer.WriteHeader(code)
		answer.Body.WriteString(body)
	}
	return answer.Result(), nil
}

// set changes the scene between two looks of the feeder.
func (s *scene) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

func (s *scene) asked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.posts
}

// grow appends leaves and signs them.
func (s *scene) grow(leaves int) {
	for range leaves {
		if _, err := s.ledger.Append(store.Entry{Kind: store.EventHeard}); err != nil {
			s.t.Fatal(err)
		}
	}
	if _, err := s.ledger.Checkpoint(); err != nil {
		s.t.Fatal(err)
	}
}

// wait lets time pass.
func (s *scene) wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (s *scene) warning() string { return s.feeder.State().Warning(s.ledger.Size(), time.Now()) }

func (s *scene) wantCosigned(size int64) {
	s.t.Helper()
	kept, _ := s.ledger.Witnessed()
	if st := s.feeder.State(); st.Size != size || st.Failure != "" || kept.Size != size {
		s.t.Fatalf("cosigned: %+v, kept %d, want %d leaves", st, kept.Size, size)
	}
	if w := s.warning(); w != "" {
		s.t.Errorf("warns without a reason: %s", w)
	}
}

func TestWitnessIsKeptUpToDate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, 0)
		defer s.end()
		s.wantCosigned(3)
		s.grow(40)
		s.wait(look)
		s.wantCosigned(43)
		if n := s.asked(); n != 2 {
			t.Errorf("%d requests for two checkpoints", n)
		}
		// Without news it is asked now and then, for its clock.
		s.wait(refresh - look)
		if n := s.asked(); n != 2 {
			t.Errorf("%d requests before a cosignature is old", n)
		}
		s.wait(look)
		if n := s.asked(); n != 3 {
			t.Errorf("%d requests when it is", n)
		}
		s.wantCosigned(43)
		if n := s.ledger.Size(); n != 43 {
			t.Errorf("a cosignature is news for the ledger: %d leaves", n)
		}
	})
}

func TestAWeekWithoutTheWitness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, 0)
		defer s.end()
		s.set(func() { s.down = errors.New("no route to host"); s.posts = 0 })
		s.grow(1)
		s.wait(look)
		if w := s.warning(); w != "" {
			t.Errorf("warns at once: %s", w)
		}
		s.wait(time.Hour)
		for range 100 {
			s.grow(5)
			s.wait(7 * 24 * time.Hour / 100)
		}
		want := "the witness at http://192.0.2.9:8095 has not cosigned since 2000-01-01T00:00:00Z: no route to host; 501 of 504 leaves wait for it"
		if w := s.warning(); w != want {
			t.Errorf("warns %q\nwant  %q", w, want)
		}
		if n := strings.Count(s.log.String(), "level=ERROR"); n != 1 {
			t.Errorf("%d errors in the log:\n%s", n, &s.log)
		}
		if _, ok := s.feeder.Ahead(time.Now()); ok {
			t.Error("it proves the time without having been heard for a week")
		}
		if n, least, most := s.asked(), 7*24*12, 7*24*12+30; n < least || n > most {
			t.Errorf("asked %d times in a week, want every five minutes", n)
		}
		s.set(func() { s.down = nil; s.posts = 0 })
		s.wait(mostBackOff)
		s.wantCosigned(504)
		if n := s.asked(); n != 1 {
			t.Errorf("one proof catches up, not %d", n)
		}
		if !strings.Contains(s.log.String(), "the witness answers again") {
			t.Errorf("nothing of its return in the log:\n%s", &s.log)
		}
	})
}

// TestLedgerRolledBack starts on an older copy of the ledger, as who wants a call
// forgotten would.
func TestLedgerRolledBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, 0)
		s.feeder.Close()
		older, beside := filepath.Join(s.dir, "older"), filepath.Join(s.dir, "data", "checkpoint")
		if err := os.CopyFS(older, os.DirFS(filepath.Join(s.dir, "data", "ledger"))); err != nil {
			t.Fatal(err)
		}
		signed, err := os.ReadFile(beside)
		if err != nil {
			t.Fatal(err)
		}
		s.grow(20)
		s.start()
		s.wantCosigned(23)
		s.stop()
		s.wait(time.Minute)
		now := filepath.Join(s.dir, "data", "ledger")
		if err := errors.Join(os.RemoveAll(now), os.Rename(older, now), os.WriteFile(beside, signed, 0o600)); err != nil {
			t.Fatal(err)
		}
		s.open()
		s.start()
		defer s.end()
		want := "the witness cosigned 23 leaves, the ledger has only 6: it was cut, or replaced by an older copy"
		if w := s.warning(); !strings.Contains(w, want) || !strings.HasPrefix(w, "THE LEDGER IS IN DOUBT since 2000-") {
			t.Errorf("warns %q", w)
		}
		// Recording goes on, the ledger grows past what the witness saw, and is
		// refused again, and told once.
		s.grow(30)
		s.wait(time.Hour)
		if n := s.ledger.Size(); n != 3+3+1+30 {
			t.Errorf("%d leaves, want one for the refusal", n)
		}
		if st := s.feeder.State(); !strings.Contains(st.Refused.Why, want) || !st.Failing.IsZero() || st.Size != 3 {
			t.Errorf("%+v", st)
		}
		if n := strings.Count(s.log.String(), "level=ERROR"); n != 1 {
			t.Errorf("%d errors in the log:\n%s", n, &s.log)
		}
		logs, _, err := store.ReadWitness(filepath.Join(s.dir, "witness"))
		if err != nil || logs[0].Size != 23 || logs[0].Refused < 2 || len(logs[0].Evidence) < 2 || logs[0].Last.Why != "no proof that it grew" {
			t.Errorf("the witness has %+v, %v", logs, err)
		}
	})
}

// TestWitnessThatForgot lets it be asked from nothing again.
func TestWitnessThatForgot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, 0)
		defer s.end()
		old := s.witness
		w, err := store.OpenWitness(filepath.Join(s.dir, "new"), unsynced, []string{s.ledger.VerifierKey()}, slog.New(slog.DiscardHandler), time.Now)
		if err != nil {
			t.Fatal(err)
		}
		s.set(func() { s.witness, s.target.Key = w, w.Key() })
		s.feeder.Wake()
		synctest.Wait()
		s.wantCosigned(3)
		if err := old.Close(); err != nil {
			t.Fatal(err)
		}
		s.set(func() { s.target = Target{} })
		s.feeder.Wake()
		synctest.Wait()
		if st := s.feeder.State(); st != (State{}) {
			t.Errorf("without a witness: %+v", st)
		}
	})
}

func TestAnswersThatAreNoCosignature(t *testing.T) {
	for _, c := range []struct {
		name     string
		change   func(code int, body string) (int, string)
		failure  string
		stranger bool
	}{
		{"of another key", func(_ int, body string) (int, string) { return 200, strings.Replace(body, "/witness", "/witless", 1) }, "not signed with [ledger] witness_key", true},
		{"empty", func(int, string) (int, string) { return 200, "" }, "not signed with [ledger] witness_key", true},
		{"unknown log", func(int, string) (int, string) { return 404, "404\n" }, "does not know this ledger", true},
		{"another key of the log", func(int, string) (int, string) { return 403, "" }, "with another key", true},
		{"its disk is full", func(int, string) (int, string) { return 500, "full\x1b\nx" }, "the witness answers 500: full ", false},
		{"a redirection", func(int, string) (int, string) { return 302, "" }, "the witness answers 302", false},
		{"no size", func(int, string) (int, string) { return 409, "three\n" }, "not of its protocol", false},
		{"the size that was sent", func(int, string) (int, string) { return 409, "0\n" }, "not of its protocol", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &scene{t: t, dir: t.TempDir(), change: c.change}
				s.open()
				w, err := store.OpenWitness(filepath.Join(s.dir, "witness"), unsynced, []string{s.ledger.VerifierKey()}, slog.New(slog.DiscardHandler), time.Now)
				if err != nil {
					t.Fatal(err)
				}
				s.witness, s.target = w, Target{"http://192.0.2.9:8095", w.Key()}
				s.start()
				defer s.end()
				st := s.feeder.State()
				if !strings.Contains(st.Failure, c.failure) || st.Stranger != c.stranger || st.Refused.Why != "" || st.Size != 0 {
					t.Errorf("%+v", st)
				}
				if (s.warning() != "") != c.stranger {
					t.Errorf("warns %q", s.warning())
				}
				if kept, _ := s.ledger.Witnessed(); kept.Note != nil || s.ledger.Size() != 3 {
					t.Errorf("kept %+v, %d leaves", kept, s.ledger.Size())
				}
			})
		})
	}
}

// TestWitnessProvesTheTime holds this machine's clock against the witness's.
func TestWitnessProvesTheTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, 20*time.Minute)
		defer s.end()
		ahead := func() time.Duration {
			d, ok := s.feeder.Ahead(time.Now())
			if !ok {
				t.Fatal("it does not know")
			}
			return d
		}
		if d := ahead(); d != 20*time.Minute {
			t.Errorf("this clock is %v ahead", d)
		}
		s.wait(5 * time.Hour)
		if d := ahead(); d != 20*time.Minute {
			t.Errorf("after hours without news: %v ahead", d)
		}
		s.set(func() { s.down = errors.New("no route to host") })
		s.wait(proofAge - refresh)
		if d := ahead(); d != 20*time.Minute {
			t.Errorf("with a cosignature of a while ago: %v ahead", d)
		}
		s.wait(refresh + look)
		if d, ok := s.feeder.Ahead(time.Now()); ok {
			t.Errorf("an old cosignature still says %v", d)
		}
	})
}

// TestFeederStops ends it in the middle of a request that is never answered.
func TestFeederStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scene{t: t, dir: t.TempDir()}
		s.open()
		defer s.ledger.Close()
		f := &Feeder{Ledger: s.ledger, Target: func() Target { return Target{URL: "http://192.0.2.9"} }, Log: slog.New(slog.DiscardHandler),
			send: func(req *http.Request) (*http.Response, error) {
				<-req.Context().Done()
				return nil, context.Cause(req.Context())
			}}
		f.Start()
		synctest.Wait()
		f.Close()
		if st := f.State(); st.Failure != "" {
			t.Errorf("the end is the witness's fault: %+v", st)
		}
	})
}

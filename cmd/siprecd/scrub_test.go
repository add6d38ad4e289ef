package main

import (
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"siprecd/store"
)

// scrubbed is a scrubber of a store with one recording of size bytes.
func scrubbed(t *testing.T, size int) (*scrubber, *lockedBuffer, string) {
	t.Helper()
	dir := t.TempDir()
	s, err := store.Open(store.Options{Dir: dir, SyncEvery: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	row := &store.Row{ID: store.NewID(time.Now()), State: store.Sealed, Start: time.Now(), Dies: "2099-01-01"}
	if err := s.Seal(t.Context(), row, "", func(w io.Writer) error { _, err := w.Write(make([]byte, size)); return err }); err != nil {
		t.Fatal(err)
	}
	log := &lockedBuffer{}
	return &scrubber{
		store: s, zone: func() *time.Location { return time.UTC }, now: time.Now, live: func() int { return 0 },
		log: slog.New(slog.NewTextHandler(log, nil)),
	}, log, filepath.Join(dir, row.File)
}

func TestScrubIsDueOnceANight(t *testing.T) {
	seoul := time.FixedZone("KST", 9*3600)
	at := func(s string) time.Time {
		when, err := time.ParseInLocation("01-02 15:04", s, seoul)
		if err != nil {
			t.Fatal(err)
		}
		return when
	}
	for _, tc := range []struct {
		begun, now string
		due        bool
	}{
		{"11-23 02:00", "11-23 02:01", false},
		{"11-23 02:00", "11-24 01:59", false},
		{"11-23 02:00", "11-24 02:00", true},
		{"11-23 02:00", "11-24 09:00", true}, // the machine was off at night
		{"11-24 09:00", "11-24 23:00", false},
		{"11-24 09:00", "11-25 02:00", true},
		{"11-23 01:59", "11-23 02:00", true},
		{"11-20 02:00", "11-23 01:00", true},
	} {
		s := &scrubber{zone: func() *time.Location { return seoul }, now: func() time.Time { return at(tc.now).UTC() }}
		if due := s.due(store.Scrub{Begun: at(tc.begun).UTC(), Ended: at(tc.begun).UTC()}, nil); due != tc.due {
			t.Errorf("begun %s, at %s: due %v", tc.begun, tc.now, due)
		}
		if !s.due(store.Scrub{Begun: at(tc.begun).UTC()}, nil) || !s.due(store.Scrub{}, store.ErrNotFound) {
			t.Error("what was never ended is not due")
		}
	}
}

// TestScrubKeepsItsPace measures with a fake clock how long 8 MiB take.
func TestScrubKeepsItsPace(t *testing.T) {
	for _, tc := range []struct {
		live int
		want time.Duration
	}{{0, 250 * time.Millisecond}, {3, 2 * time.Second}} {
		synctest.Test(t, func(t *testing.T) {
			s := &scrubber{live: func() int { return tc.live }}
			pace, begun := s.pace(), time.Now()
			for range 8 << 20 / 32768 {
				if err := pace(t.Context(), 32768); err != nil {
					t.Fatal(err)
				}
			}
			if took := time.Since(begun); took != tc.want {
				t.Errorf("with %d calls 8 MiB took %v, want %v", tc.live, took, tc.want)
			}
		})
	}
}

// TestScrubberFindsAndStops lets a minute pass: the scrub finds a changed byte,
// and says so in the log and in status. One that is going on ends at once.
func TestScrubberFindsAndStops(t *testing.T) {
	s, log, body := scrubbed(t, 4<<20)
	b, err := os.ReadFile(body)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	if err := os.WriteFile(body, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if line := s.status().line(time.UTC); !strings.HasPrefix(line, "none yet") || s.status().warning() != "" {
		t.Errorf("before the first: %q", line)
	}
	synctest.Test(t, func(t *testing.T) {
		s.start()
		time.Sleep(scrubLook + 50*time.Millisecond) // in the middle: 4 MiB are 125 ms
		s.close()
	})
	if st := s.status(); st == nil || !st.Ended.IsZero() || !strings.Contains(st.line(time.UTC), "it goes on") {
		t.Errorf("stopped in the middle: %+v", st)
	}
	synctest.Test(t, func(t *testing.T) {
		s.start()
		time.Sleep(scrubLook + time.Minute)
		synctest.Wait()
		s.close()
	})
	st := s.status()
	if st == nil || st.Ended.IsZero() || st.Found["altered"] != 1 || st.Going {
		t.Fatalf("%+v", st)
	}
	if w := st.warning(); !strings.HasPrefix(w, "the last scrub found 1 altered; the first: vault/") {
		t.Errorf("warning %q", w)
	}
	if !strings.Contains(log.String(), `found="1 altered"`) {
		t.Errorf("log:\n%s", log.String())
	}
}

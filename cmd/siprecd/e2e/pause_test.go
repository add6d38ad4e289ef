//go:build e2e

package e2e

import (
	"bytes"
	"math"
	"os"
	"testing"
	"time"

	"siprecd/media"
	"siprecd/store"
)

// A pause of three seconds, by SIPp, whose media goes on meanwhile, and by our
// own caller, whose media stops: silence in its place, the file as long as the
// call.
func TestPause(t *testing.T) {
	t.Run("sipp", func(t *testing.T) {
		s := newSite(t, "[default]\npolicy = \"full\"\n")
		d := s.start()
		s.sipp(d, "paused-call.xml", d.udp, 9*time.Second, "-t", "u1", "-m", "1")
		s.paused(s.settled(1), 9)
		d.stop()
	})
	t.Run("call", func(t *testing.T) {
		s := newSite(t, "[default]\npolicy = \"full\"\n")
		d := s.start()
		s.siprecd("call", "sip:"+d.udp, "--from", "2001", "--to", "0105550101", "--a", "tone:440", "--b", "tone:660", "--duration", "9s", "--pause", "3s:3s")
		s.paused(s.settled(1), 9)
		d.stop()
	})
}

// paused checks the one recording: sound on both sides but for seconds 3 to 6.
func (s *site) paused(rows []store.Row, seconds float64) {
	s.t.Helper()
	if len(rows) != 1 || rows[0].State != store.Sealed {
		s.t.Fatalf("rows %+v", rows)
	}
	b, err := os.ReadFile(s.file(rows[0]))
	if err != nil {
		s.t.Fatal(err)
	}
	wav, err := media.ReadWAV(bytes.NewReader(b))
	if err != nil {
		s.t.Fatal(err)
	}
	if got := float64(wav.DataBytes) / 2 / 8000; math.Abs(got-rows[0].Duration) > 0.001 || math.Abs(got-seconds) > 0.15 {
		s.t.Errorf("the file lasts %.3f s, the call %.3f s, want %.0f s", got, rows[0].Duration, seconds)
	}
	data := b[int64(len(b))-wav.DataBytes:]
	for side := range 2 {
		quiet, longest, first, last := 0, 0, 0.0, 0.0
		for i := side; i < len(data); i += 2 {
			at := float64(i/2) / 8000
			if media.DecodeULaw[data[i]] != 0 || at > seconds-0.5 {
				quiet = 0
			} else if quiet++; quiet > longest {
				longest, first, last = quiet, at-float64(quiet-1)/8000, at
			}
		}
		if math.Abs(first-3) > 0.15 || math.Abs(last-6) > 0.15 {
			s.t.Errorf("side %d is silent from %.3f s to %.3f s, the pause was from 3 s to 6 s", side, first, last)
		}
	}
}

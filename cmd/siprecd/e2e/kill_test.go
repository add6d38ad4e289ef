//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"siprecd/cmd/siprecd/place"
	"siprecd/media"
	"siprecd/sip"
	"siprecd/store"
)

// kills is how often the daemon is killed.
const kills = 100

// packetTime is how far apart the packets are sent.
const packetTime = 20 * time.Millisecond

// lossAllowed is what a kill may cost any line of any call: 200 ms, and the
// packet that is on its way.
const lossAllowed = 200/20 + 1

// TestKills kills the daemon at random moments under 20 live calls. At each
// next start every tape must become a playable recording marked interrupted,
// with all but the last 200 ms of what had been sent.
func TestKills(t *testing.T) {
	s := newSite(t, "[default]\npolicy = \"full\"\n")
	r := rand.New(rand.NewPCG(20261123, 7))
	d := s.start()
	var worst int64
	rendered := 0
	for round := range kills {
		load := newLoad(t, d.udp, 20)
		<-time.After(time.Duration(150+r.IntN(900)) * time.Millisecond)
		sent := load.sent(time.Now())
		d.kill()
		load.abandon()
		d = s.start()
		rows := make(map[string]store.Row)
		for _, row := range s.settled(0) {
			rows[row.CallID] = row
		}
		for callID, n := range sent {
			row, ok := rows[callID]
			if !ok {
				t.Fatalf("kill %d: an answered call has no row", round)
			}
			worst = max(worst, interrupted(t, s, round, row, n))
			rendered++
		}
		if left, _ := filepath.Glob(filepath.Join(s.dir, "data", "tapes", "*")); len(left) != 0 {
			t.Fatalf("kill %d: tapes left behind: %v", round, left)
		}
		if t.Failed() {
			return
		}
	}
	d.stop()
	t.Logf("%d kills under live load, %d calls rendered, worst loss %v on a line", kills, rendered, time.Duration(worst)*packetTime)
}

// interrupted checks one call that the kill hit: its state, its file, and how
// many of the n packets sent on each line are missing.
func interrupted(t *testing.T, s *site, round int, row store.Row, n int64) (worst int64) {
	t.Helper()
	if row.File == "" {
		if n > lossAllowed {
			t.Errorf("kill %d: %s is %s without a file, %d packets had been sent: %q", round, row.ID, row.State, n, row.Notes)
		}
		return 0
	}
	if row.State != store.Interrupted {
		t.Errorf("kill %d: %s is %s", round, row.ID, row.State)
	}
	for _, st := range row.Streams {
		lost := n - st.Packets
		worst = max(worst, lost)
		if lost > lossAllowed {
			t.Errorf("kill %d: %s line %s has %d of %d packets", round, row.ID, st.Label, st.Packets, n)
		}
	}
	b, err := os.ReadFile(s.file(row))
	if err != nil {
		t.Error(err)
		return worst
	}
	if wav, err := media.ReadWAV(bytes.NewReader(b)); err != nil || wav.DataBytes == 0 {
		t.Errorf("kill %d: %s cannot be read: %v", round, row.ID, err)
	}
	return worst
}

// load is calls that are going on.
type load struct {
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu    sync.Mutex // guards began
	began map[string]time.Time
}

// newLoad places n calls and returns when all are answered.
func newLoad(t *testing.T, addr string, n int) *load {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	l := &load{cancel: cancel, began: make(map[string]time.Time)}
	src, err := place.Open(place.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.wg.Wait() })
	answered := make(chan struct{}, n)
	for range n {
		l.wg.Go(func() {
			call := place.Call{
				SRC: src, Target: "sip:" + addr, From: "2001", To: "0105550101", Duration: time.Hour,
				A: place.Side{Clip: media.Tone(440)}, B: place.Side{Clip: media.Tone(660)},
				Answered: func(o *sip.Outgoing) {
					l.mu.Lock()
					l.began[o.CallID()] = time.Now()
					l.mu.Unlock()
					answered <- struct{}{}
				},
			}
			// The recorder dies in mid-call: an error is what is expected.
			_, _ = call.Run(ctx)
		})
	}
	for range n {
		select {
		case <-answered:
		case <-time.After(20 * time.Second):
			t.Fatal("calls are not answered")
		}
	}
	l.wg.Go(func() {
		<-ctx.Done()
		src.Close()
	})
	return l
}

// sent tells how many packets each call had sent on a line by then.
func (l *load) sent(by time.Time) map[string]int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := make(map[string]int64)
	for id, began := range l.began {
		n[id] = int64(by.Sub(began) / packetTime)
	}
	return n
}

// abandon stops the calls without waiting for a recorder that is gone.
func (l *load) abandon() { l.cancel() }

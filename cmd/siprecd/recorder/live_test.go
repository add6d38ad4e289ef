package recorder

import (
	"context"
	"math"
	"testing"
	"time"

	"siprecd/cmd/siprecd/place"
	"siprecd/media"
	"siprecd/policy"
	"siprecd/sip"
	"siprecd/store"
)

// liveAt starts a whole recorder on loopback and returns its address.
func (st *stage) liveAt() string {
	st.t.Helper()
	receiver, err := media.NewReceiver(media.ReceiverConfig{})
	if err != nil {
		st.t.Fatal(err)
	}
	st.rec.Media = receiver
	server := &sip.Server{Handler: st.rec.ServeSession, Listen: []sip.Listener{{Network: "udp", Address: "127.0.0.1:0"}}}
	if err := server.Start(); err != nil {
		st.t.Fatal(err)
	}
	st.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := server.Close(ctx); err != nil {
			st.t.Error(err)
		}
		if err := receiver.Close(); err != nil {
			st.t.Error(err)
		}
	})
	return "sip:" + server.Addr(0).String()
}

// finished waits for the one call of the catalogue to be sealed.
func (st *stage) finished() *store.Row {
	st.t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); <-time.After(20 * time.Millisecond) {
		rows := st.rows()
		if len(rows) == 1 && rows[0].State != store.Live && rows[0].State != store.Ending {
			return rows[0]
		}
	}
	st.t.Fatalf("no call was sealed: %+v", st.rows())
	return nil
}

// silences returns the stretches longer than 200 ms in which a channel of µ-law
// has no sound, from and to in seconds.
func silences(channel []byte) (gaps [][2]float64) {
	quiet := 0
	for i := 0; i <= len(channel); i++ {
		if i < len(channel) && math.Abs(float64(media.DecodeULaw[channel[i]])) < 64 {
			quiet++
			continue
		}
		if quiet > 1600 {
			gaps = append(gaps, [2]float64{float64(i-quiet) / 8000, float64(i) / 8000})
		}
		quiet = 0
	}
	return gaps
}

// A pause by re-INVITE, over real SIP and RTP: as much silence in its place,
// on both sides, and the file as long as the call.
func TestB11_PauseIsSilenceInItsPlace(t *testing.T) {
	st := open(t, rule("2001", policy.Full, 3))
	call := place.Call{
		Target: st.liveAt(), From: "2001", To: "0105550101", Duration: 3 * time.Second,
		A: place.Side{Clip: media.Tone(440)}, B: place.Side{Clip: media.Tone(660)},
		Pauses: []place.Pause{{At: time.Second, For: time.Second}},
	}
	result, err := call.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	row := st.finished()
	length := result.End.Sub(result.Start).Seconds()
	if row.State != store.Sealed || math.Abs(row.Duration-length) > 0.1 {
		t.Fatalf("%s, %.3f s of %.3f: %q", row.State, row.Duration, length, row.Notes)
	}
	left, right := st.channels(row)
	for side, channel := range map[string][]byte{"left": left, "right": right} {
		if got := float64(len(channel)) / 8000; math.Abs(got-row.Duration) > 0.001 {
			t.Errorf("%s: the file lasts %.3f s, the call %.3f", side, got, row.Duration)
		}
		gaps := silences(channel)
		if len(gaps) != 1 || math.Abs(gaps[0][0]-1) > 0.15 || math.Abs(gaps[0][1]-gaps[0][0]-1) > 0.15 {
			t.Errorf("%s: silent in %v, the pause was from 1 s to 2 s", side, gaps)
		}
	}
	for _, s := range row.Streams {
		if s.Lost != 0 || len(s.Gaps) != 1 || s.Gaps[0].Cause != "paused" && s.Gaps[0].Cause != "held" {
			t.Errorf("stream %+v", s)
		}
	}
}

package recorder

import (
	"bytes"
	"context"
	"math"
	"slices"
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

// A pause, over real SIP and RTP and however it is signalled: as much silence in
// its place, on both sides, and every byte around it.
func TestB11_PauseIsSilenceInItsPlace(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		by    place.PauseBy
		cause string
	}{
		"inactive": {place.Inactive, "paused"}, "c=0.0.0.0": {place.HeldAddress, "held"}, "no RTP": {place.Unsaid, "dtx"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			st := open(t, rule("2001", policy.Full, 3))
			call := place.Call{
				Target: st.liveAt(), From: "2001", To: "0105550101", Duration: 2500 * time.Millisecond, Keep: true,
				A: place.Side{Clip: media.Tone(440)}, B: place.Side{Clip: media.Tone(660)},
				Pauses: []place.Pause{{At: 700 * time.Millisecond, For: time.Second, By: tc.by}},
			}
			result, err := call.Run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			row := st.finished()
			if row.State != store.Sealed || row.Duration < 2.5 || row.Duration > result.End.Sub(result.Start).Seconds()+0.5 {
				t.Fatalf("%s, %.3f s: %q", row.State, row.Duration, row.Notes)
			}
			left, right := st.channels(row)
			for i, channel := range [][]byte{left, right} {
				if got := float64(len(channel)) / 8000; math.Abs(got-row.Duration) > 0.001 {
					t.Errorf("line %d: the file lasts %.3f s, the call %.3f", i, got, row.Duration)
				}
				// What was sent has silence where it was paused.
				sent := result.Lines[i].Audio
				if gaps := silences(sent); len(gaps) != 1 || len(sent) != 8000*5/2 {
					t.Fatalf("line %d: %d samples were sent, silent in %v", i, len(sent), gaps)
				}
				from, to := int(8000*silences(sent)[0][0]), int(8000*silences(sent)[0][1])
				before, after := bytes.Index(channel, sent[:from]), bytes.Index(channel, sent[to:])
				if silence := after - before - from; before < 0 || after < 0 || silence < to-from-800 || silence > to-from+800 {
					t.Errorf("line %d is silent in %v, and was sent with %v", i, silences(channel), silences(sent))
				}
				s := row.Streams[i]
				s.Gaps = slices.DeleteFunc(s.Gaps, func(g store.Gap) bool { return g.Start > 2.4 }) // the BYE took its time
				if s.Lost != 0 || s.Packets != result.Lines[i].Packets || len(s.Gaps) != 1 || s.Gaps[0].Cause != tc.cause {
					t.Errorf("stream %+v", s)
				}
			}
		})
	}
}

package recorder

import (
	"bytes"
	"context"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"siprecd/cmd/siprecd/place"
	"siprecd/media"
	"siprecd/policy"
	"siprecd/sip"
	"siprecd/store"
)

// noiseClip has no stretch twice, and none without sound.
func noiseClip(length time.Duration) *media.Clip {
	samples := make([]int16, 8*length/time.Millisecond)
	for i := range samples {
		samples[i] = int16(1000 + rand.IntN(20_000))
	}
	return &media.Clip{Samples: samples}
}

// anywhere reports whether a stretch of audio lies in clear in any file.
func (st *stage) anywhere(audio []byte) bool {
	st.t.Helper()
	found := false
	err := filepath.WalkDir(st.dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(p)
		found = found || bytes.Contains(b, audio)
		return err
	})
	if err != nil {
		st.t.Fatal(err)
	}
	return found
}

// Parties named half a second late, over real sockets: the packets wait in the
// socket buffer. Full has all of them; of the others none is anywhere.
func TestPartiesNamedLateLive(t *testing.T) {
	t.Parallel()
	for _, p := range []policy.Mode{policy.Full, policy.Selective, policy.Off} {
		t.Run(p.String(), func(t *testing.T) {
			t.Parallel()
			st := open(t, rule("2001", p, 3))
			call := place.Call{
				Target: st.liveAt(), From: "2001", To: "0105550101", Duration: 2 * time.Second, Keep: true,
				A: place.Side{Clip: noiseClip(2 * time.Second), Keys: []media.KeyTone{{At: 1200 * time.Millisecond, Digit: '*'}, {At: 1400 * time.Millisecond, Digit: '1'}}},
				B: place.Side{Clip: noiseClip(2 * time.Second)}, LateParties: 500 * time.Millisecond,
			}
			result, err := call.Run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			row := st.finished()
			a, b := result.Lines[0].Audio, result.Lines[1].Audio
			var left, right []byte
			if row.File != "" {
				left, right = st.channels(row)
			}
			switch p {
			case policy.Full:
				if !bytes.Contains(left, a[:9600]) || !bytes.Contains(right, b) || row.Streams[1].Lost != 0 {
					t.Errorf("not everything is there: %+v, %q", row.Streams, row.Notes)
				}
			case policy.Selective:
				if len(row.Segments) != 1 || row.Segments[0].Start < 1.3 || !bytes.Contains(left, a[14400:15200]) || !bytes.Contains(right, b[14400:15200]) {
					t.Errorf("segments %v, %q", row.Segments, row.Notes)
				}
			case policy.Off:
				if gaps := silences(b); row.State != store.NotRecorded || len(gaps) != 1 || gaps[0][0] > 1.4 {
					t.Errorf("%s; the SRC was told to stop, and sent on: silent in %v", row.State, gaps)
				}
			}
			for _, early := range [][]byte{a[1600:3200], b[1600:3200]} {
				if p != policy.Full && (st.anywhere(early) || bytes.Contains(left, early) || bytes.Contains(right, early)) {
					t.Error("audio from before the names was kept")
				}
			}
		})
	}
}

// A call passed on, over real SIP: off shuts the gate within half a second and
// the SRC is told to stop; full opens it and the SRC is told to go on.
func TestTransfersLive(t *testing.T) {
	t.Parallel()
	st := open(t, rule("2001", policy.Full, 3), rule("2003", policy.Off, 5))
	var at [3]time.Time
	pass := func(i int, to string) place.Step {
		return place.Step{At: time.Duration(i+1) * 700 * time.Millisecond, Do: func(ctx context.Context, rs *sip.Outgoing, p *place.Parties) error {
			at[i] = time.Now()
			return rs.Update(ctx, sip.Change{Metadata: p.Transfer(0, to, "")})
		}}
	}
	call := place.Call{
		Target: st.liveAt(), From: "2001", To: "0105550101", Duration: 2800 * time.Millisecond, Keep: true,
		A: place.Side{Clip: noiseClip(3 * time.Second)}, B: place.Side{Clip: noiseClip(3 * time.Second)},
		Steps: []place.Step{pass(0, "2003"), pass(1, "2001"), pass(2, "0105550199")},
	}
	result, err := call.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	row := st.finished()
	if row.State != store.Sealed || len(row.Segments) != 2 {
		t.Fatalf("%s, segments %v, %q", row.State, row.Segments, row.Notes)
	}
	for i, shut := range []float64{row.Segments[0].End, row.Segments[1].End} {
		if asked := at[2*i].Sub(row.Start).Seconds(); shut < asked || shut > asked+0.5 {
			t.Errorf("the gate was shut at %.3f s, the party had left at %.3f s", shut, asked)
		}
	}
	if asked := at[1].Sub(row.Start).Seconds(); row.Segments[1].Start < asked || row.Segments[1].Start > asked+0.5 {
		t.Errorf("the gate was opened at %.3f s, the party had come at %.3f s", row.Segments[1].Start, asked)
	}
	// What the SRC sent: nothing while it was told to stop.
	for i, l := range result.Lines {
		gaps := silences(l.Audio)
		if len(gaps) != 2 || gaps[0][0] < 0.7 || gaps[0][1] < 1.4 || gaps[1][0] < 2.1 {
			t.Errorf("line %d was sent but for %v", i, gaps)
		}
	}
}

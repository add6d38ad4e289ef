package recorder

import (
	"math"
	"testing"
	"time"

	"siprecd/cmd/siprecd/place"
	"siprecd/media"
	"siprecd/policy"
	"siprecd/store"
)

// dialing is two and a half seconds of somebody who hums, presses *1 after one
// second, as tones in the sound, and hums on.
func dialing() *media.Clip {
	clip := &media.Clip{Samples: make([]int16, 20000)}
	for i := range clip.Samples {
		at := 2 * math.Pi * float64(i) / 8000
		x := 2000 * math.Sin(300*at)
		switch n := i - 8000; {
		case n >= 0 && n < 800:
			x = 4000*math.Sin(941*at) + 4000*math.Sin(1209*at)
		case n >= 1280 && n < 2080:
			x = 4000*math.Sin(697*at) + 4000*math.Sin(1209*at)
		}
		clip.Samples[i] = int16(x)
	}
	return clip
}

// TestInBandKeyOverTheNetwork: a selective call is recorded from the key that
// was heard in our side's sound, by whatever codec; the same tones from the
// other side do nothing.
func TestInBandKeyOverTheNetwork(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		codec   string
		theirs  bool
		deaf    bool
		pressed bool
	}{
		"PCMU": {codec: "PCMU", pressed: true}, "PCMA": {codec: "PCMA", pressed: true}, "G722": {codec: "G722", pressed: true},
		"the other side's": {codec: "PCMU", theirs: true}, "switched off": {codec: "PCMU", deaf: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			st := open(t, rule("2001", policy.Selective, 3))
			settings := *st.rec.Settings()
			settings.DeafToTones = c.deaf
			st.rec.Settings = func() *Settings { return &settings }
			a, b := dialing(), media.Tone(660)
			if c.theirs {
				a, b = b, a
			}
			call := place.Call{
				Target: st.liveAt(), From: "2001", To: "0105550101", Duration: 2500 * time.Millisecond, Codec: c.codec,
				A: place.Side{Clip: a}, B: place.Side{Clip: b},
			}
			if _, err := call.Run(t.Context()); err != nil {
				t.Fatal(err)
			}
			row := st.finished()
			if !c.pressed {
				if row.State != store.NotRecorded || len(row.Keys) > 0 || row.File != "" {
					t.Errorf("%s, keys %+v", row.State, row.Keys)
				}
				return
			}
			if row.State != store.Sealed || len(row.Keys) != 1 || row.Keys[0].Via != "inband" || row.Keys[0].Stream != "1" {
				t.Fatalf("%s, keys %+v: %q", row.State, row.Keys, row.Notes)
			}
			if from := row.Segments[0].Start; len(row.Segments) != 1 || from < 1.19 || from > 1.5 {
				t.Errorf("recorded in %+v, the key was pressed from 1.16 s on", row.Segments)
			}
			if c.codec == "G722" {
				return
			}
			left, _ := st.channels(row)
			if quiet := silences(decodedFor(c.codec, left)); len(quiet) == 0 || quiet[0][0] > 0 || quiet[0][1] < row.Segments[0].Start-0.01 {
				t.Errorf("silent in %v, recorded from %.3f s", quiet, row.Segments[0].Start)
			}
		})
	}
}

// decodedFor makes a channel µ-law, which is what silences reads.
func decodedFor(codec string, channel []byte) []byte {
	if codec == "PCMU" {
		return channel
	}
	out := make([]byte, len(channel))
	for i, b := range channel {
		if b != 0xD5 {
			out[i] = media.EncodeULaw(media.DecodeALaw[b])
		} else {
			out[i] = 0xFF
		}
	}
	return out
}

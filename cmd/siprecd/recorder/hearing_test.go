package recorder

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"siprecd/media"
	"siprecd/policy"
	"siprecd/store"
)

// tone sends audio on both lines from to until: ours a tone, theirs the byte fill.
func (st *stage) tone(from, until time.Duration, fill byte) {
	for at := from; at < until; at += 20 * time.Millisecond {
		tone := make([]byte, 160)
		for i := range tone {
			tone[i] = media.EncodeULaw(int16(8000 * math.Sin(2*math.Pi*440*float64(i)/8000)))
		}
		st.feed(0, at+20*time.Millisecond, st.rtp(0, 0, at, tone))
		st.feed(1, at+20*time.Millisecond, st.rtp(1, 0, at, bytes.Repeat([]byte{fill}, 160)))
	}
}

// listened is the row of the one live call once somebody has listened at a time.
func (st *stage) listened(at time.Duration) store.Row {
	st.t.Helper()
	if err := st.call.Path().Flush(); err != nil {
		st.t.Fatal(err)
	}
	for _, rec := range st.rec.recordings() {
		rec.listen(callStart.Add(at), time.Now().Add(time.Minute))
	}
	live := st.rec.Live()
	if len(live) != 1 {
		st.t.Fatalf("%d calls are live", len(live))
	}
	return live[0]
}

func TestLiveCallSaysHowItFares(t *testing.T) {
	st := open(t, rule("2001", policy.Full, 3))
	st.invite(ourAOR, otherAOR)
	st.tone(0, 6*time.Second, 0xFF)
	before := st.rec.Live()[0]
	if before.Heard != 0 || before.Quality != nil || before.Streams[0].Level != nil {
		t.Errorf("nobody asked, and somebody listened: %+v", before)
	}
	row := st.listened(6 * time.Second)
	if row.Heard != 6 || !slices.Equal(row.Quality, []string{"blank"}) {
		t.Errorf("after 6 s: heard %v, %q %q", row.Heard, row.Quality, row.Notes)
	}
	st.tone(6*time.Second, 12*time.Second, 0xFF)
	row = st.listened(12 * time.Second)
	if row.Heard != 12 || !slices.Equal(row.Quality, []string{"blank", "one-way"}) || !slices.Contains(row.Notes, "one side alone was heard, for 12 s") {
		t.Errorf("after 12 s: heard %v, %q %q", row.Heard, row.Quality, row.Notes)
	}
	a, b := row.Streams[0], row.Streams[1]
	if a.Level == nil || a.Level.Speech != 12 || math.Abs(a.Level.RMS+15.3) > 0.2 || a.Packets != 600 || a.Lost != 0 {
		t.Errorf("ours: %+v %+v", a, a.Level)
	}
	if b.Level == nil || b.Level.Speech != 0 || b.Level.Silence != 12 || b.Level.RMS != -96 {
		t.Errorf("theirs: %+v %+v", b, b.Level)
	}
	if len(row.Segments) != 1 || row.Segments[0].End < 12 {
		t.Errorf("segments %v", row.Segments)
	}

	// The other side begins to speak: what was said of it holds no longer, and
	// nothing of it stays on the recording.
	for at := 12 * time.Second; at < 15*time.Second; at += 20 * time.Millisecond {
		loud := bytes.Repeat([]byte{0x20, 0xA0}, 80)
		st.feed(1, at+20*time.Millisecond, st.rtp(1, 0, at, loud))
		st.feed(0, at+20*time.Millisecond, st.rtp(0, 0, at, loud))
	}
	if row = st.listened(15 * time.Second); len(row.Quality) != 0 {
		t.Errorf("after 15 s: %q", row.Quality)
	}
	sealed := st.bye(15 * time.Second)
	if len(sealed.Quality) != 0 || sealed.Heard != 0 || strings.Contains(strings.Join(sealed.Notes, " "), "heard") {
		t.Errorf("sealed: %q %q", sealed.Quality, sealed.Notes)
	}
}

// Nothing is heard of what the gate keeps back, nor of a call that is off.
func TestNothingIsHeardWhereNothingIsKept(t *testing.T) {
	st := open(t, rule("2001", policy.Selective, 4))
	st.invite(ourAOR, otherAOR)
	st.tone(0, 3*time.Second, 0xFF)
	if row := st.listened(3 * time.Second); row.Streams[0].Level != nil || row.Streams[1].Level != nil || len(row.Quality) != 0 || len(row.Segments) != 0 {
		t.Errorf("the gate is shut: %+v", row)
	}
	st.key(0, 3*time.Second, '*')
	st.key(0, 3200*time.Millisecond, '1')
	st.tone(3400*time.Millisecond, 5400*time.Millisecond, 0xFF)
	row := st.listened(5400 * time.Millisecond)
	if l := row.Streams[0].Level; l == nil || math.Abs(l.Speech-2) > 0.05 || len(row.Segments) != 1 || row.Segments[0].Start != 3.2 {
		t.Errorf("two seconds passed the gate: %+v %v", l, row.Segments)
	}
	st.bye(6 * time.Second)

	st = open(t, rule("2001", policy.Off, 5))
	st.invite(ourAOR, otherAOR)
	st.tone(0, 3*time.Second, 0xFF)
	if row := st.listened(3 * time.Second); row.Streams[0].Level != nil || row.Heard != 0 || len(row.Quality) != 0 {
		t.Errorf("it is off: %+v", row)
	}
	st.bye(3 * time.Second)
}

func TestNoRTPThoughSignalled(t *testing.T) {
	st := open(t, rule("2001", policy.Full, 3))
	st.invite(ourAOR, otherAOR)
	if row := st.listened(3 * time.Second); !slices.Equal(row.Quality, []string{"no-rtp"}) {
		t.Errorf("%q %q", row.Quality, row.Notes)
	}
	st.bye(3 * time.Second)
}

// When the time is over, those that were not heard come first the next time.
func TestListeningEndsInTime(t *testing.T) {
	st := open(t, rule("2001", policy.Full, 3))
	st.invite(ourAOR, otherAOR)
	st.tone(0, 3*time.Second, 0xFF)
	st.rec.Listen("", time.Now())
	if row := st.rec.Live()[0]; row.Heard != 0 {
		t.Errorf("%v s were heard in no time", row.Heard)
	}
	st.rec.Listen("0", time.Now().Add(time.Minute))
	if row := st.rec.Live()[0]; row.Heard == 0 {
		t.Error("its id begins so, and it was not heard")
	}
	st.bye(3 * time.Second)
}

// What was heard of a provisional tape is not told once that is forgotten.
func TestWhatWasForgottenIsNotTold(t *testing.T) {
	st := open(t, rule("2001", policy.Off, 5))
	st.invite(blankAOR, otherAOR)
	st.tone(0, 6*time.Second, 0xFF)
	if row := st.listened(6 * time.Second); row.Heard != 6 || row.Streams[0].Level == nil {
		t.Errorf("the default applies until our party is named: %+v", row)
	}
	st.update(7*time.Second, ourAOR, otherAOR)
	if row := st.rec.Live()[0]; row.Policy != "off" || row.Heard != 0 || row.Streams[0].Level != nil || len(row.Quality) != 0 {
		t.Errorf("it is off, and what was heard is told: %+v", row)
	}
	if row := st.listened(8 * time.Second); row.Heard != 0 || len(row.Quality) != 0 {
		t.Errorf("it is off, and heard: %+v", row)
	}
	st.bye(9 * time.Second)
}

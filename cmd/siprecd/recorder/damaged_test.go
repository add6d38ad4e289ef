package recorder

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"siprecd/policy"
	"siprecd/store"
)

// TestAFlippedBitOnATape costs what it hit: in the first block the beginning of
// the call, in the tape's own header the audio of the call. What cannot be read
// waits, and dies with its day.
func TestAFlippedBitOnATape(t *testing.T) {
	for name, test := range map[string]struct {
		at   int64
		want store.State
	}{
		"the first block": {4096 + 200, store.Sealed},
		"the header":      {20, store.Waiting},
	} {
		t.Run(name, func(t *testing.T) {
			st := open(t, rule("2001", policy.Full, 3))
			st.invite(ourAOR, otherAOR)
			st.talk(0, 5*time.Second, 0x11)
			row := st.call.End(callStart.Add(5*time.Second), "src", "bye")[0]
			ended := row
			flip(t, filepath.Join(st.dir, "tapes", row.ID+".tape"), test.at)
			if err := st.rec.Seal(t.Context(), &row); err != nil {
				t.Fatal(err)
			}
			known, err := st.rec.Store.Catalog.Get(t.Context(), row.ID)
			if err != nil || known.State != test.want || known.Dies == "" {
				t.Fatalf("%+v, %v", known, err)
			}
			if test.want == store.Sealed && (known.Duration < 4 || known.Streams[0].Packets < 200) {
				t.Errorf("of five seconds %.2f are left, %+v", known.Duration, known.Streams)
			}
			if _, err := st.rec.Store.RetireDay(t.Context(), known.Dies, known.Dies); err != nil {
				t.Fatal(err)
			}
			if left, err := st.rec.Store.Leftovers(); err != nil || len(left) != 0 {
				t.Errorf("after its day: tapes %v, %v", left, err)
			}
			// Whoever holds the old row does not bring it back.
			if err := st.rec.Seal(t.Context(), &ended); err != nil {
				t.Error(err)
			}
			if known, err = st.rec.Store.Catalog.Get(t.Context(), row.ID); err != nil || known.State != store.Deleted || known.Other != "" {
				t.Errorf("after its day: %+v, %v", known, err)
			}
		})
	}
}

// TestOneTapeThatFailsHoldsUpNoOther tries again what could not be sealed, the
// first of which cannot.
func TestOneTapeThatFailsHoldsUpNoOther(t *testing.T) {
	st := open(t, rule("2001", policy.Full, 3))
	st.invite(ourAOR, otherAOR)
	st.talk(0, time.Second, 0x11)
	whole := st.call.End(callStart.Add(time.Second), "src", "bye")[0]
	bad := whole
	bad.ID = "../no id" // of which nothing can be read
	st.rec.failed = []store.Row{bad, whole}
	st.rec.sealFailed(t.Context())
	known, err := st.rec.Store.Catalog.Get(t.Context(), whole.ID)
	if err != nil || known.State != store.Sealed {
		t.Errorf("%+v, %v", known, err)
	}
	if len(st.rec.failed) != 1 || st.rec.failed[0].ID != bad.ID {
		t.Errorf("left to be tried: %+v", st.rec.failed)
	}
}

func flip(t *testing.T, name string, at int64) {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	b[at] ^= 1
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

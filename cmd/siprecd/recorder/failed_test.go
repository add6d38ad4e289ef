package recorder

import (
	"context"
	"os"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"siprecd/policy"
	"siprecd/store"
)

// A recording that could not be sealed, as the disk was full, is sealed when there
// is room again, at whatever step of the first try the room was out.
func TestSealedWhenThereIsRoomAgain(t *testing.T) {
	for step := int64(1); ; step++ {
		var left atomic.Int64 // renames and removals until there is no room
		full := func() error {
			if left.Load() > 0 && left.Add(-1) == 0 {
				return syscall.ENOSPC
			}
			return nil
		}
		st := openOn(t, store.System{
			Rename: func(from, to string) error {
				if err := full(); err != nil {
					return err
				}
				return os.Rename(from, to)
			},
			Remove: func(name string) error {
				if err := full(); err != nil {
					return err
				}
				return os.Remove(name)
			},
		}, policy.Full)
		st.invite(ourAOR, otherAOR)
		st.talk(0, time.Second, 0x11)
		rows := st.call.End(callStart.Add(time.Second), "src", "bye")
		if len(rows) != 1 {
			t.Fatalf("%d rows", len(rows))
		}
		left.Store(step)
		done := make(chan struct{})
		st.rec.queue <- job{row: rows[0], done: done}
		<-done
		over := left.Load() > 0
		left.Store(0)
		st.rec.sealFailed(context.Background())
		row, err := st.rec.Store.Catalog.Get(t.Context(), rows[0].ID)
		if err != nil {
			t.Fatal(err)
		}
		tapes, err := st.rec.Store.Leftovers()
		if err != nil || row.State != store.Sealed || row.Duration != 1 || len(tapes) != 0 {
			t.Errorf("step %d: %s, %.1f s, tapes %v, %v", step, row.State, row.Duration, tapes, err)
		}
		audio, err := st.rec.Store.OpenAudio(t.Context(), row)
		if err != nil {
			t.Fatalf("step %d: %v", step, err)
		}
		audio.Close()
		st.rec.mu.Lock()
		waits := slices.Clone(st.rec.failed)
		st.rec.mu.Unlock()
		if len(waits) != 0 {
			t.Errorf("step %d: it is tried again, though sealed", step)
		}
		if over {
			if step < 5 {
				t.Errorf("a seal of %d steps: are they counted?", step-1)
			}
			return
		}
	}
}

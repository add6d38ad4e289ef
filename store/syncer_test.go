package store

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestSyncOnceASecondForAllTapes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var syncs atomic.Int64
		s := openStore(t, t.TempDir(), System{SyncFS: func(*os.File) error { syncs.Add(1); return nil }})
		after := func(d time.Duration, want int64, what string) {
			t.Helper()
			time.Sleep(d)
			synctest.Wait()
			if n := syncs.Swap(0); n != want {
				t.Errorf("%s: %d syncs, want %d", what, n, want)
			}
		}
		after(5500*time.Millisecond, 0, "idle")
		a, b := newTape(t, s, false), newTape(t, s, true)
		after(time.Second, 1, "two new tapes")
		after(time.Second, 0, "nothing written")
		for range 10 {
			a.Append(1, 2, 3, nil)
			b.Append(1, 2, 3, nil)
			check(t, a.Flush())
			check(t, b.Flush())
		}
		after(time.Second, 1, "flushes")
		check(t, b.Confirm())
		after(time.Millisecond, 1, "a confirmation does not wait for the tick")
		a.Append(1, 2, 3, nil)
		check(t, a.Close())
		check(t, b.Close())
		check(t, s.Close())
		after(0, 1, "closing")
		check(t, s.Close())
	})
}

func TestFirstSyncErrorIsPermanent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var bad atomic.Bool
		var log bytes.Buffer
		s, err := Open(Options{
			Dir: t.TempDir(),
			Log: slog.New(slog.NewTextHandler(&log, nil)),
			System: System{SyncFS: func(*os.File) error {
				if bad.Load() {
					return syscall.EIO
				}
				return nil
			}},
		})
		check(t, err)
		tape := newTape(t, s, false)
		tape.Append(1, 2, 3, nil)
		check(t, tape.Flush())
		time.Sleep(2 * time.Second)
		check(t, s.Err())

		bad.Store(true)
		tape.Append(1, 2, 3, nil)
		check(t, tape.Flush())
		time.Sleep(time.Second)
		synctest.Wait()
		bad.Store(false)
		tape.Append(1, 2, 3, nil)
		for what, err := range map[string]error{
			"Err": s.Err(), "Flush": tape.Flush(), "Close of the tape": tape.Close(),
			"Seal":   s.Seal(t.Context(), sealRow(tape.id), "wav", writeBody),
			"Record": s.Record(t.Context(), sealRow(tape.id)),
		} {
			if !errors.Is(err, ErrSuspect) || !errors.Is(err, syscall.EIO) {
				t.Errorf("%s: %v, want ErrSuspect", what, err)
			}
		}
		if got := readTape(t, s, tape.id); len(got) != 3 {
			t.Errorf("%d records: the tape should go on", len(got))
		}
		if err := s.Close(); !errors.Is(err, ErrSuspect) {
			t.Errorf("Close: %v", err)
		}
		if n := strings.Count(log.String(), "level=ERROR"); n != 1 {
			t.Errorf("%d errors logged, want one: %s", n, &log)
		}
	})
}

func TestTapesAreSyncedOneByOneWhereTheyMustBe(t *testing.T) {
	synced := map[string]int{}
	s := openStore(t, t.TempDir(), System{Sync: func(f *os.File) error { synced[f.Name()]++; return nil }})
	a, b := newTape(t, s, false), newTape(t, s, false)
	s.sync.syncEach()
	for _, path := range []string{s.tapePath(a.id), s.tapePath(b.id), s.tapeDir()} {
		if synced[path] != 1 {
			t.Errorf("%s: synced %d times, want once", path, synced[path])
		}
	}
	check(t, a.Close())
	check(t, b.Close())
}

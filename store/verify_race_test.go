package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
)

// TestVerifyWhileCallsEndAndDaysDie verifies over and over while recordings are
// sealed, wait, are rendered, ended and die. Nothing is wrong with any of them.
func TestVerifyWhileCallsEndAndDaysDie(t *testing.T) {
	s := openStore(t, t.TempDir(), unsyncedSystem())
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var wg sync.WaitGroup
	var rounds atomic.Int64
	failed := make(chan error, 8)
	for worker := range 3 {
		wg.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				if err := liveAndDie(s, Day(fmt.Sprintf("20%02d-%02d-%02d", 27+worker, n/28%12+1, n%28+1)), n); err != nil {
					failed <- err
					return
				}
				rounds.Add(1)
			}
		})
	}
	read := 0
	for n := 0; n < 40 || rounds.Load() < 9; n++ { // three of each worker, and one day has died
		v, err := s.Verify(t.Context(), VerifyOptions{})
		check(t, err)
		read += v.Recordings
		for _, f := range v.Findings {
			t.Errorf("found although nothing is wrong: %+v", f)
		}
		if t.Failed() {
			break
		}
	}
	cancel()
	wg.Wait()
	select {
	case err := <-failed:
		t.Error(err)
	default:
	}
	v, err := s.Verify(t.Context(), VerifyOptions{})
	check(t, err)
	if len(v.Findings) > 0 || v.Gone == 0 || v.Recordings == 0 || read == 0 {
		t.Errorf("in the end: %+v, %d bodies were read meanwhile", v, read)
	}
}

// liveAndDie seals a recording with its original, ends another, leaves one
// waiting and then renders it; every third time the day dies.
func liveAndDie(s *Store, d Day, n int) error {
	ctx := context.Background()
	var errs []error
	for _, fate := range []string{"sealed", "ended", "waiting"} {
		tape, err := s.NewTape(NewID(noon), d, false)
		if err != nil {
			return err
		}
		appendAll(tape, someRecs()[:4])
		row := sealRow(tape.id)
		row.Dies = d
		errs = append(errs, tape.Close(), s.KeepOriginal(ctx, row))
		if fate == "waiting" {
			errs = append(errs, s.Wait(ctx, row))
			row.Original, row.State = nil, Sealed
		}
		errs = append(errs, s.Seal(ctx, row, "", writeBody))
		switch fate {
		case "waiting":
			errs = append(errs, s.DropOriginal(ctx, row))
		case "ended":
			errs = append(errs, s.Retire(ctx, row, "error", someDay))
		}
	}
	if n%3 == 2 {
		_, err := s.RetireDay(ctx, d, d)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

package store

import (
	"context"
	"fmt"
	"slices"
	"syscall"
	"testing"
)

// TestAHoldThatABadDiskInterrupts has each operation of placing and of releasing a
// hold fail, and everything after it; then the store is opened again, as after a
// crash. What the ledger says is what facts and catalogue say, and the day that
// dies in between spares what the ledger says is held.
func TestAHoldThatABadDiskInterrupts(t *testing.T) {
	withoutRaces(t)
	t.Parallel()
	dies := Day("2027-02-22")
	for _, release := range []bool{false, true} {
		for _, night := range []bool{false, true} {
			t.Run(fmt.Sprintf("release %v, night %v", release, night), func(t *testing.T) {
				cut := 0
				for nth := 1; ; nth++ {
					dir := t.TempDir()
					d := &badDisk{err: syscall.EIO, lasting: true, kinds: []string{"open", "write", "mkdir", "rename", "remove", "catalogue"}}
					s := openStore(t, dir, d.system())
					s.Catalog = badCatalog{s.Catalog, d}
					row, other := sealedOn(t, s, dies), sealedOn(t, s, dies)
					if release {
						_, err := s.Hold(t.Context(), row.ID, order, "2027-02-21")
						check(t, err)
					}
					d.arm(nth)
					var failed error
					if release {
						_, failed = s.Release(t.Context(), row.ID, "2027-02-21")
					} else {
						_, failed = s.Hold(t.Context(), row.ID, order, "2027-02-21")
					}
					d.arm(0)
					held := saysHeld(t, s, row.ID)
					if night {
						deaths, err := s.RetireDay(t.Context(), dies, dies)
						check(t, err)
						if held != slices.Contains(deaths.Held, row.ID) || !slices.Contains(deaths.Retired, other.ID) {
							t.Fatalf("operation %d failed (%v), held %v by the ledger: %+v", nth, failed, held, deaths)
						}
					}
					check(t, s.Close())
					s = openStore(t, dir, unsyncedSystem())
					check(t, s.Recover(t.Context()))
					now, err := s.Catalog.Get(t.Context(), row.ID)
					check(t, err)
					if (now.Hold != nil) != held && now.State != Deleted || night && (now.State == Deleted) == held {
						t.Fatalf("operation %d failed (%v), held %v by the ledger: %+v", nth, failed, held, now)
					}
					v, err := s.Verify(context.Background(), VerifyOptions{})
					check(t, err)
					if len(v.Findings) > 0 {
						t.Fatalf("operation %d failed (%v): %+v", nth, failed, v.Findings)
					}
					check(t, s.Close())
					if failed == nil {
						break
					}
					cut++
				}
				if cut < 10 {
					t.Errorf("only %d operations failed", cut)
				}
			})
		}
	}
}

// saysHeld reads from the ledger whether a recording is held.
func saysHeld(t *testing.T, s *Store, id string) (held bool) {
	t.Helper()
	for seq := range s.Ledger.Size() {
		leaf, err := s.Ledger.at(seq)
		check(t, err)
		if leaf.Subject == id && (leaf.Kind == EventHeld || leaf.Kind == EventReleased) {
			held = leaf.Kind == EventHeld
		}
	}
	return held
}

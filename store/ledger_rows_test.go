package store

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"
)

// TestOldRowsGo destroys the rows of a month, failing at each operation once, and
// then again: whatever failed, the log is whole, and in the end they are gone.
func TestOldRowsGo(t *testing.T) {
	failures := 0
	for at := int64(1); ; at++ {
		dir := filepath.Join(t.TempDir(), "ledger")
		now := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
		f := &faults{err: syscall.EIO}
		l, err := OpenLedger(dir, f.system(), slog.New(slog.DiscardHandler), func() time.Time { return now })
		check(t, err)
		fillLog(t, l, 3)
		if err := l.DestroyRows("2026-11"); err == nil {
			t.Fatal("the rows of a month that goes on were destroyed")
		}
		now = now.AddDate(0, 1, 0)
		if at%2 == 0 {
			fillLog(t, l, 2) // else the file of November is the open one still
		} else if _, err := l.Append(Entry{Kind: EventStarted}); err != nil {
			t.Fatal(err)
		}
		f.left.Store(at)
		failed := l.DestroyRows("2026-11")
		done := f.left.Load() > 0
		f.left.Store(0)
		_, err = l.Checkpoint()
		check(t, err)
		if r := mustVerify(t, dir); len(r.Findings) != 0 {
			t.Fatalf("operation %d failed (%v): %+v", at, failed, r.Findings)
		}
		if months, err := l.RowMonths(); err != nil || failed != nil && !slices.Contains(months, "2026-11") && exists(filepath.Join(dir, rowsDir, "2026-11.jsonl.gone")) {
			t.Errorf("operation %d failed (%v): months %v, %v", at, failed, months, err)
		}
		check(t, l.DestroyRows("2026-11"))
		check(t, l.Close())
		if r := mustVerify(t, dir); len(r.Findings) != 0 || r.RowsGone != 3 {
			t.Fatalf("operation %d failed (%v), and again: %+v", at, failed, r)
		}
		if left, _ := filepath.Glob(filepath.Join(dir, rowsDir, "2026-11*")); len(left) > 0 {
			t.Errorf("operation %d failed: left is %v", at, left)
		}
		if done {
			break
		}
		failures++
	}
	if failures < 8 {
		t.Errorf("only %d operations failed", failures)
	}
}

// TestShreddedBytesAreOverwritten reads a file of several megabytes through a
// second name after it was given up.
func TestShreddedBytesAreOverwritten(t *testing.T) {
	dir := t.TempDir()
	name, second := filepath.Join(dir, "rows"), filepath.Join(dir, "second")
	check(t, os.WriteFile(name, bytes.Repeat([]byte("0105550101 "), 300_000), 0o600))
	if err := os.Link(name, second); err != nil {
		t.Skip("this file system has no second names: ", err)
	}
	check(t, System{}.orReal().giveUp(name))
	b, err := os.ReadFile(second)
	check(t, err)
	if len(b) != 3_300_000 || len(bytes.Trim(b, "\x00")) != 0 {
		t.Errorf("%d bytes, some of them are still there", len(b))
	}
}

func exists(name string) bool {
	_, err := os.Lstat(name)
	return err == nil
}

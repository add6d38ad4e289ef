package store

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestPowerCutAfterAKill: the daemon is killed at any moment of a seal, started
// again, and the power goes at any moment of its recovery. What the first one
// wrote and did not sync is still on its way to the disk then.
func TestPowerCutAfterAKill(t *testing.T) {
	withoutRaces(t)
	t.Parallel()
	l := live(t)
	sealing := func(op operation) bool {
		return strings.Contains(op.path, l.sealed) && strings.Contains(op.path, "vault")
	}
	first := slices.IndexFunc(l.r.log, sealing)
	last := slices.IndexFunc(l.r.log, func(op operation) bool { return op.kind == "done" && op.path == "sealed" })
	if first < 0 || last-first < 8 {
		t.Fatalf("the seal is operations %d to %d", first, last)
	}
	for n := first; n <= last; n++ {
		if !l.r.log[n].names() {
			continue
		}
		before := l.r.log[:n+1]
		log := slices.Concat(before, l.recovered(t, before))
		for m := n + 1; m < len(log); m++ {
			if !log[m].names() {
				continue
			}
			for seed := range uint64(4) { // of each, some survives
				dir := scratch(t)
				cut{log[:m+1], fates(seed)["mixed"]}.lay(t, dir)
				s, err := Open(Options{Dir: filepath.Join(dir, l.dir), SyncEvery: time.Hour, System: unsyncedSystem(), unsynced: true})
				check(t, err)
				check(t, s.Recover(t.Context()))
				if !l.check(t, s, promises(log[:m+1])) {
					t.Fatalf("killed after operation %d (%s %s), cut after %d (%s %s), seed %d",
						n, log[n].kind, log[n].path, m, log[m].kind, log[m].path, seed)
				}
				check(t, s.Close())
				check(t, os.RemoveAll(dir))
			}
		}
	}
}

// recovered starts the daemon where log ends by a kill, and returns what its
// recovery does.
func (l *life) recovered(t *testing.T, log []operation) []operation {
	dir := scratch(t)
	killed := cut{log, func() fate { return kept }}
	killed.lay(t, dir)
	r := newRecorder()
	r.next = l.r.next
	for path, inode := range killed.names() {
		if inode > 0 {
			r.paths[filepath.Join(dir, path)] = inode
		}
	}
	s, err := Open(Options{Dir: filepath.Join(dir, l.dir), SyncEvery: time.Hour, System: r.system(), unsynced: true})
	check(t, err)
	check(t, s.Recover(t.Context()))
	check(t, s.Close())
	for i := range r.log {
		op := &r.log[i]
		op.path, op.to = strings.TrimPrefix(op.path, dir), strings.TrimPrefix(op.to, dir)
	}
	return r.log
}

// names reports whether an operation changes names, or makes such changes last:
// what lies between two of them differs in what is torn, which the test of every
// point goes through.
func (op operation) names() bool {
	switch op.kind {
	case "create", "rename", "remove", "syncdir", "done":
		return true
	}
	return false
}

// scratch is a directory in memory where the system has one: the disk is the
// test's own, and a real one below would add nothing but time.
func scratch(t testing.TB) string {
	dir, err := os.MkdirTemp("/dev/shm", "siprecd-store-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { check(t, os.RemoveAll(dir)) })
	return dir
}

// names are the files and directories there are when everything is kept.
func (c cut) names() map[string]int {
	names := map[string]int{}
	for _, op := range c.log {
		switch op.kind {
		case "create":
			names[op.path] = op.inode
		case "rename":
			names[op.to] = names[op.path]
			delete(names, op.path)
		case "remove":
			delete(names, op.path)
		}
	}
	return names
}

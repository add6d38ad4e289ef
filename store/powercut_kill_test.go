package store

import (
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
		before := l.r.log[:n+1]
		log := slices.Concat(before, l.recovered(t, before))
		for m := n + 1; m < len(log); m++ {
			for seed := range uint64(4) { // of each, some survives
				dir := t.TempDir()
				cut{log[:m+1], fates(seed)["mixed"]}.lay(t, dir)
				s, err := Open(Options{Dir: filepath.Join(dir, l.dir), SyncEvery: time.Hour, System: unsyncedSystem(), unsynced: true})
				check(t, err)
				check(t, s.Recover(t.Context()))
				if !l.check(t, s, promises(log[:m+1])) {
					t.Fatalf("killed after operation %d (%s %s), cut after %d (%s %s), seed %d",
						n, log[n].kind, log[n].path, m, log[m].kind, log[m].path, seed)
				}
				check(t, s.Close())
			}
		}
	}
}

// recovered starts the daemon where log ends by a kill, and returns what its
// recovery does.
func (l *life) recovered(t *testing.T, log []operation) []operation {
	dir := t.TempDir()
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

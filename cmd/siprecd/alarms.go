package main

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"siprecd/store"
)

const (
	// alarmsLook is how often it is looked whether the ledger has to be told of a
	// state.
	alarmsLook = 10 * time.Second
	// calm is how long no call is refused, or the disk is better, before that is
	// told: who goes to and fro at a limit fills no ledger.
	calm = 10 * time.Minute
)

// States of the disk, as the ledger names them, and in order of their gravity.
const (
	diskWell    = "well"
	diskNearly  = "nearly-full"
	diskFull    = "full"    // new calls are refused
	diskSuspect = "suspect" // a sync failed: what this run recorded may be incomplete
)

var gravity = []string{diskWell, diskNearly, diskFull, diskSuspect}

// alarms tells the ledger when a state changes: the disk's, the keys', and whether
// new calls are refused. A storm is two leaves, its beginning and its end.
type alarms struct {
	store   *store.Store
	disk    func() string
	refused func() (n int64, why string) // so far, and why the last was
	keys    func() (trouble []string)
	log     *slog.Logger

	cancel context.CancelFunc // by close
	done   chan struct{}

	// Of the goroutine alone.
	diskWas string
	better  time.Time // since when the disk is better than it was; zero: it is not
	before  int64     // refused when this refusing began; what was told of
	counted int64     // refused at the last look
	at      time.Time
	amiss   int  // troubles with keys
	active  bool // calls are being refused, since the last look or not long before
}

// start begins the goroutine; close waits for it. It tells what is amiss from the
// start.
func (a *alarms) start() {
	ctx, cancel := context.WithCancel(context.Background())
	a.cancel, a.done, a.diskWas = cancel, make(chan struct{}), diskWell
	go a.run(ctx)
}

func (a *alarms) close() {
	a.cancel()
	<-a.done
}

func (a *alarms) run(ctx context.Context) {
	defer close(a.done)
	look := time.NewTicker(alarmsLook)
	defer look.Stop()
	for {
		a.lookAtDisk(time.Now())
		a.lookAtRefusals(time.Now())
		a.lookAtKeys()
		select {
		case <-ctx.Done():
			a.endRefusing() // what was refused until now is counted
			return
		case <-look.C:
		}
	}
}

func (a *alarms) lookAtDisk(now time.Time) {
	state := a.disk()
	worse := slices.Index(gravity, state) - slices.Index(gravity, a.diskWas)
	if worse >= 0 {
		a.better = time.Time{}
	} else if a.better.IsZero() {
		a.better = now
	}
	if worse == 0 || worse < 0 && now.Sub(a.better) < calm {
		return
	}
	a.better = time.Time{}
	a.store.Tell(store.Entry{Kind: store.EventDisk, Public: map[string]string{"state": state, "before": a.diskWas}})
	a.diskWas = state
}

// lookAtKeys counts: what is amiss, with the names of custodians, is for status.
func (a *alarms) lookAtKeys() {
	n := len(a.keys())
	if n == a.amiss {
		return
	}
	if n > a.amiss {
		a.log.Error("keys are damaged or missing: calls are recorded all the same; siprecd status says what to do", "side", "srs", "troubles", n)
	}
	a.store.Tell(store.Entry{Kind: store.EventKeys, Public: map[string]string{"troubles": strconv.Itoa(n), "before": strconv.Itoa(a.amiss)}})
	a.amiss = n
}

func (a *alarms) lookAtRefusals(now time.Time) {
	n, why := a.refused()
	switch {
	case n > a.counted:
		a.counted, a.at = n, now
		if !a.active {
			a.active = true
			a.tellRefusing("begin", why)
		}
	case a.active && now.Sub(a.at) >= calm:
		a.endRefusing()
	}
}

func (a *alarms) endRefusing() {
	n, why := a.refused()
	if a.counted = n; n > a.before {
		a.tellRefusing("end", why)
	}
	a.before, a.active = n, false
}

func (a *alarms) tellRefusing(phase, why string) {
	a.store.Tell(store.Entry{Kind: store.EventRefused, Public: map[string]string{
		"what": "calls", "phase": phase, "count": strconv.FormatInt(a.counted-a.before, 10), "reason": brief(why),
	}})
}

// brief is a reason as a leaf can hold it.
func brief(why string) string {
	why = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, why)
	return why[:min(len(why), 200)]
}

// diskState is what admission and status think of the disk.
func (d *daemon) diskState() string {
	if d.store.Err() != nil {
		return diskSuspect
	}
	free, total, err := d.store.Disk()
	switch {
	case err != nil:
		return diskSuspect
	case free < diskReserve:
		return diskFull
	case free < total/20:
		return diskNearly
	}
	return diskWell
}

// refusalPause is how long the same refusal is only counted after it was told.
const refusalPause = time.Minute

// refusals remembers which refusals of access the ledger was told of, so that who
// tries over and over fills no disk. Its zero value is ready.
type refusals struct {
	mu    sync.Mutex // guards the rest
	told  map[string]time.Time
	count map[string]int // since then
}

// again counts a refusal, and returns how many the ledger has to be told of now;
// 0: it was told of the same within refusalPause.
func (r *refusals) again(key string, now time.Time) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.told == nil {
		r.told, r.count = make(map[string]time.Time), make(map[string]int)
	}
	for old, at := range r.told {
		if now.Sub(at) >= refusalPause && r.count[old] == 0 && old != key {
			delete(r.told, old)
			delete(r.count, old)
		}
	}
	r.count[key]++
	if at, ok := r.told[key]; ok && now.Sub(at) < refusalPause {
		return 0
	}
	n := r.count[key]
	r.told[key], r.count[key] = now, 0
	return n
}

// refused tells the ledger of an access that was not allowed; other errors are no
// refusals. subject is a recording, or empty.
func (d *desk) refused(what, subject string, err error) {
	reason := ""
	switch {
	case errors.Is(err, store.ErrWrongIdentity):
		reason = "wrong-identity"
	case errors.Is(err, store.ErrLocked):
		reason = "locked"
	case errors.Is(err, store.ErrDead):
		reason = "destroyed"
	default:
		return
	}
	n := d.refusals.again(what+" "+reason+" "+subject, time.Now())
	if n == 0 {
		return
	}
	d.store.Tell(store.Entry{Kind: store.EventRefused, Subject: subject, Public: map[string]string{
		"what": what, "reason": reason, "count": strconv.Itoa(n),
	}})
}

package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"siprecd/cmd/siprecd/config"
	"siprecd/policy"
	"siprecd/store"
)

const (
	// nightLook is how often the keeper looks whether a day is over.
	nightLook = time.Minute
	// daysAhead is how many days' keys are made before they are needed.
	daysAhead = 7
)

// keeper lets days die when they are over, and makes the keys of days to come.
type keeper struct {
	store   *store.Store
	config  func() *config.Config
	now     func() time.Time
	running func() time.Duration // monotonic, whatever happens to now
	proofs  func() []policy.Proof
	failed  func(what string, err error) // told of what went wrong

	cancel context.CancelFunc // by close
	done   chan struct{}

	mu        sync.Mutex    // guards what follows
	since     time.Duration // of the last destruction, or the start, by running
	rowsSince time.Duration // the same of a month's readable rows
	believed  time.Time     // what the clock said when it was last believed; zero: not since the start
	then      time.Duration // by running
	left      time.Time     // when the ledger was last written to before the start; zero: never, or believed since
	confirmed store.Day     // an administrator confirmed the plan through this day
	traces    bool          // the catalogue's file may hold bytes of what died
	last      planned
	held, of  int       // recordings, on the day of counted
	counted   store.Day // "": a hold was placed or released since
}

// planned is a night, and what was known of the clock when it was planned.
type planned struct {
	policy.Night
	clock policy.Clock
}

// start begins the keeper's goroutine; close waits for it.
func (k *keeper) start() {
	ctx, cancel := context.WithCancel(context.Background())
	k.cancel, k.done = cancel, make(chan struct{})
	go k.run(ctx)
}

func (k *keeper) close() {
	k.cancel()
	<-k.done
}

func (k *keeper) run(ctx context.Context) {
	defer close(k.done)
	look := time.NewTicker(nightLook)
	defer look.Stop()
	for {
		if err := k.ahead(ctx); err != nil && ctx.Err() == nil {
			k.failed("keys of days to come", err)
		}
		if _, err := k.night(ctx); err != nil && ctx.Err() == nil {
			k.failed("retention", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		}
	}
}

// today is the site's date.
func (k *keeper) today() store.Day {
	return store.Day(k.now().In(k.config().Site.TimeZone).Format(time.DateOnly))
}

// ahead makes the keys that calls of the next days will be sealed to.
func (k *keeper) ahead(ctx context.Context) error {
	cfg := k.config()
	lengths := map[int]bool{cfg.Retention.Days: true}
	for _, days := range cfg.Retention.Extensions {
		lengths[days] = true
	}
	var errs []error
	for days := range lengths {
		first := policy.Dies(k.now(), days, cfg.Site.TimeZone)
		errs = append(errs, k.store.Keys.Ahead(ctx, store.Day(first), daysAhead))
	}
	return errors.Join(errs...)
}

// plan decides what would die now.
func (k *keeper) plan(ctx context.Context) (planned, error) {
	due, err := k.store.DueDays(ctx, k.today())
	if err != nil {
		return planned{}, err
	}
	days := make([]string, len(due))
	for i, d := range due {
		days[i] = string(d)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	clock, doubt := k.clock(), k.last.Doubt
	k.last = planned{policy.PlanNight(days, clock), clock}
	if k.last.Doubt != doubt {
		k.tellClock()
	}
	return k.last, nil
}

// clock gathers what is known of the time. k.mu is held.
func (k *keeper) clock() policy.Clock {
	wall, running := k.now().Round(0), k.running()
	if k.believed.IsZero() {
		k.believed, k.then = wall, running
	}
	c := policy.Clock{
		Wall: wall, Zone: k.config().Site.TimeZone, Newest: k.store.Ledger.Last(),
		Ran: running - k.since, Jumped: wall.Sub(k.believed) - (running - k.then),
		Proofs: k.proofs(), Confirmed: string(k.confirmed),
	}
	if !k.left.IsZero() {
		c.Away = k.believed.Sub(k.left)
	}
	if c.Proved() {
		k.believe(wall)
	}
	return c
}

// believe starts anew with what jumps are measured from. k.mu is held.
func (k *keeper) believe(wall time.Time) {
	k.believed, k.then, k.left = wall, k.running(), time.Time{}
}

// tellClock tells the ledger that the clock is in doubt, or no longer. The caller
// holds mu.
func (k *keeper) tellClock() {
	public := map[string]string{"doubt": strconv.FormatBool(k.last.Doubt), "waiting": strconv.Itoa(len(k.last.Wait))}
	if k.last.Doubt {
		public["reason"] = k.last.Why
	}
	k.store.Tell(store.Entry{Kind: store.EventClock, Public: public})
}

// night lets die what is due, oldest first.
func (k *keeper) night(ctx context.Context) ([]store.Deaths, error) {
	if err := k.count(ctx); err != nil {
		return nil, err
	}
	plan, err := k.plan(ctx)
	if err != nil {
		return nil, err
	}
	var all []store.Deaths
	var errs []error
	for _, d := range plan.Destroy {
		if ctx.Err() != nil {
			return all, context.Cause(ctx)
		}
		deaths, err := k.store.RetireDay(ctx, store.Day(d), k.today())
		if err != nil {
			errs = append(errs, err) // the other days are none the less over
		}
		k.mu.Lock()
		if k.traces = true; err == nil {
			k.since = k.running()
		}
		k.mu.Unlock()
		all = append(all, deaths)
	}
	return all, errors.Join(append(errs, k.oldRows(plan.clock), k.compact(ctx))...)
}

// count looks once a day, and after each hold, how many recordings are held.
func (k *keeper) count(ctx context.Context) error {
	today := k.today()
	k.mu.Lock()
	done := k.counted == today
	k.mu.Unlock()
	if done {
		return nil
	}
	held, of, err := k.store.HeldOf(ctx)
	if err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.held, k.of, k.counted = held, of, today
	return nil
}

// recount says that a hold was placed or released.
func (k *keeper) recount() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.counted = ""
}

// heldMost is the share of recordings that may be held: a hold is an exception,
// no second archive.
const heldMost = 0.01

// heldWarning says that too many are held; "": they are not.
func (k *keeper) heldWarning() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	if float64(k.held) <= heldMost*float64(k.of) {
		return ""
	}
	return fmt.Sprintf("%d of %d recordings are held, more than %g%%: a hold is no second archive (siprecd calls --held)", k.held, k.of, heldMost*100)
}

// compact rewrites the catalogue when it may hold traces.
func (k *keeper) compact(ctx context.Context) error {
	k.mu.Lock()
	traces := k.traces
	// What dies while it runs may leave traces in the new file.
	k.traces = false
	k.mu.Unlock()
	if !traces {
		return nil
	}
	err := k.store.Compact(ctx)
	if err != nil {
		k.ended()
	}
	return err
}

// ended tells the keeper that a recording died before its day.
func (k *keeper) ended() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.traces = true
}

// confirm lets the days through d die although the clock is in doubt.
func (k *keeper) confirm(d store.Day) error {
	if !d.Valid() {
		return fmt.Errorf("%q is not a day: write 2026-11-23", d)
	}
	today := k.today()
	if d > today {
		return fmt.Errorf("%s has not come: a day dies by itself when it has. The last that can be confirmed is today, %s", d, today)
	}
	k.store.Tell(store.Entry{Kind: store.EventClock, Public: map[string]string{"confirmed-through": string(d)}})
	k.mu.Lock()
	defer k.mu.Unlock()
	k.confirmed = d
	if d == today {
		k.believe(k.now().Round(0)) // the clock that says so is right
	}
	return nil
}

// warning says what keeps recordings longer than they should live; "" nothing.
func (k *keeper) warning() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.last.Wait) == 0 && !k.last.Doubt {
		return ""
	}
	if len(k.last.Wait) == 0 {
		return fmt.Sprintf("the clock is in doubt: %s: what falls due will wait (siprecd retention plan)", k.last.Why)
	}
	return fmt.Sprintf("retention waits with %d days, the first %s: %s (siprecd retention plan)", len(k.last.Wait), k.last.Wait[0], k.last.Why)
}

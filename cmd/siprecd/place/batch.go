package place

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"siprecd/sip"
)

// Batch places many calls over one SRC.
type Batch struct {
	Call  Call
	Each  func(i int) Call // when set, the i-th call instead of Call
	Count int              // how many; 0: 1
	Rate  float64          // calls begun per second; 0: 10
	Limit int              // at most so many at once; 0: no limit

	// Ended is told of every call that is over, one at a time; may be nil.
	Ended func(i int, r Result, err error)
}

// Totals sums up a Batch.
type Totals struct {
	OK      int            `json:"ok"`
	Failed  int            `json:"failed"`
	P50     time.Duration  `json:"p50"` // from INVITE to 200, nanoseconds
	P99     time.Duration  `json:"p99"`
	Packets int64          `json:"packets"`
	Unsent  int64          `json:"unsent"`
	Causes  map[string]int `json:"causes,omitempty"` // why calls failed
}

// Run places the calls and waits for all of them. When ctx ends no more are
// begun and those that stand are ended.
func (b Batch) Run(ctx context.Context) Totals {
	count := max(b.Count, 1)
	rate := b.Rate
	if rate <= 0 {
		rate = 10
	}
	limit := b.Limit
	if limit <= 0 {
		limit = count
	}
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex // guards t, took and calls of Ended
		t     = Totals{Causes: map[string]int{}}
		took  []time.Duration
		slots = make(chan struct{}, limit)
		begin = time.Now()
	)
	for i := range count {
		if !b.turn(ctx, begin.Add(time.Duration(float64(i)/rate*float64(time.Second))), slots) {
			mu.Lock()
			t.Failed += count - i
			t.Causes["not placed"] = count - i
			mu.Unlock()
			break
		}
		call := b.Call
		if b.Each != nil {
			call = b.Each(i)
		}
		wg.Go(func() {
			defer func() { <-slots }()
			r, err := call.Run(ctx)
			mu.Lock()
			defer mu.Unlock()
			t.add(r, err)
			if r.Took > 0 {
				took = append(took, r.Took)
			}
			if b.Ended != nil {
				b.Ended(i, r, err)
			}
		})
	}
	wg.Wait()
	t.P50, t.P99 = percentile(took, 50), percentile(took, 99)
	return t
}

// turn waits until the next call is due and there is room for it.
func (b Batch) turn(ctx context.Context, due time.Time, slots chan struct{}) bool {
	wait := time.NewTimer(time.Until(due))
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-ctx.Done():
		return false
	}
	select {
	case slots <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (t *Totals) add(r Result, err error) {
	t.Packets += r.Packets()
	for _, l := range r.Lines {
		t.Unsent += l.Unsent
	}
	if err == nil {
		t.OK++
		return
	}
	t.Failed++
	cause := err.Error()
	var refused *sip.StatusError
	if errors.As(err, &refused) { // without the Retry-After, which differs
		cause = fmt.Sprintf("%s answered %d %s", refused.Method, refused.Status, refused.Reason)
	}
	t.Causes[cause]++
}

// percentile returns the smallest value that p percent do not exceed.
func percentile(values []time.Duration, p int) time.Duration {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	return values[(len(values)*p+99)/100-1]
}

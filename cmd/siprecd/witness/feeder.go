package witness

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"siprecd/store"
)

// Feeder keeps a witness up to date with a ledger. Its fields are set before
// Start and then left alone.
type Feeder struct {
	Ledger *store.Ledger
	Target func() Target // as configured now
	Log    *slog.Logger

	send func(*http.Request) (*http.Response, error) // nil: over the network

	cancel context.CancelFunc // by Close
	done   chan struct{}
	wake   chan struct{} // holds one: look now

	// The next fields belong to run.
	asked   Target        // whom the rest is about
	next    time.Time     // not before
	backOff time.Duration // 0: the last attempt went well

	mu    sync.Mutex // guards what follows
	state State
	heard time.Time // when the newest cosignature of this run came; its monotonic reading counts

	alarmed bool // the log was told of this outage
}

// Target is the witness to feed.
type Target struct {
	URL string // without /add-checkpoint; "": there is none
	Key string // its verifier key
}

// State is how far a Feeder has come.
type State struct {
	URL      string
	Size     int64         // leaves that the witness cosigned
	At       time.Time     // when, by the witness's clock; zero: never
	Refused  store.Refusal // its Why is empty when no witness refuses
	Failing  time.Time     // since when it could not be asked; zero: the last attempt went well
	Failure  string        // of the last attempt
	Stranger bool          // the failure is of the configuration: time does not mend it
}

const (
	// look is how often the ledger is asked for news; it signs as often.
	look = 10 * time.Second
	// refresh is how old a cosignature may become without news.
	refresh = 10 * time.Minute
	// proofAge is how long a cosignature's time is worth something: two
	// refreshes may fail.
	proofAge = 3 * refresh
	// mostBackOff is the longest time between attempts that fail.
	mostBackOff = 5 * time.Minute
	// patience is how long a witness may take to answer.
	patience = 15 * time.Second
	// alarmAfter is how long a witness may be out of reach unnoticed.
	alarmAfter = time.Hour
)

// Start begins the feeder's goroutine; Close waits for it.
func (f *Feeder) Start() {
	ctx, cancel := context.WithCancel(context.Background())
	f.cancel, f.done, f.wake = cancel, make(chan struct{}), make(chan struct{}, 1)
	go f.run(ctx)
}

// Close ends it, also in the middle of a request.
func (f *Feeder) Close() {
	f.cancel()
	<-f.done
}

// Wake makes it look at once: the configuration changed.
func (f *Feeder) Wake() {
	select {
	case f.wake <- struct{}{}:
	default: // it will look anyway
	}
}

func (f *Feeder) run(ctx context.Context) {
	defer close(f.done)
	if f.send == nil {
		// A transport of its own: no connection outlives it, and no proxy of the
		// environment comes between two machines of one house.
		transport := &http.Transport{MaxIdleConns: 1, IdleConnTimeout: 2 * look, MaxResponseHeaderBytes: 8 << 10}
		defer transport.CloseIdleConnections()
		f.send = transport.RoundTrip
	}
	f.begin(f.Target())
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		f.step(ctx, time.Now())
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-f.wake:
			f.next = time.Time{}
		}
	}
}

// step feeds when there is a reason to.
func (f *Feeder) step(ctx context.Context, now time.Time) {
	target := f.Target()
	if target != f.asked {
		f.begin(target)
	}
	if target.URL == "" || now.Before(f.next) || !f.due(now) {
		return
	}
	err := f.feed(ctx, target)
	if ctx.Err() != nil {
		return // it was not the witness
	}
	if err == nil {
		f.next, f.backOff = time.Time{}, 0
	} else {
		f.backOff = min(max(look, 2*f.backOff), mostBackOff)
		f.next = now.Add(f.backOff)
	}
	f.note(err, now)
}

// begin turns to another witness, or to the first one.
func (f *Feeder) begin(target Target) {
	f.asked, f.next, f.backOff = target, time.Time{}, 0
	known, key := f.Ledger.Witnessed()
	f.mu.Lock()
	f.state, f.heard, f.alarmed = State{URL: target.URL, Refused: f.Ledger.Refused()}, time.Time{}, false
	if key != "" && key == target.Key {
		f.state.Size, f.state.At = known.Size, known.At
	}
	f.mu.Unlock()
	// What came since the last signature would wait for the next one.
	if target.URL != "" {
		if _, err := f.Ledger.Checkpoint(); err != nil {
			f.Log.Error("the ledger is not signed", "side", "srs", "reason", err)
		}
	}
}

// due says whether the ledger has news, or the cosignature is old.
func (f *Feeder) due(now time.Time) bool {
	signed := f.Ledger.Signed()
	f.mu.Lock()
	defer f.mu.Unlock()
	return signed.Note != nil && (f.heard.IsZero() || signed.Size > f.state.Size || now.Sub(f.heard) >= refresh)
}

// note keeps what came of an attempt, and says what is news: not each success,
// not each failure.
func (f *Feeder) note(err error, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	refused, isRefusal := errors.AsType[*refusedError](err)
	_, f.state.Stranger = errors.AsType[*strangerError](err)
	switch {
	case isRefusal:
		f.answered()
		news, err := f.Ledger.WitnessRefuses(refused.why)
		if news {
			f.Log.Error("the witness refuses what the ledger states; recording goes on", "side", "srs", "reason", refused.why)
		}
		f.unkept(err)
	case err == nil:
		f.answered()
		news, err := f.Ledger.WitnessAgrees()
		if news {
			f.Log.Warn("the witness agrees with the ledger again", "side", "srs")
		}
		f.unkept(err)
	default:
		f.state.Failure = err.Error()
		if f.state.Failing.IsZero() {
			f.state.Failing = now
			f.Log.Warn("the witness does not cosign; checkpoints wait for it", "side", "srs", "reason", err)
		}
		if !f.alarmed && now.Sub(f.state.Failing) >= alarmAfter {
			f.alarmed = true
			f.Log.Error("the witness has not cosigned for an hour", "side", "srs", "reason", err)
		}
	}
	f.state.Refused = f.Ledger.Refused()
}

// answered ends an outage. The caller holds mu.
func (f *Feeder) answered() {
	if !f.state.Failing.IsZero() {
		f.Log.Info("the witness answers again", "side", "srs")
	}
	f.state.Failing, f.state.Failure, f.alarmed = time.Time{}, "", false
}

func (f *Feeder) unkept(err error) {
	if err != nil {
		f.Log.Error("what the witness says is not kept", "side", "srs", "reason", err)
	}
}

// State returns how far it has come.
func (f *Feeder) State() State {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.state
}

// Ahead returns by how much this machine's clock is ahead of the witness's. Not
// ok: nothing was heard of it lately. Now is a fresh time.Now, whose monotonic
// reading says how long ago the witness spoke: a clock that was set since is
// found out.
func (f *Feeder) Ahead(now time.Time) (ahead time.Duration, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	age := now.Sub(f.heard)
	if f.heard.IsZero() || age > proofAge {
		return 0, false
	}
	return now.Round(0).Sub(f.state.At.Add(age)), true
}

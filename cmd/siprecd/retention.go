package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"siprecd/store"
)

// RetentionCmd is `siprecd retention`.
type RetentionCmd struct {
	Plan    RetentionPlanCmd    `cmd:"" default:"1" help:"What dies, night by night, and why what is held stays."`
	Confirm RetentionConfirmCmd `cmd:"" help:"Let days die although the clock is in doubt."`
}

// Help teaches by example.
func (RetentionCmd) Help() string {
	return `A recording lives through the 90th day after the day it ended, and is dead from
the first moment of the next. When the clock cannot be believed nothing dies. Two
other clocks that agree prove it: NTP, and the Date header of a [[src]] of the
configuration, where it came over a connection or within a call, at most a day ago.

  siprecd retention plan --days 90          night by night, and what is held
  siprecd retention confirm 2027-02-22      the clock is right: let them die.
                                            Not beyond today; the ledger is told`
}

// retentionPlan is the answer to `siprecd retention plan --json`.
type retentionPlan struct {
	Nights []plannedNight `json:"nights"`
	Clocks []otherClock   `json:"clocks"`        // all that were heard
	Proved bool           `json:"proved"`        // they prove this machine's
	Why    string         `json:"why,omitempty"` // what is due stays
}

// otherClock is what another clock says.
type otherClock struct {
	Name   string  `json:"name"`
	Behind float64 `json:"behind"` // by so many seconds it is behind this machine's; below 0: ahead of it
	Agrees bool    `json:"agrees"`
}

// plannedNight is one line of the plan.
type plannedNight struct {
	Day        store.Day `json:"day"`
	Recordings int       `json:"recordings"`
	Held       []held    `json:"held"`
	Due        bool      `json:"due"`           // its time has come
	Why        string    `json:"why,omitempty"` // it has come, and the day stays
}

type held struct {
	ID   string     `json:"id"`
	Hold store.Hold `json:"hold"`
}

// RetentionPlanCmd is `siprecd retention plan`.
type RetentionPlanCmd struct {
	Days int  `default:"30" help:"How many days to look ahead."`
	JSON bool `help:"Print it as JSON."`
}

// Run prints the plan.
func (c *RetentionPlanCmd) Run(g *Globals) error {
	var plan retentionPlan
	if err := g.ask("GET", "/retention", url.Values{"days": {fmt.Sprint(c.Days)}}, nil, &plan); err != nil {
		return err
	}
	if c.JSON {
		enc := json.NewEncoder(g.out())
		enc.SetIndent("", "  ")
		return enc.Encode(plan)
	}
	plan.printNights(g.out(), c.Days)
	plan.printClocks(g.out())
	return nil
}

func (p *retentionPlan) printNights(w io.Writer, days int) {
	if len(p.Nights) == 0 {
		fmt.Fprintf(w, "nothing dies within %d days\n", days)
		return
	}
	fmt.Fprintf(w, "%-12s %10s %5s  %s\n", "DIES ON", "RECORDINGS", "HELD", "")
	for _, n := range p.Nights {
		note := ""
		if n.Due && n.Why != "" {
			note = "stays"
		}
		fmt.Fprintf(w, "%-12s %10d %5d  %s\n", n.Day, n.Recordings, len(n.Held), note)
		for _, h := range n.Held {
			fmt.Fprintf(w, "  %s held until %s\n", h.ID, h.Hold.Until)
			printItem(w, "", fmt.Sprintf("by %s: %s (%s)", h.Hold.By, h.Hold.Reason, h.Hold.Document))
		}
	}
}

// printClocks prints what the other clocks say, and whether that is enough.
func (p *retentionPlan) printClocks(w io.Writer) {
	fmt.Fprintf(w, "\n%-32s %s\n", "CLOCK", "SAYS")
	for _, c := range p.Clocks {
		fmt.Fprintf(w, "%-32s %s\n", clip(c.Name, 32), c.says())
	}
	if len(p.Clocks) == 0 {
		fmt.Fprintln(w, "no other clock is known: no NTP, and no [[src]] that sends its Date")
	}
	if p.Why != "" {
		printItem(w, "why", p.Why)
	}
	if !p.Proved {
		fmt.Fprintln(w, "it takes two that agree with this machine's clock to prove it")
	}
}

// says is the clock's reading in at most 47 columns.
func (c *otherClock) says() string {
	by := time.Duration(c.Behind * float64(time.Second)).Abs().Round(time.Second)
	switch {
	case c.Agrees && by == 0:
		return "agrees"
	case c.Agrees && c.Behind > 0:
		return fmt.Sprintf("agrees, %v behind", by)
	case c.Agrees:
		return fmt.Sprintf("agrees, %v ahead", by)
	case c.Behind > 0:
		return fmt.Sprintf("%v behind this machine's clock", by)
	}
	return fmt.Sprintf("%v ahead of this machine's clock", by)
}

// RetentionConfirmCmd is `siprecd retention confirm`.
type RetentionConfirmCmd struct {
	Through string `arg:"" help:"The last day that may die: 2026-11-23."`
}

// Run confirms.
func (c *RetentionConfirmCmd) Run(g *Globals) error {
	if err := g.ask("POST", "/retention/confirm", url.Values{"through": {c.Through}}, nil, nil); err != nil {
		return err
	}
	fmt.Fprintf(g.out(), "what is due through %s dies now\n", c.Through)
	return nil
}

// HoldCmd is `siprecd hold`.
type HoldCmd struct {
	ID       string `arg:"" help:"The recording's id, or the beginning of it."`
	Reason   string `required:"" help:"Why it must be kept."`
	Document string `required:"" help:"Number of the document that orders it."`
	By       string `required:"" help:"Who orders it."`
	Until    string `required:"" help:"The day with which the hold ends by itself: 2027-06-30."`
}

// Help teaches by example.
func (HoldCmd) Help() string {
	return `A hold keeps one recording, and lets the rest of its day die. It ends by itself.

  siprecd hold 01KAXB --reason dispute --document 2026-117 \
      --by "audit office" --until 2027-06-30`
}

// Run holds the recording.
func (c *HoldCmd) Run(g *Globals) error {
	v := url.Values{"reason": {c.Reason}, "document": {c.Document}, "by": {c.By}, "until": {c.Until}}
	var row store.Row
	if err := g.ask("POST", "/hold/"+url.PathEscape(c.ID), v, nil, &row); err != nil {
		return err
	}
	fmt.Fprintf(g.out(), "%s is held until %s\n", row.ID, row.Hold.Until)
	return nil
}

// ReleaseCmd is `siprecd release`.
type ReleaseCmd struct {
	ID string `arg:"" help:"The recording's id, or the beginning of it."`
}

// Help teaches by example.
func (ReleaseCmd) Help() string {
	return `A recording whose day has passed dies the next night.

  siprecd release 01KAXB`
}

// Run ends the hold.
func (c *ReleaseCmd) Run(g *Globals) error {
	var row store.Row
	if err := g.ask("DELETE", "/hold/"+url.PathEscape(c.ID), nil, nil, &row); err != nil {
		return err
	}
	dies := row.Dies
	if row.Hold != nil { // its day has passed
		dies = row.Hold.Until
	}
	fmt.Fprintf(g.out(), "%s is released; it dies on %s\n", row.ID, dies)
	return nil
}

// DeleteCmd is `siprecd delete`.
type DeleteCmd struct {
	ID  string `arg:"" help:"The recording's id, whole."`
	Why string `required:"" help:"Why, for whoever reads the ledger: \"consent refused\"."`
}

// Help teaches by example.
func (DeleteCmd) Help() string {
	return `Its key is destroyed first: whatever copies of the audio there are, none opens any
more, but with a copy of the keys (backup --with-keys). The reason stands beside the
ledger, for as long as it keeps what can be read.

  siprecd delete 01KAXB5ZST04VZBYSG8Q6NZAH --why "consent refused"`
}

// Run ends the recording.
func (c *DeleteCmd) Run(g *Globals) error {
	var gone destroyed
	if err := g.ask("POST", "/delete/"+url.PathEscape(c.ID), url.Values{"why": {c.Why}}, nil, &gone); err != nil {
		return err
	}
	if gone.KeyCopies == 0 {
		fmt.Fprintf(g.out(), "%s is destroyed: nothing opens it any more, copies in backups neither\n", gone.ID)
		return nil
	}
	fmt.Fprintf(g.out(), "%s is destroyed here. Copies of the keys that were made\n", gone.ID)
	fmt.Fprintf(g.out(), "(backup --with-keys: %d) may open it in a backup yet: destroy it there too\n", gone.KeyCopies)
	return nil
}

func (d *desk) retentionRoutes(mux *http.ServeMux) {
	for route, serve := range map[string]func(r *http.Request) (any, error){
		"GET /retention":          d.retentionPlan,
		"POST /retention/confirm": d.retentionConfirm,
		"POST /hold/{id}":         d.hold,
		"DELETE /hold/{id}":       d.release,
		"POST /delete/{id}":       d.delete,
	} {
		mux.HandleFunc(route, func(w http.ResponseWriter, r *http.Request) {
			v, err := serve(r)
			switch {
			case errors.Is(err, store.ErrNotFound):
				http.Error(w, fmt.Sprintf("no recording %q; siprecd calls lists them", r.PathValue("id")), http.StatusNotFound)
			case err != nil:
				http.Error(w, err.Error(), http.StatusConflict)
			default:
				answer(w, v)
			}
		})
	}
}

var errNoKeeper = errors.New("no siprecd runs on this data directory: only a running one lets recordings die")

func (d *desk) retentionPlan(r *http.Request) (any, error) {
	if d.keeper == nil {
		return nil, errNoKeeper
	}
	ahead, err := time.ParseDuration(r.FormValue("days") + "h")
	if err != nil {
		return nil, fmt.Errorf("days: %w", err)
	}
	today := d.keeper.today()
	night, err := d.keeper.plan(r.Context())
	if err != nil {
		return nil, err
	}
	until := store.Day(d.keeper.now().Add(24 * ahead).In(d.keeper.config().Site.TimeZone).Format(time.DateOnly))
	days, err := d.store.DaysThrough(r.Context(), until)
	if err != nil {
		return nil, err
	}
	plan := retentionPlan{Nights: []plannedNight{}, Clocks: []otherClock{}, Proved: night.clock.Proved(), Why: night.Why}
	for _, p := range night.clock.Proofs {
		plan.Clocks = append(plan.Clocks, otherClock{Name: p.Name, Behind: p.Error.Seconds(), Agrees: p.Agrees()})
	}
	for _, day := range days {
		n := plannedNight{Day: day, Held: []held{}, Due: day <= today}
		if err := d.planned(r.Context(), &n, today); err != nil {
			return nil, err
		}
		if slices.Contains(night.Wait, string(day)) {
			n.Why = night.Why
		}
		if n.Recordings > 0 || n.Due {
			plan.Nights = append(plan.Nights, n)
		}
	}
	return plan, nil
}

// planned counts what dies on a day; only what is held is read.
func (d *desk) planned(ctx context.Context, n *plannedNight, today store.Day) error {
	all, err := d.store.Catalog.Count(ctx, store.Query{Dies: n.Day})
	if err != nil {
		return err
	}
	gone, err := d.store.Catalog.Count(ctx, store.Query{Dies: n.Day, States: []store.State{store.Deleted}})
	if err != nil {
		return err
	}
	n.Recordings = all - gone
	for row, err := range d.store.Catalog.Find(ctx, store.Query{Dies: n.Day, Held: true}) {
		if err != nil {
			return err
		}
		if row.State != store.Deleted && today < row.Hold.Until {
			n.Held = append(n.Held, held{row.ID, *row.Hold})
		}
	}
	return nil
}

func (d *desk) retentionConfirm(r *http.Request) (any, error) {
	if d.keeper == nil {
		return nil, errNoKeeper
	}
	if err := d.keeper.confirm(store.Day(r.FormValue("through"))); err != nil {
		return nil, err
	}
	return d.keeper.night(r.Context())
}

func (d *desk) hold(r *http.Request) (any, error) {
	row, err := d.one(r)
	if err != nil {
		return nil, err
	}
	if d.keeper != nil {
		defer d.keeper.recount()
	}
	return d.store.Hold(r.Context(), row.ID, store.Hold{
		Reason: r.FormValue("reason"), Document: r.FormValue("document"), By: r.FormValue("by"),
		Since: time.Now().UTC(), Until: store.Day(r.FormValue("until")),
	}, d.today())
}

// today is the site's date, or without a daemon, when nothing dies either, that
// of UTC.
func (d *desk) today() store.Day {
	if d.keeper != nil {
		return d.keeper.today()
	}
	return store.Day(time.Now().UTC().Format(time.DateOnly))
}

func (d *desk) release(r *http.Request) (any, error) {
	row, err := d.one(r)
	if err != nil {
		return nil, err
	}
	if d.keeper != nil {
		defer d.keeper.recount()
	}
	return d.store.Release(r.Context(), row.ID, d.today())
}

// delete takes whole ids only: what is destroyed cannot be brought back.
func (d *desk) delete(r *http.Request) (any, error) {
	row, err := d.store.Catalog.Get(r.Context(), r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	switch {
	case row.State == store.Live || row.State == store.Ending:
		return nil, fmt.Errorf("%s is %s: it can be destroyed when it is sealed", row.ID, row.State)
	case row.State == store.Deleted:
		return nil, fmt.Errorf("%s is destroyed already", row.ID)
	case strings.TrimSpace(r.FormValue("why")) == "":
		return nil, errors.New("say why, for the ledger")
	}
	if err := d.store.Retire(r.Context(), row, r.FormValue("why"), d.today()); err != nil {
		return nil, err
	}
	if d.keeper != nil {
		d.keeper.ended()
	} else if err := d.store.Compact(r.Context()); err != nil {
		return nil, err
	}
	copies, err := d.store.Keys.Copies()
	if err != nil {
		return nil, fmt.Errorf("%s is destroyed here; whether copies of the keys were made cannot be read: %w", row.ID, err)
	}
	return destroyed{row.ID, len(copies)}, nil
}

// destroyed is the answer to `siprecd delete`.
type destroyed struct {
	ID        string `json:"id"`
	KeyCopies int    `json:"key_copies"` // backups that hold keys of recordings
}

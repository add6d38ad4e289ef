package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"siprecd/cmd/siprecd/recorder"
	"siprecd/store"
)

// RenderCmd is `siprecd render`.
type RenderCmd struct {
	Waiting bool `help:"Render all that waits and can be rendered now." required:""`
	JSON    bool `help:"Print a JSON array: id, rendered, waiting_for, why."`
}

// Help is shown below the usage.
func (RenderCmd) Help() string {
	return `A call in a codec that only ffmpeg decodes waits, sealed as it was received, when
there is no ffmpeg: its state is "waiting", and siprecd calls says for what.

  apt install ffmpeg
  siprecd keys unlock          what is sealed must be opened to be rendered
  siprecd render --waiting

The recorder does the same when keys are unlocked, and after siprecd reload.
Exit status: 0 nothing waits any more, 1 something does.`
}

// Run has the daemon do it.
func (c *RenderCmd) Run(g *Globals) error {
	cfg, err := g.place()
	if err != nil {
		return err
	}
	cl, err := dial(cfg.Data.Dir, false)
	if err != nil {
		return err
	}
	defer cl.Close()
	body, err := cl.do("POST", "/render", nil)
	if err != nil {
		return err
	}
	defer body.Close()
	done := []recorder.Waited{}
	if err := json.NewDecoder(body).Decode(&done); err != nil {
		return err
	}
	left := 0
	for _, w := range done {
		if !w.Rendered {
			left++
		}
	}
	if c.JSON {
		err = printJSON(g.out(), done)
	} else {
		for _, w := range done {
			if w.Rendered {
				fmt.Fprintf(g.out(), "%s  rendered\n", w.ID)
			} else {
				fmt.Fprintf(g.out(), "%s  waits: %s\n", w.ID, w.Why)
			}
		}
		fmt.Fprintf(g.out(), "%s rendered, %d still waiting\n", plural(len(done)-left, "call"), left)
	}
	if err == nil && left > 0 {
		return exitError{1}
	}
	return err
}

func (d *desk) serveRender(w http.ResponseWriter, r *http.Request) {
	if d.retry == nil {
		http.Error(w, "no siprecd runs on this data directory: it renders when it runs and its keys are unlocked", http.StatusServiceUnavailable)
		return
	}
	done, err := d.retry(r.Context())
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	answer(w, append([]recorder.Waited{}, done...))
}

// retry renders what waits, with what decodes now.
func (d *daemon) retry(ctx context.Context) ([]recorder.Waited, error) {
	d.adopt(d.cfg.Load())
	return d.rec.RenderWaiting(ctx)
}

// waitingWarning says that something waits, and for what.
func (d *daemon) waitingWarning() (warnings []string) {
	decoder, custodian, repair := 0, 0, 0
	var failed error
	for row, err := range d.store.Catalog.Find(context.Background(), store.Query{States: []store.State{store.Waiting}}) {
		switch {
		case err != nil:
			failed = errors.Join(failed, err)
		case slices.Contains(row.WaitingFor, recorder.Repair):
			repair++
		case row.Original != nil:
			decoder++
		default:
			custodian++
		}
	}
	if failed != nil {
		return []string{"catalogue: " + failed.Error()}
	}
	if decoder > 0 {
		warnings = append(warnings, plural(decoder, "call")+" waiting for a decoder (siprecd render --waiting)")
	}
	if repair > 0 {
		warnings = append(warnings, plural(repair, "call")+" whose tape is damaged: nothing of it can be heard, and it dies on its day (siprecd calls --json says more)")
	}
	if custodian > 0 {
		warnings = append(warnings, plural(custodian, "call")+" waiting for a custodian: what a power cut interrupted, only they can open (siprecd keys unlock)")
	}
	return warnings
}

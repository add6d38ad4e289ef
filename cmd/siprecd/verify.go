package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"siprecd/store"
)

// VerifyCmd is `siprecd verify`.
type VerifyCmd struct {
	Bundle         string `arg:"" optional:"" placeholder:"CASE.ZIP" help:"Check this bundle instead of the data directory. Needs nothing but the file, and what opens it."`
	PassphraseFile string `placeholder:"FILE" help:"The bundle's passphrase is the first line of FILE. Without this and --identity it is asked for."`
	Identity       string `placeholder:"FILE" help:"An age identity file that opens the bundle."`
	Key            string `help:"The public key of the ledger as it is known from elsewhere: the bundle must be signed with it."`

	Since  string  `help:"Read only recordings sealed from this time on: 2026-11-23, or 24h (ago)." placeholder:"TIME"`
	Sample float64 `help:"Read only this share of the recordings, by chance: 0.1 is a tenth." placeholder:"SHARE"`
	JSON   bool    `help:"Print it as JSON."`
}

// Help teaches by example.
func (VerifyCmd) Help() string {
	return `The data directory needs no key, and without a daemon on it nothing is written
there. Exit status 1 when anything is missing, altered, added or out of order.

  siprecd verify
  siprecd verify --since 24h
  siprecd verify --sample 0.1 --json
  siprecd verify case.zip                 a bundle: offline, step by step`
}

// Run prints what is missing, altered, added or out of order.
func (c *VerifyCmd) Run(g *Globals) error {
	if c.Bundle != "" {
		return c.bundle(g)
	}
	if !(c.Sample >= 0 && c.Sample <= 1) {
		return fmt.Errorf("--sample %g: a share of the recordings is 0 < SHARE <= 1: 0.1 is a tenth", c.Sample)
	}
	cfg, err := g.place()
	if err != nil {
		return err
	}
	since, err := readTime(c.Since, cfg.Site.TimeZone, time.Now())
	if err != nil {
		return fmt.Errorf("--since: %w", err)
	}
	found, err := c.look(cfg.Data.Dir, since)
	if err != nil {
		return err
	}
	return printVerification(g, found, c.JSON)
}

// look has the daemon of a data directory verify it. Where none runs nothing is
// written there, not even what a daemon would mend.
func (c *VerifyCmd) look(dir string, since time.Time) (found store.Verification, err error) {
	cl, err := running(dir)
	if err != nil {
		return found, err
	}
	if cl == nil {
		return store.VerifyDir(context.Background(), dir, store.VerifyOptions{Since: since, Sample: c.Sample})
	}
	defer cl.Close()
	v := url.Values{"sample": {strconv.FormatFloat(c.Sample, 'g', -1, 64)}}
	if !since.IsZero() {
		v.Set("since", since.Format(time.RFC3339Nano))
	}
	err = cl.ask("GET", "/verify", v, nil, &found)
	return found, err
}

func printVerification(g *Globals, found store.Verification, asJSON bool) error {
	if asJSON {
		if err := printJSON(g.out(), verificationOf(found)); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(g.out(), "ledger      %d leaves, %d checkpoints, %d readable rows\n", found.Leaves, found.Checkpoints, found.Rows)
		fmt.Fprintf(g.out(), "recordings  %d read, %s, %d destroyed in their time\n", found.Recordings, gib(uint64(found.Bytes)), found.Gone)
		if w := found.Witnessed; w.Note != nil {
			fmt.Fprintf(g.out(), "witness     leaves 0-%d cosigned on %s by\n            %s\n", w.Size-1, w.At.Format(time.RFC3339), w.Witness)
		}
		for _, f := range found.Findings {
			printItem(g.out(), fmt.Sprintf("%-12s", f.What), f.Where+": "+f.Detail)
		}
		fmt.Fprintf(g.out(), "%d findings\n", len(found.Findings))
	}
	if len(found.Findings) > 0 {
		return exitError{1}
	}
	return nil
}

// verification is the JSON of `siprecd verify` and `siprecd restore`. Its field
// names are a contract: added to, never renamed.
type verification struct {
	Leaves      int64             `json:"leaves"`
	Checkpoints int               `json:"checkpoints"`
	Rows        int               `json:"rows"`
	RowsGone    int               `json:"rows_gone"`
	RowsLoose   int               `json:"rows_loose"`
	Newest      *statedCheckpoint `json:"newest,omitempty"`
	Witnessed   *statedCheckpoint `json:"witnessed,omitempty"`
	Recordings  int               `json:"recordings"`
	Bytes       int64             `json:"bytes"`
	Gone        int               `json:"gone"`
	Findings    []store.Finding   `json:"findings"`
}

// statedCheckpoint is a state of the ledger.
type statedCheckpoint struct {
	Leaves int64     `json:"leaves"`
	Root   string    `json:"root"`
	Time   time.Time `json:"time"`
	Key    string    `json:"key,omitempty"` // of the witness
}

func verificationOf(v store.Verification) verification {
	out := verification{
		Leaves: v.Leaves, Checkpoints: v.Checkpoints, Rows: v.Rows, RowsGone: v.RowsGone, RowsLoose: v.RowsLoose,
		Recordings: v.Recordings, Bytes: v.Bytes, Gone: v.Gone, Findings: append([]store.Finding{}, v.Findings...),
	}
	if c := v.Newest; c.Note != nil {
		out.Newest = &statedCheckpoint{Leaves: c.Size, Root: c.Root.String(), Time: c.Time}
	}
	if w := v.Witnessed; w.Note != nil {
		out.Witnessed = &statedCheckpoint{Leaves: w.Size, Root: w.Root.String(), Time: w.At, Key: w.Witness}
	}
	return out
}

func (d *desk) serveVerify(w http.ResponseWriter, r *http.Request) {
	o := store.VerifyOptions{}
	var err error
	if s := r.FormValue("since"); s != "" {
		o.Since, err = time.Parse(time.RFC3339Nano, s)
	}
	if s := r.FormValue("sample"); s != "" && err == nil {
		o.Sample, err = strconv.ParseFloat(s, 64)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	// What was appended until now is looked at against a signature too.
	if _, err := d.store.Ledger.Checkpoint(); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	found, err := d.store.Verify(r.Context(), o)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	answer(w, found)
}

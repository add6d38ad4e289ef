package main

import (
	"fmt"
	"io"
	"time"

	"siprecd/cmd/siprecd/witness"
	"siprecd/policy"
)

// ledgerStatus is what status says of the ledger.
type ledgerStatus struct {
	Leaves     int64              `json:"leaves"`
	Key        string             `json:"key"` // its verifier key
	Checkpoint *checkpointStatus  `json:"checkpoint,omitempty"`
	Witness    *witnessFeedStatus `json:"witness,omitempty"` // absent: none is configured
}

type checkpointStatus struct {
	Leaves int64     `json:"leaves"`
	Root   string    `json:"root"`
	At     time.Time `json:"at"`
}

type witnessFeedStatus struct {
	URL     string    `json:"url"`
	Leaves  int64     `json:"leaves"`      // that it cosigned
	At      time.Time `json:"at,omitzero"` // when, by its clock; absent: never
	Refused string    `json:"refused,omitempty"`
	Since   time.Time `json:"since,omitzero"` // of the refusal, or of the failures
	Failure string    `json:"failure,omitempty"`
}

// witnessTarget is the witness as it is configured now.
func (d *daemon) witnessTarget() witness.Target {
	l := d.cfg.Load().Ledger
	return witness.Target{URL: l.Witness, Key: l.WitnessKey}
}

// witnessClock is the witness's clock, when it was heard lately.
func (d *daemon) witnessClock() []policy.Proof {
	ahead, ok := d.feeder.Ahead(time.Now())
	if !ok {
		return nil
	}
	return []policy.Proof{{Name: "witness", Error: ahead}}
}

func (d *daemon) ledgerStatus() ledgerStatus {
	l := d.store.Ledger
	s := ledgerStatus{Leaves: l.Size(), Key: l.VerifierKey()}
	if c := l.Signed(); c.Note != nil {
		s.Checkpoint = &checkpointStatus{Leaves: c.Size, Root: c.Root.String(), At: c.Time}
	}
	f := d.feeder.State()
	if f.URL == "" {
		return s
	}
	s.Witness = &witnessFeedStatus{URL: f.URL, Leaves: f.Size, At: f.At, Refused: f.Refused.Why, Since: f.Refused.Since, Failure: f.Failure}
	if f.Refused.Why == "" {
		s.Witness.Since = f.Failing
	}
	return s
}

func leaves(n int64) string {
	if n == 1 {
		return "1 leaf"
	}
	return fmt.Sprintf("%d leaves", n)
}

func (s *ledgerStatus) print(w io.Writer, loc *time.Location, now time.Time) {
	line := leaves(s.Leaves)
	if c := s.Checkpoint; c != nil {
		line += fmt.Sprintf(", signed up to %d at %s", c.Leaves, c.At.In(loc).Format("01-02 15:04:05 MST"))
	}
	fmt.Fprintf(w, "ledger   %s; its key:\n%s\n", line, s.Key)
	t := s.Witness
	if t == nil {
		return
	}
	line = "has cosigned nothing yet"
	if !t.At.IsZero() {
		line = fmt.Sprintf("cosigned %s, %s ago", leaves(t.Leaves), now.Sub(t.At).Round(time.Second))
	}
	switch {
	case t.Refused != "":
		line += "; REFUSES what came since"
	case t.Failure != "":
		line += ", and fails for " + now.Sub(t.Since).Round(time.Second).String() + ": " + t.Failure
	}
	printItem(w, "witness", t.URL+" "+line)
}

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"siprecd/store"
)

// status is the answer to `siprecd status --json`.
type status struct {
	Version  string        `json:"version"`
	Started  time.Time     `json:"started"`
	Draining bool          `json:"draining"`
	Listen   []string      `json:"listen"`
	Config   configStatus  `json:"config"`
	Sources  []srcStatus   `json:"sources"`
	Live     []store.Row   `json:"live"`
	Disk     diskStatus    `json:"disk"`
	Calls    int           `json:"calls"`
	Ledger   ledgerStatus  `json:"ledger"`
	Scrub    *scrubStatus  `json:"scrub"` // null: there was none yet
	Errors   []recentError `json:"errors"`
	Warnings []string      `json:"warnings"`
}

type configStatus struct {
	File   string    `json:"file"`
	Loaded time.Time `json:"loaded"`
	Policy string    `json:"policy"`
	Error  string    `json:"error,omitempty"` // of the last reload: the file on disk is not in force
}

type srcStatus struct {
	Name        string    `json:"name"`
	Address     string    `json:"address"`
	LastHeard   time.Time `json:"last_heard,omitzero"`
	Requests    int64     `json:"requests"`
	Refused     int64     `json:"refused"`
	ParseErrors int64     `json:"parse_errors"`
	Live        int       `json:"live"`
}

type diskStatus struct {
	Dir   string `json:"dir"`
	Free  uint64 `json:"free"`
	Total uint64 `json:"total"`
	Error string `json:"error,omitempty"`
}

type recentError struct {
	At   time.Time `json:"at"`
	Text string    `json:"text"`
}

// StatusCmd is `siprecd status`.
type StatusCmd struct {
	JSON bool `help:"Print it as JSON."`
}

// Help is shown below the usage.
func (StatusCmd) Help() string {
	return `What the running recorder listens to, which configuration is in force, who was
heard when, live calls, the disk, the ledger and its key, warnings and the last
errors.

  siprecd status
  siprecd status --json
  watch siprecd status`
}

// Run prints one screen.
func (c *StatusCmd) Run(g *Globals) error {
	cfg, err := g.place()
	if err != nil {
		return err
	}
	cl, err := dial(cfg.Data.Dir, false)
	if err != nil {
		return err
	}
	defer cl.Close()
	body, err := cl.do("GET", "/status", url.Values{})
	if err != nil {
		return err
	}
	defer body.Close()
	if c.JSON {
		_, err := io.Copy(g.out(), body)
		return err
	}
	var s status
	if err := json.NewDecoder(body).Decode(&s); err != nil {
		return err
	}
	s.print(g.out(), cfg.Site.TimeZone, time.Now())
	return nil
}

func (s *status) print(w io.Writer, loc *time.Location, now time.Time) {
	fmt.Fprintf(w, "siprecd %s, up %s\n", s.Version, now.Sub(s.Started).Round(time.Second))
	if s.Draining {
		fmt.Fprintln(w, "DRAINING no new calls are taken; it ends with the live ones")
	}
	printItem(w, "listen", joinOr(s.Listen, "nothing"))
	fmt.Fprintf(w, "config   %s, read %s\n", orDefault(s.Config.File, "built-in defaults"), s.Config.Loaded.In(loc).Format("01-02 15:04:05 MST"))
	fmt.Fprintf(w, "policy   %s\n", s.Config.Policy)
	if s.Config.Error != "" {
		fmt.Fprintf(w, "CONFIG   the file on disk is NOT in force:\n%s\n", strings.TrimSpace(s.Config.Error))
	}
	fmt.Fprintf(w, "disk     %s free of %s, %s\n", gib(s.Disk.Free), gib(s.Disk.Total), s.Disk.Dir)
	if s.Disk.Error != "" {
		fmt.Fprintf(w, "DISK     %s\n", s.Disk.Error)
	}
	for _, t := range s.Warnings {
		printItem(w, "WARNING", t)
	}
	s.Ledger.print(w, loc, now)
	printItem(w, "scrub", s.Scrub.line(loc))
	fmt.Fprintf(w, "calls    %d in the catalogue, %d live\n", s.Calls, len(s.Live))
	fmt.Fprintf(w, "\n%-16s %-22s %-14s %8s %7s %5s\n", "SRC", "ADDRESS", "LAST HEARD", "REQUESTS", "REFUSED", "LIVE")
	if len(s.Sources) == 0 {
		fmt.Fprintln(w, "nobody has been heard yet")
	}
	for _, src := range s.Sources {
		heard := "never"
		if !src.LastHeard.IsZero() {
			heard = now.Sub(src.LastHeard).Round(time.Second).String() + " ago"
		}
		fmt.Fprintf(w, "%-16s %-22s %-14s %8d %7d %5d\n", clip(src.Name, 16), clip(src.Address, 22), heard, src.Requests, src.Refused, src.Live)
	}
	if len(s.Live) > 0 {
		fmt.Fprintln(w)
		printRows(w, s.Live, loc)
	}
	if len(s.Errors) > 0 {
		fmt.Fprintln(w, "\nlast errors")
		for _, e := range s.Errors {
			printItem(w, e.At.In(loc).Format("01-02 15:04:05"), e.Text)
		}
	}
}

// printItem prints a text under a word at its left, in lines of 80 columns.
func printItem(w io.Writer, name, text string) {
	indent := max(8, len(name))
	width := 80 - indent - 1
	line := ""
	for word := range strings.FieldsSeq(printable(text)) {
		if line != "" && columns(line)+1+columns(word) > width {
			fmt.Fprintf(w, "%-*s %s\n", indent, name, line)
			name, line = "", ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	fmt.Fprintf(w, "%-*s %s\n", indent, name, line)
}

func gib(n uint64) string { return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30)) }

func orDefault(s, def string) string {
	if s == "" {
		return def
	}
	return s
}

func joinOr(ss []string, def string) string {
	if len(ss) == 0 {
		return def
	}
	out := ss[0]
	for _, s := range ss[1:] {
		out += ", " + s
	}
	return out
}

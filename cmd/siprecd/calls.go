package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"time"

	"siprecd/media"
	"siprecd/store"
)

// CallsCmd is `siprecd calls`.
type CallsCmd struct {
	ID        string `arg:"" optional:"" help:"One recording, by its id or the beginning of it."`
	Number    string `help:"Any party's number: exact, prefix 0105*, or suffix *2345." placeholder:"NUMBER"`
	Extension string `help:"Our extension, exact." placeholder:"EXT"`
	Since     string `help:"From this time on: 2026-11-23, 2026-11-23T09:00, 2026-11-23T09:00:00+09:00, or 2h (ago)." placeholder:"TIME"`
	Until     string `help:"Before this time, written likewise." placeholder:"TIME"`
	Live      bool   `help:"Only calls going on now."`
	Held      bool   `help:"Only recordings that a hold keeps."`
	Limit     int    `help:"At most so many; 0: all." default:"50"`
	JSON      bool   `help:"Print the whole rows as JSON."`
}

// Help is shown below the usage.
func (CallsCmd) Help() string {
	return `Asks the running recorder, or reads the data directory when none runs.

  siprecd calls --live                      what goes on now, and what is amiss
  siprecd calls --number '*2345' --since 2h
  siprecd calls --since 2026-11-23 --until 2026-11-24 --extension 2001
  siprecd calls 01KAXB --json               everything about one call`
}

// Run prints the rows.
func (c *CallsCmd) Run(g *Globals) error {
	cfg, err := g.place()
	if err != nil {
		return err
	}
	if c.Limit < 0 {
		return g.misused(fmt.Errorf("--limit %d: 0 is no limit", c.Limit))
	}
	if n := c.Number; n == "*" || strings.Count(n, "*") > 1 || strings.Contains(strings.Trim(n, "*"), "*") {
		return g.misused(fmt.Errorf("--number %s: a star stands before or after digits: *2345, 0105*", c.Number))
	}
	v := url.Values{"number": {c.Number}, "extension": {c.Extension}, "id": {c.ID}, "limit": {strconv.Itoa(c.Limit)}}
	if c.Live {
		v.Set("live", "true")
	}
	if c.Held {
		v.Set("held", "true")
	}
	for name, s := range map[string]string{"since": c.Since, "until": c.Until} {
		t, err := readTime(s, cfg.Site.TimeZone, time.Now())
		if err != nil {
			return g.misused(fmt.Errorf("--%s: %w", name, err))
		}
		if !t.IsZero() {
			v.Set(name, t.Format(time.RFC3339Nano))
		}
	}
	cl, err := dial(cfg.Data.Dir, true)
	if err != nil {
		return err
	}
	defer cl.Close()
	body, err := cl.do("GET", "/calls", v)
	if err != nil {
		return err
	}
	defer body.Close()
	if c.JSON {
		_, err := io.Copy(g.out(), body)
		return err
	}
	var rows []store.Row
	if err := json.NewDecoder(body).Decode(&rows); err != nil {
		return err
	}
	printRows(g.out(), rows, cfg.Site.TimeZone)
	return nil
}

// readTime reads a time as people write it: RFC 3339, a local date with or
// without a time, or a duration meaning so long ago.
func readTime(s string, loc *time.Location, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(s); err == nil {
		return now.Add(-d), nil
	}
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return t, nil
	}
	for _, layout := range []string{"2006-01-02", "2006-01-02T15:04", "2006-01-02 15:04", "2006-01-02T15:04:05", "2006-01-02 15:04:05"} {
		if t, err := time.ParseInLocation(layout, s, loc); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is not a time; write 2026-11-23, 2026-11-23T09:00 or 2h", s)
}

// printRows prints a table of at most 80 columns.
func printRows(w io.Writer, rows []store.Row, loc *time.Location) {
	const line = "%-26s %-11s %4s %-6s %-11s %-3s %-4s %s\n"
	if len(rows) == 0 {
		fmt.Fprintln(w, "no calls")
		return
	}
	fmt.Fprintf(w, line, "ID", "START", "SEC", "EXT", "OTHER", "DIR", "POL", "STATE")
	for _, r := range rows {
		fmt.Fprintf(w, line,
			r.ID, when(r.Start.In(loc), time.Now()), seconds(r.Duration),
			pad(party(r.Extension, 6), 6), pad(party(r.Other, 11), 11), directions[r.Direction],
			strings.TrimSuffix(clip(r.Policy, 4), "…"), clip(string(r.State), 8))
		if r.State == store.Live {
			for _, q := range r.Quality {
				fmt.Fprintf(w, "  %-8s %s\n", q, amiss[media.Quality(q)])
			}
		}
	}
}

// amiss says what is wrong with a call that goes on.
var amiss = map[media.Quality]string{
	media.QualityNoRTP:         "a line was signalled, and not a packet has come on it",
	media.QualityUndecryptable: "packets of a line come, and none is under its key",
	media.QualityRefused:       "packets of a line come, and none from where it was said",
	media.QualityOneWay:        "one side alone is heard",
	media.QualitySilent:        "packets come, and nobody is heard",
	media.QualityBlank:         "a line carries nothing but filling: every sample is the same",
}

// directions are those of a row in three letters.
var directions = map[string]string{"in": "in", "out": "out", "internal": "int", "unknown": "?"}

// when is a time of this year, or the date of another's.
func when(t, now time.Time) string {
	if t.Year() != now.In(t.Location()).Year() {
		return t.Format(time.DateOnly)
	}
	return t.Format("01-02 15:04")
}

// seconds is a length in at most four columns: 9999, then 2h46, then 12h.
func seconds(s float64) string {
	d := time.Duration(s * float64(time.Second)).Round(time.Second)
	switch {
	case d < 10000*time.Second:
		return strconv.Itoa(int(d / time.Second))
	case d < 10*time.Hour:
		return fmt.Sprintf("%dh%02d", d/time.Hour, d%time.Hour/time.Minute)
	}
	return fmt.Sprintf("%dh", d/time.Hour)
}

// party keeps the end of a number, which tells callers apart, and the beginning
// of a name.
func party(s string, n int) string {
	if strings.Trim(s, "+0123456789") == "" {
		return tail(s, n)
	}
	return clip(s, n)
}

// tail keeps the end of a number, which tells callers apart.
func tail(s string, n int) string {
	rs := []rune(printable(s))
	if len(rs) > n {
		return "…" + string(rs[len(rs)-n+1:])
	}
	return string(rs)
}

func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if strconv.IsPrint(r) {
			return r
		}
		return '?'
	}, s)
}

// asOf gives live calls the length they have had so far.
func asOf(rows []store.Row, now time.Time) []store.Row {
	for i := range rows {
		if rows[i].End.IsZero() {
			rows[i].Duration = now.Sub(rows[i].Start).Seconds()
		}
	}
	return rows
}

package main

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"

	"siprecd/cmd/siprecd/config"
	"siprecd/store"
)

// ReloadCmd is `siprecd reload`.
type ReloadCmd struct {
	DryRun bool `help:"Only print what would change."`
}

// Help is shown below the usage.
func (ReloadCmd) Help() string {
	return `All of it, or nothing: with an error in any file the running configuration stays
in force, and siprecd status says so. Live calls keep their policy.

  siprecd reload --dry-run    what would change, and nothing else
  siprecd reload
  2002 selective → full, 3 new, 1 removed; 4 live calls keep their policy

SIGHUP does the same.`
}

// Run asks the daemon. Nothing changes when any file has an error.
func (c *ReloadCmd) Run(g *Globals) error {
	cfg, err := g.place()
	if err != nil {
		return err
	}
	cl, err := dial(cfg.Data.Dir, false)
	if err != nil {
		return err
	}
	defer cl.Close()
	v := url.Values{}
	if c.DryRun {
		v.Set("dry-run", "true")
	}
	body, err := cl.do("POST", "/reload", v)
	if err != nil {
		return err
	}
	defer body.Close()
	var lines []string
	if err := json.NewDecoder(body).Decode(&lines); err != nil {
		return err
	}
	for _, l := range lines {
		fmt.Fprintln(g.out(), l)
	}
	return nil
}

// sentence says what a reload changes, in lines of at most 80 columns where
// that can be.
func sentence(changes []string, live int) (lines []string) {
	if len(changes) == 0 {
		changes = []string{"nothing changes"}
	}
	parts := make([]string, 0, len(changes)+1)
	for _, c := range changes {
		parts = append(parts, c+", ")
	}
	last := len(parts) - 1
	switch parts[last] = strings.TrimSuffix(parts[last], ", "); live {
	case 0:
	case 1:
		parts[last] += "; "
		parts = append(parts, "1 live call keeps its policy")
	default:
		parts[last] += "; "
		parts = append(parts, fmt.Sprintf("%d live calls keep their policy", live))
	}
	line := ""
	for _, p := range parts {
		if line != "" && columns(line+strings.TrimSpace(p)) > 80 {
			lines = append(lines, strings.TrimSpace(line))
			line = ""
		}
		line += p
	}
	return append(lines, line)
}

// ReindexCmd is `siprecd reindex`.
type ReindexCmd struct{}

// Help is shown below the usage.
func (ReindexCmd) Help() string {
	return `The facts of every recording lie beside it: the catalogue is made from them again
when it was lost or damaged. No audio is opened. The recorder may run meanwhile.

  siprecd reindex
  siprecd reindex --data /mnt/restored`
}

// Run rebuilds the catalogue, in the daemon when one runs.
func (ReindexCmd) Run(g *Globals) error {
	cfg, err := g.place()
	if err != nil {
		return err
	}
	cl, err := dial(cfg.Data.Dir, true)
	if err != nil {
		return err
	}
	defer cl.Close()
	body, err := cl.do("POST", "/reindex", nil)
	if err != nil {
		return err
	}
	defer body.Close()
	var n int
	if err := json.NewDecoder(body).Decode(&n); err != nil {
		return err
	}
	fmt.Fprintf(g.out(), "the catalogue was rebuilt: %s\n", plural(n, "call"))
	return nil
}

// adopt makes cfg the configuration in force for calls that begin from now on.
func (d *daemon) adopt(cfg *config.Config) {
	d.cfg.Store(cfg)
	d.level.Set(cfg.Log.Level)
	d.settings.Store(settingsOf(cfg, findFFmpeg()))
	access := sourcesOf(cfg)
	d.access.Store(&access)
}

// reload reads the configuration again: all of it, or nothing.
func (d *daemon) reload(dryRun bool) ([]string, error) {
	path, err := config.Find(d.path)
	if err != nil {
		return nil, err
	}
	cfg, problems := config.Load(path)
	if cfg == nil {
		refused := &refusedReload{problems: problems}
		if !dryRun {
			d.mu.Lock()
			d.reloadErr = printed(problems)
			d.mu.Unlock()
		}
		return nil, refused
	}
	if d.elsewhere {
		cfg.Data.Dir = d.dir
	}
	changes := config.Diff(d.cfg.Load(), cfg)
	lines := sentence(changes, d.rec.LiveCount())
	if dryRun {
		return lines, nil
	}
	d.adopt(cfg)
	d.feeder.Wake()
	d.rec.Retry()
	d.mu.Lock()
	d.loaded, d.reloadErr = time.Now(), ""
	d.mu.Unlock()
	d.log.Info("configuration reloaded", "changes", len(changes))
	if len(changes) > 0 {
		d.store.Tell(store.Entry{Kind: store.EventConfigured, Public: digestsOf(cfg), Row: changes})
	}
	return lines, nil
}

// refusedReload is a reload that changed nothing.
type refusedReload struct{ problems []config.Problem }

// Error is the whole of it, for the terminal.
func (e *refusedReload) Error() string {
	return printed(e.problems) + "nothing was changed: the running configuration stays in force"
}

// brief is fit for the log, where no number of anybody belongs.
func (e *refusedReload) brief() string {
	n := 0
	for _, p := range e.problems {
		if p.Severity == config.Error {
			n++
		}
	}
	return plural(n, "error") + " in the configuration: siprecd check shows them"
}

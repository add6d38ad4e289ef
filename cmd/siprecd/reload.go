package main

import (
	"encoding/json"
	"fmt"
	"net/url"
)

// ReloadCmd is `siprecd reload`.
type ReloadCmd struct {
	DryRun bool `help:"Only print what would change."`
}

// Run asks the daemon. Nothing changes when any file has an error.
func (c *ReloadCmd) Run(g *Globals) error {
	cfg, err := g.load()
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

// ReindexCmd is `siprecd reindex`.
type ReindexCmd struct{}

// Run rebuilds the catalogue, in the daemon when one runs.
func (ReindexCmd) Run(g *Globals) error {
	cfg, err := g.load()
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
	fmt.Fprintf(g.out(), "the catalogue was rebuilt: %d calls\n", n)
	return nil
}

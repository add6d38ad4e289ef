package main

import (
	"fmt"
	"os"

	"siprecd/store"
)

// bundle checks a bundle; it asks no daemon and needs no data directory.
func (c *VerifyCmd) bundle(g *Globals) error {
	with := store.BundleWith{Key: c.Key, Passphrase: func() (string, error) {
		return g.passphraseFrom(c.PassphraseFile, "Passphrase of "+c.Bundle)
	}}
	if c.Identity != "" {
		var err error
		if with.Identity, err = os.ReadFile(c.Identity); err != nil {
			return err
		}
	}
	found, err := store.VerifyBundle(c.Bundle, with)
	if err != nil {
		return err
	}
	if c.JSON {
		if err := printJSON(g.out(), found); err != nil {
			return err
		}
	} else {
		printBundleReport(g, found)
	}
	if !found.OK {
		return exitError{1}
	}
	return nil
}

func printBundleReport(g *Globals, found store.BundleReport) {
	wrong := 0
	for i, s := range found.Steps {
		mark := "ok   "
		if !s.OK {
			mark = "WRONG"
			wrong++
		}
		fmt.Fprintf(g.out(), "%2d  %s  %s", i+1, mark, s.What)
		if s.Detail != "" {
			fmt.Fprintf(g.out(), "\n           %s", s.Detail)
		}
		fmt.Fprintln(g.out())
	}
	if wrong > 0 {
		fmt.Fprintf(g.out(), "%d of %d steps do not hold: do not rely on this bundle\n", wrong, len(found.Steps))
		return
	}
	fmt.Fprintln(g.out(), "everything holds. Compare the ledger's key with the one made known by another way:")
	fmt.Fprintln(g.out(), found.Key)
}

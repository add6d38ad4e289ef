package main

import (
	"context"
	"fmt"
	"time"

	"siprecd/cmd/siprecd/config"
	"siprecd/store"
)

// status gathers what `siprecd status` prints.
func (d *daemon) status() status {
	cfg := d.cfg.Load()
	d.rec.Listen("", time.Now().Add(listenAll))
	s := status{
		Version: version(), Started: d.started, Live: asOf(d.rec.Live(), time.Now()), Errors: d.kept.newestFirst(),
		Draining: d.draining.Load(), Warnings: d.warnings(time.Now()),
	}
	for i, l := range d.sip.Listen {
		s.Listen = append(s.Listen, l.Network+" "+d.sip.Addr(i).String())
	}
	d.mu.Lock()
	s.Config = configStatus{File: cfg.File, Loaded: d.loaded, Policy: summary(cfg), Error: d.reloadErr}
	d.mu.Unlock()
	s.Sources = d.sources(cfg)
	s.Disk.Dir = d.dir
	var err error
	if s.Disk.Free, s.Disk.Total, err = d.store.Disk(); err != nil {
		s.Disk.Error = err.Error()
	}
	if err := d.store.Err(); err != nil {
		s.Disk.Error = err.Error()
	}
	if s.Calls, err = d.store.Catalog.Count(context.Background(), store.Query{}); err != nil {
		s.Warnings = append(s.Warnings, "catalogue: "+err.Error())
	}
	s.Warnings = append(s.Warnings, d.keyWarnings()...)
	s.Warnings = append(s.Warnings, codecWarnings(cfg, d.settings.Load().FFmpeg)...)
	s.Warnings = append(s.Warnings, d.waitingWarning()...)
	for _, w := range []string{d.keeper.warning(), d.keeper.heldWarning()} {
		if w != "" {
			s.Warnings = append(s.Warnings, w)
		}
	}
	if w := d.feeder.State().Warning(d.store.Ledger.Size(), time.Now()); w != "" {
		s.Warnings = append(s.Warnings, w)
	}
	if s.Scrub = d.scrub.status(); s.Scrub.warning() != "" {
		s.Warnings = append(s.Warnings, s.Scrub.warning())
	}
	s.Warnings = append(s.Warnings, d.asideWarnings()...)
	s.Ledger = d.ledgerStatus()
	return s
}

// sources are those that were heard, and those of the configuration that never
// were.
func (d *daemon) sources(cfg *config.Config) []srcStatus {
	list := []srcStatus{}
	heard := make(map[string]bool)
	for _, src := range d.sip.Sources() {
		heard[src.Name] = true
		list = append(list, srcStatus{
			Name: src.Name, Address: src.Addr.String(), LastHeard: src.LastHeard, Requests: src.Requests,
			Refused: src.Refused, ParseErrors: src.ParseErrors, Live: src.Sessions,
		})
	}
	for _, src := range cfg.Sources {
		if !heard[src.Name] {
			list = append(list, srcStatus{Name: src.Name, Address: awaited(src)})
		}
	}
	return list
}

// awaited is where a source that never spoke should come from.
func awaited(src config.Source) string {
	if len(src.Addresses) == 0 {
		return "anywhere"
	}
	first := src.Addresses[0]
	where := first.String()
	if first.IsSingleIP() {
		where = first.Addr().String()
	}
	if more := len(src.Addresses) - 1; more > 0 {
		where += fmt.Sprintf(" +%d", more)
	}
	return where
}

// asideWarnings says what of the ledger was found damaged, until somebody has
// taken it away.
func (d *daemon) asideWarnings() (warnings []string) {
	aside, err := d.store.SetAside()
	if err != nil {
		return []string{"ledger: " + err.Error()}
	}
	for _, a := range aside {
		if a.Missing != "" {
			warnings = append(warnings, "the ledger was found without files that state what it holds, so that its newest leaves may be missing too: "+a.Missing+". Show "+a.Name+" in "+d.dir+" to the auditor, and take it away")
			continue
		}
		warnings = append(warnings, a.Name+" lies in "+d.dir+": it did not hold what had been stated of it, and was set aside. Take it to the auditor, and away from here")
	}
	return warnings
}

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"siprecd/cmd/siprecd/recorder"
	"siprecd/media"
	"siprecd/store"
)

// BundleCmd is `siprecd bundle`.
type BundleCmd struct {
	IDs            []string `arg:"" name:"id" help:"The recordings' ids, or the beginnings of them."`
	Output         string   `short:"o" required:"" placeholder:"FILE" help:"Where to write: case.zip. It must not be there."`
	Recipient      []string `placeholder:"age1…" help:"Seal it to this age recipient; may be given again."`
	PassphraseFile string   `placeholder:"FILE" help:"Seal it to the passphrase that is the first line of FILE. Without this and --recipient it is asked for."`
	Reason         string   `required:"" help:"What it is made for; stands in the report."`
	Document       string   `required:"" help:"Number of the document that asks for it."`
	JSON           bool     `help:"Print what was written as JSON."`
}

// Help teaches by example.
func (BundleCmd) Help() string {
	return `For a court or an auditor: audio, facts, the ledger's leaves with their proofs and
a report in Korean and English, sealed to a passphrase or an age recipient.

  siprecd bundle 01KAXB -o case.zip --reason "court order" --document 2026-117
  siprecd bundle 01KAXB 01KAXD -o case.zip --recipient age1… \
      --reason audit --document 감사-17
  siprecd verify case.zip                        checks it, on any machine, offline

The keys must be unlocked. Each recording that is handed out is a leaf of the
ledger. The zip opens everywhere and says inside what it is; all else in it is
sealed. Give the passphrase by another way than the file.`
}

// bundleDone is what the command prints.
type bundleDone struct {
	File       string `json:"file"`
	Bytes      int64  `json:"bytes"`
	Recordings int    `json:"recordings"`
}

// Run fetches the contents and seals them here: passphrase and identities never
// leave this process.
func (c *BundleCmd) Run(g *Globals) error {
	to := store.BundleTo{Recipients: c.Recipient}
	if len(c.Recipient) == 0 || c.PassphraseFile != "" {
		var err error
		if to.Passphrase, err = g.passphraseFrom(c.PassphraseFile, "Passphrase for "+c.Output); err != nil {
			return err
		}
		if strings.TrimSpace(to.Passphrase) == "" {
			return errors.New("an empty passphrase seals nothing")
		}
	}
	if _, err := os.Lstat(c.Output); err == nil {
		return fmt.Errorf("%s is there already", c.Output)
	}
	cfg, err := g.place()
	if err != nil {
		return err
	}
	file, err := store.BeginBundle(c.Output, to)
	if err != nil {
		return err
	}
	cl, err := dial(cfg.Data.Dir, true)
	if err != nil {
		return errors.Join(err, file.Abort())
	}
	defer cl.Close()
	answer, err := cl.send("POST", "/bundle", url.Values{"id": c.IDs, "reason": {c.Reason}, "document": {c.Document}, "zone": {cfg.Site.TimeZone.String()}}, nil)
	if err != nil {
		return errors.Join(err, file.Abort())
	}
	defer answer.Body.Close()
	if err := file.Seal(bundleReadMe, answer.Body); err != nil {
		return fmt.Errorf("%s: %w; nothing is left of it, but the ledger says for good that it was handed out", c.Output, err)
	}
	info, err := os.Stat(c.Output)
	if err != nil {
		return err
	}
	done := bundleDone{c.Output, info.Size(), len(c.IDs)}
	if c.JSON {
		return printJSON(g.out(), done)
	}
	fmt.Fprintf(g.out(), "%s: %d bytes, recordings: %d. siprecd verify %s checks it\n", done.File, done.Bytes, done.Recordings, done.File)
	return nil
}

// passphraseFrom reads the first line of a file; without one it asks.
func (g *Globals) passphraseFrom(file, prompt string) (string, error) {
	if file == "" {
		return g.passphrase(prompt)
	}
	b, err := os.ReadFile(file)
	line, _, _ := bytes.Cut(b, []byte("\n"))
	return strings.TrimRight(string(line), "\r"), err
}

func (d *desk) serveBundle(w http.ResponseWriter, r *http.Request) {
	begun := &begunWriter{ResponseWriter: w}
	err := d.bundle(begun, r)
	switch {
	case err == nil:
	case begun.written:
		panic(http.ErrAbortHandler) // as in serveExport
	default:
		http.Error(w, err.Error(), http.StatusConflict)
	}
}

func (d *desk) bundle(w io.Writer, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return err
	}
	zone, err := time.LoadLocation(r.FormValue("zone"))
	if err != nil {
		return err
	}
	b := store.Bundle{Reason: r.FormValue("reason"), Document: r.FormValue("document"), ReadMe: bundleReadMe}
	page := bundlePage{Reason: b.Reason, Document: b.Document, Made: time.Now().In(zone).Format(clock), Version: version()}
	for _, id := range r.Form["id"] {
		r.SetPathValue("id", id)
		row, err := d.one(r)
		if errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("no recording %q; siprecd calls lists them", id)
		}
		if err != nil {
			return err
		}
		if row.State == store.Deleted {
			d.refused("bundle", row.ID, store.ErrDead)
		}
		if row.File == "" || row.State == store.Live || row.State == store.Ending {
			return fmt.Errorf("%s has no sealed audio: its state is %s", row.ID, row.State)
		}
		part := store.Bundled{Row: row}
		if row.Original != nil {
			tape, kept, err := recorder.Original(r.Context(), d.store, row)
			if err != nil {
				d.refused("bundle", row.ID, err)
				return err
			}
			defer kept.Close()
			part.Beside = besideOf(tape)
		}
		b.Recordings = append(b.Recordings, part)
		page.Recordings = append(page.Recordings, partOf(row, row.Original != nil, zone))
	}
	b.Report = func(w io.Writer, c store.Checkpoint, seen store.Cosigned, key string) error {
		page.Leaves, page.Signed, page.Key = c.Size, c.Time.In(zone).Format(clock), key
		if seen.Note != nil {
			page.Seen, page.SeenAt, page.Witness = seen.Size, seen.At.In(zone).Format(clock), seen.Witness
		}
		return bundleReport(w, page)
	}
	err = d.store.WriteBundle(r.Context(), w, b)
	if err != nil && len(b.Recordings) > 0 {
		d.refused("bundle", b.Recordings[0].Row.ID, err)
	}
	return err
}

// besideOf is what a bundle holds of a tape: the packets, and the metadata as it
// was received.
func besideOf(tape media.Tape) []store.BundleFile {
	return []store.BundleFile{
		{Name: "original.pcap", Write: func(w io.Writer) error { return media.WritePcap(w, tape) }},
		{Name: "metadata.txt", Write: func(w io.Writer) error { return recorder.WriteMetadata(w, tape) }},
	}
}

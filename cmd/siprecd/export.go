package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"siprecd/cmd/siprecd/recorder"
	"siprecd/media"
	"siprecd/store"
)

// ExportCmd is `siprecd export`.
type ExportCmd struct {
	ID     string `arg:"" help:"The recording's id, or the beginning of it (4 characters or more)."`
	Output string `short:"o" placeholder:"FILE" help:"Where to write; - is standard output. Default: the id and its ending, here."`
	Format string `enum:"wav,pcm,original" default:"wav" help:"wav: the recording, G.711 as it was sent where it is kept so; pcm: always 16-bit WAV; original: a pcap of the packets as received, while the call goes on or where they are kept."`
}

// Help is shown below the usage.
func (ExportCmd) Help() string {
	return `Takes the recording out of the vault, or the tape of a call that goes on.

  siprecd export 01KAXB                          to a file named by its id
  siprecd export 01KAXB --format pcm -o call.wav
  siprecd export 01KAXB --format original        a pcap of what was received
  siprecd export 01KAXB -o - | sox -t wav - call.mp3

A file that is there already is not overwritten. The packets as received are kept,
sealed, of recordings that are not all of them: [data] originals says so.`
}

// Run writes the file. One that could not be written whole is removed.
func (c *ExportCmd) Run(g *Globals) error {
	cfg, err := g.place()
	if err != nil {
		return err
	}
	cl, err := dial(cfg.Data.Dir, true)
	if err != nil {
		return err
	}
	defer cl.Close()
	answer, err := cl.answer("GET", "/export/"+url.PathEscape(c.ID), url.Values{"format": {c.Format}})
	if err != nil {
		return err
	}
	body := answer.Body
	defer body.Close()
	if c.Output == "-" {
		_, err := io.Copy(g.out(), body)
		return err
	}
	name := c.Output
	if name == "" {
		name = filepath.Base(answer.Header.Get(fileName))
	}
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	n, err := io.Copy(f, body)
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(fmt.Errorf("%s: %w", name, err), os.Remove(name))
	}
	fmt.Fprintf(g.out(), "%s: %d bytes\n", name, n)
	return nil
}

// fileName is the header that names a file as it should be stored.
const fileName = "Siprecd-File"

func (d *desk) serveExport(w http.ResponseWriter, r *http.Request) {
	begun := &begunWriter{ResponseWriter: w}
	err := d.export(begun, r)
	switch {
	case err == nil:
	case begun.written:
		// The status is said already: only a broken connection tells that the
		// file is not whole.
		panic(http.ErrAbortHandler)
	case errors.Is(err, store.ErrNotFound):
		http.Error(w, fmt.Sprintf("no recording %q; siprecd calls lists them", r.PathValue("id")), http.StatusNotFound)
	default:
		http.Error(w, err.Error(), http.StatusConflict)
	}
}

// begunWriter knows whether anything of the body was written.
type begunWriter struct {
	http.ResponseWriter
	written bool
}

func (w *begunWriter) Write(b []byte) (int, error) {
	w.written = true
	return w.ResponseWriter.Write(b)
}

func (d *desk) export(w http.ResponseWriter, r *http.Request) error {
	row, err := d.one(r)
	if err != nil {
		return err
	}
	if r.FormValue("format") == "original" {
		return d.original(w, r, row)
	}
	if row.State == store.Live || row.State == store.Ending {
		return fmt.Errorf("%s goes on: its recording is made when it ends. What was heard so far: --format original", row.ID)
	}
	if row.State == store.Deleted {
		d.refused("export", row.ID, store.ErrDead)
	}
	if row.File == "" {
		return fmt.Errorf("%s has no audio: its state is %s (policy %s, %s)", row.ID, row.State, row.Policy, row.DecidedBy)
	}
	body, err := d.store.OpenAudio(r.Context(), row)
	if err != nil {
		d.refused("export", row.ID, err)
		return err
	}
	defer body.Close()
	d.store.Tell(store.Entry{Kind: store.EventExported, Subject: row.ID, Public: map[string]string{"format": r.FormValue("format"), "by": "local-command"}})
	w.Header().Set("Content-Type", "audio/wav")
	w.Header().Set(fileName, row.ID+".wav")
	if r.FormValue("format") == "pcm" || !strings.HasPrefix(row.Format, "wav") {
		return media.WritePCM(w, body)
	}
	_, err = io.Copy(w, body)
	return err
}

// original writes what is there of the packets as received: the tape of a call
// that goes on, else what was kept of it.
func (d *desk) original(w http.ResponseWriter, r *http.Request, row *store.Row) error {
	tape, err := recorder.Tape(d.store, row.ID)
	if err != nil && row.Original == nil {
		return fmt.Errorf("%s has no tape any more: it is removed once the recording is sealed, and none was kept ([data] originals)", row.ID)
	}
	if err != nil {
		var kept io.Closer
		if tape, kept, err = recorder.Original(r.Context(), d.store, row); err != nil {
			d.refused("export", row.ID, err)
			return err
		}
		defer kept.Close()
		d.store.Tell(store.Entry{Kind: store.EventExported, Subject: row.ID, Public: map[string]string{"format": "original", "by": "local-command"}})
	}
	w.Header().Set(fileName, row.ID+".pcap")
	return media.WritePcap(w, tape)
}

// one finds the recording of a request by its id, or by an unmistakable
// beginning of it.
func (d *desk) one(r *http.Request) (*store.Row, error) {
	var found *store.Row
	for row, err := range d.store.Catalog.Find(r.Context(), store.Query{ID: r.PathValue("id"), Limit: 2}) {
		if err != nil {
			return nil, err
		}
		if found != nil {
			return nil, fmt.Errorf("%q begins several ids; write more of it", r.PathValue("id"))
		}
		found = row
	}
	if found == nil {
		return nil, store.ErrNotFound
	}
	return found, nil
}

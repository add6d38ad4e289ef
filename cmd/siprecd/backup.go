package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"

	"siprecd/store"
)

// BackupCmd is `siprecd backup`.
type BackupCmd struct {
	Dir      string `arg:"" help:"Where to; empty, or not there yet."`
	WithKeys string `placeholder:"DIR" help:"Copy secrets and headers too, to another place. Retention does not reach them: its receipts count such copies for good."`
	JSON     bool   `help:"Print what was written as JSON."`
}

// Help teaches by example.
func (BackupCmd) Help() string {
	return `Audio as it is sealed, facts, catalogue and ledger, while calls go on. Without the
keys it gives nobody anything to hear, and audio that dies here is dead in it too.

  siprecd backup /mnt/nas/2026-11-23
  siprecd backup /mnt/nas/2026-11-23 --with-keys /mnt/safe/2026-11-23

Not so numbers, names and times: facts, catalogue and the ledger's readable rows
hold them in clear, and retention does not reach them in a backup. Keep it on an
encrypted disk, and destroy it before the first day of the calls in it dies, when a
newer one takes its place.

On the same file system audio is linked, not copied: put a backup on another disk.
A copy of the keys opens what has died since: destroy it before the first day dies.
Without one, a restored backup proves what was recorded and plays nothing.`
}

// Run asks for the backup. The places are told in full: the daemon runs
// elsewhere.
func (c *BackupCmd) Run(g *Globals) error {
	v := url.Values{}
	for name, dir := range map[string]string{"dir": c.Dir, "keys": c.WithKeys} {
		if dir == "" {
			continue
		}
		full, err := filepath.Abs(dir)
		if err != nil {
			return err
		}
		v.Set(name, full)
	}
	var done store.BackupReport
	if err := g.ask("POST", "/backup", v, nil, &done); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(g.out(), done)
	}
	fmt.Fprintf(g.out(), "%s: %d recordings, %s copied, %d files linked\n", done.Dir, done.Recordings, gib(uint64(done.Bytes)), done.Linked)
	if done.Linked > 0 {
		fmt.Fprintln(g.out(), "it lies on the disk that it is a backup of: copy it to another")
	}
	if done.Keys != "" {
		fmt.Fprintf(g.out(), "%s: the keys. They open what dies from now on: destroy them in time\n", done.Keys)
		for _, name := range done.LeftOut {
			fmt.Fprintf(g.out(), "the identity of %s lies in clear and is not among them: protect it, and copy again\n", name)
		}
	}
	return nil
}

func (d *desk) serveBackup(w http.ResponseWriter, r *http.Request) {
	done, err := d.store.Backup(r.Context(), r.FormValue("dir"), r.FormValue("keys"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusConflict)
		return
	}
	answer(w, done)
}

// RestoreCmd is `siprecd restore`.
type RestoreCmd struct {
	Dir      string `arg:"" help:"The backup."`
	WithKeys string `placeholder:"DIR" help:"What backup --with-keys wrote, of the same recorder."`
	JSON     bool   `help:"Print what verification found as JSON."`
}

// Help teaches by example.
func (RestoreCmd) Help() string {
	return `Into an empty data directory, and verifies it: exit status 1 when anything is
missing, altered, added or out of order.

  siprecd restore /mnt/nas/2026-11-23 --data /var/lib/siprecd
  siprecd restore /mnt/nas/2026-11-23 --with-keys /mnt/safe/2026-11-23

Without the keys the recordings stay closed, and the ledger, whose signing key is
one of them, is set aside when a recorder starts there: it begins a new one.`
}

// Run restores here: no daemon may run on an empty directory.
func (c *RestoreCmd) Run(g *Globals) error {
	cfg, err := g.place()
	if err != nil {
		return err
	}
	found, err := store.Restore(context.Background(), c.Dir, c.WithKeys, cfg.Data.Dir)
	if err != nil {
		return err
	}
	return printVerification(g, found, c.JSON)
}

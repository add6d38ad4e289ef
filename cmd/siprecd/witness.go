package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"siprecd/cmd/siprecd/witness"
	"siprecd/store"
)

// WitnessCmd is `siprecd witness`.
type WitnessCmd struct {
	Listen string   `placeholder:"ADDR" default:"0.0.0.0:8095" help:"Where recorders post their checkpoints; without it ${default}."`
	Dir    string   `placeholder:"DIR" default:"siprecd-witness" help:"Where its key and what it saw are kept, not a data directory; without it ${default}."`
	Log    []string `placeholder:"KEY" help:"The key of a ledger that it cosigns, as siprecd status prints it on the recorder. Once is enough: it is remembered."`
	Show   bool     `help:"Only print what the witness of --dir saw, whether it runs or not. Exit status 1 when it refused anything."`
	JSON   bool     `help:"With --show: print it as JSON."`
}

// Help teaches by example.
func (WitnessCmd) Help() string {
	return `Runs on another machine, under other hands than the recorder's. It remembers the
newest state of each ledger and cosigns the next one only when it begins with all
that it saw before: whoever rewrites a ledger's past must rewrite it here too.

  siprecd status                             on the recorder: prints the ledger's key
  siprecd witness --log siprecd-…/ledger+…   here; prints two lines for siprecd.toml
  siprecd witness --show                     what it saw, and what it refused

It never sees a call: a checkpoint is a count and a hash. What it refused lies
in --dir as the ledger signed it, for the auditor. A ledger that has not been
cosigned for long is switched off, cut off, or was exchanged for another one; one
that was set aside as damaged goes on with a new key: name it with --log too.`
}

// Run serves until SIGTERM, or shows.
func (c *WitnessCmd) Run(g *Globals) error {
	if c.Show {
		return c.show(g)
	}
	log := slog.New(logHandler("text", slog.LevelInfo, g.err()))
	w, err := store.OpenWitness(c.Dir, store.System{}, c.Log, log, time.Now)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return errors.Join(c.serve(ctx, g, w, log), w.Close())
}

func (c *WitnessCmd) serve(ctx context.Context, g *Globals, w *store.Witness, log *slog.Logger) error {
	l, err := net.Listen("tcp", c.Listen)
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%w: another program holds it; name another one with --listen", err)
	}
	if err != nil {
		return err
	}
	if err := c.hello(g.out(), w, l.Addr()); err != nil {
		return errors.Join(err, l.Close())
	}
	name := filepath.Join(c.Dir, witnessAddress)
	if err := os.WriteFile(name, []byte(l.Addr().String()+"\n"), 0o600); err != nil {
		return errors.Join(err, l.Close())
	}
	s := &witness.Server{Witness: w, Log: log}
	return errors.Join(s.Serve(ctx, l), ignoreMissing(os.Remove(name)))
}

// witnessAddress is the file that says where the witness of a directory listens.
const witnessAddress = "address"

// hello says what to write into the recorder's configuration.
func (c *WitnessCmd) hello(out io.Writer, w *store.Witness, at net.Addr) error {
	logs, key, err := store.ReadWitness(c.Dir)
	if err != nil {
		return err
	}
	where := at.String()
	if a, err := netip.ParseAddrPort(where); err == nil && a.Addr().IsUnspecified() {
		where = netip.AddrPortFrom(outwardAddress(), a.Port()).String()
	}
	fmt.Fprintf(out, "siprecd %s, witness\n  listen   %s\n  dir      %s\n", version(), at, c.Dir)
	for _, l := range logs {
		fmt.Fprintf(out, "  ledger   %s, %d leaves cosigned\n", printable(l.Name), l.Size)
	}
	if len(logs) == 0 {
		printItem(out, "  ledger  ", "none yet: start it again with --log and the key that siprecd status prints on the recorder")
	}
	_, err = fmt.Fprintf(out, "\nInto siprecd.toml of the recorder, then siprecd reload there:\n\n[ledger]\nwitness = \"http://%s\"\nwitness_key = \"%s\"\n", where, key)
	return err
}

// witnessState is the answer to `siprecd witness --show --json`.
type witnessState struct {
	Address string               `json:"address,omitempty"` // where it listens; empty: it does not run
	Key     string               `json:"key"`
	Logs    []store.WitnessedLog `json:"ledgers"`
}

func (c *WitnessCmd) show(g *Globals) error {
	logs, key, err := store.ReadWitness(c.Dir)
	if err != nil {
		return err
	}
	s := witnessState{Key: key, Logs: append([]store.WitnessedLog{}, logs...)}
	if at, err := os.ReadFile(filepath.Join(c.Dir, witnessAddress)); err == nil && answers(strings.TrimSpace(string(at))) {
		s.Address = strings.TrimSpace(string(at))
	}
	slices.SortFunc(s.Logs, func(a, b store.WitnessedLog) int { return cmp.Compare(a.Name, b.Name) })
	if c.JSON {
		err = printJSON(g.out(), s)
	} else {
		s.print(g.out(), c.Dir)
	}
	if err == nil && slices.ContainsFunc(s.Logs, func(l store.WitnessedLog) bool { return l.Refused > 0 }) {
		return exitError{1}
	}
	return err
}

// answers tells a witness that runs from the file that a killed one left.
func answers(address string) bool {
	conn, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}

func (s *witnessState) print(w io.Writer, dir string) {
	fmt.Fprintf(w, "listen   %s\nkey      the line below, as witness_key of siprecd.toml\n%s\n\n", orDefault(s.Address, "it does not run"), s.Key)
	const line = "%-28s %9s  %-16s %-20s%s\n"
	fmt.Fprintf(w, line, "LEDGER", "LEAVES", "ROOT", "COSIGNED, UTC", " REF")
	if len(s.Logs) == 0 {
		fmt.Fprintln(w, "it knows none: siprecd witness --log KEY")
	}
	for _, l := range s.Logs {
		cosigned := "never"
		if !l.Cosigned.IsZero() {
			cosigned = l.Cosigned.UTC().Format(time.DateTime)
		}
		fmt.Fprintf(w, line, clip(l.Name, 28), fmt.Sprint(l.Size), clip(orDefault(l.Root, "-"), 16), cosigned, fmt.Sprintf("%4d", l.Refused))
	}
	for _, l := range s.Logs {
		if l.Last == nil {
			continue
		}
		r := l.Last
		fmt.Fprintln(w)
		printItem(w, "REFUSED", fmt.Sprintf("%s, last at %s: %s", l.Name, r.At.Format(time.RFC3339), r.Why))
		fmt.Fprintf(w, "         cosigned %9d leaves  %s\n", r.Kept, r.Old)
		fmt.Fprintf(w, "         refused  %9d leaves  %s\n", r.Size, r.Root)
		for _, name := range l.Evidence[:min(len(l.Evidence), 3)] {
			fmt.Fprintf(w, "         %s\n", filepath.Join(dir, name))
		}
		if more := len(l.Evidence) - 3; more > 0 {
			fmt.Fprintf(w, "         and %d more beside it\n", more)
		}
	}
}

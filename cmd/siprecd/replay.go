package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"siprecd/cmd/siprecd/config"
	"siprecd/cmd/siprecd/place"
	"siprecd/cmd/siprecd/recorder"
	"siprecd/cmd/siprecd/replay"
	"siprecd/policy"
	"siprecd/store"
)

// ReplayCmd is "siprecd replay".
type ReplayCmd struct {
	File    string            `arg:"" help:"A capture: pcap or pcapng."`
	Output  string            `short:"o" placeholder:"DIR" help:"Write the data directory here (else ./replay-FILE). What an earlier replay left in it is replaced."`
	JSON    bool              `help:"Print the whole rows as JSON, as calls --json does; guesses go to standard error."`
	Declare []replay.Declared `short:"d" sep:"none" placeholder:"IP:PORT=LABEL" help:"RTP alone: LABEL speaks to IP:PORT. Give it once a stream."`
	SRTP    string            `name:"srtp-keys" placeholder:"FILE" help:"Keys of declared streams that are encrypted: lines of IP:PORT and the value of a=crypto, as in SDP."`
	Ours    []string          `placeholder:"NUMBER" help:"Take NUMBER for one of ours, whatever [site] numbers says."`

	To        string `placeholder:"sip:HOST" help:"Send the sessions at a running recorder instead, in real time."`
	Transport string `help:"For --to: udp, tcp or tls." enum:"udp,tcp,tls" default:"udp"`
}

// Help is shown below the usage.
func (ReplayCmd) Help() string {
	return `Takes a capture through the recorder as if it arrived now, offline, as fast as
it goes, with the same result every time: the recording sessions in it are
decided by the configuration, recorded and listed.

  siprecd replay call.pcap                       record what is in it
  siprecd replay call.pcap --ours 2001           2001 is our extension
  siprecd replay rtp.pcap -d 192.0.2.10:4000=2001 -d 192.0.2.20:4002=0105550101
  siprecd replay call.pcap --to sip:192.0.2.5    place it again, at a recorder

A capture with ordinary calls and no recording session is taken as if the calls
had been forked to us. Take captures with: tcpdump -i any -s 0 -w call.pcap`
}

// replayMark tells a directory that replay made, and may empty, from others.
const replayMark = "replayed-capture"

// Run replays the capture and prints what was kept.
func (cmd *ReplayCmd) Run(g *Globals) (err error) {
	cfg, err := g.load()
	if err != nil {
		return err
	}
	settings, err := cmd.settings(cfg)
	if err != nil {
		return err
	}
	if cmd.To != "" && !strings.HasPrefix(cmd.To, "sip:") && !strings.HasPrefix(cmd.To, "sips:") {
		return fmt.Errorf("--to %s: write it as sip:HOST or sip:HOST:PORT", cmd.To)
	}
	if err := cmd.keys(); err != nil {
		return err
	}
	file, err := os.Open(cmd.File)
	if err != nil {
		return err
	}
	defer file.Close()
	plan, err := replay.Survey(file, cmd.Declare)
	if err != nil {
		return fmt.Errorf("%s: %w", cmd.File, err)
	}
	if len(plan.Sessions) == 0 {
		return cmd.nothing(plan)
	}
	if cmd.To != "" {
		return cmd.send(g, plan)
	}
	dir := cmd.directory()
	if err := makeReplayDirectory(dir); err != nil {
		return err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	rows, err := play(plan, file, dir, settings, cfg)
	if err != nil {
		return err
	}
	return cmd.print(g, plan, rows, dir, cfg)
}

// keys gives the declared streams what --srtp-keys holds for them.
func (cmd *ReplayCmd) keys() error {
	if cmd.SRTP == "" {
		return nil
	}
	file, err := os.Open(cmd.SRTP)
	if err != nil {
		return err
	}
	defer file.Close()
	keys, err := replay.ReadKeys(file)
	if err != nil {
		return fmt.Errorf("%s: %w", cmd.SRTP, err)
	}
	for i := range cmd.Declare {
		d := &cmd.Declare[i]
		d.Crypto = keys[d.To]
		delete(keys, d.To)
	}
	for to := range keys {
		return fmt.Errorf("%s: nobody is declared to speak to %s: add -d %s=NUMBER", cmd.SRTP, to, to)
	}
	return nil
}

// play records the capture into a data directory.
func play(plan *replay.Plan, file io.Reader, dir string, settings *recorder.Settings, cfg *config.Config) (rows []store.Row, err error) {
	log := slog.New(slog.DiscardHandler)
	s, err := store.Open(store.Options{Dir: dir, Log: log, Clear: true})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	rec := &recorder.Recorder{
		Store: s, Settings: func() *recorder.Settings { return settings }, NewID: replay.NewID, Log: log,
	}
	if err := rec.Start(context.Background()); err != nil {
		return nil, err
	}
	defer rec.Close()
	player := &replay.Player{Recorder: rec, Plan: plan, Source: func(a netip.Addr) string { return sourceName(cfg, a) }}
	if rows, err = player.Play(context.Background(), file); err != nil {
		return nil, err
	}
	return rows, recorder.Link(context.Background(), s.Catalog, rows)
}

// send places the sessions at a running recorder, until Ctrl-C.
func (cmd *ReplayCmd) send(g *Globals, plan *replay.Plan) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	src, err := place.Open(place.Options{Transport: cmd.Transport})
	if err != nil {
		return err
	}
	defer src.Close()
	for _, n := range plan.Notes {
		fmt.Fprintf(g.err(), "note: %s\n", n)
	}
	sender := &replay.Sender{
		Caller: src.Caller, Target: cmd.To, Plan: plan,
		Open: func() (io.ReadCloser, error) { return os.Open(cmd.File) },
	}
	failed := 0
	for i, sent := range sender.Run(ctx) {
		packets := 0
		for _, n := range sent.Packets {
			packets += n
		}
		fmt.Fprintf(g.out(), "session %d: %d packets on %d lines in %.1f s\n", i+1, packets, len(sent.Packets), sent.Length.Seconds())
		if sent.Err != nil {
			failed++
			fmt.Fprintf(g.err(), "session %d: %v\n", i+1, sent.Err)
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d sessions failed", failed, len(plan.Sessions))
	}
	return nil
}

// settings are those of the configuration, with the numbers of --ours and with
// an SRC for calls that none sent.
func (cmd *ReplayCmd) settings(cfg *config.Config) (*recorder.Settings, error) {
	s := settingsOf(everyCodec(cfg), findFFmpeg())
	s.Sources[replay.Captured] = recorder.Source{Latch: true}
	if len(cmd.Ours) == 0 {
		return s, nil
	}
	rules, _, err := policy.New(policy.Site{
		Numbers: slices.Concat(cfg.Site.Numbers, cmd.Ours), CountryCode: cfg.Site.CountryCode,
		Start: cfg.Keys.Start, Stop: cfg.Keys.Stop, Default: cfg.Default,
	}, cfg.Lines)
	if err != nil {
		return nil, fmt.Errorf("--ours: %w", err)
	}
	s.Rules = rules
	return s, nil
}

// everyCodec is a configuration under which a capture is rendered as far as it can
// be: what was accepted was another's choice.
func everyCodec(cfg *config.Config) *config.Config {
	c := *cfg
	c.Media.Codecs, c.Media.WithoutFFmpeg = slices.Concat(config.Usual, config.Rare, config.ByFFmpeg), "keep"
	return &c
}

// sourceName is the [[src]] an address belongs to, else the address itself.
func sourceName(cfg *config.Config, a netip.Addr) string {
	for _, src := range cfg.Sources {
		for _, p := range src.Addresses {
			if p.Contains(a) {
				return src.Name
			}
		}
	}
	return a.String()
}

// directory is where the recordings go.
func (cmd *ReplayCmd) directory() string {
	if cmd.Output != "" {
		return cmd.Output
	}
	base := filepath.Base(cmd.File)
	return "replay-" + strings.TrimSuffix(base, filepath.Ext(base))
}

// makeReplayDirectory makes dir, empty. One that is not replay's own is left as
// it is.
func makeReplayDirectory(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	ours := slices.ContainsFunc(entries, func(e os.DirEntry) bool { return e.Name() == replayMark })
	if len(entries) > 0 && !ours {
		return fmt.Errorf("%s holds something else: name another directory with -o", dir)
	}
	for _, e := range entries {
		if e.Name() == replayMark {
			continue // last, so that a broken-off clearing can be repeated
		}
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	text := "Written by siprecd replay, which empties this directory when it runs again.\n"
	return os.WriteFile(filepath.Join(dir, replayMark), []byte(text), 0o600)
}

// nothing says what a capture without sessions holds instead.
func (cmd *ReplayCmd) nothing(plan *replay.Plan) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: nothing to record", cmd.File)
	for _, n := range plan.Notes {
		fmt.Fprintf(&b, "\n  %s", n)
	}
	switch {
	case len(plan.Flows) > 0 && len(cmd.Declare) == 0:
		b.WriteString("\nThere is RTP in it. Say who speaks on which stream, once for each:")
		for i, f := range plan.Flows {
			if i == 20 {
				fmt.Fprintf(&b, "\n  and %d more", len(plan.Flows)-i)
				break
			}
			fmt.Fprintf(&b, "\n  -d %s=NUMBER    (%s)", f.Dst, f)
		}
	case len(plan.Flows) > 0:
		b.WriteString("\nThe streams in it are:")
		for _, f := range plan.Flows[:min(20, len(plan.Flows))] {
			fmt.Fprintf(&b, "\n  %s", f)
		}
	case len(plan.Notes) == 0:
		b.WriteString("\nIt holds neither SIP nor RTP that could be read.")
	}
	return errors.New(b.String())
}

func (cmd *ReplayCmd) print(g *Globals, plan *replay.Plan, rows []store.Row, dir string, cfg *config.Config) error {
	slices.Reverse(rows) // newest first
	if cmd.JSON {
		for _, n := range plan.Notes {
			fmt.Fprintf(g.err(), "note: %s\n", n)
		}
		return printJSON(g.out(), rows)
	}
	w := g.out()
	printRows(w, rows, cfg.Site.TimeZone)
	for _, r := range rows {
		if r.File != "" {
			fmt.Fprintf(w, "\n%s\n  %s, %s\n", filepath.Join(dir, r.File), r.Format, r.DecidedBy)
		} else {
			fmt.Fprintf(w, "\n%s: no audio kept, %s by %s\n", r.ID, r.Policy, r.DecidedBy)
		}
		for _, n := range r.Notes {
			fmt.Fprintf(w, "  note: %s\n", n)
		}
	}
	for _, n := range plan.Notes {
		fmt.Fprintf(w, "note: %s\n", n)
	}
	return nil
}

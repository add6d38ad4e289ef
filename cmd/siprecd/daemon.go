package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"siprecd/cmd/siprecd/config"
	"siprecd/cmd/siprecd/recorder"
	"siprecd/cmd/siprecd/witness"
	"siprecd/media"
	"siprecd/sip"
	"siprecd/store"
)

// daemonOptions starts a daemon.
type daemonOptions struct {
	Config    *config.Config
	Path      string    // as given by --config, for reloads
	Errors    io.Writer // the log
	Elsewhere bool      // the data directory was named by a flag: a reload does not change it
	Notices   []string  // what status is to say from the start
}

// daemon is a running recorder. Its parts are started in the order store,
// media, recorder, SIP, keeper, control, so that nothing arrives before it can be
// kept, and stopped the other way round.
type daemon struct {
	log       *slog.Logger
	level     slog.LevelVar // of log; a reload may set it
	kept      *keptErrors
	path      string
	dir       string
	elsewhere bool // dir is not the configuration's
	started   time.Time
	begun     *config.Config // what it was started with
	notices   []string       // said once, at the start

	refusals turnstile
	draining atomic.Bool

	cfg      atomic.Pointer[config.Config]
	settings atomic.Pointer[recorder.Settings]
	access   atomic.Pointer[[]sip.Source]

	store   *store.Store
	rtp     *media.Receiver
	rec     *recorder.Recorder
	sip     *sip.Server
	keeper  *keeper
	feeder  *witness.Feeder
	scrub   *scrubber
	alarms  *alarms
	control *http.Server
	wg      sync.WaitGroup

	mu        sync.Mutex // guards the next fields
	loaded    time.Time
	reloadErr string
}

// startDaemon starts everything or nothing.
func startDaemon(o daemonOptions) (d *daemon, err error) {
	kept := &keptErrors{}
	d = &daemon{
		kept: kept, path: o.Path, notices: o.Notices, dir: o.Config.Data.Dir, elsewhere: o.Elsewhere, begun: o.Config, started: time.Now(), loaded: time.Now(),
	}
	d.log = slog.New(errorKeeper{logHandler(o.Config.Log.Format, &d.level, o.Errors), kept})
	d.adopt(o.Config)
	defer func() {
		if err != nil {
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			err = errors.Join(err, d.stop(ctx))
		}
	}()
	key, err := runKeyOf(d.dir, os.Getenv)
	if err != nil {
		return d, err
	}
	if d.store, err = store.Open(store.Options{Dir: d.dir, Log: d.log, RunKey: key}); err != nil {
		return d, err
	}
	left := d.store.Ledger.Last()
	d.tellStart(o.Config)
	if d.rtp, err = media.NewReceiver(media.ReceiverConfig{
		PortMin: o.Config.Media.FirstPort, PortMax: o.Config.Media.LastPort, Log: d.log,
	}); err != nil {
		return d, err
	}
	d.notices = append(d.notices, d.rtp.Notices()...)
	rec := &recorder.Recorder{Store: d.store, Media: d.rtp, Settings: d.settings.Load, Log: d.log}
	if err = rec.Start(context.Background()); err != nil {
		return d, err
	}
	d.rec = rec
	d.feeder = &witness.Feeder{Ledger: d.store.Ledger, Target: d.witnessTarget, Log: d.log}
	d.feeder.Start()
	d.scrub = &scrubber{
		store: d.store, zone: func() *time.Location { return d.cfg.Load().Site.TimeZone }, now: time.Now, live: d.rec.LiveCount, log: d.log,
	}
	d.scrub.start()
	d.alarms = &alarms{store: d.store, disk: d.diskState, refused: d.refusals.count, keys: d.store.Keys.Trouble, log: d.log}
	d.alarms.start()
	if err = d.startSIP(o.Config); err != nil {
		return d, err
	}
	d.keeper = &keeper{
		store: d.store, config: d.cfg.Load, now: time.Now, left: left, proofs: d.proofs,
		running: func() time.Duration { return time.Since(d.started) },
		failed:  func(what string, err error) { d.log.Error(what, "side", "srs", "reason", err) },
	}
	d.keeper.start()
	return d, d.startControl()
}

// tellStart puts the start into the ledger, and the crash before it, if there
// was one.
func (d *daemon) tellStart(cfg *config.Config) {
	newest := d.store.Before
	if newest.Kind != "" && newest.Kind != store.EventStopped {
		d.store.Tell(store.Entry{Kind: store.EventCrashed, Public: map[string]string{"newest": newest.Time.UTC().Format(time.RFC3339Nano)}})
	}
	public := digestsOf(cfg)
	public["version"] = version()
	d.store.Tell(store.Entry{Kind: store.EventStarted, Public: public})
}

// digestsOf are the digests of the configuration's files, by their kind.
func digestsOf(cfg *config.Config) map[string]string {
	digests := make(map[string]string)
	for kind, name := range map[string]string{"siprecd.toml": cfg.File, "extensions.toml": cfg.Extensions} {
		if b, err := os.ReadFile(name); name != "" && err == nil {
			digests[kind] = fmt.Sprintf("%x", sha256.Sum256(b))
		}
	}
	return digests
}

// startSIP binds the configured sockets. Without a configuration, when 5060
// belongs to somebody else, it takes 5070 and says so.
func (d *daemon) startSIP(cfg *config.Config) error {
	listen, err := listeners(cfg.SIP)
	if err != nil {
		return err
	}
	srv := d.server(listen)
	err = srv.Start()
	if err != nil && cfg.SIP.ByDefault && errors.Is(err, syscall.EADDRINUSE) {
		for i := range listen {
			listen[i].Address = strings.Replace(listen[i].Address, ":5060", ":5070", 1)
		}
		d.notices = append(d.notices, "port 5060 is taken by another program: SIP listens on 5070")
		srv = d.server(listen)
		err = srv.Start()
	}
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%w: another program holds it; name another port in [sip] listen", err)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("%w: this host has no such address; 0.0.0.0 stands for all it has", err)
	case err != nil:
		return err
	}
	d.sip = srv
	return nil
}

func (d *daemon) server(listen []sip.Listener) *sip.Server {
	return &sip.Server{
		Handler: d.rec.ServeSession,
		Listen:  listen,
		Access:  func() []sip.Source { return *d.access.Load() },
		Busy:    d.busy,
		Log:     d.log,
	}
}

func (d *daemon) startControl() error {
	l, err := listenControl(d.dir)
	if err != nil {
		return err
	}
	k := &desk{store: d.store, rec: d.rec, keeper: d.keeper, status: d.status, reload: d.reload, retry: d.retry}
	d.control = &http.Server{Handler: k.handler(), ReadHeaderTimeout: 5 * time.Second, ErrorLog: slog.NewLogLogger(d.log.Handler(), slog.LevelDebug)}
	d.wg.Go(func() {
		if err := d.control.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			d.log.Error("control socket", "side", "srs", "reason", err)
		}
	})
	return nil
}

// stop ends live calls with BYE, seals them and closes everything, in the
// order that lets nothing arrive where nobody listens.
func (d *daemon) stop(ctx context.Context) error {
	var errs []error
	if d.sip != nil {
		errs = append(errs, d.sip.Close(ctx))
	}
	if d.rec != nil {
		d.rec.Close()
	}
	if d.keeper != nil {
		d.keeper.close()
	}
	if d.feeder != nil {
		d.feeder.Close()
	}
	if d.scrub != nil {
		d.scrub.close()
	}
	if d.alarms != nil {
		d.alarms.close()
	}
	if d.rtp != nil {
		errs = append(errs, d.rtp.Close())
	}
	if d.control != nil {
		errs = append(errs, d.control.Close())
		d.wg.Wait()
		errs = append(errs, ignoreMissing(os.Remove(socketPath(d.dir))))
	}
	if d.store != nil {
		d.store.Tell(store.Entry{Kind: store.EventStopped})
		errs = append(errs, d.store.Close())
	}
	return errors.Join(errs...)
}

func ignoreMissing(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

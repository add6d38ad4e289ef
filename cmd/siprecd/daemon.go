package main

import (
	"context"
	"errors"
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
	"siprecd/media"
	"siprecd/sip"
	"siprecd/store"
)

// daemonOptions starts a daemon.
type daemonOptions struct {
	Config *config.Config
	Path   string    // as given by --config, for reloads
	Data   string    // overrides the configuration's data directory
	Errors io.Writer // the log
}

// daemon is a running recorder. Its parts are started in the order store,
// media, recorder, SIP, control, so that nothing arrives before it can be
// kept, and stopped the other way round.
type daemon struct {
	log     *slog.Logger
	kept    *keptErrors
	path    string
	dir     string
	started time.Time
	notices []string // said once, at the start

	cfg      atomic.Pointer[config.Config]
	settings atomic.Pointer[recorder.Settings]
	access   atomic.Pointer[[]sip.Source]

	store   *store.Store
	rtp     *media.Receiver
	rec     *recorder.Recorder
	sip     *sip.Server
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
		kept: kept, path: o.Path, dir: o.Data, started: time.Now(), loaded: time.Now(),
		log: slog.New(errorKeeper{logHandler(o.Config.Log, o.Errors), kept}),
	}
	if d.dir == "" {
		d.dir = o.Config.Data.Dir
	}
	d.adopt(o.Config)
	defer func() {
		if err != nil {
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			err = errors.Join(err, d.stop(ctx))
		}
	}()
	if d.store, err = store.Open(store.Options{Dir: d.dir, Log: d.log}); err != nil {
		return d, err
	}
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
	if err = d.startSIP(o.Config); err != nil {
		return d, err
	}
	return d, d.startControl()
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
	if err != nil {
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

// busy is admission: what refuses new calls before the live ones suffer.
func (d *daemon) busy() (time.Duration, bool) {
	cfg := d.cfg.Load()
	switch {
	case d.store.Err() != nil:
		return time.Minute, true
	case cfg.Limits.MaxCalls > 0 && d.rec.LiveCount() >= cfg.Limits.MaxCalls:
		return 5 * time.Second, true
	case d.rtp.Free() == 0, d.rtp.Strained():
		return 5 * time.Second, true
	}
	if free, _, err := d.store.Disk(); err == nil && free < diskReserve {
		return time.Minute, true
	}
	return 0, false
}

func (d *daemon) startControl() error {
	l, err := listenControl(d.dir)
	if err != nil {
		return err
	}
	k := &desk{store: d.store, rec: d.rec, status: d.status, reload: d.reload}
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
	if d.rtp != nil {
		errs = append(errs, d.rtp.Close())
	}
	if d.control != nil {
		errs = append(errs, d.control.Close())
		d.wg.Wait()
		errs = append(errs, ignoreMissing(os.Remove(socketPath(d.dir))))
	}
	if d.store != nil {
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

// diskReserve is what is left for the calls that are live when new ones are
// refused: 500 calls of two hours.
const diskReserve = 512 << 20

// adopt makes cfg the configuration in force for calls that begin from now on.
func (d *daemon) adopt(cfg *config.Config) {
	d.cfg.Store(cfg)
	d.settings.Store(settingsOf(cfg))
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
		text := printed(problems)
		if !dryRun {
			d.mu.Lock()
			d.reloadErr = text
			d.mu.Unlock()
		}
		return nil, errors.New(text + "nothing was changed: the running configuration stays in force")
	}
	changes := config.Diff(d.cfg.Load(), cfg)
	lines := sentence(changes, d.rec.LiveCount())
	if dryRun {
		return lines, nil
	}
	d.adopt(cfg)
	d.mu.Lock()
	d.loaded, d.reloadErr = time.Now(), ""
	d.mu.Unlock()
	d.log.Info("configuration reloaded", "changes", len(changes))
	return lines, nil
}

// status gathers what `siprecd status` prints.
func (d *daemon) status() status {
	cfg := d.cfg.Load()
	s := status{
		Version: version(), Started: d.started, Live: d.rec.Live(), Errors: d.kept.newestFirst(),
		Sources: []srcStatus{}, Warnings: append([]string{}, d.notices...),
	}
	for i, l := range d.sip.Listen {
		s.Listen = append(s.Listen, l.Network+" "+d.sip.Addr(i).String())
	}
	d.mu.Lock()
	s.Config = configStatus{File: cfg.File, Loaded: d.loaded, Policy: summary(cfg), Error: d.reloadErr}
	d.mu.Unlock()
	for _, src := range d.sip.Sources() {
		s.Sources = append(s.Sources, srcStatus{
			Name: src.Name, Address: src.Addr.String(), LastHeard: src.LastHeard, Requests: src.Requests,
			Refused: src.Refused, ParseErrors: src.ParseErrors, Live: src.Sessions,
		})
	}
	s.Disk.Dir = d.dir
	var err error
	if s.Disk.Free, s.Disk.Total, err = d.store.Disk(); err != nil {
		s.Disk.Error = err.Error()
	}
	if err := d.store.Err(); err != nil {
		s.Disk.Error = err.Error()
	}
	if s.Calls, err = d.store.Catalog.Count(context.Background()); err != nil {
		s.Warnings = append(s.Warnings, "catalogue: "+err.Error())
	}
	return s
}

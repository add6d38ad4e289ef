package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"syscall"
	"text/template"
	"time"
)

// ServeCmd is `siprecd serve`.
type ServeCmd struct {
	Grace time.Duration `help:"How long live calls may go on after SIGTERM before they are ended with BYE; instead of [limits] grace."`
}

// Help is shown below the usage.
func (ServeCmd) Help() string {
	return `Takes recording sessions until SIGTERM. Without a configuration file: SIP on port
5060, udp and tcp (5070 when 5060 is taken), data in ./siprecd-data, every
extension recorded.

  siprecd                                 try it
  siprecd serve --config /etc/siprecd/siprecd.toml
  siprecd serve --data /var/lib/siprecd --grace 10m

SIGHUP reads the configuration again, as siprecd reload does. The first SIGTERM
or Ctrl-C refuses new calls and waits for the live ones, the second ends them
with BYE; either way they are sealed.`
}

// Run serves until SIGTERM or SIGINT. The first signal drains: new sessions are
// refused with 503 so that the SRC fails over, live ones finish. The second
// ends them with BYE.
func (c *ServeCmd) Run(g *Globals) error {
	cfg, err := g.load()
	if err != nil {
		return err
	}
	d, err := startDaemon(daemonOptions{Config: cfg, Path: g.Config, Errors: g.err(), Elsewhere: g.Data != "", Notices: keepMemory()})
	if err != nil {
		return err
	}
	if err := d.hello(g); err != nil {
		d.log.Warn("greeting", "reason", err)
	}

	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	stop := make(chan os.Signal, 2)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	defer signal.Stop(stop)
	for {
		select {
		case <-hup:
			d.hangup()
		case <-stop:
			return d.shutdown(orGrace(c.Grace, d.cfg.Load().Limits.Grace), stop)
		}
	}
}

// hangup is SIGHUP: a reload that nobody waits for.
func (d *daemon) hangup() {
	_, err := d.reload(false)
	if err == nil {
		return
	}
	reason := err.Error()
	if refused, ok := errors.AsType[*refusedReload](err); ok {
		reason = refused.brief()
	}
	d.log.Error("reload refused, the running configuration stays in force", "reason", reason)
}

func orGrace(flag, configured time.Duration) time.Duration {
	if flag > 0 {
		return flag
	}
	return configured
}

// shutdown drains and waits for the live calls, at most for grace or until
// another signal.
func (d *daemon) shutdown(grace time.Duration, again <-chan os.Signal) error {
	d.sip.Drain()
	d.draining.Store(true)
	patience := time.NewTimer(grace)
	defer patience.Stop()
	look := time.NewTicker(200 * time.Millisecond)
	defer look.Stop()
	d.log.Info("draining", "live", d.rec.LiveCount())
	for d.rec.LiveCount() > 0 {
		select {
		case <-look.C:
			continue
		case <-patience.C:
		case <-again:
		}
		break
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return d.stop(ctx)
}

// hello.txt is what a PBX administrator pastes; each vendor has words of its
// own.
//
//go:embed hello.txt
var helloText string

// hello says where the daemon listens and what to write into an SBC.
func (d *daemon) hello(g *Globals) error {
	w := g.out()
	fmt.Fprintf(w, "siprecd %s\n", version())
	for i, l := range d.sip.Listen {
		fmt.Fprintf(w, "  SIP %-4s %s\n", l.Network, d.sip.Addr(i))
	}
	fmt.Fprintf(w, "  data     %s\n", d.dir)
	fmt.Fprintf(w, "  policy   %s\n", summary(d.cfg.Load()))
	for _, n := range d.warnings(time.Now()) {
		printItem(w, "  note    ", n)
	}
	fmt.Fprintln(w)
	program, flags := g.again()
	at, transport := d.reachable()
	if at.Addr().IsLoopback() {
		_, err := fmt.Fprintf(w, "Only this machine can reach it. Look with: %[1]s status%[2]s, %[1]s calls%[2]s\n", program, flags)
		return err
	}
	text, err := template.New("hello").Parse(helloText)
	if err != nil {
		return err
	}
	return text.Execute(w, map[string]any{
		"At": at, "Host": at.Addr(), "Port": at.Port(), "Transport": transport, "Program": program, "Flags": flags,
		"Oracle": map[string]string{"tcp": "DynamicTCP", "tls": "StaticTLS", "udp": "UDP"}[transport],
	})
}

// reachable is the address to give to an SBC, and its transport: TCP where
// there is a choice, for messages of any size.
func (d *daemon) reachable() (at netip.AddrPort, transport string) {
	for i, l := range d.sip.Listen {
		a, err := netip.ParseAddrPort(d.sip.Addr(i).String())
		if err != nil || at.IsValid() && l.Network != "tcp" {
			continue
		}
		if a.Addr().IsUnspecified() {
			a = netip.AddrPortFrom(outwardAddress(), a.Port())
		}
		at, transport = a, l.Network
	}
	return at, transport
}

// outwardAddress is this host's address towards the rest of the network, found
// without sending anything.
func outwardAddress() netip.Addr {
	// The documentation network is routed like any other; a UDP connect only
	// asks the routing table.
	conn, err := net.Dial("udp", "192.0.2.1:5060")
	if err != nil {
		return netip.MustParseAddr("127.0.0.1")
	}
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap()
}

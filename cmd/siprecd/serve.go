package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// ServeCmd is `siprecd serve`.
type ServeCmd struct {
	Data  string        `placeholder:"DIR" help:"Data directory, instead of the configuration's."`
	Grace time.Duration `help:"How long live calls may go on after SIGTERM before they are ended with BYE; instead of [limits] grace."`
}

// Run serves until SIGTERM or SIGINT. The first signal drains: new sessions are
// refused with 503 so that the SRC fails over, live ones finish. The second
// ends them with BYE.
func (c *ServeCmd) Run(g *Globals) error {
	cfg, err := g.load()
	if err != nil {
		return err
	}
	d, err := startDaemon(daemonOptions{Config: cfg, Path: g.Config, Data: c.Data, Errors: g.err()})
	if err != nil {
		return err
	}
	d.hello(g.out())

	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	stop := make(chan os.Signal, 2)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	defer signal.Stop(stop)
	for {
		select {
		case <-hup:
			if _, err := d.reload(false); err != nil {
				d.log.Error("reload refused, the running configuration stays in force", "reason", err)
			}
		case <-stop:
			return d.shutdown(orGrace(c.Grace, cfg.Limits.Grace), stop)
		}
	}
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

// hello says where the daemon listens and what to write into an SBC.
func (d *daemon) hello(w io.Writer) {
	fmt.Fprintf(w, "siprecd %s\n", version())
	for i, l := range d.sip.Listen {
		fmt.Fprintf(w, "  SIP %-4s %s\n", l.Network, d.sip.Addr(i))
	}
	fmt.Fprintf(w, "  data     %s\n", d.dir)
	cfg := d.cfg.Load()
	fmt.Fprintf(w, "  policy   %s\n", summary(cfg))
	for _, n := range d.notices {
		fmt.Fprintf(w, "  note     %s\n", n)
	}
	at, transport := d.reachable()
	if at.Addr().IsLoopback() {
		fmt.Fprintln(w, "\nOnly this machine can reach it. Look with: siprecd status, siprecd calls")
		return
	}
	host, port := at.Addr().String(), at.Port()
	oracle := map[string]string{"tcp": "DynamicTCP", "tls": "StaticTLS", "udp": "UDP"}[transport]
	fmt.Fprintf(w, `
Point your SBC here, for example
  OpenSIPS    siprec_start_recording("sip:%[4]s;transport=%[3]s");
  Oracle      session-recording-server: destination %[1]s, port %[2]d, transport-method %[5]s
  AudioCodes  Proxy Set %[4]s, SIP Recording Rule → its IP Group
  Cisco CUBE  session target ipv4:%[1]s:%[2]d
Then look:    siprecd status, siprecd calls
`, host, port, transport, at, oracle)
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

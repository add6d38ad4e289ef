package main

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/signal"
	"syscall"

	"siprecd/cmd/siprecd/place"
	"siprecd/media"
)

// RTPSendCmd is "siprecd rtp-send", a test tool: RTP for calls that another
// program signals. It reads "DEST-A DEST-B SECONDS [SOURCE-PORT-A SOURCE-PORT-B]"
// lines and prints a line of JSON for each when it is sent.
type RTPSendCmd struct {
	Host   string `help:"Address of destinations that are a port alone." default:"127.0.0.1"`
	Source string `help:"Address to send from." default:"127.0.0.1"`
	A      string `help:"What line A says: a WAV or MP3 file, tone:HZ, or silence." default:"tone:440" placeholder:"FILE"`
	B      string `help:"What line B says." default:"tone:660" placeholder:"FILE"`
	Codec  string `help:"PCMU, PCMA, G722 or L16 (16 kHz)." enum:"PCMU,PCMA,G722,L16" default:"PCMU"`
}

// Run sends until standard input ends and everything is sent.
func (c *RTPSendCmd) Run(g *Globals) error {
	p := place.Pairs{Codec: c.Codec}
	var err error
	if p.Host, err = netip.ParseAddr(c.Host); err != nil {
		return g.misused(fmt.Errorf("--host: %w", err))
	}
	if p.Source, err = netip.ParseAddr(c.Source); err != nil {
		return g.misused(fmt.Errorf("--source: %w", err))
	}
	if p.A, err = media.LoadClip(c.A); err != nil {
		return g.misused(err)
	}
	if p.B, err = media.LoadClip(c.B); err != nil {
		return g.misused(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return p.Run(ctx, os.Stdin, g.out())
}

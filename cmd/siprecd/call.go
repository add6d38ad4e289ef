package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"siprecd/cmd/siprecd/place"
	"siprecd/media"
	"siprecd/sip"
)

// CallCmd is "siprecd call": a recording client that places calls at any
// SIPREC recording server.
type CallCmd struct {
	Target string `arg:"" help:"Where the recording server is: sip:HOST or sip:HOST:PORT." placeholder:"sip:HOST"`

	From string `help:"Caller, a number or a SIP address." default:"1001"`
	To   string `help:"Callee, a number or a SIP address." default:"1002"`
	A    string `help:"What the caller says: a WAV or MP3 file, tone:HZ, or silence." default:"tone:440" placeholder:"FILE"`
	B    string `help:"What the callee says, likewise." default:"tone:660" placeholder:"FILE"`

	DtmfA []string `help:"Keys the caller presses, as RFC 4733 events: TIME:KEYS, e.g. 3s:*1. Repeatable." placeholder:"TIME:KEYS" sep:"none"`
	DtmfB []string `help:"Keys the callee presses." placeholder:"TIME:KEYS" sep:"none"`
	InfoA []string `name:"info-a" aliases:"info" help:"Keys pressed by SIP INFO, which names no line." placeholder:"TIME:KEYS" sep:"none"`

	Duration    time.Duration `help:"Length of each call. Default: of the longer file, 10s for tones." placeholder:"10s"`
	Pause       []string      `help:"Pause the recording by re-INVITE: AT:FOR, e.g. 2s:3s. Repeatable." placeholder:"AT:FOR" sep:"none"`
	LateParties time.Duration `help:"Name the parties only after this time, by UPDATE; the INVITE names a placeholder." placeholder:"500ms"`
	Offerless   bool          `help:"Send the INVITE without SDP, so that the server offers."`

	Transport string          `help:"udp, tcp or tls." enum:"udp,tcp,tls" default:"udp"`
	Codec     string          `help:"pcmu, pcma, g722 or l16 (16 kHz)." enum:"pcmu,pcma,g722,l16" default:"pcmu"`
	Ptime     time.Duration   `help:"Audio in each packet." default:"20ms"`
	SRTP      string          `name:"srtp" help:"Encrypt the media: AES_CM_128_HMAC_SHA1_80, AES_CM_128_HMAC_SHA1_32, AES_256_CM_HMAC_SHA1_80, AES_256_CM_HMAC_SHA1_32, AEAD_AES_128_GCM or AEAD_AES_256_GCM." placeholder:"SUITE"`
	Rekey     []time.Duration `help:"Give new keys by re-INVITE after this time. Repeatable." placeholder:"5s"`
	Local     string          `help:"Address and port to send SIP from." placeholder:"HOST:PORT"`
	CA        string          `name:"ca" help:"PEM file of the authority that signed the server's certificate." placeholder:"FILE"`
	Cert      string          `help:"PEM file of our certificate and its key, for servers that ask for one." placeholder:"FILE"`
	Insecure  bool            `help:"Accept any certificate of the server."`
	User      string          `help:"User name when the server asks for digest authentication; the password is read from SIPRECD_PASSWORD."`

	Count int     `short:"n" help:"How many calls." default:"1"`
	Rate  float64 `short:"r" help:"Calls begun in a second." default:"10"`
	Limit int     `short:"l" help:"At most so many calls at once; 0 is no limit." default:"0"`
	JSON  bool    `name:"json" help:"Print the calls and the totals as JSON."`
}

// Help is shown below the usage.
func (CallCmd) Help() string {
	return `Places SIPREC calls as a PBX or SBC would: both parties' audio on a line of its
own, their numbers in the metadata. Loads of them, with -n, -r and -l.

  siprecd call sip:192.0.2.10 --from 2002 --a alice.wav --b bob.wav --dtmf-a 3s:*1
  siprecd call sip:192.0.2.10:5061 --transport tls --ca ca.pem --duration 1m
  siprecd call sip:192.0.2.10 -n 200 -r 20 -l 100 --duration 10s

Exit status: 0 every call went well, 1 a call failed, 2 usage.`
}

// Run places the calls.
func (c *CallCmd) Run(g *Globals) error {
	call, err := c.call()
	if err != nil {
		return g.misused(err)
	}
	conf, err := c.tlsConfig()
	if err != nil {
		return g.misused(err)
	}
	src, err := place.Open(place.Options{
		Transport: c.Transport, Local: c.Local, TLS: conf, User: c.User, Password: g.env("SIPRECD_PASSWORD"),
	})
	if err != nil {
		return err
	}
	defer src.Close()
	call.SRC = src
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return c.place(ctx, call, g)
}

// misused says what is wrong with the arguments and ends the command.
func (g *Globals) misused(err error) error {
	fmt.Fprintf(g.err(), "siprecd: %v\nTry: siprecd --help\n", err)
	return exitError{2}
}

func (g *Globals) env(name string) string {
	if g.Getenv == nil {
		return os.Getenv(name)
	}
	return g.Getenv(name)
}

// call reads the flags.
func (c *CallCmd) call() (place.Call, error) {
	if c.Count < 1 || c.Rate <= 0 || c.Limit < 0 || c.Duration < 0 || c.LateParties < 0 {
		return place.Call{}, errors.New("-n and -r must be above 0, and -l and times not below")
	}
	if !strings.HasPrefix(c.Target, "sip:") && !strings.HasPrefix(c.Target, "sips:") {
		return place.Call{}, fmt.Errorf("%q is no SIP address: write sip:HOST or sip:HOST:PORT", c.Target)
	}
	call := place.Call{
		Target: c.Target, From: c.From, To: c.To, Duration: c.Duration, Codec: c.Codec, Ptime: c.Ptime,
		LateParties: c.LateParties, Offerless: c.Offerless, SRTP: strings.ToUpper(c.SRTP), Rekeys: c.Rekey,
	}
	if suites := media.SRTPSuites(); call.SRTP != "" && !slices.Contains(suites, call.SRTP) {
		return call, fmt.Errorf("--srtp %s: one of %s", c.SRTP, strings.Join(suites, ", "))
	}
	if len(call.Rekeys) > 0 && call.SRTP == "" {
		return call, errors.New("--rekey needs --srtp")
	}
	var err error
	if call.A.Clip, err = media.LoadClip(c.A); err != nil {
		return call, err
	}
	if call.B.Clip, err = media.LoadClip(c.B); err != nil {
		return call, err
	}
	for _, keys := range []struct {
		texts []string
		into  *[]media.KeyTone
	}{{c.DtmfA, &call.A.Keys}, {c.DtmfB, &call.B.Keys}, {c.InfoA, &call.Infos}} {
		for _, text := range keys.texts {
			tones, err := place.ParseKeys(text)
			if err != nil {
				return call, err
			}
			*keys.into = append(*keys.into, tones...)
		}
	}
	for _, text := range c.Pause {
		at, length, _ := strings.Cut(text, ":")
		from, err1 := time.ParseDuration(at)
		span, err2 := time.ParseDuration(length)
		if err1 != nil || err2 != nil || from < 0 || span <= 0 {
			return call, fmt.Errorf("--pause %q: write AT:FOR, e.g. 2s:3s", text)
		}
		call.Pauses = append(call.Pauses, place.Pause{At: from, For: span})
	}
	return call, nil
}

func (c *CallCmd) tlsConfig() (*tls.Config, error) {
	if c.Transport != "tls" {
		return nil, nil
	}
	conf := &tls.Config{InsecureSkipVerify: c.Insecure}
	if c.CA != "" {
		pem, err := os.ReadFile(c.CA)
		if err != nil {
			return nil, err
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no certificate", c.CA)
		}
	}
	if c.Cert != "" {
		pair, err := tls.LoadX509KeyPair(c.Cert, c.Cert)
		if err != nil {
			return nil, err
		}
		conf.Certificates = []tls.Certificate{pair}
	}
	return conf, nil
}

// placed is one call in the JSON output.
type placed struct {
	place.Result
	Error string `json:"error,omitempty"`
}

// place runs the batch and tells every second how far it is.
func (c *CallCmd) place(ctx context.Context, call place.Call, g *Globals) error {
	calls := make([]placed, c.Count)
	var live, ended atomic.Int64
	trouble := make(chan string, c.Count)
	call.Answered = func(*sip.Outgoing) { live.Add(1) }
	batch := place.Batch{Call: call, Count: c.Count, Rate: c.Rate, Limit: c.Limit, Ended: func(i int, r place.Result, err error) {
		ended.Add(1)
		if r.CallID != "" {
			live.Add(-1)
		}
		calls[i].Result = r
		if err != nil {
			calls[i].Error = err.Error()
			trouble <- fmt.Sprintf("call %d: %v%s", i+1, err, cure(err))
		}
	}}
	var totals place.Totals
	go func() {
		defer close(trouble)
		totals = batch.Run(ctx)
	}()
	c.watch(trouble, g.err(), func() string {
		return fmt.Sprintf("%d of %d calls over, %d up", ended.Load(), c.Count, live.Load())
	})
	if err := c.print(g.out(), calls, totals); err != nil {
		return err
	}
	if totals.Failed > 0 { // each has said why
		return exitError{1}
	}
	return nil
}

// cure is what to do about an error; "" when it says so itself.
func cure(err error) string {
	if refused, ok := errors.AsType[*sip.StatusError](err); ok && (refused.Status == 401 || refused.Status == 407) {
		return ": name an account with --user, its password in SIPRECD_PASSWORD"
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return ": name its authority with --ca, or trust it with --insecure"
	}
	return ""
}

// watch prints trouble as it comes, and progress every second, until trouble is
// closed.
func (c *CallCmd) watch(trouble <-chan string, out io.Writer, progress func() string) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	said := ""
	for {
		select {
		case text, ok := <-trouble:
			if !ok {
				return
			}
			fmt.Fprintln(out, text)
		case <-tick.C:
			if now := progress(); now != said && !c.JSON {
				fmt.Fprintln(out, now)
				said = now
			}
		}
	}
}

func (c *CallCmd) print(out io.Writer, calls []placed, t place.Totals) error {
	if c.JSON {
		return printJSON(out, struct {
			Calls  []placed     `json:"calls"`
			Totals place.Totals `json:"totals"`
		}{calls, t})
	}
	_, err := fmt.Fprintf(out, "calls ok        %d\ncalls failed    %d\n200 after       p50 %v, p99 %v\npackets sent    %d\npackets unsent  %d\n",
		t.OK, t.Failed, t.P50.Round(10*time.Microsecond), t.P99.Round(10*time.Microsecond), t.Packets, t.Unsent)
	return err
}

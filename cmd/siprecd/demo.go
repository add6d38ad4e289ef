package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"siprecd/cmd/siprecd/config"
	"siprecd/cmd/siprecd/place"
	"siprecd/media"
	"siprecd/store"
)

// DemoCmd is `siprecd demo`.
type DemoCmd struct {
	Once bool `help:"End after the three calls; exit 0 only if all came out right."`
}

// demoMark begins the files that a later demo may write again.
const demoMark = "# Written by siprecd demo.\n"

const demoSite = `[sip]
listen = ["udp:127.0.0.1:0", "tcp:127.0.0.1:0"]

[data]
dir = "."
`

const demoExtensions = `[default]
policy = "off"

[extensions]
2001 = "full"
2002 = "selective"   # from *1 on
2003 = "off"
`

// The tones the parties of the demo speak in, Hz.
const oursTone, otherTone = 440, 1000

// demoCall is one call of the demo and what must come of it.
type demoCall struct {
	extension string
	key       time.Duration // when *1 is pressed; 0: never
	length    time.Duration
	kept      bool
}

var demoCalls = []demoCall{
	{extension: "2001", length: 4 * time.Second, kept: true},
	{extension: "2002", length: 5 * time.Second, key: 2 * time.Second, kept: true},
	{extension: "2003", length: 3 * time.Second},
}

// Help is shown below the usage.
func (DemoCmd) Help() string {
	return `Starts a recorder on loopback, places three calls at it over real SIP and RTP
(2001 full, 2002 selective with *1 pressed in mid-call, 2003 off), shows what was
kept and why, and stays up until Ctrl-C.

  siprecd demo
  siprecd demo --once --data /tmp/demo    exit 0 only if all three came out right`
}

// Run starts a recorder on loopback, places the calls and judges the result.
func (c *DemoCmd) Run(g *Globals) error {
	dir := cmp.Or(g.Data, "demo-data")
	if err := prepareDemo(dir); err != nil {
		return err
	}
	path := filepath.Join(dir, "siprecd.toml")
	cfg, problems := config.Load(path)
	if cfg == nil {
		return errors.New(printed(problems))
	}
	d, err := startDaemon(daemonOptions{Config: cfg, Path: path, Errors: io.Discard})
	if err != nil {
		return err
	}
	wrong, err := c.show(g.out(), d)
	if err == nil && !c.Once {
		fmt.Fprintf(g.out(), "\nThe recorder stays up on sip:%[1]s until Ctrl-C. Look around:\n"+
			"  %[3]s calls --config %[2]s\n  %[3]s status --config %[2]s\n"+
			"  %[3]s call sip:%[1]s --from 2001 --to 0105550101 --a tone:440 --b tone:660\n", d.sip.Addr(0), path, os.Args[0])
		stop := make(chan os.Signal, 1)
		signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
		<-stop
		signal.Stop(stop)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err = errors.Join(err, d.stop(ctx)); err != nil {
		return err
	}
	if wrong > 0 {
		return fmt.Errorf("%d of %d calls did not come out right", wrong, len(demoCalls))
	}
	return nil
}

// prepareDemo writes the demo's configuration into dir. One that somebody else
// wrote is left alone.
func prepareDemo(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	files := map[string]string{"siprecd.toml": demoSite, "extensions.toml": demoExtensions}
	for name := range files {
		file := filepath.Join(dir, name)
		old, err := os.ReadFile(file)
		if err == nil && !strings.HasPrefix(string(old), demoMark) {
			return fmt.Errorf("%s is not the demo's: name another directory with --data", file)
		}
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(demoMark+text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// show places the calls, waits until they are sealed and prints what was kept
// and why. It returns how many came out wrong.
func (c *DemoCmd) show(w io.Writer, d *daemon) (wrong int, err error) {
	fmt.Fprintf(w, "siprecd %s, demo: three calls over SIP and RTP on loopback\n", version())
	placed, err := placeDemo(w, d)
	if err != nil {
		return 0, err
	}
	for i, dc := range demoCalls {
		row, err := awaitSealed(d, placed[i].CallID)
		if err != nil {
			return 0, err
		}
		fmt.Fprintf(w, "\n%s  %s, decided by %s\n", dc.extension, row.Policy, row.DecidedBy)
		if err := dc.judge(w, d, row, dc.begins(placed[i])); err != nil {
			wrong++
			fmt.Fprintf(w, "      WRONG: %v\n", err)
			for _, n := range row.Notes {
				fmt.Fprintf(w, "      note: %s\n", n)
			}
		}
	}
	return wrong, nil
}

// begins is the earliest sound that may be in the file, in seconds of the call:
// a key's time counts from the first packet, the call's from its INVITE.
func (dc demoCall) begins(r place.Result) float64 {
	if dc.key == 0 || len(r.Lines) == 0 {
		return 0
	}
	return (r.Lines[0].FirstAt.Sub(r.Start) + dc.key).Seconds()
}

// placeDemo places the three calls together and returns how each went.
func placeDemo(w io.Writer, d *daemon) ([]place.Result, error) {
	type outcome struct {
		i      int
		result place.Result
		err    error
	}
	outcomes := make(chan outcome)
	for i, dc := range demoCalls {
		call := place.Call{
			Target: "sip:" + d.sip.Addr(0).String(), From: dc.extension, To: "0105550101",
			A: place.Side{Clip: media.Tone(oursTone)}, B: place.Side{Clip: media.Tone(otherTone)}, Duration: dc.length,
		}
		if dc.key > 0 {
			call.A.Keys = []media.KeyTone{{At: dc.key - 200*time.Millisecond, Digit: '*'}, {At: dc.key, Digit: '1'}}
		}
		go func() {
			r, err := call.Run(context.Background())
			outcomes <- outcome{i, r, err}
		}()
	}
	placed := make([]place.Result, len(demoCalls))
	var errs []error
	for range demoCalls {
		o := <-outcomes
		placed[o.i] = o.result
		if o.err != nil {
			errs = append(errs, fmt.Errorf("call of %s: %w", demoCalls[o.i].extension, o.err))
		}
		fmt.Fprintf(w, "  call of %s is over\n", demoCalls[o.i].extension)
	}
	return placed, errors.Join(errs...)
}

// awaitSealed waits until the call has come to its end in the catalogue.
func awaitSealed(d *daemon, callID string) (*store.Row, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	for {
		for row, err := range d.store.Catalog.Find(ctx, store.Query{Limit: 50}) {
			if err != nil {
				return nil, err
			}
			if row.CallID == callID && row.State != store.Live && row.State != store.Ending {
				return row, nil
			}
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return nil, errors.New("the call was not sealed within 20 s")
		}
	}
}

// judge looks at what was kept: in the row, and in the sound itself. begins is
// where the sound should, in seconds.
func (dc demoCall) judge(w io.Writer, d *daemon, row *store.Row, begins float64) error {
	if !dc.kept {
		fmt.Fprintf(w, "      nothing was kept (%s): answered inactive, one row in the catalogue\n", row.State)
		if row.State != store.NotRecorded || row.File != "" {
			return fmt.Errorf("state %s, file %q", row.State, row.File)
		}
		return nil
	}
	fmt.Fprintf(w, "      %s, %.1f s, %s\n      %s\n", row.State, row.Duration, row.Format, filepath.Join(d.dir, row.File))
	fmt.Fprintf(w, "      sealed until it dies on %s; to hear it: siprecd export %s --config %s\n", row.Dies, row.ID, filepath.Join(d.dir, "siprecd.toml"))
	for _, s := range row.Segments {
		fmt.Fprintf(w, "      recorded from %.2f s to %.2f s\n", s.Start, s.End)
	}
	if row.State != store.Sealed || len(row.Segments) != 1 {
		return fmt.Errorf("state %s, %d segments", row.State, len(row.Segments))
	}
	if math.Abs(row.Segments[0].Start-begins) > 0.1 {
		return fmt.Errorf("the segment begins at %.2f s, the key was pressed at %.2f s", row.Segments[0].Start, begins)
	}
	for _, s := range row.Streams {
		if s.Lost > 0 || s.Refused > 0 || s.Packets == 0 {
			return fmt.Errorf("line %s: %d packets, %d lost, %d refused", s.Label, s.Packets, s.Lost, s.Refused)
		}
	}
	return dc.listen(d, row)
}

// listen opens the file: ours left, the other side right, and before the key
// nothing at all.
func (dc demoCall) listen(d *daemon, row *store.Row) error {
	body, err := d.store.OpenAudio(context.Background(), row)
	if err != nil {
		return err
	}
	defer body.Close()
	var pcm bytes.Buffer
	if err := media.WritePCM(&pcm, body); err != nil {
		return err
	}
	wav, err := media.ReadWAV(bytes.NewReader(pcm.Bytes()))
	if err != nil {
		return err
	}
	data := make([]byte, wav.DataBytes)
	if _, err := wav.Data.ReadAt(data, 0); err != nil {
		return err
	}
	var sides [2][]float64
	for i := 0; i+4 <= len(data); i += 4 {
		for s := range sides {
			sides[s] = append(sides[s], float64(int16(uint16(data[i+2*s])|uint16(data[i+2*s+1])<<8)))
		}
	}
	// Where the segment begins is known to the nanosecond, the sound of it to the
	// packet's stamp.
	edge := max(0, int((row.Segments[0].Start-0.005)*8000))
	for s, want := range []float64{oursTone, otherTone} {
		if rms(sides[s][:edge]) > 0 {
			return fmt.Errorf("there is sound before the key on side %d", s)
		}
		heard := sides[s][min(edge+4000, len(sides[s])):]
		if p, q := power(heard, want), power(heard, oursTone+otherTone-want); p < 100*q || p == 0 {
			return fmt.Errorf("side %d does not carry its own tone of %.0f Hz", s, want)
		}
	}
	return nil
}

func rms(x []float64) float64 {
	var sum float64
	for _, v := range x {
		sum += v * v
	}
	if len(x) == 0 {
		return 0
	}
	return math.Sqrt(sum / float64(len(x)))
}

// power is x's power at f Hz (Goertzel), at 8,000 samples a second.
func power(x []float64, f float64) float64 {
	k := 2 * math.Cos(2*math.Pi*f/8000)
	var a, b float64
	for _, v := range x {
		a, b = v+k*a-b, a
	}
	return a*a + b*b - k*a*b
}

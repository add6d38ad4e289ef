// Command siprecd is a SIPREC recording server (RFC 7866): a PBX or SBC forks
// calls to it, and it keeps what the recording regulation lets it keep.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/alecthomas/kong"
)

// commands is the command line.
type commands struct {
	Globals

	Serve   ServeCmd   `cmd:"" default:"withargs" help:"Run the recorder (also with no command at all)."`
	Demo    DemoCmd    `cmd:"" help:"Record three calls of our own on loopback and show what was kept and why."`
	Check   CheckCmd   `cmd:"" help:"Check configuration files: every error at once."`
	Reload  ReloadCmd  `cmd:"" help:"Make the running recorder read its configuration again; prints what changes."`
	Explain ExplainCmd `cmd:"" help:"Say what is decided for an extension, and which line decides it."`
	Status  StatusCmd  `cmd:"" help:"One screen: who sends to us, what is live, the disk, the last errors."`
	Calls   CallsCmd   `cmd:"" help:"List recordings, newest first."`
	Export  ExportCmd  `cmd:"" help:"Write the audio of a recording to a file."`
	Bundle  BundleCmd  `cmd:"" help:"Hand recordings to a court or an auditor, with proofs, in one sealed file."`
	Replay  ReplayCmd  `cmd:"" help:"Record a capture file, offline, with the same result every time."`
	Call    CallCmd    `cmd:"" help:"Place SIPREC calls: a recording client for trying a recorder."`
	Keys    KeysCmd    `cmd:"" help:"Custodians and the keys of recordings: who can let them be heard."`

	Retention RetentionCmd `cmd:"" help:"What dies when, and what keeps it."`
	Hold      HoldCmd      `cmd:"" help:"Keep one recording past its day, by order of a document."`
	Release   ReleaseCmd   `cmd:"" help:"End a hold."`
	Delete    DeleteCmd    `cmd:"" help:"Destroy one recording before its day."`
	Verify    VerifyCmd    `cmd:"" help:"Re-read ledger and recordings without any key, or check a bundle."`
	Witness   WitnessCmd   `cmd:"" help:"On another machine: cosign the ledgers of recorders, refuse a rewritten past."`

	Backup  BackupCmd  `cmd:"" help:"Copy recordings, catalogue and ledger while calls go on; no keys."`
	Restore RestoreCmd `cmd:"" help:"Bring a backup into an empty data directory, and verify it."`
	Render  RenderCmd  `cmd:"" help:"Render calls that waited for a decoder."`
	Reindex ReindexCmd `cmd:"" help:"Rebuild the catalogue from the files of the vault."`
	Version VersionCmd `cmd:"" help:"Print the version."`

	PrintVersion kong.VersionFlag `name:"version" help:"Print the version."`

	RTPSend RTPSendCmd `cmd:"" name:"rtp-send" hidden:"" help:"Send RTP to pairs of ports read from standard input."`
}

const description = `A SIPREC recording server. Point your PBX or SBC at it; it keeps what
extensions.toml says.

  siprecd                                 run, without any configuration
  siprecd check && siprecd reload         after a change to extensions.toml
  siprecd explain 2002                    is 2002 recorded, and why?
  siprecd calls --number '*2345'          find a call again
  siprecd export 01KAXB -o call.wav       and hear it`

func main() {
	// Commands hold identities, passphrases and audio in clear as the recorder
	// does; what cannot be had, serve says.
	keepMemory()
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run is main without the process: it returns the exit code (0 ok, 1 error,
// 2 usage, 3 warnings under --strict).
func run(args []string, stdout, stderr io.Writer) int {
	c := commands{Globals: Globals{Stdout: stdout, Stderr: stderr}}
	exited := -1
	parser, err := kong.New(&c,
		kong.Name("siprecd"),
		kong.Description(description),
		kong.Vars{"version": "siprecd " + version()},
		kong.Writers(stdout, stderr),
		kong.Exit(func(code int) { exited = code }),
		kong.UsageOnError(),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 80}),
	)
	if err != nil {
		fmt.Fprintln(stderr, "siprecd:", err)
		return 1
	}
	ctx, err := parser.Parse(args)
	if exited >= 0 {
		return exited
	}
	if err != nil {
		fmt.Fprintf(stderr, "siprecd: %v\nTry: siprecd --help\n", err)
		return 2
	}
	err = ctx.Run(&c.Globals)
	if code, ok := errors.AsType[exitError](err); ok {
		return code.code
	}
	if err != nil {
		fmt.Fprintln(stderr, "siprecd:", err)
		return 1
	}
	return 0
}

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"siprecd/store"
)

// KeysCmd is `siprecd keys`.
type KeysCmd struct {
	Status  KeysStatusCmd  `cmd:"" default:"1" help:"Who the custodians are, and whether recordings can be heard now."`
	Unlock  KeysUnlockCmd  `cmd:"" help:"Let recordings be heard for a while: give a custodian's identity."`
	Lock    KeysLockCmd    `cmd:"" help:"Forget every unlocked secret. Recording goes on."`
	Protect KeysProtectCmd `cmd:"" help:"Guard the identity that the first start made with a passphrase."`
	Add     KeysAddCmd     `cmd:"" name:"add-custodian" help:"Let one more custodian unlock: an age recipient, post-quantum, X25519 or a plugin's."`
	Remove  KeysRemoveCmd  `cmd:"" name:"remove-custodian" help:"Take a custodian's sealed keys away."`
	Rotate  KeysRotateCmd  `cmd:"" help:"Seal all keys to a custodian's new recipient instead of the old one."`
	Check   KeysCheckCmd   `cmd:"" help:"Prove that every day's key, and every recording, can be opened by what is unlocked."`
}

// Help teaches by example.
func (KeysCmd) Help() string {
	return `Recordings are sealed to a key of the day on which they die; its secret half is
sealed to each custodian. Recording needs no secret, hearing does.

  siprecd keys                              who can unlock, and until when it is
  siprecd keys protect                      a passphrase for the first custodian
  siprecd keys unlock --for 8h
  siprecd keys add-custodian kim age1pq1…   one more, with a key of their own
  siprecd keys check                        proves that every recording opens`
}

// ask sends one request about keys to the daemon, or does it here when none
// runs, and decodes the answer into v, if there is one.
func (g *Globals) ask(method, path string, q url.Values, secret []byte, v any) error {
	cfg, err := g.place()
	if err != nil {
		return err
	}
	cl, err := dial(cfg.Data.Dir, true)
	if err != nil {
		return err
	}
	defer cl.Close()
	return cl.ask(method, path, q, bytes.NewReader(secret), v)
}

// passphrase asks for one: on the terminal without showing it, else it is the
// first line of standard input.
func (g *Globals) passphrase(prompt string) (string, error) {
	if f, ok := g.in().(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		fmt.Fprint(g.err(), prompt+": ")
		b, err := term.ReadPassword(int(f.Fd()))
		fmt.Fprintln(g.err())
		return string(b), err
	}
	line, err := bufio.NewReader(g.in()).ReadString('\n')
	if err != nil && !(errors.Is(err, io.EOF) && line != "") {
		return "", fmt.Errorf("no passphrase on standard input: %w", err)
	}
	return strings.TrimRight(line, "\r\n"), nil
}

// keysStatus is the answer to `siprecd keys --json`.
type keysStatus struct {
	Unlocked   bool              `json:"unlocked"`
	Until      time.Time         `json:"until,omitzero"`
	Custodians []store.Custodian `json:"custodians"`
	Days       []store.Day       `json:"days"`
	Copies     []store.KeyCopy   `json:"copies"` // of keys, by a backup: no retention reaches them
	Trouble    []string          `json:"trouble,omitempty"`
}

// KeysStatusCmd is `siprecd keys status`.
type KeysStatusCmd struct {
	JSON bool `help:"Print it as JSON."`
}

// Run prints it.
func (c *KeysStatusCmd) Run(g *Globals) error {
	var s keysStatus
	if err := g.ask("GET", "/keys", nil, nil, &s); err != nil {
		return err
	}
	if c.JSON {
		enc := json.NewEncoder(g.out())
		enc.SetIndent("", "  ")
		return enc.Encode(s)
	}
	switch {
	case !s.Unlocked:
		fmt.Fprintln(g.out(), "locked: calls are recorded, nothing can be heard")
	case s.Until.IsZero():
		fmt.Fprintln(g.out(), "unlocked for as long as the recorder runs")
	default:
		fmt.Fprintf(g.out(), "unlocked until %s\n", s.Until.Local().Format("2006-01-02 15:04"))
	}
	if n := len(s.Days); n > 0 {
		fmt.Fprintf(g.out(), "%d days have keys, the first dies on %s, the last on %s\n", n, s.Days[0], s.Days[n-1])
	}
	fmt.Fprintf(g.out(), "\n%-16s %-10s %-12s %s\n", "CUSTODIAN", "IDENTITY", "KEY", "RECIPIENT")
	for _, c := range s.Custodians {
		how := "protected"
		if !c.Protected {
			how = "IN CLEAR"
		}
		fmt.Fprintf(g.out(), "%-16s %-10s %-12s %.36s…\n", clip(c.Name, 16), how, kindOf(c.Recipient), c.Recipient)
	}
	printCopies(g.out(), s.Copies)
	for _, t := range s.Trouble {
		printItem(g.out(), "WARNING", t)
	}
	return nil
}

// printCopies lists the copies of keys that were made.
func printCopies(w io.Writer, copies []store.KeyCopy) {
	if len(copies) == 0 {
		return
	}
	fmt.Fprintf(w, "\ncopies of the keys, which open what died since, where bodies were kept too\n%-16s %s\n", "MADE", "PLACE")
	for _, c := range copies {
		made := "long ago"
		if !c.Time.IsZero() {
			made = c.Time.Local().Format("2006-01-02 15:04")
		}
		fmt.Fprintf(w, "%-16s %s\n", made, orDefault(printable(c.Dir), "not known: the ledger tells of it, keys/copies.jsonl does not"))
	}
}

// classic is a key that a quantum computer could open.
const classic = "X25519"

// kindOf says what sort of age recipient it is.
func kindOf(recipient string) string {
	switch {
	case strings.HasPrefix(recipient, "age1pq1"):
		return "post-quantum"
	case strings.HasPrefix(recipient, "age1") && strings.Count(recipient, "1") == 1:
		return classic
	}
	return "plugin"
}

// KeysUnlockCmd is `siprecd keys unlock`.
type KeysUnlockCmd struct {
	Custodian string        `default:"first" help:"Whose identity, when it lies in the data directory."`
	Identity  string        `placeholder:"FILE" help:"The custodian's age identity file, when it lies elsewhere."`
	For       time.Duration `default:"8h" help:"Lock again after so long."`
}

// Run opens the identity here and hands it to the daemon over its socket.
func (c *KeysUnlockCmd) Run(g *Globals) error {
	cfg, err := g.place()
	if err != nil {
		return err
	}
	file := c.Identity
	if file == "" {
		if file, err = store.IdentityFile(cfg.Data.Dir, c.Custodian); err != nil {
			return err
		}
	}
	sealed, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("the identity of custodian %s is not here: give its file with --identity (%w)", c.Custodian, err)
	}
	clear, err := store.OpenIdentity(sealed, func() (string, error) { return g.passphrase("Passphrase of " + file) })
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	cl, err := dial(cfg.Data.Dir, false)
	if err != nil {
		return err
	}
	defer cl.Close()
	res, err := cl.send("POST", "/keys/unlock", url.Values{"for": {c.For.String()}}, bytes.NewReader(clear))
	if err != nil {
		return err
	}
	defer res.Body.Close()
	var s unlocked
	if err := json.NewDecoder(res.Body).Decode(&s); err != nil {
		return err
	}
	fmt.Fprintln(g.out(), s.words(c.For, time.Now()))
	return nil
}

// unlockedLonger is how much longer than asked for is said: less is what the
// answer took.
const unlockedLonger = time.Minute

// words says for how long keys are unlocked, when they were to be for asked.
func (s unlocked) words(asked time.Duration, now time.Time) string {
	switch {
	case s.Until.IsZero():
		return "unlocked for as long as the recorder runs, as before: siprecd keys lock ends it"
	case s.Until.Sub(now) > asked+unlockedLonger:
		return fmt.Sprintf("unlocked until %s, as before, which is longer than %v: siprecd keys lock ends it", s.Until.Local().Format("2006-01-02 15:04"), asked)
	}
	return fmt.Sprintf("unlocked for %v", asked)
}

// KeysLockCmd is `siprecd keys lock`.
type KeysLockCmd struct{}

// Run locks.
func (KeysLockCmd) Run(g *Globals) error {
	if err := g.ask("POST", "/keys/lock", nil, nil, nil); err != nil {
		return err
	}
	fmt.Fprintln(g.out(), "locked")
	return nil
}

// KeysProtectCmd is `siprecd keys protect`.
type KeysProtectCmd struct {
	Custodian string `default:"first" help:"Whose identity, of those that lie in the data directory."`
}

// Run asks for a passphrase and protects the identity with it.
func (c *KeysProtectCmd) Run(g *Globals) error {
	p, err := g.passphrase("New passphrase")
	if err != nil {
		return err
	}
	if err := g.ask("POST", "/keys/protect", url.Values{"name": {c.Custodian}}, []byte(p), nil); err != nil {
		return err
	}
	fmt.Fprintf(g.out(), "%s is protected. Without the passphrase nobody can hear a recording after the next start: keep it safe\n", c.Custodian)
	return nil
}

// KeysAddCmd is `siprecd keys add-custodian`.
type KeysAddCmd struct {
	Name      string `arg:"" help:"What to call the custodian."`
	Recipient string `arg:"" help:"The public half of the custodian's key: age1…"`
}

// Run adds the custodian.
func (c *KeysAddCmd) Run(g *Globals) error {
	if err := g.ask("POST", "/keys/custodian", url.Values{"name": {c.Name}}, []byte(c.Recipient), nil); err != nil {
		return err
	}
	fmt.Fprintf(g.out(), "%s can unlock from now on\n", c.Name)
	if kind := kindOf(c.Recipient); kind == classic {
		fmt.Fprintln(g.out(), "this is no post-quantum key: age-keygen -pq makes one, siprecd keys rotate changes to it")
	}
	return nil
}

// KeysRemoveCmd is `siprecd keys remove-custodian`.
type KeysRemoveCmd struct {
	Name string `arg:"" help:"Which custodian."`
}

// Run removes the custodian.
func (c *KeysRemoveCmd) Run(g *Globals) error {
	if err := g.ask("DELETE", "/keys/custodian", url.Values{"name": {c.Name}}, nil, nil); err != nil {
		return err
	}
	fmt.Fprintf(g.out(), "%s cannot unlock any more; copies of the key directory made before still open for that identity\n", c.Name)
	return nil
}

// KeysRotateCmd is `siprecd keys rotate`.
type KeysRotateCmd struct {
	Name      string `arg:"" help:"Which custodian."`
	Recipient string `arg:"" help:"The public half of the new key: age1…"`
}

// Run seals all keys to the new recipient.
func (c *KeysRotateCmd) Run(g *Globals) error {
	if err := g.ask("PUT", "/keys/custodian", url.Values{"name": {c.Name}}, []byte(c.Recipient), nil); err != nil {
		return err
	}
	fmt.Fprintf(g.out(), "%s unlocks with the new identity from now on\n", c.Name)
	return nil
}

// KeysCheckCmd is `siprecd keys check`.
type KeysCheckCmd struct {
	JSON bool `help:"Print it as JSON."`
}

// Run prints what does not open.
func (c *KeysCheckCmd) Run(g *Globals) error {
	var all []store.KeyCheck
	if err := g.ask("GET", "/keys/check", nil, nil, &all); err != nil {
		return err
	}
	if c.JSON {
		enc := json.NewEncoder(g.out())
		enc.SetIndent("", "  ")
		if err := enc.Encode(all); err != nil {
			return err
		}
	}
	bad, recordings := 0, 0
	for _, k := range all {
		recordings += k.Recordings
		if k.Opens && len(k.Lacks) == 0 {
			continue
		}
		bad++
		if !c.JSON {
			fmt.Fprintf(g.out(), "%s  %s%s\n", k.Day, k.Reason, lacking(k.Lacks))
			for _, id := range k.Closed {
				fmt.Fprintf(g.out(), "            %s does not open\n", id)
			}
		}
	}
	if !c.JSON {
		fmt.Fprintf(g.out(), "%d days, %d open for every custodian; recordings tried: %d\n", len(all), len(all)-bad, recordings)
	}
	if bad > 0 {
		return exitError{1}
	}
	return nil
}

func lacking(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return " not sealed to " + strings.Join(names, ", ")
}

package store

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"filippo.io/age"
	"filippo.io/age/plugin"
)

// Custodian is one who can unlock the days' secrets.
type Custodian struct {
	Name      string
	Recipient string // in age's text form
	Protected bool   // its identity does not lie in clear in the data directory
	Damaged   string `json:",omitempty"` // why days are not sealed to it, or not to it alone; "": they are
}

var custodianName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,40}$`)

// Custodians returns all, in order of name.
func (k *Keys) Custodians() ([]Custodian, error) {
	files, err := filepath.Glob(filepath.Join(k.dir, custodiansDir, "*"+pubExt))
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	var all []Custodian
	for _, f := range files {
		b, readErr := os.ReadFile(f)
		c := Custodian{Name: strings.TrimSuffix(filepath.Base(f), pubExt), Recipient: strings.TrimSpace(string(b)), Protected: true}
		if b, err := os.ReadFile(k.identityFile(c.Name)); err == nil {
			c.Protected = !bytes.Contains(b, []byte("AGE-SECRET-KEY-"))
		}
		c.Damaged = k.damage(c, readErr)
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b Custodian) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

func (k *Keys) identityFile(name string) string {
	return filepath.Join(k.dir, custodiansDir, name+identityExt)
}

// parseRecipient reads an age recipient: X25519, hybrid, or a plugin's.
func parseRecipient(s string) (age.Recipient, error) {
	rs, err := age.ParseRecipients(strings.NewReader(s))
	if err == nil && len(rs) == 1 {
		return rs[0], nil
	}
	if strings.HasPrefix(s, "age1") && strings.Count(s, "1") >= 2 {
		return plugin.NewRecipient(s, plugin.NewTerminalUI(func(string, ...any) {}, func(string, ...any) {}))
	}
	return nil, fmt.Errorf("%.20s… is not an age recipient: it begins with age1", s)
}

// makeCustodian makes one whose identity lies beside the data, so that a first
// start works; status says so until it is protected.
func (k *Keys) makeCustodian(name, what string) error {
	id, err := age.GenerateHybridIdentity()
	if err != nil {
		return err
	}
	if err := k.sys.makeDir(filepath.Join(k.dir, custodiansDir)); err != nil {
		return err
	}
	text := "# The identity of custodian " + name + ". Whoever has this file and the data can hear every\n" +
		"# recording: protect it with `siprecd keys protect`, or add a custodian and remove it.\n" + id.String() + "\n"
	if err := k.sys.replace(k.identityFile(name), []byte(text)); err != nil {
		return err
	}
	if err := k.sys.replace(k.pubFile(name), []byte(id.Recipient().String()+"\n")); err != nil {
		return err
	}
	k.made[name] = what
	k.tellMade(what, name)
	return nil
}

// unlockUnprotected unlocks with the identities that lie in clear and can be read.
func (k *Keys) unlockUnprotected(custodians []Custodian) {
	for _, c := range custodians {
		if c.Protected {
			continue
		}
		b, err := os.ReadFile(k.identityFile(c.Name))
		if err != nil {
			continue
		}
		if ids, err := age.ParseIdentities(bytes.NewReader(b)); err == nil {
			k.unlocked = append(k.unlocked, ids...)
		}
	}
}

// Unlock keeps a custodian's identities in memory, until until, or for as long
// as the daemon runs when that is zero. What others unlocked for longer stays so.
func (k *Keys) Unlock(ids []age.Identity, until time.Time) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	days, err := k.Days()
	if err != nil {
		return err
	}
	// The newest day that opens proves the identity; damaged ones prove nothing.
	var failed error
	for _, d := range slices.Backward(days) {
		_, err := k.openSecret(d, ids)
		if err == nil {
			failed = nil
			break
		}
		if failed == nil || !errors.Is(err, ErrLocked) {
			failed = err
		}
	}
	if errors.Is(failed, ErrLocked) {
		return ErrWrongIdentity
	}
	if failed != nil {
		return failed
	}
	k.expire(time.Now())
	if len(k.unlocked) == 0 || until.IsZero() || !k.until.IsZero() && until.After(k.until) {
		k.until = until
	}
	k.unlocked = slices.Concat(k.unlocked, ids)
	clear(k.secrets) // these may open more of a day
	return nil
}

// Lock forgets every secret.
func (k *Keys) Lock() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.lock()
}

func (k *Keys) lock() {
	k.unlocked, k.until = nil, time.Time{}
	clear(k.secrets)
}

// Unlocked reports whether secrets can be opened, and until when; zero: as
// long as the daemon runs.
func (k *Keys) Unlocked() (bool, time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.expire(time.Now())
	return len(k.unlocked) > 0, k.until
}

func (k *Keys) expire(now time.Time) {
	if !k.until.IsZero() && !now.Before(k.until) {
		k.lock()
	}
}

// errUnsealable is of a custodian whom nothing can be sealed to, a plugin that is
// not installed, say.
var errUnsealable = errors.New("cannot be sealed to")

// sealSecret seals a day's secret to one custodian.
func (k *Keys) sealSecret(d Day, c Custodian, nth int, secret *age.HybridIdentity) error {
	return k.sealSecretAs(c.Name, d, c, nth, secret)
}

func (k *Keys) sealSecretAs(name string, d Day, c Custodian, nth int, secret *age.HybridIdentity) error {
	to, err := parseRecipient(c.Recipient)
	if err != nil {
		return fmt.Errorf("keys: custodian %s: %w: %w", c.Name, errUnsealable, err)
	}
	var b bytes.Buffer
	w, err := age.Encrypt(&b, to)
	if err == nil {
		_, err = io.WriteString(w, secret.String()+"\n")
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return fmt.Errorf("keys: custodian %s: %w: %w", c.Name, errUnsealable, err)
	}
	if err := k.sys.replace(k.day(d, numbered(name, nth)+sealedExt), b.Bytes()); err != nil {
		return fmt.Errorf("keys of %s: %w", d, err)
	}
	return nil
}

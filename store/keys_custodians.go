package store

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
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
func (k *Keys) makeCustodian(name string) error {
	id, err := age.GenerateHybridIdentity()
	if err != nil {
		return err
	}
	text := "# The identity of custodian " + name + ". Whoever has this file and the data can hear every\n" +
		"# recording: protect it with `siprecd keys protect`, or add a custodian and remove it.\n" + id.String() + "\n"
	if err := k.sys.replace(k.identityFile(name), []byte(text)); err != nil {
		return err
	}
	return k.sys.replace(filepath.Join(k.dir, custodiansDir, name+pubExt), []byte(id.Recipient().String()+"\n"))
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
// as the daemon runs when that is zero.
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
	k.unlocked, k.until = slices.Concat(k.unlocked, ids), until
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

// AddCustodian seals every day's secret to one more recipient. Keys must be
// unlocked.
func (k *Keys) AddCustodian(name, recipient string) error {
	if !custodianName.MatchString(name) {
		return fmt.Errorf("%q is not a custodian's name: a-z, 0-9, dot and dash", name)
	}
	c := Custodian{Name: name, Recipient: strings.TrimSpace(recipient)}
	if _, err := parseRecipient(c.Recipient); err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.looked = time.Time{}
	pub := filepath.Join(k.dir, custodiansDir, name+pubExt)
	if _, err := os.Stat(pub); err == nil {
		return fmt.Errorf("custodian %s is there already", name)
	}
	// The public half comes last: whoever has it opens every day. Adding again
	// after a crash completes the rest.
	if err := k.sealAll(c, name); err != nil {
		return err
	}
	return k.sys.replace(pub, []byte(c.Recipient+"\n"))
}

// sealAll seals all days to c, but for those whose secret is damaged: nobody will
// hear them. The copies are called by name.
func (k *Keys) sealAll(c Custodian, name string) error {
	k.expire(time.Now())
	days, err := k.Days()
	if err != nil {
		return err
	}
	for _, d := range days {
		secret, err := k.openSecret(d, k.unlocked)
		if errors.Is(err, ErrDamaged) {
			continue
		}
		if err != nil {
			return fmt.Errorf("day %s: %w", d, err)
		}
		for nth, id := range secret.of {
			if err := k.sealSecretAs(name, d, c, nth, id); err != nil {
				return err
			}
		}
	}
	return nil
}

// RemoveCustodian takes the sealed copies of one custodian away. The last one
// cannot be removed. What is sealed to nobody else, as to one made in an
// emergency, is sealed to the others before; for that, keys must be unlocked.
func (k *Keys) RemoveCustodian(name string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.looked = time.Time{}
	all, err := k.Custodians()
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(all, func(c Custodian) bool { return c.Name == name }) {
		return fmt.Errorf("there is no custodian %q", name)
	}
	if !slices.ContainsFunc(all, func(c Custodian) bool { return c.Name != name && c.Damaged == "" }) {
		return fmt.Errorf("%s is the only custodian: add another before, or nobody could ever hear a recording", name)
	}
	days, err := k.Days()
	if err != nil {
		return err
	}
	others := slices.DeleteFunc(all, func(c Custodian) bool { return c.Name == name || c.Damaged != "" })
	for _, d := range days {
		if err := k.handOver(d, name, others); err != nil {
			return err
		}
	}
	for _, d := range days {
		n, err := k.identitiesOf(d)
		for nth := 1; nth <= max(n, 1) && err == nil; nth++ {
			err = errors.Join(k.sys.shred(k.day(d, numbered(name, nth)+sealedExt)), k.sys.shred(k.day(d, numbered(renewed(name), nth)+sealedExt)))
		}
		if err != nil {
			return fmt.Errorf("keys of %s: %w", d, err)
		}
	}
	if err := k.giveUp(name); err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	if err := k.sys.removeIfThere(filepath.Join(k.dir, custodiansDir, name+pubExt)); err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	return errors.Join(k.sys.syncDir(filepath.Join(k.dir, custodiansDir)), k.forget())
}

// renewed is the name of copies that are sealed to a custodian's new recipient,
// beside those that are sealed to the old.
func renewed(name string) string { return name + "+new" }

// ReplaceCustodian seals every day's secret to a custodian's new recipient
// instead of the old one. Keys must be unlocked. The old copies go when all new
// ones are there: in between both identities open every day, and after a crash
// it is called again.
func (k *Keys) ReplaceCustodian(name, recipient string) error {
	c := Custodian{Name: name, Recipient: strings.TrimSpace(recipient)}
	if _, err := parseRecipient(c.Recipient); err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.looked = time.Time{}
	pub := filepath.Join(k.dir, custodiansDir, name+pubExt)
	if _, err := os.Stat(pub); err != nil || !custodianName.MatchString(name) {
		return fmt.Errorf("there is no custodian %q", name)
	}
	if err := k.sealAll(c, renewed(name)); err != nil {
		return err
	}
	if err := k.sys.replace(pub, []byte(c.Recipient+"\n")); err != nil {
		return err
	}
	if err := k.takePlace(name); err != nil {
		return err
	}
	return errors.Join(k.giveUp(name), k.forget())
}

// takePlace puts a custodian's renewed copies in the place of the old ones.
func (k *Keys) takePlace(name string) error {
	days, err := k.Days()
	if err != nil {
		return err
	}
	for _, d := range days {
		n, err := k.identitiesOf(d)
		for nth := 1; nth <= n && err == nil; nth++ {
			err = k.sys.Rename(k.day(d, numbered(renewed(name), nth)+sealedExt), k.day(d, numbered(name, nth)+sealedExt))
			if errors.Is(err, fs.ErrNotExist) {
				err = nil // of a damaged day there is none
			}
		}
		if err == nil {
			err = k.sys.syncDir(k.day(d, ""))
		}
		if err != nil {
			return fmt.Errorf("keys of %s: %w", d, err)
		}
	}
	return nil
}

// forget drops the identities that open nothing any more, and what was opened.
func (k *Keys) forget() error {
	days, err := k.Days()
	if err != nil {
		return err
	}
	clear(k.secrets)
	k.unlocked = slices.DeleteFunc(k.unlocked, func(id age.Identity) bool {
		return !slices.ContainsFunc(days, func(d Day) bool {
			_, err := k.openSecret(d, []age.Identity{id})
			return err == nil
		})
	})
	if len(k.unlocked) == 0 {
		k.lock()
	}
	return nil
}

package store

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"filippo.io/age"
)

// AddCustodian seals every day's secret to one more recipient. Keys must be
// unlocked. One who is here already, and whom the ledger was never told of, is
// made a custodian by that.
func (k *Keys) AddCustodian(name, recipient string) error {
	if !custodianName.MatchString(name) {
		return fmt.Errorf("%q is not a custodian's name: a-z, 0-9, dot and dash", name)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	c, all, err := k.becoming(name, recipient)
	if err != nil {
		return err
	}
	if i := named(all, name); i >= 0 && (all[i].Recipient != c.Recipient || !k.unknown(c)) {
		return fmt.Errorf("custodian %s is there already", name)
	}
	if err := takenBy(all, c); err != nil {
		return err
	}
	// The public half comes last: whoever has it opens every day. Adding again
	// after a crash completes the rest.
	if err := k.sealAll(c, name); err != nil {
		return err
	}
	if err := k.tellCustodian(custodianAdded, name, recipientDigest(c.Recipient), ""); err != nil {
		return errors.Join(err, k.dropCopies(name))
	}
	return k.sys.replace(k.pubFile(name), []byte(c.Recipient+"\n"))
}

// becoming is a custodian as one is to be, and all as they are. The caller holds mu.
func (k *Keys) becoming(name, recipient string) (c Custodian, all []Custodian, err error) {
	c.Name = name
	if c.Recipient, err = canonical(strings.TrimSpace(recipient)); err != nil {
		return c, nil, err
	}
	k.looked = time.Time{}
	all, err = k.Custodians()
	return c, all, err
}

// named is the place of a custodian among all; -1: there is none of that name.
func named(all []Custodian, name string) int {
	return slices.IndexFunc(all, func(c Custodian) bool { return c.Name == name })
}

func (k *Keys) pubFile(name string) string { return filepath.Join(k.dir, custodiansDir, name+pubExt) }

// dropCopies destroys what is sealed to a custodian, and to one's new recipient.
func (k *Keys) dropCopies(name string) error {
	days, err := k.Days()
	if err != nil {
		return err
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
	return nil
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
	i := named(all, name)
	if i < 0 {
		return k.removeLost(name, all)
	}
	if !slices.ContainsFunc(all, func(c Custodian) bool { return c.Name != name && c.Damaged == "" }) {
		return fmt.Errorf("%s is the only custodian: add another before, or nobody could ever hear a recording", name)
	}
	days, err := k.Days()
	if err != nil {
		return err
	}
	digest := recipientDigest(all[i].Recipient)
	others := slices.DeleteFunc(all, func(c Custodian) bool { return c.Name == name || c.Damaged != "" })
	for _, d := range days {
		if err := k.handOver(d, name, others); err != nil {
			return err
		}
	}
	// Told first: from then on nothing is sealed to it, whatever a crash leaves.
	// One who must go goes even when the ledger cannot be told.
	untold := k.tellCustodian(custodianRemoved, name, "", digest)
	if err := k.dropCopies(name); err != nil {
		return err
	}
	if err := k.giveUp(name); err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	if err := k.sys.removeIfThere(k.pubFile(name)); err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	return errors.Join(untold, k.sys.syncDir(filepath.Join(k.dir, custodiansDir)), k.forget())
}

// removeLost tells the ledger that those are no custodians any more whose public
// half is not here. Which of them had the name, the ledger does not say.
func (k *Keys) removeLost(name string, all []Custodian) error {
	lost := k.lost(all)
	if len(lost) == 0 || !custodianName.MatchString(name) {
		return fmt.Errorf("there is no custodian %q", name)
	}
	for _, digest := range lost {
		if err := k.tellCustodian(custodianRemoved, name, "", digest); err != nil {
			return err
		}
	}
	return k.dropCopies(name)
}

// renewed is the name of copies that are sealed to a custodian's new recipient,
// beside those that are sealed to the old.
func renewed(name string) string { return name + "+new" }

// ReplaceCustodian seals every day's secret to a custodian's new recipient
// instead of the old one. Keys must be unlocked. The old copies go when all new
// ones are there: in between both identities open every day, and after a crash
// it is called again.
func (k *Keys) ReplaceCustodian(name, recipient string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	c, all, err := k.becoming(name, recipient)
	if err != nil {
		return err
	}
	i := named(all, name)
	if i < 0 || !custodianName.MatchString(name) {
		return fmt.Errorf("there is no custodian %q", name)
	}
	if err := takenBy(all, c); err != nil {
		return err
	}
	if err := k.sealAll(c, renewed(name)); err != nil {
		return err
	}
	was, is := recipientDigest(all[i].Recipient), recipientDigest(c.Recipient)
	if was == is {
		was = "" // after a crash
	}
	if err := k.tellCustodian(custodianReplaced, name, is, was); err != nil {
		return err
	}
	if err := k.sys.replace(k.pubFile(name), []byte(c.Recipient+"\n")); err != nil {
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

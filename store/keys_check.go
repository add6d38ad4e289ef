package store

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"time"
)

// KeyCheck is what Check found of one day.
type KeyCheck struct {
	Day    Day      `json:"day"`
	Opens  bool     `json:"opens"`            // with what is unlocked
	Lacks  []string `json:"lacks,omitempty"`  // custodians it is not sealed to
	Reason string   `json:"reason,omitempty"` // why it does not open
}

// Check opens every day's secret with what is unlocked, and looks whether it is
// sealed to every custodian.
func (k *Keys) Check() ([]KeyCheck, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.expire(time.Now())
	days, err := k.Days()
	if err != nil {
		return nil, err
	}
	custodians, err := k.Custodians()
	if err != nil {
		return nil, err
	}
	var all []KeyCheck
	for _, d := range days {
		c := KeyCheck{Day: d}
		secret, err := k.openSecret(d, k.unlocked)
		if err == nil {
			err = k.fits(d, secret)
		}
		if c.Opens = err == nil; err != nil {
			c.Reason = err.Error()
		}
		n, err := k.identitiesOf(d)
		if err != nil {
			return nil, err
		}
		for _, who := range custodians {
			for nth := 1; nth <= max(n, 1); nth++ {
				if _, err := os.Stat(k.day(d, numbered(who.Name, nth)+sealedExt)); err != nil {
					c.Lacks = append(c.Lacks, who.Name)
					break
				}
			}
		}
		all = append(all, c)
	}
	return all, nil
}

// catchUp seals days to the custodians that they could not be sealed to when
// they were made, if keys are unlocked. Who cannot be sealed to still is missed
// by Lacking.
func (k *Keys) catchUp() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.expire(time.Now())
	if len(k.unlocked) == 0 {
		return nil
	}
	lacking, err := k.lacking()
	if err != nil {
		return err
	}
	for c, days := range lacking {
		for _, d := range days {
			secret, err := k.openSecret(d, k.unlocked)
			if err != nil {
				break
			}
			for nth, id := range secret.of {
				err = errors.Join(err, k.sealSecret(d, c, nth, id))
			}
			if err != nil {
				break // its program is missing still
			}
		}
	}
	return nil
}

// Lacking returns the names of the custodians who cannot open some of the days,
// as their plugin was missing when those were made.
func (k *Keys) Lacking() ([]string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	lacking, err := k.lacking()
	var names []string
	for c := range lacking {
		names = append(names, c.Name)
	}
	slices.Sort(names)
	return names, err
}

func (k *Keys) lacking() (map[Custodian][]Day, error) {
	days, err := k.Days()
	if err != nil {
		return nil, err
	}
	custodians, err := k.Custodians()
	if err != nil {
		return nil, err
	}
	all := make(map[Custodian][]Day)
	for _, d := range days {
		n, err := k.identitiesOf(d)
		if err != nil {
			return nil, err
		}
		for _, c := range custodians {
			if c.Damaged == "" && !k.hasAll(d, n, c.Name) {
				all[c] = append(all[c], d)
			}
		}
	}
	return all, nil
}

// hasAll reports whether a custodian has a copy of each of the n identities of a
// day that have a public half: others were not made to their end.
func (k *Keys) hasAll(d Day, n int, name string) bool {
	for nth := 1; nth <= n; nth++ {
		if _, err := os.Lstat(k.day(d, numbered(recipientFile, nth))); err != nil {
			continue
		}
		if _, err := os.Lstat(k.day(d, numbered(name, nth)+sealedExt)); errors.Is(err, fs.ErrNotExist) {
			return false
		}
	}
	return true
}

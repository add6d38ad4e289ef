package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"filippo.io/age"
	"filippo.io/age/plugin"
)

// KeyCheck is what Check found of one day.
type KeyCheck struct {
	Day        Day      `json:"day"`
	Opens      bool     `json:"opens"`            // with what is unlocked: its secret, and every recording
	Recordings int      `json:"recordings"`       // whose age headers were tried
	Closed     []string `json:"closed,omitempty"` // of them, that do not open: the first
	Lacks      []string `json:"lacks,omitempty"`  // custodians it is not sealed to
	Reason     string   `json:"reason,omitempty"` // why it does not open
}

// closedMost is how many recordings that do not open are named, of a day.
const closedMost = 20

// Check opens every day's secret with what is unlocked, and with it the age header
// of every recording; and looks whether it is sealed to every custodian.
func (k *Keys) Check(ctx context.Context) ([]KeyCheck, error) {
	days, err := k.Days()
	if err != nil {
		return nil, err
	}
	headers, err := k.dirs(headersDir) // of which the keys may be gone
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	days = slices.Concat(days, slices.DeleteFunc(headers, func(d Day) bool { return !d.Valid() || k.over(d) }))
	slices.Sort(days)
	var all []KeyCheck
	for _, d := range slices.Compact(days) {
		c, secret, err := k.checkDay(d)
		if err != nil {
			return nil, err
		}
		if err := k.checkRecordings(ctx, &c, secret); err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, nil
}

// checkDay holds the lock for one day: a call that is being sealed waits for no
// more.
func (k *Keys) checkDay(d Day) (c KeyCheck, secret *daySecret, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.expire(time.Now())
	c.Day = d
	secret, err = k.openSecret(d, k.unlocked)
	if err == nil {
		err = k.fits(d, secret)
	}
	if c.Opens = err == nil; err != nil {
		c.Reason = err.Error()
	}
	custodians, err := k.Custodians()
	if err != nil {
		return c, nil, err
	}
	n, err := k.identitiesOf(d)
	for _, who := range custodians {
		if !k.hasAll(d, n, who.Name) {
			c.Lacks = append(c.Lacks, who.Name)
		}
	}
	return c, secret, err
}

// checkRecordings tries a day's secret on the headers of its recordings, which
// takes no audio.
func (k *Keys) checkRecordings(ctx context.Context, c *KeyCheck, secret *daySecret) error {
	ids, err := k.Headers(c.Day)
	if err != nil {
		return err
	}
	closed := 0
	for _, id := range ids {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		header, err := k.Header(c.Day, id)
		if errors.Is(err, ErrDead) {
			continue // it ended just now
		}
		c.Recordings++
		if err == nil && secret != nil {
			_, err = age.DecryptHeader(header, secret)
		}
		if err == nil && secret != nil {
			continue
		}
		closed++
		if len(c.Closed) < closedMost {
			c.Closed = append(c.Closed, id)
		}
	}
	if c.Opens && closed > 0 {
		c.Opens, c.Reason = false, fmt.Sprintf("its key opens, but not %d of the %d recordings that are sealed to the day", closed, c.Recordings)
	}
	return nil
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

// Lack is a custodian who cannot open some of the days.
type Lack struct {
	Custodian string
	Days      int
	First     Day
	Program   bool // its recipient is that of an age plugin, which may have been missing
}

// Lacking returns the custodians who cannot open some of the days: a plugin was
// missing when those were made, or copies that were there are gone.
func (k *Keys) Lacking() ([]Lack, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	lacking, err := k.lacking()
	var all []Lack
	for c, days := range lacking {
		to, err := parseRecipient(c.Recipient)
		_, program := to.(*plugin.Recipient)
		all = append(all, Lack{Custodian: c.Name, Days: len(days), First: days[0], Program: err == nil && program})
	}
	slices.SortFunc(all, func(a, b Lack) int { return strings.Compare(a.Custodian, b.Custodian) })
	return all, err
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
		if isGone(k.day(d, numbered(name, nth)+sealedExt)) {
			return false
		}
	}
	return true
}

package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"syscall"
	"time"

	"filippo.io/age"
)

var (
	// ErrLocked is returned for audio whose day's secret no custodian has
	// unlocked.
	ErrLocked = errors.New("keys are locked: a custodian unlocks them with `siprecd keys unlock`")
	// ErrDead is returned for audio whose keys have been destroyed, and for a
	// day that is over: nothing can be sealed to it or opened with it.
	ErrDead = errors.New("the key of this recording has been destroyed")
	// ErrWrongIdentity is returned by Unlock for an identity no secret is
	// sealed to.
	ErrWrongIdentity = errors.New("this identity is no custodian's")
)

// Day is the date from whose first moment a recording is dead, in the site's
// time zone: 2006-01-02.
type Day string

var dayShape = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}$`)

// Valid reports whether d is a date.
func (d Day) Valid() bool {
	_, err := time.Parse(time.DateOnly, string(d))
	return err == nil && dayShape.MatchString(string(d))
}

// next is the day after d, which is valid.
func (d Day) next() Day {
	t, err := time.Parse(time.DateOnly, string(d))
	if err != nil {
		return d
	}
	return Day(t.AddDate(0, 0, 1).Format(time.DateOnly))
}

// Keys are the identities of the days on which recordings die. Whoever records
// needs their public halves only; a secret half is sealed to each custodian and
// opened in memory alone. Its methods may be called from any goroutine.
//
//	keys/custodians/<name>.pub             an age recipient
//	keys/custodians/<name>.identity        its secret, of the first custodian only:
//	                                       in clear until it is protected
//	keys/days/<day>/recipient              public half, a hybrid age recipient
//	keys/days/<day>/<name>.age             secret half, sealed to one custodian
//	keys/days/<day>/recipient+2, …         another identity of a day whose first was
//	                                       found damaged; both die with it
//	keys/days/<day>/destroyed              the day is over; nothing else is left
//	keys/days/<day>/finished               neither of its bodies and rows
//	keys/headers/<day>/<id>                the age header of a recording
type Keys struct {
	dir string
	sys System

	workFactor int // of scrypt, log2; 0: age's own

	mu         sync.Mutex // guards the rest, and the files
	recipients map[Day]dayRecipient
	custodians []Custodian        // as they were when looked at
	looked     time.Time          // zero: they changed since
	unlocked   []age.Identity     // custodians'
	until      time.Time          // zero: for as long as the daemon runs
	secrets    map[Day]*daySecret // opened; forgotten with unlocked
	sealedWith map[string]string  // digest of what a recording was sealed to, by id, until its leaf states it

	made map[string]string       // custodians made by OpenKeys, by name, and why
	told *toldKeys               // nil: no ledger says who is a custodian
	tell func(Entry) (seq int64) // the ledger; -1: it could not be told
}

const (
	keysDir        = "keys"
	custodiansDir  = "custodians"
	daysDir        = "days"
	headersDir     = "headers"
	recipientFile  = "recipient"
	destroyedFile  = "destroyed"
	finishedFile   = "finished"
	identityExt    = ".identity"
	pubExt         = ".pub"
	sealedExt      = ".age"
	firstCustodian = "first"

	emergencyCustodian = "emergency" // made when no other can be sealed to
)

// OpenKeys opens the key directory, making it and a first custodian when there
// is none. Whatever is damaged in it stops nothing: Trouble says so, and what
// needs it fails when it is needed.
func OpenKeys(dir string, sys System) (*Keys, error) {
	k := newKeys(dir, sys)
	for _, sub := range []string{custodiansDir, daysDir, headersDir} {
		if err := k.sys.makeDir(filepath.Join(dir, sub)); err != nil && !errors.Is(err, syscall.ENOTDIR) && !errors.Is(err, fs.ErrPermission) {
			return nil, fmt.Errorf("keys: %w", err)
		}
	}
	// What cannot be finished now is at the next start; an identity that lies in
	// clear still, Custodians tells.
	_, _ = k.finishProtecting(), k.finishGivingUp()
	k.mendCustodians()
	custodians, err := k.reliable()
	if err != nil && !k.unreadable() {
		return nil, err
	}
	k.unlockUnprotected(custodians)
	return k, nil
}

func newKeys(dir string, sys System) *Keys {
	return &Keys{
		dir: dir, sys: sys.orReal(), recipients: make(map[Day]dayRecipient), secrets: make(map[Day]*daySecret),
		sealedWith: make(map[string]string), made: make(map[string]string),
	}
}

// unreadable reports whether a directory of keys cannot be read.
func (k *Keys) unreadable() bool {
	return slices.ContainsFunc([]string{custodiansDir, daysDir, headersDir}, func(sub string) bool {
		_, err := os.ReadDir(filepath.Join(k.dir, sub))
		return err != nil
	})
}

// Recipient returns what a recording that dies on d is sealed to, making the
// day's identity when there is none, or none that anybody can open: the secret
// half is sealed to every custodian before the public half is there, and then
// forgotten.
func (k *Keys) Recipient(d Day) (age.Recipient, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !d.Valid() {
		return nil, fmt.Errorf("keys: %q is not a day", d)
	}
	if k.over(d) {
		return nil, fmt.Errorf("keys of %s: %w", d, ErrDead)
	}
	known, before := k.recipients[d]
	if before && known.looked.Equal(k.looked) && k.fresh(time.Now()) &&
		!isGone(k.day(d, numbered(recipientFile, known.nth))) && k.sealedTo(d, known.nth, k.custodians) {
		return known.r, nil
	}
	r, nth, err := k.recipient(d)
	if err == nil {
		k.recipients[d] = dayRecipient{r, fmt.Sprint(r), nth, k.looked}
		return r, nil
	}
	if before && !errors.Is(err, fs.ErrNotExist) && !k.lacksSecret(d, known.nth) {
		return known.r, nil // the directory does not answer; it was well before
	}
	return nil, err
}

// lacksSecret reports whether it is known that no copy of a day's nth secret is
// there: a disk that does not answer says nothing.
func (k *Keys) lacksSecret(d Day, nth int) bool {
	return !slices.ContainsFunc(k.custodians, func(c Custodian) bool {
		return !isGone(k.day(d, numbered(c.Name, nth)+sealedExt))
	})
}

// dayRecipient is the public half of a day that was found to be relied on when
// the custodians were looked at.
type dayRecipient struct {
	r      age.Recipient
	text   string // of r
	nth    int    // of the day's identities
	looked time.Time
}

// recipient is the first identity of a day that can be relied on, and its number.
func (k *Keys) recipient(d Day) (r age.Recipient, nth int, err error) {
	custodians, err := k.reliable()
	if err != nil {
		return nil, 0, err
	}
	n, err := k.identitiesOf(d)
	if err != nil {
		return nil, 0, err
	}
	for nth := 1; nth <= n; nth++ {
		if !k.sealedTo(d, nth, custodians) {
			continue
		}
		r, err := k.public(d, nth)
		if err != nil {
			r = k.mend(d, nth)
		}
		if r != nil {
			return r, nth, nil
		}
	}
	// One whose files are gone keeps its number: they may be put back.
	nth = max(n, k.recipients[d].nth) + 1
	r, err = k.makeDay(d, nth, custodians)
	return r, nth, err
}

func (k *Keys) makeDay(d Day, nth int, custodians []Custodian) (age.Recipient, error) {
	identity, err := age.GenerateHybridIdentity()
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	if err := k.sys.makeDir(k.day(d, "")); err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	var errs []error
	sealed := 0
	for _, c := range custodians {
		if c.Damaged != "" {
			continue
		}
		// One who cannot be sealed to, a plugin that is not installed, say, must
		// not keep the others from hearing; Check names who lacks a day.
		if err := k.sealSecret(d, c, nth, identity); err != nil {
			errs = append(errs, err)
			continue
		}
		sealed++
	}
	switch {
	case sealed > 0:
	case slices.ContainsFunc(errs, func(err error) bool { return !errors.Is(err, errUnsealable) }):
		return nil, errors.Join(errs...) // it is the disk, for which nobody new is better
	default:
		if err := k.sealInEmergency(d, nth, identity); err != nil {
			return nil, fmt.Errorf("keys of %s: no custodian could open it: %w", d, errors.Join(append(errs, err)...))
		}
	}
	if err := k.sys.replace(k.day(d, numbered(recipientFile, nth)), []byte(identity.Recipient().String()+"\n")); err != nil {
		return nil, fmt.Errorf("keys of %s: %w", d, err)
	}
	delete(k.secrets, d) // what was opened of it is not all any more
	return identity.Recipient(), nil
}

// Secret returns the identity of a day: ErrLocked when no custodian has
// unlocked it, ErrDead when it is destroyed.
func (k *Keys) Secret(d Day) (age.Identity, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.expire(time.Now())
	if id := k.secrets[d]; id != nil {
		return id, nil
	}
	if k.over(d) {
		return nil, fmt.Errorf("day %s: %w", d, ErrDead)
	}
	id, err := k.openSecret(d, k.unlocked)
	if err != nil {
		return nil, err
	}
	k.secrets[d] = id
	return id, nil
}

// Ahead makes the identities of the days from first on, so that a midnight
// finds them there, and seals days to custodians that they could not be sealed
// to before.
func (k *Keys) Ahead(ctx context.Context, first Day, days int) error {
	at, err := time.Parse(time.DateOnly, string(first))
	if err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	for i := range days {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if _, err := k.Recipient(Day(at.AddDate(0, 0, i).Format(time.DateOnly))); err != nil && !errors.Is(err, ErrDead) {
			return err
		}
	}
	k.mu.Lock()
	if k.told != nil {
		k.tellUntold()
		k.tellWhenFar()
	}
	k.mu.Unlock()
	return k.catchUp()
}

// Days returns the days that have an identity, oldest first.
func (k *Keys) Days() ([]Day, error) {
	entries, err := os.ReadDir(filepath.Join(k.dir, daysDir))
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	var days []Day
	for _, e := range entries {
		if d := Day(e.Name()); d.Valid() && !k.over(d) {
			days = append(days, d)
		}
	}
	slices.Sort(days)
	return days, nil
}

func (k *Keys) day(d Day, name string) string {
	return filepath.Join(k.dir, daysDir, string(d), name)
}

// over reports whether the day's keys have been destroyed.
func (k *Keys) over(d Day) bool {
	_, err := os.Lstat(k.day(d, destroyedFile))
	return err == nil
}

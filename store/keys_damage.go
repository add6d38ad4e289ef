package store

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"filippo.io/age"
)

// A day has one identity, unless that was found damaged: then it gets another,
// and what was sealed before opens with the one before, if anything is left of
// it. A key is never given up, nothing in it is overwritten; all die with the day.
// Files of the second one are called recipient+2 and kim+2.age; a custodian's name
// holds no plus.

var generationShape = regexp.MustCompile(`^(.+?)(?:\+(\d{1,4}))?$`)

// numbered is the name of a file of a day's nth identity.
func numbered(name string, nth int) string {
	if nth == 1 {
		return name
	}
	return name + "+" + strconv.Itoa(nth)
}

// split takes numbered, and sealedExt if it is there, apart.
func split(file string) (name string, nth int, sealed bool) {
	file, sealed = strings.CutSuffix(file, sealedExt)
	m := generationShape.FindStringSubmatch(file)
	if m == nil {
		return file, 1, sealed
	}
	nth, err := strconv.Atoi(m[2])
	if err != nil {
		nth = 1
	}
	return m[1], nth, sealed
}

// identitiesOf returns how many identities a day has had, 0 when it has no
// directory.
func (k *Keys) identitiesOf(d Day) (most int, err error) {
	entries, err := os.ReadDir(k.day(d, ""))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("keys of %s: %w", d, err)
	}
	for _, e := range entries {
		if name, nth, sealed := split(e.Name()); sealed || name == recipientFile {
			most = max(most, nth)
		}
	}
	return most, nil
}

// public reads the public half of a day's nth identity.
func (k *Keys) public(d Day, nth int) (*age.HybridRecipient, error) {
	b, err := os.ReadFile(k.day(d, numbered(recipientFile, nth)))
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	r, err := age.ParseHybridRecipient(strings.TrimSpace(string(b)))
	if err != nil {
		return nil, fmt.Errorf("keys: %s of %s: %w: %w", numbered(recipientFile, nth), d, ErrDamaged, err)
	}
	return r, nil
}

// sealedTo reports whether somebody can open a day's nth identity: a custodian
// who is not damaged has a whole copy of it. Nobody seals to a key that nobody
// has.
func (k *Keys) sealedTo(d Day, nth int, custodians []Custodian) bool {
	return slices.ContainsFunc(custodians, func(c Custodian) bool {
		b, err := os.ReadFile(k.day(d, numbered(c.Name, nth)+sealedExt))
		return err == nil && c.Damaged == "" && wholeAge(b)
	})
}

// wholeAge reports whether a file looks like an age file with something in it.
func wholeAge(b []byte) bool {
	const nonce, tag = 16, 16
	header, err := age.ExtractHeader(bytes.NewReader(b))
	return err == nil && len(b) > len(header)+nonce+tag
}

// mend writes the public half of an identity again whose secret can be opened now.
func (k *Keys) mend(d Day, nth int) *age.HybridRecipient {
	secret, err := k.openSecret(d, k.unlocked)
	if err != nil || secret.of[nth] == nil {
		return nil
	}
	r := secret.of[nth].Recipient()
	if k.sys.replace(k.day(d, numbered(recipientFile, nth)), []byte(r.String()+"\n")) != nil {
		return nil
	}
	return r
}

// damage says why a custodian cannot be relied on; "": nothing is known against
// it. An identity that lies here, and is damaged, may have been the only one.
func (k *Keys) damage(c Custodian, readErr error) string {
	if readErr != nil {
		return "its public half cannot be read: " + readErr.Error()
	}
	if _, err := parseRecipient(c.Recipient); err != nil {
		return "its public half is no age recipient"
	}
	if k.unknown(c) {
		return "the ledger was never told of it, so that nothing is sealed to it: siprecd keys remove-custodian " + c.Name + " takes it away, siprecd keys add-custodian " + c.Name + " with its recipient lets it stay"
	}
	b, err := os.ReadFile(k.identityFile(c.Name))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return ""
	case err != nil:
		return "its identity, which lies here, cannot be read: " + err.Error()
	case !c.Protected:
		if _, err := age.ParseIdentities(bytes.NewReader(b)); err != nil {
			return "its identity, which lies here, is damaged"
		}
	case !wholeAge(b):
		return "its identity, which lies here, is damaged"
	}
	return ""
}

// mendCustodians writes public halves again whose identity lies here in clear.
func (k *Keys) mendCustodians() {
	files, _ := filepath.Glob(filepath.Join(k.dir, custodiansDir, "*"+identityExt))
	for _, f := range files {
		pub := strings.TrimSuffix(f, identityExt) + pubExt
		if old, err := os.ReadFile(pub); err == nil && parses(string(old)) {
			continue
		}
		b, err := os.ReadFile(f)
		if err != nil {
			continue
		}
		ids, err := age.ParseIdentities(bytes.NewReader(b))
		if err != nil || len(ids) != 1 {
			continue
		}
		id, ok := ids[0].(*age.HybridIdentity)
		if !ok {
			continue
		}
		// One that cannot be written stays damaged, and is told as such.
		_ = k.sys.replace(pub, []byte(id.Recipient().String()+"\n"))
	}
}

func parses(recipient string) bool {
	_, err := parseRecipient(strings.TrimSpace(recipient))
	return err == nil
}

// custodiansLook is how long what was found of the custodians holds: reading an
// identity in clear takes a millisecond, and a hundred calls may begin at once.
const custodiansLook = time.Second

// reliable returns all custodians, of whom one at least can be sealed to. When
// there is none, the recorder makes one as the first start does: calls are sealed,
// and an administrator is told who can hear them.
func (k *Keys) reliable() ([]Custodian, error) {
	if now := time.Now(); !k.fresh(now) {
		all, err := k.relied()
		if err != nil {
			return nil, err
		}
		k.custodians, k.looked = all, now
	}
	return k.custodians, nil
}

// fresh reports whether what was found of the custodians still holds.
func (k *Keys) fresh(now time.Time) bool {
	return now.Sub(k.looked) < custodiansLook && !now.Before(k.looked) && !slices.ContainsFunc(k.custodians, func(c Custodian) bool {
		return c.Damaged == "" && isGone(k.pubFile(c.Name))
	})
}

// isGone reports whether it is known that a file is not there.
func isGone(path string) bool {
	_, err := os.Lstat(path)
	return errors.Is(err, fs.ErrNotExist)
}

// relied is reliable without its memory.
func (k *Keys) relied() ([]Custodian, error) {
	k.tellUntold()
	all, err := k.Custodians()
	if err != nil {
		return nil, err
	}
	whole := func(c Custodian) bool { return c.Damaged == "" }
	if slices.ContainsFunc(all, whole) {
		return all, nil
	}
	name, what := firstCustodian, custodianFirst
	if days, err := os.ReadDir(filepath.Join(k.dir, daysDir)); len(all) > 0 || err != nil || len(days) > 0 || len(k.lost(all)) > 0 {
		name, what = k.freeName(), custodianEmergency
	}
	if err := k.makeCustodian(name, what); err != nil {
		return nil, fmt.Errorf("keys: custodian %s: %w", name, err)
	}
	all, err = k.Custodians()
	if err == nil && !slices.ContainsFunc(all, whole) {
		err = errors.New("keys: no custodian can be sealed to")
	}
	return all, err
}

// sealInEmergency makes a custodian, as the first start does, where none could be
// sealed to, and seals a day to that one.
func (k *Keys) sealInEmergency(d Day, nth int, secret *age.HybridIdentity) error {
	name := k.freeName()
	if err := k.makeCustodian(name, custodianEmergency); err != nil {
		return err
	}
	k.looked = time.Time{}
	all, err := k.Custodians()
	if err != nil {
		return err
	}
	i := named(all, name)
	if i < 0 {
		return fmt.Errorf("custodian %s is not there", name)
	}
	return k.sealSecret(d, all[i], nth, secret)
}

// handOver seals to the others what of a day only the custodian of that name can
// open.
func (k *Keys) handOver(d Day, name string, others []Custodian) error {
	n, err := k.identitiesOf(d)
	if err != nil {
		return err
	}
	for nth := 1; nth <= n; nth++ {
		if _, err := os.Lstat(k.day(d, numbered(name, nth)+sealedExt)); err != nil || k.sealedTo(d, nth, others) {
			continue
		}
		k.expire(time.Now())
		secret, err := k.openSecret(d, k.unlocked)
		if errors.Is(err, ErrDamaged) {
			continue // nobody opens it, with or without that copy
		}
		if err != nil || secret.of[nth] == nil {
			return fmt.Errorf("day %s is sealed to %s alone: unlock with that identity, and remove it then", d, name)
		}
		for _, c := range others {
			if err := k.sealSecret(d, c, nth, secret.of[nth]); err != nil {
				return err
			}
		}
	}
	return nil
}

// freeName is a name for a custodian made in an emergency.
func (k *Keys) freeName() string {
	for n := 1; ; n++ {
		name := emergencyCustodian
		if n > 1 {
			name += "-" + strconv.Itoa(n)
		}
		_, pub := os.Lstat(k.pubFile(name))
		_, id := os.Lstat(k.identityFile(name))
		if pub != nil && id != nil {
			return name
		}
	}
}

// Trouble says what is damaged or missing among the keys, in words. Calls are
// recorded and sealed all the same, as far as there is a place for it.
func (k *Keys) Trouble() (trouble []string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, sub := range []string{custodiansDir, daysDir, headersDir} {
		if _, err := os.ReadDir(filepath.Join(k.dir, sub)); err != nil {
			trouble = append(trouble, unreadableKeys(err))
		}
	}
	custodians, err := k.Custodians()
	if err != nil {
		return append(trouble, err.Error())
	}
	for _, c := range custodians {
		if c.Damaged != "" {
			trouble = append(trouble, "custodian "+c.Name+": "+c.Damaged)
		}
		if strings.HasPrefix(c.Name, emergencyCustodian) {
			trouble = append(trouble, "custodian "+c.Name+" was made because no other could be sealed to: put the others back, or add one, then siprecd keys remove-custodian "+c.Name)
		}
	}
	if n := len(k.lost(custodians)); n > 0 {
		trouble = append(trouble, fmt.Sprintf("of the custodians that the ledger knows the public half of %d is not here, and nothing is sealed to them: put it back, or add them again, or siprecd keys remove-custodian with the name", n))
	}
	if listed, err := k.copies(); err != nil || len(listed) < len(k.toldCopies()) {
		trouble = append(trouble, fmt.Sprintf("the ledger knows of %d copies of keys, %s lists %d of them", len(k.toldCopies()), backupKeysFile, len(listed)))
	}
	days, err := k.Days()
	if err != nil {
		return trouble
	}
	var bad []Day
	for _, d := range days {
		if !k.sound(d, custodians) {
			bad = append(bad, d)
		}
	}
	if len(bad) > 0 {
		trouble = append(trouble, fmt.Sprintf("of the days that have keys, those of %d are damaged or missing, the first dies on %s: what was sealed to them may not open (siprecd keys check); calls are sealed to others", len(bad), bad[0]))
	}
	return trouble
}

func unreadableKeys(err error) string {
	if errors.Is(err, fs.ErrNotExist) {
		return "keys are gone, what was sealed to them does not open unless they are put back; calls are sealed to others: " + err.Error()
	}
	return "the keys cannot be read, calls stay on their tapes: " + err.Error()
}

// sound reports whether every identity of a day can be sealed to.
func (k *Keys) sound(d Day, custodians []Custodian) bool {
	n, err := k.identitiesOf(d)
	for nth := 1; nth <= n && err == nil; nth++ {
		if _, err = k.public(d, nth); err == nil && !k.sealedTo(d, nth, custodians) {
			return false
		}
	}
	return err == nil && n > 0
}

package store

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"filippo.io/age"
)

// daySecret is the secret half of all identities of a day that could be opened.
type daySecret struct {
	of   map[int]*age.HybridIdentity // by their number
	most int                         // there are
}

// Unwrap implements age.Identity.
func (s *daySecret) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	for _, id := range s.of {
		key, err := id.Unwrap(stanzas)
		if !errors.Is(err, age.ErrIncorrectIdentity) {
			return key, err
		}
	}
	if len(s.of) < s.most {
		return nil, fmt.Errorf("this recording is sealed to another key of its day: %w", ErrLocked)
	}
	return nil, age.ErrIncorrectIdentity
}

// openSecret tries the identities on every sealed copy of a day's secrets.
func (k *Keys) openSecret(d Day, ids []age.Identity) (*daySecret, error) {
	copies, err := filepath.Glob(k.day(d, "*"+sealedExt))
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	if len(copies) == 0 {
		if _, err := os.Lstat(k.day(d, recipientFile)); err == nil {
			return nil, fmt.Errorf("keys of %s: %w: no copy of the secret is there", d, ErrDamaged)
		}
		if headers, err := k.Headers(d); !k.over(d) && err == nil && len(headers) > 0 {
			return nil, fmt.Errorf("keys of %s: %w: nothing of the day's keys is there", d, ErrDamaged)
		}
		return nil, fmt.Errorf("keys of %s: %w", d, ErrDead)
	}
	if len(ids) == 0 {
		return nil, ErrLocked
	}
	secret := &daySecret{of: make(map[int]*age.HybridIdentity)}
	if secret.most, err = k.identitiesOf(d); err != nil {
		return nil, err
	}
	var damaged error
	for _, name := range copies {
		_, nth, _ := split(filepath.Base(name))
		if secret.of[nth] != nil {
			continue
		}
		id, err := openCopy(name, ids)
		if _, ok := errors.AsType[*age.NoIdentityMatchError](err); ok || errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			damaged = fmt.Errorf("keys: %s of %s: %w: %w", filepath.Base(name), d, ErrDamaged, err)
			continue
		}
		secret.of[nth] = id
	}
	switch {
	case len(secret.of) > 0:
		return secret, nil
	case damaged != nil:
		return nil, damaged
	}
	return nil, ErrLocked
}

// openCopy opens a day's secret that is sealed to one custodian.
func openCopy(name string, ids []age.Identity) (*age.HybridIdentity, error) {
	sealed, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	r, err := age.Decrypt(bytes.NewReader(sealed), ids...)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(r, 1<<16))
	if err != nil {
		return nil, err
	}
	return age.ParseHybridIdentity(strings.TrimSpace(string(text)))
}

// hasCopies reports whether a day's nth secret is sealed to anybody.
func (k *Keys) hasCopies(d Day, nth int) bool {
	copies, _ := filepath.Glob(k.day(d, "*"+sealedExt))
	return slices.ContainsFunc(copies, func(name string) bool {
		_, of, _ := split(filepath.Base(name))
		return of == nth
	})
}

// fits reports whether every identity of a day was opened and is that of its
// public half.
func (k *Keys) fits(d Day, secret *daySecret) error {
	for nth := 1; nth <= secret.most; nth++ {
		public, err := k.public(d, nth)
		switch {
		case secret.of[nth] == nil && !k.hasCopies(d, nth):
			return fmt.Errorf("no copy of the key number %d of the day is left: what was sealed to it opens no more", nth)
		case secret.of[nth] == nil:
			return fmt.Errorf("the key number %d of the day: %w", nth, ErrLocked)
		case err != nil:
			return err
		case public.String() != secret.of[nth].Recipient().String():
			return errors.New("the secret is not that of the public half")
		}
	}
	return nil
}

// dayRecipientOf says what a recording was sealed to by this run; "": not known.
func (k *Keys) dayRecipientOf(id string) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	defer delete(k.sealedWith, id)
	return k.sealedWith[id]
}

// keep makes a recording's header durable, and fails when nobody has the secret
// half of what it is sealed to: the keys may have gone while it was written.
func (k *Keys) keep(d Day, id string, header []byte, to age.Recipient) error {
	if err := k.PutHeader(d, id, header); err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	// Writing a recipient out costs as much as sealing to it does.
	known := k.recipients[d]
	if known.r != to {
		known.text = fmt.Sprint(to)
	}
	public := known.text
	if err := k.somebodyOpens(d, public); err != nil {
		return err
	}
	k.sealedWith[id] = recipientDigest(public)
	return nil
}

// somebodyOpens fails when no custodian has the secret half of a day's recipient.
func (k *Keys) somebodyOpens(d Day, public string) error {
	custodians, err := k.reliable()
	if err != nil {
		custodians = k.custodians // their directory does not answer; the day's may
	}
	n, err := k.identitiesOf(d)
	if err != nil {
		return err
	}
	for nth := 1; nth <= n; nth++ {
		text, err := os.ReadFile(k.day(d, numbered(recipientFile, nth)))
		if err == nil && strings.TrimSpace(string(text)) == public && k.sealedTo(d, nth, custodians) {
			return nil
		}
	}
	return fmt.Errorf("keys of %s: nobody has the secret half of the key that was sealed to: %w", d, ErrDamaged)
}

// stateDayRecipient adds the digest of what this run sealed a recording to, or a
// tape that waits.
func (s *Store) stateDayRecipient(row *Row, public map[string]string) {
	if s.Keys == nil || row.Dies == "" {
		return
	}
	digest := s.Keys.dayRecipientOf(row.ID)
	if sibling, err := originalID(row.ID); err == nil {
		if original := s.Keys.dayRecipientOf(sibling); row.State == Waiting {
			digest = original
		}
	}
	if digest != "" {
		public[dayRecipientFact] = digest
	}
}

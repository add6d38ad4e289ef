package store

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"filippo.io/age"
)

// ageMagic begins every age file.
const ageMagic = "age-encryption.org/"

// OpenIdentity returns a custodian's identity file in clear; when it is
// encrypted the passphrase is asked for.
func OpenIdentity(file []byte, passphrase func() (string, error)) ([]byte, error) {
	if !bytes.HasPrefix(file, []byte(ageMagic)) {
		return file, nil
	}
	p, err := passphrase()
	if err != nil {
		return nil, err
	}
	id, err := age.NewScryptIdentity(p)
	if err != nil {
		return nil, err
	}
	clear, err := age.Decrypt(bytes.NewReader(file), id)
	if _, ok := errors.AsType[*age.NoIdentityMatchError](err); ok {
		return nil, errors.New("wrong passphrase")
	}
	if err != nil {
		return nil, err
	}
	return io.ReadAll(clear)
}

// ReadIdentity reads the age identities of a custodian's identity file, which
// may be encrypted.
func ReadIdentity(r io.Reader, passphrase func() (string, error)) ([]age.Identity, error) {
	file, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	clear, err := OpenIdentity(file, passphrase)
	if err != nil {
		return nil, err
	}
	return age.ParseIdentities(bytes.NewReader(clear))
}

// IdentityFile returns where a custodian's identity lies, if it lies in the data
// directory dir.
func IdentityFile(dir, name string) (string, error) {
	if !custodianName.MatchString(name) {
		return "", fmt.Errorf("there is no custodian %q", name)
	}
	return filepath.Join(dir, keysDir, custodiansDir, name+identityExt), nil
}

// Identity opens the identity file of a custodian that lies in the data
// directory.
func (k *Keys) Identity(name string, passphrase func() (string, error)) ([]age.Identity, error) {
	if !custodianName.MatchString(name) {
		return nil, fmt.Errorf("there is no custodian %q", name)
	}
	f, err := os.Open(k.identityFile(name))
	if err != nil {
		return nil, fmt.Errorf("the identity of custodian %s does not lie here: give its file", name)
	}
	defer f.Close()
	return ReadIdentity(f, passphrase)
}

// Protect encrypts the identity of a custodian that lies in the data directory
// with a passphrase. Keys stay as they are, unlocked or not.
func (k *Keys) Protect(name, passphrase string) error {
	if strings.TrimSpace(passphrase) == "" {
		return errors.New("an empty passphrase protects nothing")
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	clear, err := os.ReadFile(k.identityFile(name))
	if err != nil {
		return fmt.Errorf("the identity of custodian %s does not lie here", name)
	}
	if _, err := age.ParseIdentities(bytes.NewReader(clear)); err != nil {
		return fmt.Errorf("the identity of custodian %s is protected already", name)
	}
	to, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		return err
	}
	if k.workFactor > 0 {
		to.SetWorkFactor(k.workFactor)
	}
	var sealed bytes.Buffer
	w, err := age.Encrypt(&sealed, to)
	if err == nil {
		_, err = w.Write(clear)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return err
	}
	// From here on a crash is made good by the next start.
	if err := k.sys.replace(k.identityFile(name)+protectedExt, sealed.Bytes()); err != nil {
		return err
	}
	return k.finishProtecting()
}

// protectedExt marks an identity that is sealed to a passphrase, and still has
// to take the place of the one in clear.
const protectedExt = ".protected"

// finishProtecting puts sealed identities in the place of those in clear, which
// are overwritten before.
func (k *Keys) finishProtecting() error {
	sealed, err := filepath.Glob(k.identityFile("*") + protectedExt)
	if err != nil {
		return err
	}
	for _, name := range sealed {
		clear := strings.TrimSuffix(name, protectedExt)
		if err := k.sys.shred(clear); err != nil {
			return err
		}
		if err := k.sys.Rename(name, clear); err != nil {
			return err
		}
		if err := k.sys.syncDir(filepath.Dir(clear)); err != nil {
			return err
		}
	}
	return nil
}

// giveUp destroys the identity of a custodian, if it lies here.
func (k *Keys) giveUp(name string) error {
	return k.sys.giveUp(k.identityFile(name))
}

// finishGivingUp destroys what a crash kept from it.
func (k *Keys) finishGivingUp() error {
	gone, err := filepath.Glob(k.identityFile("*") + goneExt)
	for _, name := range gone {
		err = errors.Join(err, k.sys.shred(name))
	}
	return err
}

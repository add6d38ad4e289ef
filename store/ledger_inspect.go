package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"go.etcd.io/bbolt"
)

// VerifyDir is [Store.Verify] of a data directory that no daemon has open. But for
// its lock nothing is written there: nothing is mended, set aside or made, so that
// what is looked at stays the evidence that it is.
func VerifyDir(ctx context.Context, dir string, o VerifyOptions) (Verification, error) {
	if !holdsAny(dir, ledgerDir, checkpointFile, vaultDir) {
		return Verification{}, fmt.Errorf("no data of siprecd in %s: nothing has been recorded there yet", dir)
	}
	s := &Store{dir: dir, sys: System{}.orReal(), raw: System{}.orReal()}
	lock, err := lockFile(s.lockPath())
	if err != nil {
		return Verification{}, fmt.Errorf("%s: %w", dir, err)
	}
	defer lock.Close()
	s.Blobs, s.originals = NewVault(dir, s.sys), NewVault(filepath.Join(dir, originalsDir), s.sys)
	if catalogue, err := inspectBolt(filepath.Join(dir, "catalogue.db")); err == nil {
		defer catalogue.Close()
		s.Catalog = catalogue
	}
	if keysLieIn(dir) {
		s.Keys = inspectKeys(filepath.Join(dir, keysDir))
	}
	return s.Verify(ctx, o)
}

// keysLieIn reports whether dir is a recorder's: what was restored without keys has
// the custodians' public halves alone, and no signer.
func keysLieIn(dir string) bool {
	return holdsAny(dir, filepath.Join(keysDir, daysDir), filepath.Join(keysDir, headersDir), filepath.Join(ledgerDir, signerFile))
}

// holdsAny reports whether a directory has any of the names in it.
func holdsAny(dir string, names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool {
		_, err := os.Lstat(filepath.Join(dir, name))
		return err == nil
	})
}

// inspectKeys opens keys that are only looked at. What the ledger says of them is
// for Verify to tell them.
func inspectKeys(dir string) *Keys {
	k := newKeys(dir, System{})
	k.told = &toldKeys{untold: make(map[string]bool), stated: -1}
	return k
}

// inspectBolt opens a catalogue that is only looked at. One that is damaged, of
// another version or not there is none: a start makes it of the facts.
func inspectBolt(path string) (*Bolt, error) {
	if _, err := sound(path); err != nil {
		return nil, err
	}
	b := &Bolt{path: path}
	err := guard(func() (err error) {
		b.db, err = bbolt.Open(path, fileMode, &bbolt.Options{Timeout: time.Second, ReadOnly: true})
		return err
	})
	if err != nil {
		return nil, err
	}
	err = b.view(context.Background(), func(root *bbolt.Bucket) error {
		if at, err := versionOf(root); err != nil || at != catalogueVersion {
			return fmt.Errorf("version %d: %w", at, ErrDamaged)
		}
		return nil
	})
	if err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

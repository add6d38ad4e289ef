package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// Restore brings a backup into the data directory dir, which is empty or not
// there, and verifies it. keys is where the keys were copied to; empty: the
// recordings stay closed. What does not hold is in the Verification.
func Restore(ctx context.Context, from, keys, dir string) (Verification, error) {
	s := &Store{dir: dir, sys: System{}.orReal(), raw: System{}.orReal()}
	if inside(dir, from) {
		return Verification{}, fmt.Errorf("restore: %s lies in the backup", dir)
	}
	if _, err := os.Stat(filepath.Join(from, ledgerDir, leavesFile)); err != nil {
		return Verification{}, fmt.Errorf("restore: %s is no backup: %w", from, err)
	}
	if keys != "" {
		if err := keysFor(from, keys); err != nil {
			return Verification{}, fmt.Errorf("restore: %w", err)
		}
	}
	if err := (&Store{dir: from, raw: s.raw}).places(dir); err != nil {
		return Verification{}, fmt.Errorf("restore: %w", err)
	}
	b := backup{sys: s.sys, ctx: ctx}
	if err := errors.Join(b.back(from, keys, dir), b.sync(dir)); err != nil {
		return Verification{}, fmt.Errorf("restore: %w", err)
	}
	s.Blobs, s.originals = NewVault(dir, s.sys), NewVault(filepath.Join(dir, originalsDir), s.sys)
	if err := s.rowsAsFacts(ctx); err != nil {
		return Verification{}, fmt.Errorf("restore: %w", err)
	}
	return s.Verify(ctx, VerifyOptions{})
}

// keysFor reports whether keys is what Backup wrote as the keys of the recorder
// whose backup from is.
func keysFor(from, keys string) error {
	for _, name := range []string{filepath.Join(keysDir, backupKeysFile), filepath.Join(ledgerDir, signerFile)} {
		if _, err := os.Stat(filepath.Join(keys, name)); err != nil {
			return fmt.Errorf("%s holds no copy of keys: give the directory that siprecd backup --with-keys wrote, in which %s and %s lie: %w", keys, keysDir, ledgerDir, err)
		}
	}
	skey, err := os.ReadFile(filepath.Join(keys, ledgerDir, signerFile))
	if err != nil {
		return err
	}
	vkey, err := os.ReadFile(filepath.Join(from, ledgerDir, verifierFile))
	if err != nil {
		return err
	}
	signer, err := note.NewSigner(strings.TrimSpace(string(skey)))
	if err != nil {
		return fmt.Errorf("%s of %s: %w", signerFile, keys, err)
	}
	verifier, err := note.NewVerifier(strings.TrimSpace(string(vkey)))
	if err != nil {
		return fmt.Errorf("%s of %s: %w", verifierFile, from, err)
	}
	if signer.Name() != verifier.Name() || signer.KeyHash() != verifier.KeyHash() {
		return fmt.Errorf("%s holds the keys of another recorder: they sign %s, the ledger of the backup is %s", keys, signer.Name(), verifier.Name())
	}
	return nil
}

// back copies keys, if there are any, and then what does not lie there by them.
func (b *backup) back(from, keys, dir string) error {
	if keys != "" {
		for _, sub := range []string{keysDir, ledgerDir} {
			if err := b.tree(filepath.Join(keys, sub), filepath.Join(dir, sub), func(string) bool { return true }); err != nil {
				return err
			}
		}
	}
	err := b.tree(from, dir, func(name string) bool {
		rest, err := filepath.Rel(from, name)
		_, there := os.Lstat(filepath.Join(dir, rest))
		return err == nil && there != nil
	})
	if err != nil {
		return err
	}
	// Beside the ledger too, where a recorder misses it.
	return b.file(filepath.Join(from, ledgerDir, checkpointFile), anchorOf(filepath.Join(dir, ledgerDir)), -1)
}

// rowsAsFacts makes the catalogue say what the facts do. It was copied after them,
// while calls went on: of some recordings it may say what is not in the backup yet.
func (s *Store) rowsAsFacts(ctx context.Context) error {
	path := filepath.Join(s.dir, "catalogue.db")
	if _, err := os.Stat(path); err != nil {
		return nil // Open makes it from the facts
	}
	catalogue, err := OpenBolt(path)
	if errors.Is(err, ErrDamaged) {
		return nil // and in its place
	}
	if err != nil {
		return err
	}
	for st, err := range s.Blobs.All(ctx, time.Time{}) {
		if err != nil {
			continue // Verify says so
		}
		facts, err := st.row()
		if err != nil {
			continue
		}
		row, err := catalogue.Get(ctx, st.ID)
		if err == nil {
			var names []string
			if names, err = differing(row, facts); err == nil && len(names) == 0 {
				continue
			}
		}
		if err != nil && !errors.Is(err, ErrNotFound) || ctx.Err() != nil {
			return errors.Join(err, context.Cause(ctx), catalogue.Close())
		}
		if err := catalogue.Put(ctx, facts); err != nil {
			return errors.Join(err, catalogue.Close())
		}
	}
	return catalogue.Close()
}

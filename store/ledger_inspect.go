package store

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// VerifyDir is [Store.Verify] of a data directory that no daemon has open. But for
// its lock nothing is written there: nothing is mended, set aside or made, so that
// what is looked at stays the evidence that it is.
func VerifyDir(ctx context.Context, dir string, o VerifyOptions) (Verification, error) {
	begun := slices.ContainsFunc([]string{ledgerDir, checkpointFile, vaultDir}, func(name string) bool {
		_, err := os.Lstat(filepath.Join(dir, name))
		return err == nil
	})
	if !begun {
		return Verification{}, fmt.Errorf("no data of siprecd in %s: nothing has been recorded there yet", dir)
	}
	s := &Store{dir: dir, sys: System{}.orReal(), raw: System{}.orReal()}
	lock, err := lockFile(s.lockPath())
	if err != nil {
		return Verification{}, fmt.Errorf("%s: %w", dir, err)
	}
	defer lock.Close()
	s.Blobs, s.originals = NewVault(dir, s.sys), NewVault(filepath.Join(dir, originalsDir), s.sys)
	return s.Verify(ctx, o)
}

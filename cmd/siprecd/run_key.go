package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"siprecd/store"
)

// credentialName is what the run key is called among a service's credentials
// (systemd.exec(5), LoadCredential=).
const credentialName = "siprecd-run-key"

// runKeyOf says where the key of live tapes comes from: a credential of the
// service, else the service's runtime directory, which a power cut empties, else
// a file beside the data.
func runKeyOf(dir string, env func(string) string) (store.RunKey, error) {
	if credentials := env("CREDENTIALS_DIRECTORY"); credentials != "" {
		secret, err := os.ReadFile(filepath.Join(credentials, credentialName))
		if err == nil {
			return store.RunKey{Secret: secret}, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return store.RunKey{}, fmt.Errorf("the credential %s: %w", credentialName, err)
		}
	}
	runtime, _, _ := strings.Cut(env("RUNTIME_DIRECTORY"), ":")
	if runtime == "" {
		return store.RunKey{}, nil
	}
	whole, err := filepath.Abs(dir)
	if err != nil {
		return store.RunKey{}, err
	}
	// Two recorders of one service have a directory each, and a key each.
	sum := sha256.Sum256([]byte(whole))
	return store.RunKey{File: filepath.Join(runtime, "run-"+hex.EncodeToString(sum[:6])+".key")}, nil
}

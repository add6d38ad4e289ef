package store

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// identify reads the signer's key, or makes one for a log that is empty: begin
// writes it.
func (l *Ledger) identify() error {
	skey, err := os.ReadFile(filepath.Join(l.dir, signerFile))
	if errors.Is(err, fs.ErrNotExist) {
		for _, name := range []string{leavesFile, checkpointsFile} {
			if info, err := os.Stat(filepath.Join(l.dir, name)); err == nil && info.Size() > 0 {
				return fmt.Errorf("%w: %s is missing", errLog, signerFile)
			}
		}
		id := make([]byte, 6)
		rand.Read(id)
		l.begins, _, err = note.GenerateKey(rand.Reader, "siprecd-"+hex.EncodeToString(id)+"/ledger")
		skey = []byte(l.begins)
	}
	if err != nil {
		return err
	}
	secret := strings.TrimSpace(string(skey))
	if l.signer, err = note.NewSigner(secret); err != nil {
		return fmt.Errorf("%w: %s: %w", errLog, signerFile, err)
	}
	if l.vkey, err = verifierOf(secret); err != nil {
		return fmt.Errorf("%w: %s: %w", errLog, signerFile, err)
	}
	return nil
}

// verifierOf is the public half of a signer's key.
func verifierOf(secret string) (string, error) {
	if _, err := note.NewSigner(secret); err != nil {
		return "", err
	}
	fields := strings.SplitN(secret, "+", 5) // PRIVATE, KEY, name, hash, algorithm and seed
	if len(fields) < 5 {
		return "", errors.New("it is not a signer's key")
	}
	key, err := base64.StdEncoding.DecodeString(fields[4])
	if err != nil || len(key) != 1+ed25519.SeedSize {
		return "", errors.New("it is not a signer's key")
	}
	public, _ := ed25519.NewKeyFromSeed(key[1:]).Public().(ed25519.PublicKey)
	return note.NewEd25519VerifierKey(fields[2], public)
}

// begin makes the files that state what the log holds, and the signer's key last:
// beside a key that is there, none of them is missing because of a crash.
func (l *Ledger) begin() error {
	if err := l.putVerifier(); err != nil {
		return err
	}
	all, err := l.openCheckpoints()
	if err != nil {
		return err
	}
	if err := all.Close(); err != nil {
		return err
	}
	if err := l.signNew(); err != nil {
		return err
	}
	return l.sys.replace(filepath.Join(l.dir, signerFile), []byte(l.begins+"\n"))
}

// putVerifier writes the public half of the key where it is not, or is another: it
// is derived.
func (l *Ledger) putVerifier() error {
	name := filepath.Join(l.dir, verifierFile)
	if b, err := os.ReadFile(name); err == nil && string(b) == l.vkey+"\n" {
		return nil
	}
	return l.sys.replace(name, []byte(l.vkey+"\n"))
}

// newest reads the newest checkpoint that lies in the log.
func (l *Ledger) newest() error {
	signed, err := os.ReadFile(filepath.Join(l.dir, checkpointFile))
	if errors.Is(err, fs.ErrNotExist) {
		l.missing = append(l.missing, ledgerDir+"/"+checkpointFile)
		return nil
	}
	if err != nil {
		return err
	}
	if l.begins != "" && statedSize(signed) == 0 {
		return nil // a beginning that was interrupted
	}
	if l.signed, err = ReadCheckpoint(signed, l.vkey); err != nil {
		return fmt.Errorf("%w: its checkpoint: %w", errLog, err)
	}
	return nil
}

// compare holds the log against its newest checkpoint.
func (l *Ledger) compare() error {
	if l.signed.Note == nil {
		return nil
	}
	return l.holds(l.signed)
}

// lookForKept looks for the file of all checkpoints that are kept, which holds one
// since the newest stated any leaf.
func (l *Ledger) lookForKept() error {
	info, err := os.Stat(filepath.Join(l.dir, checkpointsFile))
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && info.Size() == 0 && l.signed.Size > 0:
		l.missing = append(l.missing, ledgerDir+"/"+checkpointsFile)
		return nil
	}
	return err
}

// tellMissing goes on with a log beside which something was missing that states
// what it holds. Nothing of ours ever leaves it so, and whether leaves are missing
// too nobody can tell any more: a leaf says that, for good, and a notice in the data
// directory, for status, until somebody takes it away. The leaf is durable before
// the files are there again.
func (l *Ledger) tellMissing() error {
	files, found := strings.Join(l.missing, " "), l.edge.size
	l.log.Error("files are missing that state what the ledger holds: its newest leaves may be missing too, keep the data directory for the auditor",
		"side", "srs", "missing", files, "leaves", found)
	text := fmt.Sprintf("%s; %d leaves were found\n", strings.ReplaceAll(files, " ", ", "), found)
	if err := l.sys.replace(l.anchor()+missingMark+l.now().UTC().Format(asideTime), []byte(text)); err != nil {
		return err
	}
	root := l.edge.root()
	_, err := l.append(Entry{Kind: EventCheckpointMissing, Public: map[string]string{
		"missing": files, "leaves": strconv.FormatInt(found, 10), "root": root.String(),
	}})
	if err != nil {
		return err
	}
	if err := l.signNew(); err != nil || l.kept.Size == l.signed.Size {
		return err
	}
	return l.keep(l.signed)
}

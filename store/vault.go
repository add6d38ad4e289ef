package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"time"
)

const (
	vaultDir   = "vault"
	partSuffix = ".part"
	factsExt   = "json"
)

// Vault is Blobs in a directory: vault/2006/01/02/<ULID>.wav and, beside it,
// <ULID>.json. Names are paths relative to the data directory.
type Vault struct {
	dir string
	sys System
}

// NewVault returns the Vault of a data directory. Zero fields of sys are the
// real ones.
func NewVault(dir string, sys System) *Vault {
	return &Vault{dir: dir, sys: sys.orReal()}
}

var (
	extShape  = regexp.MustCompile(`^[a-z0-9]{1,8}$`)
	nameShape = regexp.MustCompile(`^(vault/\d{4}/\d{2}/\d{2}/)([0-9A-Z]{26})(?:\.([a-z0-9]{1,8}))?$`)
)

// Name implements Blobs.
func (v *Vault) Name(id, ext string, day time.Time) (string, error) {
	if _, err := began(id); err != nil {
		return "", err
	}
	name := path.Join(vaultDir, day.Format("2006/01/02"), id)
	if ext != "" {
		if !extShape.MatchString(ext) || ext == factsExt {
			return "", fmt.Errorf("%q is not the extension of a recording", ext)
		}
		name += "." + ext
	}
	return name, nil
}

// file returns the paths of a body and of its facts. Only a name of the shape
// that Name makes has any.
func (v *Vault) file(name string) (body, facts string, err error) {
	m := nameShape.FindStringSubmatch(name)
	if m == nil || m[3] == factsExt {
		return "", "", fmt.Errorf("%q is not a name in the vault: %w", name, ErrNotFound)
	}
	if _, err := began(m[2]); err != nil {
		return "", "", fmt.Errorf("%q is not a name in the vault: %w", name, ErrNotFound)
	}
	at := func(name string) string { return filepath.Join(v.dir, filepath.FromSlash(name)) }
	if m[3] != "" {
		body = at(name)
	}
	return body, at(m[1] + m[2] + "." + factsExt), nil
}

// Create implements Blobs.
func (v *Vault) Create(ctx context.Context, id, ext string, day time.Time) (BlobWriter, error) {
	name, err := v.Name(id, ext, day)
	if err != nil {
		return nil, err
	}
	body, _, err := v.file(name)
	if err != nil || body == "" {
		return nil, fmt.Errorf("a body needs an extension: %w", err)
	}
	if err := v.sys.makeDir(filepath.Dir(body)); err != nil {
		return nil, err
	}
	f, err := v.sys.OpenFile(body+partSuffix, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, fileMode)
	if err != nil {
		return nil, err
	}
	return &vaultWriter{ctx: ctx, vault: v, file: f, name: name, body: body}, nil
}

type vaultWriter struct {
	ctx   context.Context
	vault *Vault
	file  *os.File // nil once committed or aborted
	name  string
	body  string // the path it will have
}

func (w *vaultWriter) Write(p []byte) (int, error) {
	if w.file == nil {
		return 0, os.ErrClosed
	}
	if w.ctx.Err() != nil {
		return 0, context.Cause(w.ctx)
	}
	n, err := w.vault.sys.Write(w.file, p)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	return n, err
}

// Commit implements BlobWriter. A body whose directory could not be synced is
// visible, but not known to be durable: the error says so.
func (w *vaultWriter) Commit() (string, error) {
	if w.file == nil {
		return "", os.ErrClosed
	}
	sys := w.vault.sys
	if err := sys.Sync(w.file); err != nil {
		w.Abort()
		return "", err
	}
	err := w.file.Close()
	w.file = nil
	if err == nil {
		err = sys.Rename(w.body+partSuffix, w.body)
	}
	if err != nil {
		return "", errors.Join(err, sys.removeIfThere(w.body+partSuffix))
	}
	if err := sys.syncDir(filepath.Dir(w.body)); err != nil {
		return "", err
	}
	return w.name, nil
}

// Abort implements BlobWriter.
func (w *vaultWriter) Abort() {
	if w.file == nil {
		return
	}
	w.file.Close()
	w.file = nil
	w.vault.sys.Remove(w.body + partSuffix)
}

// Open implements Blobs.
func (v *Vault) Open(ctx context.Context, name string) (Body, error) {
	path, _, err := v.file(name)
	if err != nil {
		return nil, err
	}
	if path == "" {
		return nil, ErrNotFound
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, err
	}
	return &vaultBody{File: f, size: info.Size()}, nil
}

// vaultBody is a committed body, which never changes size.
type vaultBody struct {
	*os.File
	size int64
}

func (b *vaultBody) Size() int64 { return b.size }

// Remove implements Blobs. The body goes first: facts without a body are a
// call that was not recorded, a body without facts is nobody's.
func (v *Vault) Remove(ctx context.Context, name string) error {
	body, facts, err := v.file(name)
	if err != nil {
		return err
	}
	if body != "" {
		if err := v.sys.removeIfThere(body); err != nil {
			return err
		}
	}
	if err := v.sys.removeIfThere(facts); err != nil {
		return err
	}
	if err := v.sys.syncDir(filepath.Dir(facts)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// PutFacts implements Blobs.
func (v *Vault) PutFacts(ctx context.Context, name string, facts []byte) error {
	_, path, err := v.file(name)
	if err != nil {
		return err
	}
	if err := v.sys.makeDir(filepath.Dir(path)); err != nil {
		return err
	}
	return v.sys.replace(path, facts)
}

// Facts implements Blobs.
func (v *Vault) Facts(ctx context.Context, name string) ([]byte, error) {
	_, path, err := v.file(name)
	if err != nil {
		return nil, err
	}
	facts, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNotFound
	}
	return facts, err
}

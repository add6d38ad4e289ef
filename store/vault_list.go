package store

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// All implements Blobs. Days come in order, ids in order within a day.
func (v *Vault) All(ctx context.Context, since time.Time) iter.Seq2[Stored, error] {
	return func(yield func(Stored, error) bool) {
		for day, err := range v.days(ctx, since) {
			if err != nil {
				yield(Stored{}, err)
				return
			}
			if !v.allOf(ctx, day, yield) {
				return
			}
		}
	}
}

// days yields vault/2006/01/02 for each directory of that shape in which a name
// came or went since; zero: for all.
func (v *Vault) days(ctx context.Context, since time.Time) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		days, err := fs.Glob(os.DirFS(v.dir), vaultDir+"/[0-9][0-9][0-9][0-9]/[0-9][0-9]/[0-9][0-9]")
		if err != nil {
			yield("", err)
			return
		}
		for _, day := range days {
			if ctx.Err() != nil {
				yield("", context.Cause(ctx))
				return
			}
			info, err := os.Stat(filepath.Join(v.dir, filepath.FromSlash(day)))
			if err != nil {
				yield("", err)
				return
			}
			if info.ModTime().Before(since) {
				continue
			}
			if !yield(day, nil) {
				return
			}
		}
	}
}

// allOf yields one day's; false: the consumer has enough.
func (v *Vault) allOf(ctx context.Context, day string, yield func(Stored, error) bool) bool {
	entries, err := os.ReadDir(filepath.Join(v.dir, filepath.FromSlash(day)))
	if err != nil {
		return yield(Stored{Name: day}, err)
	}
	byID := map[string][]string{} // the extensions of each
	for _, e := range entries {
		id, ext, _ := strings.Cut(e.Name(), ".")
		if _, err := began(id); err == nil && extShape.MatchString(ext) {
			byID[id] = append(byID[id], ext)
		}
	}
	ids := make([]string, 0, len(byID))
	for id := range byID {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		if ctx.Err() != nil {
			return yield(Stored{}, context.Cause(ctx))
		}
		if !v.each(day, id, byID[id], yield) {
			return false
		}
	}
	return true
}

// each yields what one id has: its bodies, each with the facts, or the facts
// alone.
func (v *Vault) each(day, id string, exts []string, yield func(Stored, error) bool) bool {
	name := path.Join(day, id)
	_, factsPath, err := v.file(name)
	if err != nil {
		return yield(Stored{}, err)
	}
	facts, err := os.ReadFile(factsPath)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return yield(Stored{Name: name, ID: id}, err)
	}
	alone := true
	for _, ext := range exts {
		if ext == factsExt {
			continue
		}
		alone = false
		st := Stored{Name: name + "." + ext, ID: id, Facts: facts}
		body, _, err := v.file(st.Name)
		if err == nil {
			var info fs.FileInfo
			if info, err = os.Stat(body); err == nil {
				st.Size = info.Size()
			}
		}
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed a moment ago
		}
		if !yield(st, err) {
			return false
		}
	}
	if alone && facts != nil {
		return yield(Stored{Name: name, ID: id, Size: -1, Facts: facts}, nil)
	}
	return true
}

// Sweep implements Blobs.
func (v *Vault) Sweep(ctx context.Context, since time.Time) error {
	for day, err := range v.days(ctx, since) {
		if err != nil {
			return err
		}
		dir := filepath.Join(v.dir, filepath.FromSlash(day))
		entries, err := os.ReadDir(dir)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if strings.HasSuffix(e.Name(), partSuffix) {
				if err := v.sys.removeIfThere(filepath.Join(dir, e.Name())); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// strange tells found of what lies in the vault and does not belong into it: what
// no name of a recording leads to, files that are no plain files, and what Create
// began before the time given, zero: ever, and nobody committed.
func (v *Vault) strange(ctx context.Context, begun time.Time, found func(name, what, detail string)) error {
	return filepath.WalkDir(filepath.Join(v.dir, vaultDir), func(full string, d fs.DirEntry, err error) error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		rest, relErr := filepath.Rel(v.dir, full)
		if relErr != nil {
			return relErr
		}
		name := filepath.ToSlash(rest)
		switch {
		case errors.Is(err, fs.ErrNotExist): // removed a moment ago
		case err != nil && vaultDay.MatchString(name): // All says so
		case err != nil:
			found(name, "unreadable", err.Error())
		case d.IsDir() && vaultDirs.MatchString(name):
		case d.IsDir():
			found(name, "added", "it is no directory of the vault")
			return fs.SkipDir
		case !d.Type().IsRegular():
			found(name, "altered", "it is no plain file: a link, or a device")
		case !fileOfVault(strings.TrimSuffix(name, partSuffix)):
			found(name, "added", "it is no file of the vault")
		case strings.HasSuffix(name, partSuffix):
			if info, err := d.Info(); err == nil && (begun.IsZero() || info.ModTime().Before(begun)) {
				found(name, "added", "it was begun before the newest start, and never ended")
			}
		}
		return nil
	})
}

// fileOfVault reports whether a name is that of a body or of facts.
func fileOfVault(name string) bool {
	m := nameShape.FindStringSubmatch(name)
	if m == nil || m[3] == "" {
		return false
	}
	_, err := began(m[2])
	return err == nil
}

var (
	vaultDay  = regexp.MustCompile(`^vault/\d{4}/\d{2}/\d{2}$`)
	vaultDirs = regexp.MustCompile(`^vault(/\d{4}(/\d{2}(/\d{2})?)?)?$`)
)

package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// PutHeader makes a recording's age header durable. It must be before the body
// is committed: a body without it is noise.
func (k *Keys) PutHeader(d Day, id string, header []byte) error {
	if _, err := began(id); err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.over(d) {
		return fmt.Errorf("day %s: %w", d, ErrDead)
	}
	if err := k.sys.makeDir(filepath.Join(k.dir, headersDir, string(d))); err != nil {
		return err
	}
	return k.sys.replace(k.header(d, id), header)
}

// Header returns a recording's age header; ErrDead when it is destroyed.
func (k *Keys) Header(d Day, id string) ([]byte, error) {
	b, err := os.ReadFile(k.header(d, id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("recording %s: %w", id, ErrDead)
	}
	return b, err
}

func (k *Keys) header(d Day, id string) string {
	return filepath.Join(k.dir, headersDir, string(d), id)
}

// DayOf returns the day on which a recording dies, by where its header lies;
// empty when it has none.
func (k *Keys) DayOf(id string) (Day, error) {
	if _, err := began(id); err != nil {
		return "", err
	}
	days, err := os.ReadDir(filepath.Join(k.dir, headersDir))
	if err != nil {
		return "", fmt.Errorf("keys: %w", err)
	}
	for _, d := range days {
		if _, err := os.Lstat(k.header(Day(d.Name()), id)); err == nil {
			return Day(d.Name()), nil
		}
	}
	return "", nil
}

// DestroyHeader ends one recording: nothing opens it any more.
func (k *Keys) DestroyHeader(d Day, id string) error {
	if _, err := began(id); err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.sys.shred(k.header(d, id)); err != nil {
		return fmt.Errorf("header of %s: %w", id, err)
	}
	return nil
}

// Headers returns the ids of the recordings that die on d and can still be
// opened.
func (k *Keys) Headers(d Day) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(k.dir, headersDir, string(d)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	var ids []string
	for _, e := range entries {
		if _, err := began(e.Name()); err == nil {
			ids = append(ids, e.Name())
		}
	}
	return ids, nil
}

// withHeaders returns the keys, nil when no header of any recording is among
// them, as in a backup. Where calls are recorded they should be there.
func (k *Keys) withHeaders() (*Keys, error) {
	if k.told != nil {
		return k, nil
	}
	days, err := os.ReadDir(filepath.Join(k.dir, headersDir))
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(days) == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	return k, nil
}

// DestroyDay destroys the headers of a day but for those held, and with the
// last of them the day's secret. It may be called again after a crash, and
// again when a hold ended. gone says that nothing of the day is left.
func (k *Keys) DestroyDay(d Day, held []string) (destroyed []string, gone bool, err error) {
	if !d.Valid() {
		return nil, false, fmt.Errorf("keys: %q is not a day", d)
	}
	ids, err := k.Headers(d)
	if err != nil {
		return nil, false, err
	}
	keep := make(map[string]bool, len(held))
	for _, id := range held {
		keep[id] = true
	}
	for _, id := range ids {
		if keep[id] {
			continue
		}
		if err := k.overwriteHeader(d, id); err != nil {
			return destroyed, false, err
		}
		destroyed = append(destroyed, id)
	}
	if len(destroyed) > 0 {
		// Once for all of them: each alone would double the time of a night.
		if err := k.sys.syncDir(filepath.Join(k.dir, headersDir, string(d))); err != nil {
			return nil, false, fmt.Errorf("keys of %s: %w", d, err)
		}
	}
	if len(destroyed) < len(ids) {
		return destroyed, false, nil
	}
	return destroyed, true, k.destroySecret(d)
}

// overwriteHeader holds the lock for one header only: a call that is being
// sealed waits for no day.
func (k *Keys) overwriteHeader(d Day, id string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.sys.overwrite(k.header(d, id)); err != nil {
		return fmt.Errorf("header of %s: %w", id, err)
	}
	return nil
}

// destroySecret marks the day as over before anything goes: nothing can be
// sealed to it from then on, whatever happens in between.
func (k *Keys) destroySecret(d Day) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.recipients, d)
	delete(k.secrets, d)
	if err := k.sys.makeDir(k.day(d, "")); err != nil {
		return fmt.Errorf("keys of %s: %w", d, err)
	}
	if !k.over(d) {
		if err := k.sys.replace(k.day(d, destroyedFile), []byte(time.Now().UTC().Format(time.RFC3339)+"\n")); err != nil {
			return fmt.Errorf("keys of %s: %w", d, err)
		}
	}
	entries, err := os.ReadDir(k.day(d, ""))
	if err != nil {
		return fmt.Errorf("keys of %s: %w", d, err)
	}
	var errs []error
	for _, e := range entries {
		if e.Name() == destroyedFile || e.Name() == finishedFile {
			continue
		}
		if e.IsDir() {
			continue // nothing that was ever a key
		}
		// What cannot be destroyed keeps none of the others.
		if err := k.sys.shred(k.day(d, e.Name())); err != nil {
			errs = append(errs, fmt.Errorf("keys of %s: %w", d, err))
		}
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	return k.sys.removeIfThere(filepath.Join(k.dir, headersDir, string(d)))
}

// finish notes that nothing of a destroyed day is left to be done.
func (k *Keys) finish(d Day) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.sys.replace(k.day(d, finishedFile), nil)
}

// leftOf returns the names of what is left of a day's keys, headers among them.
func (k *Keys) leftOf(d Day) (left []string) {
	entries, _ := os.ReadDir(k.day(d, ""))
	for _, e := range entries {
		if e.Name() != destroyedFile && e.Name() != finishedFile && !e.IsDir() {
			left = append(left, e.Name())
		}
	}
	headers, _ := k.Headers(d)
	return append(left, headers...)
}

// unfinished returns the days whose keys are destroyed, and whose bodies and
// rows may still be there, or of whose keys something is there again.
func (k *Keys) unfinished() ([]Day, error) {
	marks, err := filepath.Glob(k.day("*", destroyedFile))
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	var days []Day
	for _, m := range marks {
		d := Day(filepath.Base(filepath.Dir(m)))
		if isGone(k.day(d, finishedFile)) || len(k.leftOf(d)) > 0 {
			days = append(days, d)
		}
	}
	return days, nil
}

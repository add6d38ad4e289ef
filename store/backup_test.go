package store

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestBackupOfYesterdayDoesNotOpen takes a full backup the day before a day
// dies, and restores it the day after, with every custodian's identity in hand.
func TestBackupOfYesterdayDoesNotOpen(t *testing.T) {
	s := openStore(t, t.TempDir(), unsyncedSystem())
	row, later := sealedWithOriginal(t, s, "2027-02-22"), sealedWithOriginal(t, s, "2027-02-23")
	ids, err := s.Keys.Identity("first", nil)
	check(t, err)
	to := filepath.Join(t.TempDir(), "backup")
	done, err := s.Backup(t.Context(), to, "")
	check(t, err)
	if done.Recordings != 2 || done.Linked != 6 {
		t.Errorf("%+v", done)
	}
	for _, name := range filesOf(t, to) {
		if strings.Contains(name, headersDir) || strings.Contains(name, daysDir+"/") || strings.HasSuffix(name, identityExt) || strings.HasSuffix(name, ".key") {
			t.Errorf("in the backup: %s", name)
		}
	}
	_, err = s.RetireDay(t.Context(), "2027-02-22", "2027-02-22")
	check(t, err)

	dir := filepath.Join(t.TempDir(), "restored")
	v, err := Restore(t.Context(), to, "", dir)
	check(t, err)
	if len(v.Findings) != 0 || v.Recordings != 2 {
		t.Errorf("%+v", v)
	}
	// Opened with the keys that are left in the store it came from.
	again := &Store{dir: dir, sys: s.sys, Blobs: NewVault(dir, s.sys), Keys: s.Keys, originals: NewVault(filepath.Join(dir, originalsDir), s.sys)}
	check(t, s.Keys.Unlock(ids, noon.AddDate(10, 0, 0)))
	if _, err := again.OpenAudio(t.Context(), row); !errors.Is(err, ErrDead) {
		t.Errorf("restored, with every custodian's identity in hand: %v", err)
	}
	if _, _, err := again.OpenOriginal(t.Context(), row); !errors.Is(err, ErrDead) {
		t.Errorf("the original: %v", err)
	}
	a, err := again.OpenAudio(t.Context(), later)
	check(t, err) // what lives is not noise
	check(t, a.Close())
	// With its own keys, that is none, not even what lives.
	own := openStore(t, dir, unsyncedSystem())
	defer own.Close()
	_ = own.Keys.Unlock(ids, noon.AddDate(10, 0, 0))
	for _, r := range []*Row{row, later} {
		if _, err := own.OpenAudio(t.Context(), r); err == nil {
			t.Errorf("%s opens", r.ID)
		}
		if found, err := own.Catalog.Get(t.Context(), r.ID); err != nil || found.SHA256 != r.SHA256 {
			t.Errorf("its row: %+v %v", found, err)
		}
	}
	if _, err := Restore(t.Context(), to, "", dir); err == nil {
		t.Error("restored over what is there")
	}
}

// TestBackupWithKeys restores a store that plays, and whose receipts say that a
// copy of the keys was made.
func TestBackupWithKeys(t *testing.T) {
	s := openStore(t, t.TempDir(), unsyncedSystem())
	row := sealedWithOriginal(t, s, "2027-02-22")
	ids, err := s.Keys.Identity("first", nil)
	check(t, err)
	to, keys := filepath.Join(t.TempDir(), "backup"), filepath.Join(t.TempDir(), "keys")
	if _, err := s.Backup(t.Context(), to, filepath.Join(to, "keys")); err == nil {
		t.Error("keys beside what they open")
	}
	if _, err := s.Backup(t.Context(), to, filepath.Join(s.dir, "keys2")); err == nil {
		t.Error("keys in the data directory")
	}
	if _, err := os.Stat(to); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a refused backup left its directory: %v", err)
	}
	_, err = s.Backup(t.Context(), to, keys)
	check(t, err)
	copies, err := s.Keys.Copies()
	check(t, err)
	if len(copies) != 1 || copies[0].Dir != keys {
		t.Errorf("copies %+v", copies)
	}
	dir := filepath.Join(t.TempDir(), "restored")
	v, err := Restore(t.Context(), to, keys, dir)
	check(t, err)
	if len(v.Findings) != 0 {
		t.Errorf("%+v", v.Findings)
	}
	again := openStore(t, dir, unsyncedSystem())
	check(t, again.Keys.Unlock(ids, noon.AddDate(10, 0, 0)))
	a, err := again.OpenAudio(t.Context(), row)
	check(t, err)
	b, err := io.ReadAll(a)
	check(t, err)
	if string(b) != string(sealedBody) {
		t.Error("another voice")
	}
	check(t, a.Close())
	check(t, again.Close())

	_, err = s.RetireDay(t.Context(), "2027-02-22", "2027-02-22")
	check(t, err)
	newest, err := s.Ledger.Newest()
	check(t, err)
	if newest.Kind != EventDayDestroyed || newest.Public["key-copies"] != "1" {
		t.Errorf("the receipt: %+v", newest)
	}
}

// TestBackupToABrokenDiskHarmsNothing lets every sync of the backup's files and
// of its disk fail: what is recorded is not in doubt.
func TestBackupToABrokenDiskHarmsNothing(t *testing.T) {
	to := filepath.Join(t.TempDir(), "nas")
	broken := errors.New("input/output error")
	failing := func(f *os.File) error {
		if strings.HasPrefix(f.Name(), to) {
			return broken
		}
		return nil
	}
	s, err := Open(Options{Dir: t.TempDir(), System: System{Sync: failing, SyncFS: failing}, unsynced: true})
	check(t, err)
	defer s.Close()
	sealedOn(t, s, "2027-02-22")
	if _, err := s.Backup(t.Context(), to, ""); !errors.Is(err, broken) {
		t.Errorf("%v, want the disk's error", err)
	}
	check(t, s.Err())
	sealedOn(t, s, "2027-02-22")
}

// TestRestoreNeedsTheKeysItIsPromised gives directories that hold no keys, or
// another recorder's.
func TestRestoreNeedsTheKeysItIsPromised(t *testing.T) {
	s, other := openStore(t, t.TempDir(), unsyncedSystem()), openStore(t, t.TempDir(), unsyncedSystem())
	defer s.Close()
	defer other.Close()
	tmp := t.TempDir()
	at := func(name string) string { return filepath.Join(tmp, name) }
	for of, name := range map[*Store]string{s: "", other: "other-"} {
		sealedOn(t, of, "2027-02-22")
		_, err := of.Backup(t.Context(), at(name+"copy"), at(name+"keys"))
		check(t, err)
	}
	for given, want := range map[string]string{
		"nowhere": "holds no copy of keys: give the directory that siprecd backup --with-keys wrote", "copy": "holds no copy of keys",
		"keys/keys": "holds no copy of keys", "other-keys": "keys of another recorder",
	} {
		_, err := Restore(t.Context(), at("copy"), at(given), at("restored"))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", given, err)
		}
		if _, err := os.Stat(at("restored")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: something was restored: %v", given, err)
		}
	}
	if v, err := Restore(t.Context(), at("copy"), at("keys"), at("restored")); err != nil || len(v.Findings) != 0 {
		t.Errorf("%+v, %v", v.Findings, err)
	}
}

// TestRestoredCatalogueSaysWhatTheFactsDo: one that was copied when a hold had been
// placed that facts and ledger of the backup do not know.
func TestRestoredCatalogueSaysWhatTheFactsDo(t *testing.T) {
	s := openStore(t, t.TempDir(), unsyncedSystem())
	row := sealedOn(t, s, "2027-02-22")
	tmp := t.TempDir()
	to, keys, dir := filepath.Join(tmp, "copy"), filepath.Join(tmp, "keys"), filepath.Join(tmp, "restored")
	_, err := s.Backup(t.Context(), to, keys)
	check(t, err)
	_, err = s.Hold(t.Context(), row.ID, order, "2026-05-30")
	check(t, err)
	check(t, os.Remove(filepath.Join(to, "catalogue.db")))
	check(t, s.bolt.copyTo(t.Context(), filepath.Join(to, "catalogue.db")))
	check(t, s.Close())
	v, err := Restore(t.Context(), to, keys, dir)
	check(t, err)
	restored := openStore(t, dir, unsyncedSystem())
	defer restored.Close()
	now, err := restored.Catalog.Get(t.Context(), row.ID)
	check(t, err)
	if len(v.Findings) != 0 || now.Hold != nil {
		t.Errorf("%+v, %+v", v.Findings, now.Hold)
	}
	if v, err := restored.Verify(t.Context(), VerifyOptions{}); err != nil || len(v.Findings) != 0 {
		t.Errorf("%+v, %v", v.Findings, err)
	}
}

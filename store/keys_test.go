package store

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"filippo.io/age"
)

func openKeys(t testing.TB, dir string) *Keys {
	t.Helper()
	k, err := OpenKeys(dir, unsyncedSystem())
	check(t, err)
	return k
}

// opens reports whether what was sealed to a day before comes out again.
func opens(k *Keys, d Day, sealed []byte) error {
	id, err := k.Secret(d)
	if err != nil {
		return err
	}
	r, err := age.Decrypt(bytes.NewReader(sealed), id)
	if err != nil {
		return err
	}
	b, err := io.ReadAll(r)
	if err == nil && string(b) != "voice" {
		err = errors.New("another text")
	}
	return err
}

func sealVoice(t testing.TB, k *Keys, d Day) []byte {
	t.Helper()
	to, err := k.Recipient(d)
	check(t, err)
	var b bytes.Buffer
	w, err := age.Encrypt(&b, to)
	check(t, err)
	_, err = io.WriteString(w, "voice")
	check(t, err)
	check(t, w.Close())
	return b.Bytes()
}

const dies Day = "2027-02-22"

func TestFirstStartOpensByItselfUntilProtected(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	k := openKeys(t, dir)
	sealed := sealVoice(t, k, dies)
	check(t, opens(k, dies, sealed))
	if all, err := k.Custodians(); err != nil || len(all) != 1 || all[0].Protected {
		t.Errorf("custodians %+v %v", all, err)
	}
	k.workFactor = 10 // a passphrase is to cost nothing here
	check(t, k.Protect("first", "옛날 옛적에"))
	if all, err := k.Custodians(); err != nil || !all[0].Protected {
		t.Errorf("custodians %+v %v", all, err)
	}
	check(t, opens(k, dies, sealed)) // those who hear now go on

	k = openKeys(t, dir)
	if err := opens(k, dies, sealed); !errors.Is(err, ErrLocked) {
		t.Fatalf("after a restart: %v", err)
	}
	check(t, opens2(k, sealVoice(t, k, "2027-02-23"), "2027-02-23", ErrLocked)) // recording goes on
	if _, err := k.Identity("first", func() (string, error) { return "wrong", nil }); err == nil {
		t.Error("a wrong passphrase opens")
	}
	ids, err := k.Identity("first", func() (string, error) { return "옛날 옛적에", nil })
	check(t, err)
	check(t, k.Unlock(ids, time.Time{}))
	check(t, opens(k, dies, sealed))
	k.Lock()
	if err := opens(k, dies, sealed); !errors.Is(err, ErrLocked) {
		t.Errorf("locked again: %v", err)
	}
	for _, name := range filesOf(t, dir) {
		b, err := os.ReadFile(filepath.Join(dir, name))
		check(t, err)
		if bytes.Contains(b, []byte("AGE-SECRET-KEY")) {
			t.Errorf("%s holds a secret in clear", name)
		}
	}
}

// opens2 returns nil when opening fails as wanted.
func opens2(k *Keys, sealed []byte, d Day, want error) error {
	if err := opens(k, d, sealed); !errors.Is(err, want) {
		return errors.Join(errors.New("it opens otherwise than it should"), err)
	}
	return nil
}

func TestUnlockedForALimitedTime(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	k := openKeys(t, dir)
	sealed := sealVoice(t, k, dies)
	ids, err := k.Identity("first", nil)
	check(t, err)
	k.Lock()
	synctest.Test(t, func(t *testing.T) {
		check(t, k.Unlock(ids, time.Now().Add(time.Hour)))
		time.Sleep(59 * time.Minute)
		check(t, opens(k, dies, sealed))
		time.Sleep(time.Minute)
		if err := opens(k, dies, sealed); !errors.Is(err, ErrLocked) {
			t.Errorf("after an hour: %v", err)
		}
		if on, _ := k.Unlocked(); on {
			t.Error("it says unlocked")
		}
	})
}

func TestCustodiansComeAndGo(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	k := openKeys(t, dir)
	sealed := sealVoice(t, k, dies)
	kim, err := age.GenerateHybridIdentity()
	check(t, err)
	lee, err := age.GenerateX25519Identity()
	check(t, err)
	stranger, err := age.GenerateHybridIdentity()
	check(t, err)
	check(t, k.AddCustodian("kim", kim.Recipient().String()))
	check(t, k.AddCustodian("lee", lee.Recipient().String()))
	check(t, k.RemoveCustodian("first"))
	later := sealVoice(t, k, "2027-02-23")

	for name, id := range map[string]age.Identity{"kim": kim, "lee": lee} {
		k := openKeys(t, dir)
		if err := opens(k, dies, sealed); !errors.Is(err, ErrLocked) {
			t.Errorf("without %s: %v", name, err)
		}
		check(t, k.Unlock([]age.Identity{id}, time.Time{}))
		check(t, opens(k, dies, sealed))
		check(t, opens(k, "2027-02-23", later))
	}
	k = openKeys(t, dir)
	if err := k.Unlock([]age.Identity{stranger}, time.Time{}); !errors.Is(err, ErrWrongIdentity) {
		t.Errorf("a stranger: %v", err)
	}
	if err := k.AddCustodian("park", stranger.Recipient().String()); !errors.Is(err, ErrLocked) {
		t.Errorf("a custodian added while locked: %v", err)
	}
	check(t, k.RemoveCustodian("kim"))
	if err := k.RemoveCustodian("lee"); err == nil {
		t.Error("the last custodian could be removed")
	}
	for _, bad := range []string{"", "../x", "a b"} {
		if err := k.AddCustodian(bad, stranger.Recipient().String()); err == nil {
			t.Errorf("custodian %q", bad)
		}
	}
}

func TestDayDestroyed(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	k := openKeys(t, dir)
	sealed := sealVoice(t, k, dies)
	ids := []string{NewID(noon), NewID(noon), NewID(noon)}
	slices.Sort(ids)
	for _, id := range ids {
		check(t, k.PutHeader(dies, id, []byte("header of "+id)))
	}
	backup := copyOf(t, dir)

	destroyed, gone, err := k.DestroyDay(dies, ids[1:2])
	check(t, err)
	if gone || !slices.Equal(destroyed, []string{ids[0], ids[2]}) {
		t.Errorf("destroyed %v, gone %v", destroyed, gone)
	}
	if _, err := k.Header(dies, ids[0]); !errors.Is(err, ErrDead) {
		t.Errorf("a dead header: %v", err)
	}
	if h, err := k.Header(dies, ids[1]); err != nil || string(h) != "header of "+ids[1] {
		t.Errorf("the held header: %q %v", h, err)
	}
	check(t, opens(k, dies, sealed)) // for the held one

	destroyed, gone, err = k.DestroyDay(dies, nil)
	check(t, err)
	if !gone || !slices.Equal(destroyed, ids[1:2]) {
		t.Errorf("destroyed %v, gone %v", destroyed, gone)
	}
	for range 2 { // also for a daemon that comes later
		if err := opens(k, dies, sealed); !errors.Is(err, ErrDead) {
			t.Errorf("a dead day: %v", err)
		}
		if _, err := k.Recipient(dies); !errors.Is(err, ErrDead) {
			t.Errorf("sealed to a dead day: %v", err)
		}
		if err := k.PutHeader(dies, ids[0], nil); !errors.Is(err, ErrDead) {
			t.Errorf("a header of a dead day: %v", err)
		}
		k = openKeys(t, dir)
	}
	for _, name := range filesOf(t, dir) {
		if strings.Contains(name, string(dies)) && !strings.HasSuffix(name, destroyedFile) {
			t.Errorf("left: %s", name)
		}
	}
	// The copy of the keys taken before is what could still open it: that is
	// why secrets and headers are in no backup of audio.
	check(t, opens(openKeys(t, backup), dies, sealed))
}

// TestDestroyIsCompletedAfterACrash lets every operation of a destruction fail
// once. What was destroyed stays so, the rest goes at the next try.
func TestDestroyIsCompletedAfterACrash(t *testing.T) {
	for n := int64(1); ; n++ {
		dir := filepath.Join(t.TempDir(), "keys")
		k := openKeys(t, dir)
		sealed := sealVoice(t, k, dies)
		id := NewID(noon)
		check(t, k.PutHeader(dies, id, []byte("header")))
		f := &faults{err: errors.New("cut")}
		k.sys = f.system().orReal()
		f.left.Store(n)
		_, gone, err := k.DestroyDay(dies, nil)
		over := f.left.Load() > 0
		f.left.Store(0)
		if err == nil && !gone {
			t.Fatalf("operation %d: no error, and not gone", n)
		}
		k = openKeys(t, dir)
		if _, gone, err := k.DestroyDay(dies, nil); err != nil || !gone {
			t.Errorf("operation %d: the second try: %v", n, err)
		}
		if err := opens(k, dies, sealed); !errors.Is(err, ErrDead) {
			t.Errorf("operation %d: %v", n, err)
		}
		if over {
			if n < 8 {
				t.Errorf("a destruction of %d operations: are they counted?", n-1)
			}
			return
		}
	}
}

// TestNothingOpensWithoutTheKeys is a stolen vault.
func TestNothingOpensWithoutTheKeys(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, System{})
	row := sealRow(NewID(noon))
	check(t, s.Seal(t.Context(), row, "wav", writeBody))
	for _, name := range filesOf(t, dir) {
		b, err := os.ReadFile(filepath.Join(dir, name))
		check(t, err)
		if bytes.Contains(b, []byte("sealedsealed")) {
			t.Errorf("%s holds the audio in clear", name)
		}
	}
	body, err := os.ReadFile(filepath.Join(dir, row.File))
	check(t, err)
	header, err := s.Keys.Header(row.Dies, row.ID)
	check(t, err)
	id, err := s.Keys.Secret(row.Dies)
	check(t, err)
	r, err := age.Decrypt(io.MultiReader(bytes.NewReader(header), bytes.NewReader(body)), id)
	check(t, err)
	if b, err := io.ReadAll(r); err != nil || !bytes.Equal(b, sealedBody) {
		t.Errorf("header and body are no age file: %v", err)
	}
	for _, at := range []int{0, len(body) / 2, len(body) - 1} {
		bad := slices.Clone(body)
		bad[at] ^= 1
		check(t, os.WriteFile(filepath.Join(dir, row.File), bad, 0o600))
		a, err := s.OpenAudio(t.Context(), row)
		if err == nil {
			_, err = io.ReadAll(a)
			a.Close()
		}
		if err == nil {
			t.Errorf("byte %d changed: it plays", at)
		}
	}
	check(t, s.Keys.DestroyHeader(row.Dies, row.ID))
	if _, err := s.OpenAudio(t.Context(), row); !errors.Is(err, ErrDead) {
		t.Errorf("its header is destroyed: %v", err)
	}
}

package store

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"filippo.io/age/plugin"
)

// TestCustodianWhoseProgramIsMissing has a key on a token whose plugin is not
// installed: the day is made for the others, and for it when it can be.
func TestCustodianWhoseProgramIsMissing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	k := openKeys(t, dir)
	token := plugin.EncodeRecipient("siprecd-test-missing", []byte("token"))
	pub := filepath.Join(dir, custodiansDir, "kim"+pubExt)
	check(t, os.WriteFile(pub, []byte(token+"\n"), 0o600))
	sealed := sealVoice(t, k, dies)
	check(t, opens(k, dies, sealed))
	if lacks, err := k.Lacking(); err != nil || !slices.Equal(lacks, []Lack{{"kim", 1, dies, true}}) {
		t.Errorf("lacking: %v %v", lacks, err)
	}
	if all, err := k.Check(t.Context()); err != nil || len(all) != 1 || !all[0].Opens || !slices.Equal(all[0].Lacks, []string{"kim"}) {
		t.Errorf("check: %+v %v", all, err)
	}
	if err := k.RemoveCustodian("first"); err == nil {
		t.Fatal("the only one who can open a day could be removed")
	}
	check(t, opens(k, dies, sealed))

	// The program is there: what is missing is made good.
	kim, err := age.GenerateHybridIdentity()
	check(t, err)
	check(t, os.WriteFile(pub, []byte(kim.Recipient().String()+"\n"), 0o600))
	check(t, k.Ahead(t.Context(), dies, 1))
	if names, err := k.Lacking(); err != nil || len(names) != 0 {
		t.Errorf("lacking still: %v %v", names, err)
	}
	check(t, k.RemoveCustodian("first"))
	if on, _ := k.Unlocked(); on {
		t.Error("what a removed custodian had unlocked is unlocked still")
	}
	check(t, k.Unlock([]age.Identity{kim}, time.Time{}))
	check(t, opens(k, dies, sealed))

	// With nobody left who can be sealed to, somebody is made: calls are kept.
	check(t, os.WriteFile(pub, []byte(token+"\n"), 0o600))
	k = openKeys(t, dir)
	_, err = k.Recipient("2027-02-23")
	check(t, err)
	if said := strings.Join(k.Trouble(), "; "); !strings.Contains(said, "custodian emergency was made") {
		t.Errorf("trouble: %s", said)
	}
	id, err := k.Identity("emergency", nil)
	check(t, err)
	check(t, k.Unlock(id, time.Time{}))
	if _, err := k.Secret("2027-02-23"); err != nil {
		t.Errorf("a day that only an emergency's custodian opens: %v", err)
	}
}

// TestRotationCutAnywhere lets every operation of a rotation fail once. Between
// them the two identities open every day, and doing it again ends it.
func TestRotationCutAnywhere(t *testing.T) {
	days := []Day{"2027-02-22", "2027-02-23", "2027-02-24"}
	for n := int64(1); ; n++ {
		dir := filepath.Join(t.TempDir(), "keys")
		k := openKeys(t, dir)
		var sealed [][]byte
		for _, d := range days {
			sealed = append(sealed, sealVoice(t, k, d))
		}
		old, err := k.Identity("first", nil)
		check(t, err)
		renewed, err := age.GenerateHybridIdentity()
		check(t, err)
		f := &faults{err: errors.New("cut")}
		k.sys = f.system().orReal()
		f.left.Store(n)
		err = k.ReplaceCustodian("first", renewed.Recipient().String())
		over := f.left.Load() > 0
		if over != (err == nil) {
			t.Fatalf("operation %d: %v", n, err)
		}

		k = openKeys(t, dir)
		for _, ids := range [][]age.Identity{old, {renewed}} {
			if err := k.Unlock(ids, time.Time{}); err != nil && !errors.Is(err, ErrWrongIdentity) {
				t.Errorf("operation %d: unlock: %v", n, err)
			}
		}
		for i, d := range days {
			if err := opens(k, d, sealed[i]); err != nil {
				t.Errorf("operation %d: %s does not open: %v", n, d, err)
			}
		}
		check(t, k.ReplaceCustodian("first", renewed.Recipient().String()))
		k = openKeys(t, dir)
		if err := k.Unlock(old, time.Time{}); !errors.Is(err, ErrWrongIdentity) {
			t.Errorf("operation %d: the old identity, at the end: %v", n, err)
		}
		check(t, k.Unlock([]age.Identity{renewed}, time.Time{}))
		for i, d := range days {
			check(t, opens(k, d, sealed[i]))
		}
		for _, name := range filesOf(t, dir) {
			if strings.Contains(name, "+new") || strings.HasSuffix(name, identityExt) || strings.HasSuffix(name, goneExt) {
				t.Errorf("operation %d: left over: %s", n, name)
			}
		}
		if over {
			if n < 10 {
				t.Errorf("a rotation of %d operations: are they counted?", n-1)
			}
			return
		}
	}
}

// TestProtectingCutAnywhere lets every operation of it fail once: the passphrase
// or nothing opens the identity afterwards, and it is never lost.
func TestProtectingCutAnywhere(t *testing.T) {
	for n := int64(1); ; n++ {
		dir := filepath.Join(t.TempDir(), "keys")
		k := openKeys(t, dir)
		f := &faults{err: errors.New("cut")}
		k.sys = f.system().orReal()
		f.left.Store(n)
		k.workFactor = 10 // a passphrase is to cost nothing here
		err := k.Protect("first", "옛날 옛적에")
		over := f.left.Load() > 0
		k = openKeys(t, dir)
		all, errAll := k.Custodians()
		check(t, errAll)
		asked := false
		_, errOpen := k.Identity("first", func() (string, error) { asked = true; return "옛날 옛적에", nil })
		if errOpen != nil || asked != all[0].Protected || over && !asked {
			t.Errorf("operation %d: %+v, %v, %v", n, all, err, errOpen)
		}
		if over {
			return
		}
	}
}

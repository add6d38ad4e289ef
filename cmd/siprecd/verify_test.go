package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"siprecd/store"
)

func TestFindingsFitTheScreen(t *testing.T) {
	f := store.Finding{
		What: "altered", Where: "vault/2026/03/01/01KJMMA2G0MSNYZ0TEZSEJTYT5.body",
		Detail: "the catalogue's row is not what the facts are, which the ledger states: dies, file, hold differ; siprecd reindex makes it again",
	}
	want := `altered      vault/2026/03/01/01KJMMA2G0MSNYZ0TEZSEJTYT5.body: the catalogue's
             row is not what the facts are, which the ledger states: dies, file,
             hold differ; siprecd reindex makes it again`
	printed := func() string {
		var v store.Verification
		v.Findings = []store.Finding{f}
		var out bytes.Buffer
		if err := printVerification(&Globals{Stdout: &out}, v, false); err == nil {
			t.Error("a finding is no failure")
		}
		_, text, _ := strings.Cut(out.String(), f.What)
		text, _, _ = strings.Cut(f.What+text, "\n1 findings\n")
		return text
	}
	if got := printed(); got != want {
		t.Errorf("%s", got)
	}
	f.Where = strings.Repeat("x", 100)
	for i, line := range strings.Split(printed(), "\n") {
		if n := utf8.RuneCountInString(line); n > 80 && i > 0 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
}

// TestSampleIsAShare is refused before any store is asked.
func TestSampleIsAShare(t *testing.T) {
	for _, share := range []float64{2, -0.1, math.NaN()} {
		err := (&VerifyCmd{Sample: share}).Run(&Globals{})
		if err == nil || !strings.Contains(err.Error(), "a share of the recordings is") {
			t.Errorf("%g: %v", share, err)
		}
	}
}

// TestVerificationAsJSON: its names are a contract.
func TestVerificationAsJSON(t *testing.T) {
	var v store.Verification
	v.Leaves, v.RowsGone = 3, 1
	v.Witnessed.Note, v.Witnessed.Size = []byte("signed"), 2
	text, err := json.Marshal(verificationOf(v))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"leaves":3,"checkpoints":0,"rows":0,"rows_gone":1,"rows_loose":0,` +
		`"witnessed":{"leaves":2,"root":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=","time":"0001-01-01T00:00:00Z"},` +
		`"recordings":0,"bytes":0,"gone":0,"findings":[]}`
	if string(text) != want {
		t.Errorf("%s", text)
	}
}

// TestVerifyWithoutADaemonChangesNothing takes the ledger's public key away, which a
// start makes again: the command says it each time, and leaves all as it is.
func TestVerifyWithoutADaemonChangesNothing(t *testing.T) {
	dir := t.TempDir()
	s, err := store.Open(store.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "ledger", "verifier.pub")); err != nil {
		t.Fatal(err)
	}
	before := namesIn(t, dir)
	for range 2 {
		var out bytes.Buffer
		err := (&VerifyCmd{}).Run(&Globals{Data: dir, Stdout: &out, Stderr: &out})
		if code := (exitError{}); !errors.As(err, &code) || code.code != 1 || !strings.Contains(out.String(), "missing      ledger/verifier.pub:") || !strings.HasSuffix(out.String(), "\n1 findings\n") {
			t.Errorf("%v\n%s", err, &out)
		}
	}
	if after := namesIn(t, dir); after != before {
		t.Errorf("there is now\n%s\nthere was\n%s", after, before)
	}
}

func namesIn(t *testing.T, dir string) string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(dir, func(name string, _ fs.DirEntry, err error) error {
		names = append(names, name)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(names, "\n")
}

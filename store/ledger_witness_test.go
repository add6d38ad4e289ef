package store

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// witnessedLedger returns a closed log of so many leaves, of which the first
// seen are cosigned, and the witness's key.
func witnessedLedger(t *testing.T, seen, leaves int) (dir, logKey, witnessKey string) {
	t.Helper()
	dir = filepath.Join(scratch(t), "ledger")
	l := openLedger(t, dir, System{})
	w := openWitness(t, scratch(t), System{}, l.VerifierKey())
	defer w.Close()
	fillLog(t, l, seen)
	cosign(t, w, l, 0)
	fillLog(t, l, leaves-seen)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return dir, l.VerifierKey(), w.Key()
}

func TestWitnessedIsKept(t *testing.T) {
	dir, _, key := witnessedLedger(t, 5, 8)
	l := openLedger(t, dir, System{})
	defer l.Close()
	c, by := l.Witnessed()
	if c.Size != 5 || by != key || !strings.HasSuffix(c.Witness, "/witness") {
		t.Errorf("%+v by %s", c, by)
	}
	r := mustVerify(t, dir)
	if len(r.Findings) != 0 || r.Witnessed.Size != 5 || !r.Witnessed.At.Equal(c.At) {
		t.Errorf("verified %+v", r)
	}
	// Another witness takes its place.
	w := openWitness(t, scratch(t), System{}, l.VerifierKey())
	defer w.Close()
	if c := cosign(t, w, l, 0); c.Size != 8 {
		t.Errorf("%+v", c)
	}
	if r := mustVerify(t, dir); len(r.Findings) != 0 || r.Witnessed.Size != 8 || r.Witnessed.Witness != w.key.name {
		t.Errorf("verified %+v", r)
	}
}

func TestOnlyACosignatureIsKept(t *testing.T) {
	a, b := forked(t, 3)
	w := openWitness(t, scratch(t), System{}, a.VerifierKey())
	defer w.Close()
	other := openWitness(t, scratch(t), System{}, a.VerifierKey())
	defer other.Close()
	line, err := w.Add(requestFor(t, a, 0))
	if err != nil {
		t.Fatal(err)
	}
	note := a.Signed().Note
	flipped := bytes.Clone(line)
	flipped[len(flipped)/2] ^= 1
	earlier := w.key.line([]byte("another text\n"), time.Unix(1, 0))
	for name, signed := range map[string][]byte{
		"no cosignature": note, "a flipped one": append(bytes.Clone(note), flipped...),
		"one of another text": append(bytes.Clone(note), earlier...), "no checkpoint": line,
	} {
		if c, err := a.KeepWitnessed(signed, w.Key()); err == nil {
			t.Errorf("%s is kept: %+v", name, c)
		}
	}
	good := append(bytes.Clone(note), line...)
	if _, err := a.KeepWitnessed(good, other.Key()); err == nil {
		t.Error("another witness's cosignature is kept")
	}
	// A checkpoint that this log signed and does not hold.
	for range 2 {
		if _, err := b.Append(Entry{Kind: EventHeard}); err != nil {
			t.Fatal(err)
		}
	}
	if line, err = w.Add(requestFor(t, b, 3)); err != nil {
		t.Fatal(err)
	}
	if _, err := a.KeepWitnessed(append(bytes.Clone(b.Signed().Note), line...), w.Key()); err == nil {
		t.Error("a checkpoint of five leaves is kept by a log of three")
	}
	if _, err := os.Stat(filepath.Join(a.dir, witnessedFile)); err == nil {
		t.Error("something was kept")
	}
	if _, err := a.KeepWitnessed(good, w.Key()); err != nil {
		t.Error(err)
	}
}

// TestRolledBackUnderTheWitness puts older leaves and checkpoints under what was
// cosigned: the log is another, and says so.
func TestRolledBackUnderTheWitness(t *testing.T) {
	dir := filepath.Join(scratch(t), "ledger")
	l := openLedger(t, dir, System{})
	fillLog(t, l, 4)
	if _, err := l.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	old := logCopyOf(t, dir)
	w := openWitness(t, scratch(t), System{}, l.VerifierKey())
	defer w.Close()
	fillLog(t, l, 4)
	cosign(t, w, l, 0)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{witnessedFile, witnessFile} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(old, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if r := mustVerify(t, old); len(r.Findings) != 1 || r.Findings[0].What != "missing" || r.Findings[0].Where != "leaves 4-7" {
		t.Errorf("%+v", r.Findings)
	}
	next := openLedger(t, old, System{})
	defer next.Close()
	if leaf, err := next.Newest(); err != nil || leaf.Kind != EventBroken || !strings.Contains(leaf.Public["reason"], "a witness cosigned") {
		t.Errorf("%+v, %v", leaf, err)
	}
	if c, key := next.Witnessed(); c.Note != nil || key != "" {
		t.Errorf("the new log claims a witness: %+v", c)
	}
}

// TestRefusalIsTold is told of each change once, over restarts too.
func TestRefusalIsTold(t *testing.T) {
	dir, _, _ := witnessedLedger(t, 2, 2)
	l := openLedger(t, dir, System{})
	for i := range 3 {
		news, err := l.WitnessRefuses("the ledger was\nrewritten")
		if err != nil || news != (i == 0) {
			t.Errorf("told %d times: news %v, %v", i+1, news, err)
		}
		if i == 1 {
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			l = openLedger(t, dir, System{})
		}
	}
	if r := l.Refused(); r.Why != "the ledger was rewritten" || r.Since.IsZero() {
		t.Errorf("%+v", r)
	}
	if _, err := l.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	if r := mustVerify(t, dir); r.Leaves != 3 || len(r.Findings) != 1 || r.Findings[0].What != "refused" {
		t.Errorf("%+v", r)
	}
	for i := range 2 {
		if news, err := l.WitnessAgrees(); err != nil || news != (i == 0) {
			t.Errorf("agrees %d times: news %v, %v", i+1, news, err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if r := mustVerify(t, dir); r.Leaves != 4 || len(r.Findings) != 0 {
		t.Errorf("%+v", r)
	}
}

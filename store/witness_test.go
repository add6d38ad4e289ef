package store

import (
	"bytes"
	"crypto/rand"
	"errors"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
)

func openWitness(t *testing.T, dir string, sys System, keys ...string) *Witness {
	t.Helper()
	w, err := OpenWitness(dir, sys, keys, slog.New(slog.DiscardHandler), clockFrom(time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)))
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// requestFor asks for the newest checkpoint of a log, from a tree of old leaves.
func requestFor(t *testing.T, l *Ledger, old int64) []byte {
	t.Helper()
	c, err := l.Checkpoint()
	if err != nil {
		t.Fatal(err)
	}
	r := WitnessRequest{Old: old, Note: c.Note}
	if old > 0 {
		if r.Proof, err = l.ProveGrowth(old, c.Size); err != nil {
			t.Fatal(err)
		}
	}
	text, err := r.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// cosign has the witness cosign the newest checkpoint, and the log keep it.
func cosign(t *testing.T, w *Witness, l *Ledger, old int64) Cosigned {
	t.Helper()
	line, err := w.Add(requestFor(t, l, old))
	if err != nil {
		t.Fatal(err)
	}
	c, err := l.KeepWitnessed(append(bytes.Clone(l.Signed().Note), line...), w.Key())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// forked returns a log, and a copy of it that is signed with the same key and
// will go another way.
func forked(t *testing.T, leaves int) (a, b *Ledger) {
	t.Helper()
	dir := filepath.Join(scratch(t), "ledger")
	a = openLedger(t, dir, System{})
	fillLog(t, a, leaves)
	if _, err := a.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	b = openLedger(t, logCopyOf(t, dir), System{})
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

func TestWitnessFollowsALog(t *testing.T) {
	l := openLedger(t, filepath.Join(scratch(t), "ledger"), System{})
	defer l.Close()
	dir := filepath.Join(scratch(t), "witness")
	w := openWitness(t, dir, System{}, l.VerifierKey())
	defer func() { w.Close() }()
	old := int64(0)
	for round := range 12 {
		fillLog(t, l, 1+round%5)
		if round%3 == 2 {
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			w = openWitness(t, dir, System{})
		}
		c := cosign(t, w, l, old)
		if c.Size != l.Size() || c.Witness != w.key.name {
			t.Fatalf("%+v", c)
		}
		old = c.Size
	}
	c, _ := l.Witnessed()
	// The same again is only a newer statement of the time.
	if again := cosign(t, w, l, old); !again.At.After(c.At) || again.Root != c.Root {
		t.Errorf("cosigned again at %s, before at %s", again.At, c.At)
	}
}

func TestWitnessRefusesAnotherPast(t *testing.T) {
	for _, c := range []struct {
		name       string
		seen, more int // leaves of the true log when it was seen, of the false one after the fork at 5
		old        int64
		want       error
		why        string
	}{
		{"rewritten and grown", 8, 6, 8, ErrRewritten, "no proof that it grew"},
		{"another of the same size", 8, 3, 8, &OtherSizeError{8}, "two trees of one size"},
		{"another of the same size, as if from before", 8, 3, 5, &OtherSizeError{8}, "two trees of one size"},
		{"rolled back", 8, 0, 5, &OtherSizeError{8}, "a smaller tree, signed later"},
		{"rolled back and grown, as if from before", 8, 6, 5, &OtherSizeError{8}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, b := forked(t, 5)
			dir := scratch(t)
			w := openWitness(t, dir, System{}, a.VerifierKey())
			defer w.Close()
			fillLog(t, a, c.seen-5)
			cosign(t, w, a, 0)
			for range c.more {
				if _, err := b.Append(Entry{Kind: EventHeard}); err != nil {
					t.Fatal(err)
				}
			}
			b.signed = Checkpoint{}                              // sign it now
			b.now = clockFrom(a.signed.Time.Add(24 * time.Hour)) // later than what the witness saw
			request := requestFor(t, b, min(c.old, int64(5+c.more)))
			if c.old > int64(5+c.more) {
				t.Fatal("no such request")
			}
			line, err := w.Add(request)
			other, isOther := errors.AsType[*OtherSizeError](c.want)
			got, gotOther := errors.AsType[*OtherSizeError](err)
			if line != nil || isOther != gotOther || isOther && *got != *other || !isOther && !errors.Is(err, c.want) {
				t.Fatalf("answered %q, %v; want %v", line, err, c.want)
			}
			logs, _, err := ReadWitness(dir)
			if err != nil || len(logs) != 1 || logs[0].Size != int64(c.seen) {
				t.Fatalf("%+v, %v", logs, err)
			}
			if c.why == "" {
				if logs[0].Refused != 0 {
					t.Errorf("counted as a contradiction: %+v", logs[0])
				}
				return
			}
			if logs[0].Refused != 1 || logs[0].Last.Why != c.why || len(logs[0].Evidence) != 1 {
				t.Fatalf("%+v", logs[0])
			}
			kept, err := os.ReadFile(filepath.Join(dir, logs[0].Evidence[0]))
			if err != nil {
				t.Fatal(err)
			}
			if proof, err := ReadCheckpoint(kept, a.VerifierKey()); err != nil || proof.Size != int64(5+c.more) {
				t.Errorf("the evidence: %+v, %v", proof, err)
			}
		})
	}
}

func TestWitnessAnswersByTheProtocol(t *testing.T) {
	a, _ := forked(t, 5)
	stranger, _ := forked(t, 5)
	w := openWitness(t, scratch(t), System{}, a.VerifierKey())
	defer w.Close()
	good := string(requestFor(t, a, 0))
	forged := strings.Replace(good, "\n5\n", "\n6\n", 1)
	unsigned := strings.Replace(good, "/ledger ", "/legder ", 1)
	hash := "PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n"
	for _, c := range []struct {
		name, request string
		want          error
	}{
		{"nothing", "", ErrWitnessRequest},
		{"no checkpoint", "old 0\n\n", ErrWitnessRequest},
		{"no old size", strings.TrimPrefix(good, "old 0\n"), ErrWitnessRequest},
		{"a leading zero", strings.Replace(good, "old 0", "old 00", 1), ErrWitnessRequest},
		{"a negative size", strings.Replace(good, "old 0", "old -1", 1), ErrWitnessRequest},
		{"larger than the tree", strings.Replace(good, "old 0", "old 6", 1), ErrWitnessRequest},
		{"no hash", strings.Replace(good, "old 0\n", "old 0\nxyz\n", 1), ErrWitnessRequest},
		{"a carriage return", strings.Replace(good, "old 0\n", "old 0\r\n", 1), ErrWitnessRequest},
		{"a proof from nothing", strings.Replace(good, "old 0\n", "old 0\n"+hash, 1), ErrWitnessRequest},
		{"too long a proof", strings.Replace(good, "old 0\n", "old 0\n"+strings.Repeat(hash, 64), 1), ErrWitnessRequest},
		{"an unknown log", string(requestFor(t, stranger, 0)), ErrUnknownLog},
		{"a forged size", forged, ErrNotSigned},
		{"no signature of the log", unsigned, ErrNotSigned},
	} {
		if line, err := w.Add([]byte(c.request)); line != nil || !errors.Is(err, c.want) {
			t.Errorf("%s: %q, %v; want %v", c.name, line, err, c.want)
		}
	}
	if _, err := w.Add([]byte(good)); err != nil {
		t.Errorf("after all that: %v", err)
	}
}

// TestWitnessIsDurable lets every n-th write, sync or rename fail: what it
// cosigned is what it remembers, and nothing else.
func TestWitnessIsDurable(t *testing.T) {
	l := openLedger(t, filepath.Join(scratch(t), "ledger"), System{})
	defer l.Close()
	for nth := 1; nth < 8; nth++ {
		step, armed := 0, false
		fails := func() error {
			if step++; armed && step%nth == 0 {
				return syscall.EIO
			}
			return nil
		}
		dir := scratch(t)
		w := openWitness(t, dir, System{
			Sync: func(f *os.File) error { return errors.Join(fails(), f.Sync()) },
			Rename: func(from, to string) error {
				if err := fails(); err != nil {
					return err
				}
				return os.Rename(from, to)
			},
		}, l.VerifierKey())
		armed = true
		told := int64(0)
		for range 5 {
			fillLog(t, l, 1)
			if _, err := w.Add(requestFor(t, l, w.logs[l.signer.Name()].Size)); err == nil {
				told = l.Size()
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		logs, _, err := ReadWitness(dir)
		if err != nil {
			t.Fatal(err)
		}
		// A sync that failed after the rename leaves more than was said, never less.
		if logs[0].Size < told {
			t.Errorf("every %d. step fails: cosigned %d leaves, remembers %d", nth, told, logs[0].Size)
		}
	}
}

func TestWitnessKeepsItsKey(t *testing.T) {
	a, _ := forked(t, 1)
	dir := scratch(t)
	w := openWitness(t, dir, System{}, a.VerifierKey())
	if _, err := OpenWitness(dir, System{}, nil, slog.New(slog.DiscardHandler), time.Now); err == nil || !strings.Contains(err.Error(), "another witness") {
		t.Errorf("a second one on the directory: %v", err)
	}
	key := w.Key()
	cosign(t, w, a, 0)
	w.Close()
	w = openWitness(t, dir, System{})
	if w.Key() != key {
		t.Error("it has another key after a restart")
	}
	w.Close()
	_, other, err := note.GenerateKey(rand.Reader, a.signer.Name())
	if err != nil {
		t.Fatal(err)
	}
	if w, err := OpenWitness(dir, System{}, []string{other}, slog.New(slog.DiscardHandler), time.Now); err == nil {
		w.Close()
		t.Error("a log's name has another key, and nobody minds")
	}
	// A witness that lost its memory must not begin anew.
	for _, name := range []string{witnessKeyFile, filepath.Join(witnessLogs, logFolder(a.signer.Name()), newestFile)} {
		path := filepath.Join(dir, name)
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, whole[:len(whole)/2], 0o600); err != nil {
			t.Fatal(err)
		}
		if w, err := OpenWitness(dir, System{}, nil, slog.New(slog.DiscardHandler), time.Now); err == nil {
			w.Close()
			t.Errorf("%s is cut in half and nobody minds", name)
		}
		if err := os.WriteFile(path, whole, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestWitnessInParallel asks for two pasts at once, many times: only one of them
// is ever cosigned.
func TestWitnessInParallel(t *testing.T) {
	a, b := forked(t, 3)
	fillLog(t, a, 4)
	for range 6 {
		if _, err := b.Append(Entry{Kind: EventHeard}); err != nil {
			t.Fatal(err)
		}
	}
	w := openWitness(t, scratch(t), System{}, a.VerifierKey())
	defer w.Close()
	requests := [][]byte{requestFor(t, a, 0), requestFor(t, b, 0)}
	var cosigned [2]int
	var mu sync.Mutex
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			if _, err := w.Add(requests[i%2]); err == nil {
				mu.Lock()
				cosigned[i%2]++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if cosigned[0]+cosigned[1] != 1 {
		t.Errorf("from nothing, one request can be right: %v", cosigned)
	}
}

func FuzzWitnessRequest(f *testing.F) {
	f.Add([]byte("old 0\n\nexample.com/log\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n— example.com/log Az3grlgt\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		var r WitnessRequest
		if err := r.UnmarshalText(text); err != nil {
			if !errors.Is(err, ErrWitnessRequest) {
				t.Errorf("%v does not say what it is", err)
			}
			return
		}
		again, err := r.MarshalText()
		if err != nil || !bytes.Equal(again, text) {
			t.Errorf("%q is read as %q", text, again)
		}
	})
}

// TestWitnessIsNoRecorder refuses a recorder's data directory, and what lies in it,
// and writes nothing there.
func TestWitnessIsNoRecorder(t *testing.T) {
	data := t.TempDir()
	check(t, openStore(t, data, unsyncedSystem()).Close())
	before := contents(t, data)
	for _, dir := range []string{data, filepath.Join(data, "witness"), filepath.Join(data, vaultDir, "a", "b")} {
		w, err := OpenWitness(dir, System{}, nil, slog.New(slog.DiscardHandler), time.Now)
		if err == nil {
			check(t, w.Close())
		}
		if err == nil || !strings.Contains(err.Error(), "data directory") {
			t.Errorf("%s: %v", dir, err)
		}
	}
	if after := contents(t, data); !maps.Equal(after, before) {
		t.Errorf("it wrote there: %v", after)
	}
	w, err := OpenWitness(filepath.Join(filepath.Dir(data), "witness"), System{}, nil, slog.New(slog.DiscardHandler), time.Now)
	check(t, err)
	check(t, w.Close())
}

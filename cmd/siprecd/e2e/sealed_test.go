//go:build e2e

package e2e

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"siprecd/media"
)

// age builds age's own command line from the pin in go.mod.
func age(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "age")
	if out, err := exec.Command("go", "build", "-o", name, "filippo.io/age/cmd/age").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return name
}

// TestAgeOpensWhatIsKept opens a recording with age and nothing of ours: the
// custodian's identity opens the day's key, the day's key header and body.
func TestAgeOpensWhatIsKept(t *testing.T) {
	program := age(t)
	s := newSite(t, "[default]\npolicy = \"full\"\n")
	d := s.start()
	s.siprecd("call", "sip:"+d.udp, "--from", "2001", "--to", "0105550101", "--a", "tone:440", "--b", "tone:660", "--duration", "2s")
	row := s.settled(1)[0]
	d.stop()

	keys := filepath.Join(s.dir, "data", "keys")
	day := filepath.Join(s.dir, "day.key")
	outside(t, program, "-d", "-i", filepath.Join(keys, "custodians", "first.identity"), "-o", day, filepath.Join(keys, "days", string(row.Dies), "first.age"))
	whole := filepath.Join(s.dir, "whole.age")
	var joined []byte
	for _, part := range []string{filepath.Join(keys, "headers", string(row.Dies), row.ID), filepath.Join(s.dir, "data", row.File)} {
		b, err := os.ReadFile(part)
		if err != nil {
			t.Fatal(err)
		}
		joined = append(joined, b...)
	}
	if err := os.WriteFile(whole, joined, 0o600); err != nil {
		t.Fatal(err)
	}
	opened := filepath.Join(s.dir, "opened.wav")
	outside(t, program, "-d", "-i", day, "-o", opened, whole)
	got, err := os.ReadFile(opened)
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(s.file(row))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) || len(got) < 30_000 {
		t.Errorf("age gives %d bytes, export %d", len(got), len(want))
	}
}

// TestNothingLiesInClear records calls of noise that is each call's own, and
// looks for it in every file, while they are live and when they are sealed.
func TestNothingLiesInClear(t *testing.T) {
	const calls = 100
	s := newSite(t, "[default]\npolicy = \"full\"\n")
	d := s.start()
	done := make(chan map[int][2]media.Sent, 1)
	go func() {
		done <- s.sipp(d, "forked-call.xml", d.udp, 6*time.Second, "-t", "u1", "-m", strconv.Itoa(calls), "-r", "20", "-l", "200")
	}()
	s.liveFor(4)
	live := s.everyFile(t)
	spoken := <-done
	s.settled(calls)
	d.stop()
	after := s.everyFile(t)
	searched := 0
	for n, lines := range spoken {
		for i, line := range lines {
			for at := 0; at+32 <= len(line.Audio); at += 4000 {
				piece := line.Audio[at : at+32]
				searched++
				if bytes.Contains(live, piece) || bytes.Contains(after, piece) {
					t.Fatalf("the audio of call %d, line %d, from byte %d lies in clear", n, i, at)
				}
			}
		}
	}
	t.Logf("%d pieces of %d calls looked for in %d and %d bytes of files: none found", searched, len(spoken), len(live), len(after))
	if searched < calls*10 {
		t.Errorf("only %d pieces were looked for", searched)
	}
}

// everyFile is the content of every file of the data directory.
func (s *site) everyFile(t *testing.T) (all []byte) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(s.dir, "data"), func(p string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return nil // gone meanwhile: a tape that was sealed
		}
		b, err := os.ReadFile(p)
		if err == nil {
			all = append(all, b...)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

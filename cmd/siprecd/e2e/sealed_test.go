//go:build e2e

package e2e

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
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
// looks for it in every file, while they are live and when they are sealed, and
// in the whole volume with its free space; also of selective calls that nobody
// marked, of which nothing may be kept in any form.
func TestNothingLiesInClear(t *testing.T) {
	for _, policy := range []string{"full", "selective"} {
		t.Run(policy, func(t *testing.T) { nothingInClear(t, policy) })
	}
}

func nothingInClear(t *testing.T, policy string) {
	const calls = 100
	s := newSite(t, "[default]\npolicy = \""+policy+"\"\n")
	volume := s.volume()
	d := s.start()
	done := make(chan map[int][2]media.Sent, 1)
	go func() {
		done <- s.sipp(d, "forked-call.xml", d.udp, 6*time.Second, "-t", "u1", "-m", strconv.Itoa(calls), "-r", "20", "-l", "200")
	}()
	s.liveFor(4)
	places := map[string][]byte{"files, live": s.everyFile(t)}
	spoken := <-done
	s.settled(calls)
	d.swapsNothing()
	d.stop()
	places["files, at the end"] = s.everyFile(t)
	places["the volume"] = volume()
	if tapes := filesBelow(t, filepath.Join(s.dir, "data", "vault"), ".body"); policy == "selective" && tapes > 0 {
		t.Errorf("%d bodies of calls that nobody marked", tapes)
	}
	searched := 0
	pieces := map[uint64][]byte{} // by their first 8 bytes
	for _, lines := range spoken {
		for _, line := range lines {
			for at := 0; at+32 <= len(line.Audio); at += 4000 {
				searched++
				pieces[binary.NativeEndian.Uint64(line.Audio[at:])] = line.Audio[at : at+32]
			}
		}
	}
	for where, all := range places {
		for at := 0; at+32 <= len(all); at++ {
			if piece := pieces[binary.NativeEndian.Uint64(all[at:])]; piece != nil && bytes.HasPrefix(all[at:], piece) {
				t.Fatalf("audio lies in clear in %s, from byte %d", where, at)
			}
		}
	}
	t.Logf("%d pieces of %d calls looked for in %d, %d and %d bytes: none found", searched, len(spoken),
		len(places["files, live"]), len(places["files, at the end"]), len(places["the volume"]))
	if searched < calls*10 {
		t.Errorf("only %d pieces were looked for", searched)
	}
}

// volumeSize is more than the reserve that a recorder keeps for live calls.
const volumeSize = 2 << 30

// volume puts the data directory on a file system of its own and returns how to
// read the whole of it, free space and journal included, once the daemon is gone.
// Where none can be mounted it says so, and there is nothing to read.
func (s *site) volume() func() []byte {
	s.t.Helper()
	image, data := filepath.Join(s.dir, "volume.img"), filepath.Join(s.dir, "data")
	if err := errors.Join(os.WriteFile(image, nil, 0o600), os.Truncate(image, volumeSize), os.Mkdir(data, 0o700)); err != nil {
		s.t.Fatal(err)
	}
	for _, command := range [][]string{{"mkfs.ext4", "-q", "-F", image}, {"mount", "-o", "loop", image, data}} {
		if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
			s.t.Logf("free space is not looked at, no volume can be mounted here: %s: %v %s", command[0], err, out)
			return func() []byte { return nil }
		}
	}
	s.t.Cleanup(func() { _ = exec.Command("umount", data).Run() })
	return func() []byte {
		s.t.Helper()
		if out, err := exec.Command("sync", "-f", data).CombinedOutput(); err != nil {
			s.t.Fatalf("sync: %v %s", err, out)
		}
		f, err := os.Open(image)
		if err != nil {
			s.t.Fatal(err)
		}
		defer f.Close()
		var all []byte
		empty, part := make([]byte, 1<<20), make([]byte, 1<<20)
		for range volumeSize / len(part) {
			if _, err := io.ReadFull(f, part); err != nil {
				s.t.Fatal(err)
			}
			if !bytes.Equal(part, empty) { // never written
				all = append(all, part...)
			}
		}
		return all
	}
}

// swapsNothing checks that nothing of the daemon is in swap, and where it could
// lock its memory that it did.
func (d *daemon) swapsNothing() {
	d.site.t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", d.cmd.Process.Pid))
	if err != nil {
		d.site.t.Fatal(err)
	}
	kib := map[string]int{}
	for line := range strings.Lines(string(b)) {
		var name string
		var n int
		if _, err := fmt.Sscanf(line, "%s %d kB", &name, &n); err == nil {
			kib[name] = n
		}
	}
	if kib["VmSwap:"] != 0 || os.Geteuid() == 0 && kib["VmLck:"] == 0 {
		d.site.t.Errorf("in swap: %d KiB, locked: %d KiB", kib["VmSwap:"], kib["VmLck:"])
	}
	if os.Geteuid() != 0 {
		d.site.t.Log("whether memory is locked is not looked at: only root may lock it here")
	}
}

// filesBelow counts the files with an extension.
func filesBelow(t *testing.T, dir, ext string) (n int) {
	t.Helper()
	err := filepath.WalkDir(dir, func(p string, _ fs.DirEntry, err error) error {
		if filepath.Ext(p) == ext {
			n++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
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

//go:build e2e

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

const capture = "../../../testdata/rtp/opensips-call.pcap"

// outside runs a program that is not ours.
func outside(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// TestSoxReadsTheRecording lets sox judge the WAV of a replayed capture: its
// length, its channels, and that both sides are speech.
func TestSoxReadsTheRecording(t *testing.T) {
	s := newSite(t, "[default]\npolicy = \"off\"\n[extensions]\nalice = \"full\"\n")
	out := filepath.Join(s.dir, "out")
	s.siprecd("replay", abs(t, capture), "-o", out)
	wavs, err := filepath.Glob(filepath.Join(out, "vault", "*", "*", "*", "*.wav"))
	if err != nil || len(wavs) != 1 {
		t.Fatalf("recordings %v %v", wavs, err)
	}
	if l := strings.TrimSpace(outside(t, "soxi", "-D", wavs[0])); !within(t, l, 12.505, 0.020) {
		t.Errorf("sox says it lasts %s s", l)
	}
	if c := strings.TrimSpace(outside(t, "soxi", "-c", wavs[0])); c != "2" {
		t.Errorf("sox says %s channels", c)
	}
	for _, side := range []string{"1", "2"} {
		stat := outside(t, "sox", wavs[0], "-n", "remix", side, "stat")
		m := regexp.MustCompile(`RMS\s+amplitude:\s+(\S+)`).FindStringSubmatch(stat)
		if m == nil {
			t.Fatalf("sox stat says:\n%s", stat)
		}
		if rms, err := strconv.ParseFloat(m[1], 64); err != nil || rms < 0.01 || rms > 0.5 {
			t.Errorf("side %s has RMS %s", side, m[1])
		}
	}
}

// TestTsharkReadsTheOriginal lets tshark judge the pcap of a tape: RTP streams
// without loss.
func TestTsharkReadsTheOriginal(t *testing.T) {
	s := newSite(t, "[default]\npolicy = \"full\"\n")
	d := s.start()
	call := exec.Command(program, "call", "sip:"+d.udp, "--from", "2001", "--to", "0105550101", "--a", "tone:440", "--b", "tone:660", "--duration", "30s")
	if err := call.Start(); err != nil {
		t.Fatal(err)
	}
	row := s.liveFor(3)
	pcap := filepath.Join(s.dir, "live.pcap")
	s.siprecd("export", row.ID, "--format", "original", "-o", pcap)
	_ = call.Process.Signal(os.Interrupt)
	_ = call.Wait()
	streams := outside(t, "tshark", "-r", pcap, "-d", "udp.port==1-65535,rtp", "-q", "-z", "rtp,streams")
	if n := strings.Count(streams, "g711U"); n != 2 {
		t.Errorf("tshark sees %d streams:\n%s", n, streams)
	}
	if n := strings.Count(streams, "0 (0.0%)"); n != 2 {
		t.Errorf("tshark sees loss:\n%s", streams)
	}
	s.settled(1)
	d.stop()
}

func within(t *testing.T, s string, want, by float64) bool {
	t.Helper()
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		t.Fatal(err)
	}
	return v >= want-by && v <= want+by
}

func abs(t *testing.T, p string) string {
	t.Helper()
	a, err := filepath.Abs(p)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

//go:build e2e

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"siprecd/store"
)

// TestPowerCut kills a daemon whose run key lies where a power cut leaves
// nothing. After the kill alone the next daemon renders by itself; after the
// power cut the call waits, until a custodian unlocks.
func TestPowerCut(t *testing.T) {
	s := newSite(t, "[default]\npolicy = \"full\"\n")
	runtime := t.TempDir()
	s.env = append(os.Environ(), "RUNTIME_DIRECTORY="+runtime)
	d := s.start()
	s.typed("secret of a custodian\n", "keys", "protect")
	if status := s.siprecd("status"); strings.Contains(status, "key of live calls") {
		t.Errorf("the run key is said to lie beside the data:\n%s", status)
	}
	for _, cut := range []bool{false, true} {
		load := newLoad(t, d.udp, 1)
		s.liveFor(0.5)
		d.kill()
		load.abandon()
		if cut {
			keys, err := filepath.Glob(filepath.Join(runtime, "run-*.key"))
			if err != nil || len(keys) != 1 {
				t.Fatalf("run keys %q, %v", keys, err)
			}
			if err := os.Remove(keys[0]); err != nil {
				t.Fatal(err)
			}
		}
		d = s.start()
		if row := s.settled(1)[0]; !cut {
			if row.State != store.Interrupted {
				t.Fatalf("after a kill: %+v", row)
			}
			continue
		} else if row.State != store.Waiting || len(row.WaitingFor) != 1 || row.WaitingFor[0] != "custodian" || row.File != "" {
			t.Fatalf("after a power cut: %+v", row)
		}
		if !strings.Contains(s.siprecd("status"), "waiting for a custodian") {
			t.Error("status does not say that a call waits")
		}
	}
	s.typed("secret of a custodian\n", "keys", "unlock")
	deadline := time.Now().Add(time.Minute)
	row := s.calls()[0]
	for ; row.State == store.Waiting && time.Now().Before(deadline); row = s.calls()[0] {
		<-time.After(50 * time.Millisecond)
	}
	if row.State != store.Interrupted || row.WaitingFor != nil || row.Duration < 0.4 {
		t.Errorf("unlocked: %+v", row)
	}
	s.siprecd("verify")
	if left, _ := filepath.Glob(filepath.Join(s.dir, "data", "tapes", "*")); len(left) != 0 {
		t.Errorf("tapes left behind: %v", left)
	}
	d.stop()
}

// typed runs a command that asks for something.
func (s *site) typed(answer string, args ...string) {
	s.t.Helper()
	cmd := exec.Command(program, append(args, "--config", s.config)...)
	cmd.Dir, cmd.Stdin = s.dir, strings.NewReader(answer)
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("siprecd %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

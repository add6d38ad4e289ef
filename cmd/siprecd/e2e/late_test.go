//go:build e2e

package e2e

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"siprecd/media"
	"siprecd/store"
)

// Parties named five seconds late: the default is full and is kept provisionally.
// Full has everything from the beginning; selective and off have none of it,
// not even in the dead daemon's files.
func TestPartiesNamedFiveSecondsLate(t *testing.T) {
	for policy, state := range map[string]store.State{"full": store.Sealed, "selective": store.Sealed, "off": store.NotRecorded} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, "[default]\npolicy = \"full\"\n[extensions]\n2001 = \""+policy+"\"\n")
			d := s.start()
			s.siprecd("call", "sip:"+d.udp, "--from", "2001", "--to", "0105550101", "--a", "tone:440", "--b", "tone:660",
				"--late-parties", "5s", "--dtmf-a", "6s:*1", "--duration", "8s")
			rows := s.settled(1)
			d.stop()
			if len(rows) != 1 || rows[0].State != state {
				t.Fatalf("rows %+v", rows)
			}
			row := rows[0]
			destroyed := strings.Contains(strings.Join(row.Notes, "\n"), "destroyed unread")
			if destroyed != (policy != "full") {
				t.Errorf("notes %q", row.Notes)
			}
			if policy == "full" && (len(row.Segments) != 1 || row.Segments[0].Start != 0) ||
				policy == "selective" && (len(row.Segments) != 1 || row.Segments[0].Start < 6) {
				t.Errorf("segments %v", row.Segments)
			}
			tone := toneOf(t)
			if inFiles(t, filepath.Join(s.dir, "data"), tone) {
				t.Error("the tone lies in clear")
			}
			if policy == "full" {
				if b, err := os.ReadFile(s.file(row)); err != nil || !bytes.Contains(b, tone) {
					t.Errorf("the tone is not in the recording: %v", err)
				}
			}
			if tapes, _ := filepath.Glob(filepath.Join(s.dir, "data", "tapes", "*")); len(tapes) > 0 {
				t.Errorf("tapes are left: %v", tapes)
			}
		})
	}
}

// toneOf is 20 ms of both sides as a stereo file holds them, somewhere in it.
func toneOf(t *testing.T) []byte {
	t.Helper()
	a, b := media.Tone(440).Samples, media.Tone(660).Samples
	var both []byte
	for i := range 160 {
		both = append(both, media.EncodeULaw(a[i%len(a)]), media.EncodeULaw(b[i%len(b)]))
	}
	return both
}

func inFiles(t *testing.T, dir string, audio []byte) (found bool) {
	t.Helper()
	err := filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(p)
		found = found || bytes.Contains(b, audio)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

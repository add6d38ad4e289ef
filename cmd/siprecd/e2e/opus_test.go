//go:build e2e

package e2e

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"siprecd/media"
)

var opusFormat = media.Format{Payload: 111, Name: "OPUS", Clock: 48000, Channels: 2}

// opusenc encodes raw samples of so many channels at 48 kHz with opus-tools.
func opusenc(t *testing.T, raw []byte, channels int, args ...string) (packets [][]byte) {
	t.Helper()
	args = append([]string{"--quiet", "--raw", "--raw-rate", "48000", "--raw-chan", strconv.Itoa(channels)}, append(args, "-", "-")...)
	cmd := exec.Command("opusenc", args...)
	cmd.Stdin = bytes.NewReader(raw)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	ogg, err := cmd.Output()
	if err != nil {
		t.Fatalf("opusenc %s: %v\n%s", strings.Join(args, " "), err, errs.String())
	}
	return oggPackets(ogg)
}

// opusencCodecs are the three tones in frames of every length, mono, and stereo
// with one side half as loud.
func opusencCodecs(t *testing.T) map[string]encoded {
	mono := threeTones(48000)
	var stereo []byte
	for _, s := range sixteen(mono) {
		stereo = binary.LittleEndian.AppendUint16(stereo, uint16(s))
		stereo = binary.LittleEndian.AppendUint16(stereo, uint16(s/2))
	}
	all := map[string]encoded{}
	for _, c := range []struct{ ms, use, rate string }{
		{"2.5", "--music", "96"}, {"5", "--music", "96"}, {"10", "--music", "64"}, {"10", "--speech", "24"},
		{"20", "--music", "64"}, {"20", "--speech", "16"}, {"40", "--speech", "16"}, {"60", "--speech", "16"},
	} {
		ms, _ := strconv.ParseFloat(c.ms, 64)
		for name, channels := range map[string]int{"mono": 1, "stereo": 2} {
			packets := opusenc(t, [][]byte{mono, stereo}[channels-1], channels, "--framesize", c.ms, c.use, "--bitrate", c.rate)
			all[fmt.Sprintf("OPUS by opusenc, %s ms, %s kbit/s, %s", c.ms, c.rate, name)] = encoded{opusFormat, int(48 * ms), packets}
		}
	}
	return all
}

// TestOpusRests has opusenc encode two seconds of silence between tones in DTX:
// almost all packets of them say no more than that there is nothing to say, and
// may be sent or not. Either way they are the sender's own pause, nothing is lost,
// nothing is heard in them, and the tones come where they belong.
func TestOpusRests(t *testing.T) {
	tone := threeTones(48000)[:2*48000]
	raw := append(append(append([]byte{}, tone...), make([]byte, 2*2*48000)...), tone...)
	for name, args := range map[string][]string{
		"SILK, 20 ms": {"--speech", "--bitrate", "16"}, "hybrid, 20 ms": {"--speech", "--bitrate", "32"},
		"CELT, 20 ms": {"--music", "--bitrate", "64"}, "SILK, 60 ms": {"--speech", "--bitrate", "16", "--framesize", "60"},
		"CELT, 5 ms": {"--music", "--bitrate", "96", "--framesize", "5"},
	} {
		ms := 20
		if at := len(args) - 2; args[at] == "--framesize" {
			ms, _ = strconv.Atoi(args[at+1])
		}
		packets := opusenc(t, raw, 1, append(args, "--set-ctl-int", "4016=1")...)
		var unsent [][]byte
		rests := 0
		for _, p := range packets {
			if len(p) <= 2 {
				p = nil
				rests++
			}
			unsent = append(unsent, p)
		}
		if rests*ms < 1000 {
			t.Errorf("%s: %d of %d packets rest", name, rests, len(packets))
		}
		for how, packets := range map[string][][]byte{"sent": packets, "not sent": unsent} {
			samples, facts := heard(t, opusFormat, 48*ms, packets)
			stream := facts.Streams[0]
			if stream.Lost != 0 || len(facts.Notes) > 0 || slices.ContainsFunc(stream.Gaps, func(g media.Gap) bool { return g.Cause != "dtx" && g.Cause != "not-sent" }) {
				t.Errorf("%s, %s: %d lost, gaps %v, notes %q", name, how, stream.Lost, stream.Gaps, facts.Notes)
			}
			for _, at := range []struct {
				from, to    float64 // s
				least, most float64
			}{{0.1, 0.95, 5000, 7000}, {1.3, 2.95, 0, 10}, {3.05, 3.95, 5000, 7000}} {
				part, sum := samples[int(16000*at.from):int(16000*at.to)], 0.0
				for _, s := range part {
					sum += float64(s) * float64(s)
				}
				if rms := math.Sqrt(sum / float64(len(part))); rms < at.least || rms > at.most {
					t.Errorf("%s, %s: RMS %.0f from %v to %v s", name, how, rms, at.from, at.to)
				}
			}
		}
	}
}

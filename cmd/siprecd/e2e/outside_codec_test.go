//go:build e2e

package e2e

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"siprecd/media"
	"siprecd/store"
)

// encoded are payloads of a format in which programs other than ours encoded the
// three tones.
type encoded struct {
	format   media.Format
	units    int
	payloads [][]byte
}

func outsideCodecs(t *testing.T, raw []byte) map[string]encoded {
	from := []string{"-f", "s16le", "-ar", "48000", "-ac", "1", "-i", "-", "-ar", "8000"}
	by := func(args ...string) []byte { return pipe(t, raw, append(from, args...)...) }
	amr := sox(t, raw, "amr-nb")
	all := map[string]encoded{
		"GSM":                      {media.Format{Payload: 3, Name: "GSM", Clock: 8000}, 320, chunks(by("-c:a", "libgsm", "-f", "gsm", "-"), 66)},
		"G723":                     {media.Format{Payload: 4, Name: "G723", Clock: 8000}, 240, chunks(by("-c:a", "g723_1", "-b:a", "6300", "-f", "g723_1", "-"), 24)},
		"AMR":                      {media.Format{Payload: 97, Name: "AMR", Clock: 8000, Fmtp: "octet-align=1"}, 160, aligned(amr)},
		"AMR, bandwidth-efficient": {media.Format{Payload: 97, Name: "AMR", Clock: 8000}, 320, efficient(amr, 2)},
	}
	for bits := 2; bits <= 5; bits++ {
		for name, coder := range map[string]string{fmt.Sprintf("G726-%d", 8*bits): "g726le", fmt.Sprintf("AAL2-G726-%d", 8*bits): "g726"} {
			b := by("-c:a", coder, "-b:a", strconv.Itoa(8000*bits), "-f", coder, "-")
			all[name] = encoded{media.Format{Payload: 96, Name: name, Clock: 8000}, 160, chunks(b, 20*bits)}
		}
	}
	for name, clock := range map[string]int{"SPEEX 8 kHz": 8000, "SPEEX 16 kHz": 16000, "SPEEX 32 kHz": 32000} {
		ogg := by("-ar", strconv.Itoa(clock), "-c:a", "libspeex", "-cbr_quality", "8", "-frames_per_packet", "2", "-f", "ogg", "-")
		all[name] = encoded{media.Format{Payload: 99, Name: "speex", Clock: clock}, clock / 25, oggPackets(ogg)}
	}
	return all
}

// TestCallWaitsForFFmpeg sends GSM, and what is packaged, to a daemon that finds
// no ffmpeg; the next one finds it.
func TestCallWaitsForFFmpeg(t *testing.T) {
	s := newSite(t, "[default]\npolicy = \"full\"\n")
	text, err := os.ReadFile(s.config)
	if err != nil {
		t.Fatal(err)
	}
	s.write("siprecd.toml", string(text)+"[media]\ncodecs = [\"GSM\"]\ncodecs_without_ffmpeg = \"keep\"\n")
	gsm := outsideCodecs(t, threeTones(48000))["GSM"]
	var file bytes.Buffer
	if err := media.WritePcap(&file, taped(media.LineSpec{
		Label: "2001", Receiving: true, Formats: []media.Format{gsm.format},
		Local: netip.MustParseAddrPort("192.0.2.1:40000"), Remote: netip.MustParseAddrPort("192.0.2.7:5000"),
	}, gsm.units, gsm.payloads)); err != nil {
		t.Fatal(err)
	}
	s.write("gsm.pcap", file.String())

	s.env = []string{"PATH=" + t.TempDir()}
	d := s.start()
	s.siprecd("replay", filepath.Join(s.dir, "gsm.pcap"), "-d", "192.0.2.1:40000=2001", "--to", "sip:"+d.udp)
	rows := s.settled(1)
	if len(rows) != 1 || rows[0].State != store.Waiting || rows[0].WaitingFor[0] != "GSM" || !strings.Contains(s.siprecd("status"), "waiting for a decoder") {
		t.Fatalf("rows %+v", rows)
	}
	d.stop()

	s.env = nil
	d = s.start()
	defer d.stop()
	s.siprecd("render", "--waiting")
	rows = s.calls()
	if len(rows) != 1 || rows[0].State != store.Sealed {
		t.Fatalf("rows %+v", rows)
	}
	recording, err := os.ReadFile(s.file(rows[0]))
	if err != nil {
		t.Fatal(err)
	}
	heard := sixteen(pipe(t, recording, "-i", "-", "-f", "s16le", "-"))
	if got := snr(heard, 16000); got < 40 {
		t.Errorf("the tones stand %.1f dB above all else", got)
	}
	s.siprecd("verify")
}

// sox encodes what ffmpeg, as it is packaged, has no encoder for.
func sox(t *testing.T, raw []byte, kind string) []byte {
	t.Helper()
	file := filepath.Join(t.TempDir(), "three."+kind)
	cmd := exec.Command("sox", "-t", "raw", "-r", "48000", "-e", "signed", "-b", "16", "-c", "1", "-", "-r", "8000", "-C", "7", file)
	cmd.Stdin = bytes.NewReader(raw)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("sox: %v\n%s", err, out)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// storedAMR are the frames of an AMR file (RFC 4867 5): a byte that tells the
// type, then the frame in whole bytes.
func storedAMR(file []byte) (frames [][]byte) {
	sizes := []int{12, 13, 15, 17, 19, 20, 26, 31, 5}
	for b := file[len("#!AMR\n"):]; len(b) > 0; {
		kind := int(b[0] >> 3 & 15)
		size := 1
		if kind < len(sizes) {
			size += sizes[kind]
		}
		frames = append(frames, b[:size])
		b = b[size:]
	}
	return frames
}

// aligned makes a payload of each frame (RFC 4867 4.4).
func aligned(file []byte) (payloads [][]byte) {
	for _, frame := range storedAMR(file) {
		payloads = append(payloads, append([]byte{0xf0}, frame...))
	}
	return payloads
}

// efficient makes a payload of so many frames, bit by bit (RFC 4867 4.3).
func efficient(file []byte, each int) (payloads [][]byte) {
	bits := []int{95, 103, 118, 134, 148, 159, 204, 244, 39}
	frames := storedAMR(file)
	for ; len(frames) >= each; frames = frames[each:] {
		var b []byte
		n := 0
		put := func(from []byte, bits int) {
			for i := range bits {
				if n%8 == 0 {
					b = append(b, 0)
				}
				b[n/8] |= from[i/8] >> (7 - i%8) & 1 << (7 - n%8)
				n++
			}
		}
		put([]byte{0xf0}, 4)
		for i, frame := range frames[:each] {
			more := byte(0)
			if i+1 < each {
				more = 0x80
			}
			put([]byte{more | frame[0]&0x7c}, 6)
		}
		for _, frame := range frames[:each] {
			if kind := int(frame[0] >> 3 & 15); kind < len(bits) {
				put(frame[1:], bits[kind])
			}
		}
		payloads = append(payloads, b)
	}
	return payloads
}

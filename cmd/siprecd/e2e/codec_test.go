//go:build e2e

package e2e

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"iter"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"siprecd/media"
)

// three is 3 s of three tones in raw 16-bit samples, what every codec is
// measured with.
var three = []float64{300, 1000, 2800}

func threeTones(rate int) (raw []byte) {
	for i := range 3 * rate {
		sum := 0.0
		for _, hz := range three {
			sum += 5000 * math.Sin(2*math.Pi*hz*float64(i)/float64(rate))
		}
		raw = binary.LittleEndian.AppendUint16(raw, uint16(int16(math.Round(sum))))
	}
	return raw
}

// pipe runs ffmpeg from bytes to bytes.
func pipe(t *testing.T, in []byte, args ...string) []byte {
	t.Helper()
	cmd := exec.Command("ffmpeg", append([]string{"-v", "error"}, args...)...)
	cmd.Stdin = bytes.NewReader(in)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("ffmpeg %s: %v\n%s", strings.Join(args, " "), err, errs.String())
	}
	return out
}

// taped is a tape of payloads of one format, on one line. Instead of one that is
// nil nothing was sent.
func taped(spec media.LineSpec, units int, payloads [][]byte) media.Tape {
	var records []media.Record
	add := func(kind media.Kind, at int64, data any) {
		b, raw := data.([]byte)
		if !raw {
			b, _ = json.Marshal(data)
		}
		records = append(records, media.Record{Kind: kind, At: 1_800_000_000_000_000_000 + at, Data: b})
	}
	add(media.KindStart, 0, media.Start{Version: 1})
	add(media.KindGate, 0, media.GateMove{Open: true, Why: "full"})
	add(media.KindLine, 0, spec)
	end, seq, f := int64(0), uint16(0), spec.Formats[0]
	for i, p := range payloads {
		end = int64(i+1) * int64(units) * 1_000_000_000 / int64(f.Clock)
		if p == nil {
			continue
		}
		b := binary.BigEndian.AppendUint16([]byte{0x80, f.Payload}, seq)
		seq++
		b = binary.BigEndian.AppendUint32(b, uint32(i*units))
		add(media.KindPacket, end, append(append(b, 0, 0, 0, 1), p...))
	}
	add(media.KindEnd, end, nil)
	return func() iter.Seq2[media.Record, error] {
		return func(yield func(media.Record, error) bool) {
			for _, r := range records {
				if !yield(r, nil) {
					return
				}
			}
		}
	}
}

// rendered is what a recording of payloads of one format sounds like, mono,
// read by ffmpeg.
func rendered(t *testing.T, f media.Format, units int, payloads [][]byte) (samples []int16, rate int) {
	t.Helper()
	samples, facts := heard(t, f, units, payloads)
	notes := slices.DeleteFunc(facts.Notes, func(n string) bool { return strings.HasPrefix(n, "decoded by FFmpeg ") })
	if gaps := facts.Streams[0].Gaps; len(gaps) > 0 || len(notes) > 0 {
		t.Errorf("gaps %v, notes %q", gaps, notes)
	}
	return samples, facts.Rate
}

// heard is rendered, whatever the facts are.
func heard(t *testing.T, f media.Format, units int, payloads [][]byte) ([]int16, media.Facts) {
	t.Helper()
	ffmpeg, err := media.FindFFmpeg(t.Context(), "ffmpeg")
	if err != nil {
		t.Fatal(err)
	}
	r, err := ffmpeg.Measure(taped(media.LineSpec{Label: "1", Ours: true, Receiving: true, Formats: []media.Format{f}}, units, payloads))
	if err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	if _, err := r.WriteTo(&file); err != nil {
		t.Fatal(err)
	}
	return sixteen(pipe(t, file.Bytes(), "-i", "-", "-f", "s16le", "-")), r.Facts
}

func sixteen(raw []byte) []int16 {
	samples := make([]int16, len(raw)/2)
	for i := range samples {
		samples[i] = int16(binary.LittleEndian.Uint16(raw[2*i:]))
	}
	return samples
}

func chunks(b []byte, size int) (parts [][]byte) {
	for ; len(b) >= size; b = b[size:] {
		parts = append(parts, b[:size])
	}
	return parts
}

// oggPackets are the packets of an Ogg file without its two headers (RFC 3533).
func oggPackets(b []byte) (packets [][]byte) {
	var packet []byte
	for len(b) >= 27 {
		sizes := b[27 : 27+int(b[26])]
		b = b[27+len(sizes):]
		for _, n := range sizes {
			packet = append(packet, b[:n]...)
			b = b[n:]
			if n < 255 {
				packets, packet = append(packets, packet), nil
			}
		}
	}
	return packets[2:]
}

// snr is how far the three tones stand above all else, dB.
func snr(samples []int16, rate int) float64 {
	samples = samples[rate : 2*rate]
	rest := make([]float64, len(samples))
	signal, noise := 0.0, 1e-9
	for i, s := range samples {
		rest[i] = float64(s)
	}
	for _, hz := range three {
		var s, c float64
		for i, v := range rest {
			sin, cos := math.Sincos(2 * math.Pi * hz * float64(i) / float64(rate))
			s, c = s+2*v*sin/float64(len(rest)), c+2*v*cos/float64(len(rest))
		}
		for i := range rest {
			sin, cos := math.Sincos(2 * math.Pi * hz * float64(i) / float64(rate))
			rest[i] -= s*sin + c*cos
		}
		signal += (s*s + c*c) / 2
	}
	for _, v := range rest {
		noise += v * v / float64(len(rest))
	}
	return 10 * math.Log10(signal/noise)
}

// TestCodecs has every codec encoded by others and rendered here. The table in
// media/doc.go says what to expect.
func TestCodecs(t *testing.T) {
	expected := documented(t)
	judge := func(name string, samples []int16, rate int) {
		t.Helper()
		got := snr(samples, rate)
		t.Logf("	%-28s %5.1f", name, got)
		want, ok := expected[name]
		if delete(expected, name); !ok || math.Abs(got-want) > 3 {
			t.Errorf("%s: %.1f dB, media/doc.go says %.1f", name, got, want)
		}
	}
	raw := threeTones(48000)
	from := []string{"-f", "s16le", "-ar", "48000", "-ac", "1", "-i", "-"}
	for _, c := range []struct {
		name, format   string
		clock, channel int
		pt             uint8
	}{
		{"PCMU", "mulaw", 8000, 1, 0}, {"PCMA", "alaw", 8000, 1, 8},
		{"L16 8 kHz", "s16be", 8000, 1, 96}, {"L16 16 kHz", "s16be", 16000, 1, 96}, {"L16 44.1 kHz", "s16be", 44100, 1, 11},
		{"L16 44.1 kHz stereo", "s16be", 44100, 2, 10}, {"L16 48 kHz stereo", "s16be", 48000, 2, 96},
	} {
		b := pipe(t, raw, append(from, "-ar", strconv.Itoa(c.clock), "-ac", strconv.Itoa(c.channel), "-f", c.format, "-")...)
		size := c.clock / 50 * c.channel
		if c.format == "s16be" {
			size *= 2
		}
		f := media.Format{Payload: c.pt, Name: strings.Fields(c.name)[0], Clock: c.clock, Channels: c.channel}
		heard, rate := rendered(t, f, c.clock/50, chunks(b, size))
		judge(c.name, heard, rate)
	}

	g722 := pipe(t, raw, append(from, "-ar", "16000", "-c:a", "g722", "-f", "g722", "-")...)
	heard, rate := rendered(t, media.Format{Payload: 9, Name: "G722", Clock: 8000}, 160, chunks(g722, 160))
	judge("G722", heard, rate)
	want := sixteen(pipe(t, g722, "-f", "g722", "-i", "-", "-f", "s16le", "-"))
	for i := range heard {
		if heard[i] != want[i] {
			t.Fatalf("G.722: sample %d is %d, ffmpeg says %d", i, heard[i], want[i])
		}
	}

	for _, c := range []struct{ name, application, rate, ms string }{
		{"OPUS SILK 8 kbit/s, 40 ms", "voip", "8k", "40"}, {"OPUS SILK 16 kbit/s, 20 ms", "voip", "16k", "20"},
		{"OPUS SILK 16 kbit/s, 60 ms", "voip", "16k", "60"}, {"OPUS hybrid 32 kbit/s", "voip", "32k", "20"},
		{"OPUS CELT 64 kbit/s, 20 ms", "audio", "64k", "20"}, {"OPUS CELT 96 kbit/s, 5 ms", "lowdelay", "96k", "5"},
		{"OPUS CELT 96 kbit/s, 2.5 ms", "lowdelay", "96k", "2.5"},
	} {
		ogg := pipe(t, raw, append(from, "-c:a", "libopus", "-application", c.application, "-b:a", c.rate, "-frame_duration", c.ms, "-f", "ogg", "-")...)
		ms, _ := strconv.ParseFloat(c.ms, 64)
		heard, rate := rendered(t, media.Format{Payload: 111, Name: "OPUS", Clock: 48000, Channels: 2}, int(48*ms), oggPackets(ogg))
		judge(c.name, heard, rate)
	}
	for _, all := range []map[string]encoded{outsideCodecs(t, raw), libraryCodecs(t, raw), opusencCodecs(t)} {
		for name, c := range all {
			heard, rate := rendered(t, c.format, c.units, c.payloads)
			judge(name, heard, rate)
		}
	}
	for name := range expected {
		t.Errorf("media/doc.go lists %s, which is not measured", name)
	}
}

// documented is the table in media/doc.go.
func documented(t *testing.T) map[string]float64 {
	t.Helper()
	b, err := os.ReadFile("../../../media/doc.go")
	if err != nil {
		t.Fatal(err)
	}
	table := map[string]float64{}
	for _, m := range regexp.MustCompile(`(?m)^//\t(\S.*?)  +([0-9.]+)$`).FindAllStringSubmatch(string(b), -1) {
		table[m[1]], _ = strconv.ParseFloat(m[2], 64)
	}
	return table
}

// TestWidebandCalls sends a file of 16 kHz to a running daemon. What is recorded
// of L16 is the file, and of G.722 what ffmpeg makes of it, sample for sample.
func TestWidebandCalls(t *testing.T) {
	raw := threeTones(16000)
	from := []string{"-f", "s16le", "-ar", "16000", "-ac", "1", "-i", "-"}
	wav := pipe(t, raw, append(from, "-f", "wav", "-")...)
	g722 := pipe(t, raw, append(from, "-c:a", "g722", "-f", "g722", "-")...)
	for codec, want := range map[string][]byte{"L16": raw, "G722": pipe(t, g722, "-f", "g722", "-i", "-", "-f", "s16le", "-")} {
		t.Run(codec, func(t *testing.T) {
			s := newSite(t, "[default]\npolicy = \"full\"\n")
			d := s.start()
			s.write("three.wav", string(wav))
			s.siprecd("call", "sip:"+d.udp, "--from", "2001", "--to", "0105550101", "--codec", strings.ToLower(codec),
				"--a", filepath.Join(s.dir, "three.wav"), "--b", "tone:440", "--duration", "3s")
			rows := s.settled(1)
			d.stop()
			if len(rows) != 1 || rows[0].Format != "flac flac 16000 Hz 2 ch" || rows[0].Streams[0].Codec != codec || rows[0].Streams[0].Lost > 0 {
				t.Fatalf("rows %+v", rows)
			}
			file, err := os.ReadFile(s.file(rows[0]))
			if err != nil {
				t.Fatal(err)
			}
			left := pipe(t, file, "-i", "-", "-af", "pan=mono|c0=c0", "-f", "s16le", "-")
			if want := want[:2*16000*29/10]; !bytes.Contains(left, want) {
				t.Errorf("%d bytes are not in the recording of %d in one piece; a part of them is at %d",
					len(want), len(left), bytes.Index(left, want[3200:6400])-3200)
			}
		})
	}
}

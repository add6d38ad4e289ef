//go:build e2e

package e2e

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"siprecd/media"
)

// builtCoder is testdata/coder.c, compiled.
func builtCoder(t *testing.T) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "coder")
	outside(t, "gcc", "-O2", "-Wall", "-Werror", "-o", to, "testdata/coder.c", "-lspandsp", "-lbcg729", "-lvo-amrwbenc")
	return to
}

// code runs a coder from bytes to bytes.
func code(t *testing.T, coder, verb, codec string, in []byte) []byte {
	t.Helper()
	cmd := exec.Command(coder, verb, codec)
	cmd.Stdin = bytes.NewReader(in)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("coder %s %s: %v\n%s", verb, codec, err, errs.String())
	}
	return out
}

// libraryCodecs are payloads in which libraries encoded the three tones for which
// there is no program.
func libraryCodecs(t *testing.T, raw []byte) map[string]encoded {
	coder := builtCoder(t)
	at := func(rate string) []byte {
		return pipe(t, raw, "-f", "s16le", "-ar", "48000", "-ac", "1", "-i", "-", "-ar", rate, "-f", "s16le", "-")
	}
	narrow, wide := at("8000"), at("16000")
	var frames [][]byte // of AMR-WB, 61 bytes each, behind a request for any mode
	for _, frame := range chunks(code(t, coder, "encode", "amr-wb", wide), 61) {
		frames = append(frames, append([]byte{0xf0}, frame...))
	}
	all := map[string]encoded{
		"G722 by spandsp": {media.Format{Payload: 9, Name: "G722", Clock: 8000}, 160, chunks(code(t, coder, "encode", "g722", wide), 160)},
		"GSM by spandsp":  {media.Format{Payload: 3, Name: "GSM", Clock: 8000}, 160, chunks(code(t, coder, "encode", "gsm", narrow), 33)},
		"G729 by bcg729":  {media.Format{Payload: 18, Name: "G729", Clock: 8000}, 160, chunks(code(t, coder, "encode", "g729", narrow), 20)},
		"AMR-WB by vo-amrwbenc": {
			media.Format{Payload: 98, Name: "AMR-WB", Clock: 16000, Fmtp: "octet-align=1"}, 320, frames,
		},
	}
	for bits := 2; bits <= 5; bits++ {
		for name, codec := range map[string]string{"G726-%d": "g726-%d", "AAL2-G726-%d": "aal2-g726-%d"} {
			name := fmt.Sprintf(name, 8*bits)
			b := code(t, coder, "encode", fmt.Sprintf(codec, 8*bits), narrow)
			all[name+" by spandsp"] = encoded{media.Format{Payload: 96, Name: name, Clock: 8000}, 160, chunks(b, 20*bits)}
		}
	}
	return all
}

// widebandSignals are a few seconds each of what a G.722 codec may be given, at
// 16 kHz.
func widebandSignals() map[string][]int16 {
	const n = 48000
	signals := map[string][]int16{"silence": make([]int16, n)}
	var random *rand.Rand
	phase := 0.0
	for name, at := range map[string]func(i int) float64{
		"low":    func(i int) float64 { return 8000 * math.Sin(2*math.Pi*440*float64(i)/16000) },
		"high":   func(i int) float64 { return 8000 * math.Sin(2*math.Pi*6000*float64(i)/16000) },
		"faint":  func(i int) float64 { return 12 * math.Sin(2*math.Pi*700*float64(i)/16000) },
		"sweep":  func(i int) float64 { return 14000 * math.Sin(math.Pi*7900*float64(i)*float64(i)/n/16000) },
		"square": func(i int) float64 { return 32767 - 65535*float64(i/20%2) },
		"noise":  func(int) float64 { return float64(random.IntN(20001) - 10000) },
		"full":   func(int) float64 { return float64(random.IntN(65536) - 32768) },
		"speech": func(i int) float64 { // a voice that rises and falls, four syllables a second, each with a hiss behind
			syllable := math.Mod(float64(i)/4000, 1)
			if syllable > 0.7 {
				return float64(random.IntN(3001)-1500) * (1 - syllable)
			}
			phase += (110 + 40*math.Sin(float64(i)/9000)) / 16000
			sum := 0.0
			for h := 1; h < 30; h++ {
				hz := 120 * float64(h)
				formants := 1/(1+math.Pow((hz-600)/150, 2)) + 0.5/(1+math.Pow((hz-1400)/200, 2)) + 0.2/(1+math.Pow((hz-2800)/300, 2))
				sum += formants * math.Sin(2*math.Pi*float64(h)*phase)
			}
			return 5000 * sum * math.Sin(math.Pi*syllable/0.7)
		},
	} {
		random = rand.New(rand.NewPCG(7, 22))
		for i := range n {
			signals[name] = append(signals[name], int16(math.Round(max(-32768, min(32767, at(i))))))
		}
	}
	return signals
}

func little(samples []int16) (raw []byte) {
	for _, s := range samples {
		raw = binary.LittleEndian.AppendUint16(raw, uint16(s))
	}
	return raw
}

// TestG722IsSpandsps compares both directions with spandsp's, bit for bit. Its
// decoder, in 0.0.6, does not limit the sum of the two bands to 16 bits: where ours
// is at the end of the scale, its sample may come out anywhere.
func TestG722IsSpandsps(t *testing.T) {
	coder := builtCoder(t)
	random := make([]byte, 96000)
	for i, r := 0, rand.New(rand.NewPCG(7, 22)); i < len(random); i++ {
		random[i] = byte(r.Uint32())
	}
	codes := map[string][]byte{"random codes": random}
	for name, samples := range widebandSignals() {
		codes[name] = code(t, coder, "encode", "g722", little(samples))
		if ours := sentG722(t, samples); !bytes.Equal(ours, codes[name]) {
			t.Errorf("%s: encoded to %d bytes, spandsp's are %d and other ones", name, len(ours), len(codes[name]))
		}
	}
	for name, codes := range codes {
		ours, _ := rendered(t, media.Format{Payload: 9, Name: "G722", Clock: 8000}, 160, chunks(codes, 160))
		theirs := sixteen(code(t, coder, "decode", "g722", codes))
		if len(ours) != len(theirs) {
			t.Errorf("%s: %d samples, spandsp decodes %d", name, len(ours), len(theirs))
			continue
		}
		loud := slices.Contains([]string{"square", "full", "random codes"}, name)
		likeSpandsp(t, name, ours, theirs, loud)
	}
}

// likeSpandsp fails where samples are not spandsp's, but for those of a loud signal
// that it lets wrap around.
func likeSpandsp(t *testing.T, name string, ours, theirs []int16, loud bool) {
	t.Helper()
	wrapped := 0
	for i, s := range ours {
		if s == theirs[i] {
			continue
		}
		if wrapped++; !loud || s != 32767 && s != -32768 {
			t.Errorf("%s: sample %d is %d, spandsp says %d", name, i, s, theirs[i])
			return
		}
	}
	t.Logf("%-24s %6d samples, %4d of them wrapped around in spandsp's", name, len(ours), wrapped)
}

// TestG726IsSpandsps does so for G.726, at each rate in both packings. In the
// recording, of twice the rate, every other sample is a decoded one.
func TestG726IsSpandsps(t *testing.T) {
	coder := builtCoder(t)
	random := make([]byte, 30000) // whole groups at every rate
	for i, r := 0, rand.New(rand.NewPCG(7, 26)); i < len(random); i++ {
		random[i] = byte(r.Uint32())
	}
	speech := little(widebandSignals()["speech"])
	for bits := 2; bits <= 5; bits++ {
		for name, codec := range map[string]string{"G726-%d": "g726-%d", "AAL2-G726-%d": "aal2-g726-%d"} {
			name, codec := fmt.Sprintf(name, 8*bits), fmt.Sprintf(codec, 8*bits)
			for what, codes := range map[string][]byte{"random codes": random, "speech": code(t, coder, "encode", codec, speech)} {
				wide, _ := rendered(t, media.Format{Payload: 96, Name: name, Clock: 8000}, 160, chunks(codes, 20*bits))
				var ours []int16
				for i := 0; i < len(wide); i += 2 {
					ours = append(ours, wide[i])
				}
				theirs := sixteen(code(t, coder, "decode", codec, codes))
				if len(ours) != len(theirs) {
					t.Errorf("%s, %s: %d samples, spandsp decodes %d", name, what, len(ours), len(theirs))
					continue
				}
				likeSpandsp(t, name+", "+what, ours, theirs, what == "random codes")
			}
		}
	}
}

// sentG722 is what a Sender makes of samples at 16 kHz.
func sentG722(t *testing.T, samples []int16) (codes []byte) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "signal.wav")
	wav := pipe(t, little(samples), "-f", "s16le", "-ar", "16000", "-ac", "1", "-i", "-", "-f", "wav", "-")
	if err := os.WriteFile(file, wav, 0o600); err != nil {
		t.Fatal(err)
	}
	clip, err := media.LoadClip(file)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	sender := media.NewSender(true)
	defer sender.Close()
	// 150 packets fit a socket's buffer, should nobody read meanwhile.
	out, err := sender.Add(media.OutStream{
		Conn: conn, To: conn.LocalAddr().(*net.UDPAddr).AddrPort(), Codec: "G722", Clip: clip,
		Length: time.Duration(len(samples)) * time.Second / 16000,
	})
	if err != nil {
		t.Fatal(err)
	}
	<-out.Done()
	packet := make([]byte, 1500)
	for len(codes) < len(samples)/2 {
		if err := conn.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
			t.Fatal(err)
		}
		n, err := conn.Read(packet)
		if err != nil {
			t.Fatal(err)
		}
		codes = append(codes, packet[12:n]...)
	}
	return codes
}

package media

import (
	"encoding/binary"
	"encoding/hex"
	"math"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"pgregory.net/rapid"
)

// tones is the sum of sines, 0 dB being the whole of 16 bits.
func tones(rate, n int, amplitude float64, hz ...float64) []int16 {
	samples := make([]int16, n)
	for i := range samples {
		sum := 0.0
		for _, f := range hz {
			sum += amplitude * math.Sin(2*math.Pi*f*float64(i)/float64(rate))
		}
		samples[i] = int16(math.Round(sum))
	}
	return samples
}

// fit finds the sine of a frequency in samples and takes it out of rest.
func fit(rest []float64, rate int, hz float64) (amplitude float64) {
	var s, c float64
	for i, v := range rest {
		sin, cos := math.Sincos(2 * math.Pi * hz * float64(i) / float64(rate))
		s, c = s+v*sin, c+v*cos
	}
	s, c = 2*s/float64(len(rest)), 2*c/float64(len(rest))
	for i := range rest {
		sin, cos := math.Sincos(2 * math.Pi * hz * float64(i) / float64(rate))
		rest[i] -= s*sin + c*cos
	}
	return math.Hypot(s, c)
}

// quality compares samples with tones: each one's amplitude, and by how many
// dB all of them are above what else is there. The samples must hold whole
// periods.
func quality(samples []int16, rate int, hz ...float64) (amplitudes []float64, snr float64) {
	rest := make([]float64, len(samples))
	for i, s := range samples {
		rest[i] = float64(s)
	}
	signal, noise := 0.0, 1e-9
	for _, f := range hz {
		a := fit(rest, rate, f)
		amplitudes = append(amplitudes, a)
		signal += a * a / 2
	}
	for _, v := range rest {
		noise += v * v / float64(len(rest))
	}
	return amplitudes, 10 * math.Log10(signal/noise)
}

func decodeAll(t testing.TB, f Format, payloads ...[]byte) (samples []int16) {
	t.Helper()
	if !Understands(f) {
		t.Fatalf("%+v cannot be decoded", f)
	}
	decode := findCodec(f.Name).open(f)
	for _, p := range payloads {
		samples = decode(samples, p)
	}
	return samples
}

func linearBytes(samples []int16) (b []byte) {
	for _, s := range samples {
		b = binary.BigEndian.AppendUint16(b, uint16(s))
	}
	return b
}

func TestCodecTable(t *testing.T) {
	static := map[uint8]string{}
	for i := range codecs {
		c := &codecs[i]
		if c.name != strings.ToUpper(c.name) || findCodec(c.name) != c || findCodec(strings.ToLower(c.name)) != c {
			t.Errorf("%s: not found under its name", c.name)
		}
		if c.content == audio && c.units == nil && c.outside == nil {
			t.Errorf("%s: nobody knows how long a payload lasts", c.name)
		}
		for _, f := range c.static {
			if f.Name != c.name || static[f.Payload] != "" {
				t.Errorf("payload type %d is %s and %s", f.Payload, c.name, static[f.Payload])
			}
			static[f.Payload] = f.Name
		}
	}
	for f, want := range map[Format]bool{
		{Name: "pcmu", Clock: 8000}: true, {Name: "PCMA", Clock: 8000, Channels: 1}: true,
		{Name: "PCMU", Clock: 16000}: false, {Name: "PCMU", Clock: 8000, Channels: 2}: false,
		{Name: "G722", Clock: 8000}: true, {Name: "G722", Clock: 16000}: true, {Name: "G722", Clock: 48000}: false,
		{Name: "L16", Clock: 44100, Channels: 2}: true, {Name: "L16", Clock: 44100, Channels: 6}: false,
		{Name: "L16", Clock: 44101}: false, {Name: "L16", Clock: 96000}: true,
		{Name: "opus", Clock: 48000, Channels: 2}: true, {Name: "opus", Clock: 16000}: false,
		{Name: "CN", Clock: 16000}: true, {Name: "telephone-event", Clock: 48000}: true,
		{Name: "G729", Clock: 8000}: false, {Name: "RED", Clock: 8000}: false, {Name: "X", Clock: 8000}: false,
		{Name: "CN"}: false,
	} {
		if Understands(f) != want {
			t.Errorf("Understands(%+v) is %v", f, !want)
		}
	}
}

// Whatever comes, a decoder gives as many samples as the payload lasts.
func TestAnyPayloadHasItsLength(t *testing.T) {
	var formats []Format
	for i := range codecs {
		for _, clock := range []int{8000, 16000, 44100, 48000} {
			for channels := range 3 {
				if f := (Format{Name: codecs[i].name, Clock: clock, Channels: channels}); codecs[i].decodes(f) {
					formats = append(formats, f)
				}
			}
		}
	}
	rapid.Check(t, func(r *rapid.T) {
		f := rapid.SampledFrom(formats).Draw(r, "format")
		decode := findCodec(f.Name).open(f)
		for _, p := range rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 0, 400), 1, 5).Draw(r, "payloads") {
			checkLength(r, f, decode, p)
		}
	})
}

type failer interface {
	Helper()
	Fatalf(string, ...any)
}

func checkLength(t failer, f Format, decode decoder, payload []byte) {
	t.Helper()
	c := findCodec(f.Name)
	units := c.units(f, payload)
	if got, want := len(decode(nil, payload)), units*c.rate(f)/f.Clock; got != want || units < 0 {
		t.Fatalf("%s/%d/%d, %d bytes of %d units: %d samples, want %d", f.Name, f.Clock, f.Channels, len(payload), units, got, want)
	}
}

func TestLinear(t *testing.T) {
	want := tones(16000, 1600, 20000, 440)
	got := decodeAll(t, Format{Name: "L16", Clock: 16000}, linearBytes(want[:333]), linearBytes(want[333:]))
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("sample %d is %d, was %d", i, got[i], want[i])
		}
	}
	both := decodeAll(t, Format{Name: "L16", Clock: 48000, Channels: 2}, linearBytes([]int16{-32768, -32768, 100, 300, 32767, 32767, 7}))
	if len(both) != 3 || both[0] != -32768 || both[1] != 200 || both[2] != 32767 {
		t.Errorf("stereo became %v", both)
	}
}

// opusFixture are packets of one mode.
func opusFixture(t testing.TB, name string) (packets [][]byte) {
	t.Helper()
	archive, err := txtar.ParseFile("../testdata/codecs/opus.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range archive.Files {
		if file.Name != name {
			continue
		}
		for line := range strings.Lines(string(file.Data)) {
			b, err := hex.DecodeString(strings.TrimSpace(line))
			if err != nil {
				t.Fatal(err)
			}
			packets = append(packets, b)
		}
	}
	if len(packets) == 0 {
		t.Fatalf("no packets called %s", name)
	}
	return packets
}

// Packets of each mode, made by the reference encoder. What is missing from
// high figures is what the encoder left out.
func TestOpusModes(t *testing.T) {
	archive, err := txtar.ParseFile("../testdata/codecs/opus.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range archive.Files {
		t.Run(file.Name, func(t *testing.T) {
			packets, units := opusFixture(t, file.Name), 0
			for _, p := range packets {
				units += opusUnits(p)
			}
			got := decodeAll(t, Format{Name: "OPUS", Clock: 48000, Channels: 2}, packets...)
			if len(got) != units/3 || units < 19200 {
				t.Fatalf("%d samples of %d units", len(got), units)
			}
			hz, floor := []float64{300, 900}, 18.0
			if strings.Contains(file.Name, "stereo") {
				hz = hz[:1]
			}
			if strings.HasPrefix(file.Name, "celt") {
				floor = 26
			}
			a, snr := quality(got[2400:5600], opusRate, hz...)
			t.Logf("%.1f dB, amplitudes %.0f", snr, a)
			if snr < floor || math.Abs(a[0]-6000) > 500 || len(hz) > 1 && math.Abs(a[1]-3000) > 500 {
				t.Errorf("%.1f dB, amplitudes %.0f", snr, a)
			}
		})
	}
}

func TestOpusLengths(t *testing.T) {
	for packet, want := range map[string]int{
		"": 0, "00": 480, "08": 960, "10": 1920, "18": 2880, "60": 480, "68": 960, "80": 120, "88": 240, "90": 480, "98": 960,
		"09": 1920, "0901": 0, "090102": 1920, "0a": 0, "0a0101": 1920, "0a05": 0, "0afc": 0,
		"0b": 0, "0b00": 0, "0b03": 2880, "0b0301": 0, "0b030102aa": 2880, "0b83010102": 0, "0b830001aa": 2880,
		"0b4103aabbcc": 960, "0b4104aabbcc": 0, "0b41ff": 0, "0b07": 0, "0b06": 5760, "833f": 0, "8330": 5760,
		"08" + strings.Repeat("aa", 1275): 960, "08" + strings.Repeat("aa", 1276): 0,
	} {
		b, err := hex.DecodeString(packet)
		if err != nil {
			t.Fatal(err)
		}
		if got := opusUnits(b); got != want {
			t.Errorf("%.12s lasts %d, want %d", packet, got, want)
		}
	}
}

// FuzzCodec decodes two payloads of any format one after the other.
func FuzzCodec(f *testing.F) {
	formats := []Format{
		{Name: "PCMU", Clock: 8000}, {Name: "PCMA", Clock: 8000}, {Name: "G722", Clock: 8000}, {Name: "G722", Clock: 16000},
		{Name: "L16", Clock: 8000}, {Name: "L16", Clock: 44100, Channels: 2}, {Name: "OPUS", Clock: 48000, Channels: 2},
	}
	for i := range formats {
		f.Add(byte(i), []byte{0x0b, 0x41, 2, 1, 2, 3}, []byte{0x78, 1, 2, 3, 4, 5, 6, 7, 8, 9})
	}
	for _, mode := range []string{"silk-narrow-20", "silk-stereo-20", "silk-wide-60", "hybrid-10", "celt-2.5", "celt-stereo-20"} {
		packets := opusFixture(f, mode)
		f.Add(byte(len(formats)-1), packets[3], packets[4])
	}
	f.Fuzz(func(t *testing.T, which byte, first, second []byte) {
		format := formats[int(which)%len(formats)]
		if len(first)+len(second) > 65535 {
			return
		}
		decode := findCodec(format.Name).open(format)
		checkLength(t, format, decode, first)
		checkLength(t, format, decode, second)
	})
}

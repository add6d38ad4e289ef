package media

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pion/rtp"
	"pgregory.net/rapid"
)

// collect runs a stream to its end and returns its packets.
func collect(t testing.TB, c OutStream) ([]rtp.Packet, Sent) {
	t.Helper()
	o, err := newOutClock(c)
	if err != nil {
		t.Fatal(err)
	}
	var packets []rtp.Packet
	for !o.over() {
		o.next(func(b []byte) error {
			var p rtp.Packet
			if err := p.Unmarshal(bytes.Clone(b)); err != nil {
				t.Fatal(err)
			}
			packets = append(packets, p)
			return nil
		})
	}
	return packets, o.report()
}

func ramp(n int) *Clip {
	c := &Clip{Samples: make([]int16, n)}
	for i := range c.Samples {
		c.Samples[i] = int16(i*37%20000 - 10000)
	}
	return c
}

func TestSentAudioIsTheClip(t *testing.T) {
	clip := ramp(8000)
	packets, sent := collect(t, OutStream{Codec: "PCMA", Clip: clip, SSRC: 7, Seq: 65530, Timestamp: math.MaxUint32 - 800, Length: 1200 * time.Millisecond, Keep: true})
	if len(packets) != 60 || sent.Packets != 60 || sent.Bytes != 60*160 || sent.Events != 0 {
		t.Fatalf("%d packets, reported %+v", len(packets), sent)
	}
	var payload []byte
	for i, p := range packets {
		if p.SequenceNumber != uint16(65530+i) || p.Timestamp != uint32(math.MaxUint32-800+uint64(i)*160) || p.SSRC != 7 || p.PayloadType != 8 || p.Marker != (i == 0) {
			t.Fatalf("packet %d: %v", i, p.Header)
		}
		payload = append(payload, p.Payload...)
	}
	want := append(bytes.Clone(clip.encoded("PCMA")), bytes.Repeat([]byte{0xd5}, 1600)...)
	if !bytes.Equal(payload, want) || !bytes.Equal(sent.Audio, want) {
		t.Error("the payload is not the clip followed by silence")
	}
	if sent.SHA256 != fmt.Sprintf("%x", sha256.Sum256(want)) {
		t.Error("the digest is not that of the payload")
	}
}

func TestKeysAreTelephoneEvents(t *testing.T) {
	packets, sent := collect(t, OutStream{
		Codec: "PCMU", Clip: Tone(440), Timestamp: 1000, Length: 400 * time.Millisecond, EventPayload: 96, Keep: true,
		Presses: []KeyTone{{At: 200 * time.Millisecond, Digit: '1'}, {At: 40 * time.Millisecond, Digit: '*', Duration: 60 * time.Millisecond}},
	})
	var lines []string
	for _, p := range packets {
		if p.PayloadType == 96 {
			lines = append(lines, fmt.Sprintf("seq=%d ts=%d m=%t code=%d end=%t duration=%d", p.SequenceNumber, p.Timestamp, p.Marker,
				p.Payload[0], p.Payload[1]&0x80 != 0, binary.BigEndian.Uint16(p.Payload[2:])))
		}
	}
	want := `seq=2 ts=1320 m=true code=10 end=false duration=160
seq=3 ts=1320 m=false code=10 end=false duration=320
seq=4 ts=1320 m=false code=10 end=true duration=480
seq=5 ts=1320 m=false code=10 end=true duration=480
seq=6 ts=1320 m=false code=10 end=true duration=480
seq=12 ts=2600 m=true code=1 end=false duration=160
seq=13 ts=2600 m=false code=1 end=false duration=320
seq=14 ts=2600 m=false code=1 end=false duration=480
seq=15 ts=2600 m=false code=1 end=false duration=640
seq=16 ts=2600 m=false code=1 end=true duration=800
seq=17 ts=2600 m=false code=1 end=true duration=800
seq=18 ts=2600 m=false code=1 end=true duration=800`
	if got := strings.Join(lines, "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if sent.Events != 12 || sent.Packets != 12+12 || len(sent.Audio) != 3200 {
		t.Errorf("%d events of %d packets, %d samples", sent.Events, sent.Packets, len(sent.Audio))
	}
	if after := packets[7]; !after.Marker || after.Timestamp != 1000+5*160 {
		t.Errorf("the first audio after a key: %v", after.Header)
	}
}

// However keys and pauses fall, sequence numbers have no hole and the audio
// clock never stops.
func TestSenderClockHoldsWhateverHappens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ptime := time.Duration(rapid.SampledFrom([]int{10, 20, 30, 40, 60}).Draw(t, "ptime")) * time.Millisecond
		c := OutStream{Codec: "PCMU", Clip: ramp(4000), Ptime: ptime, Seq: 65500, Keep: true}
		at := time.Duration(0)
		for range rapid.IntRange(0, 4).Draw(t, "keys") {
			at += time.Duration(rapid.IntRange(0, 300).Draw(t, "wait")) * time.Millisecond
			hold := time.Duration(rapid.IntRange(1, 200).Draw(t, "hold")) * time.Millisecond
			c.Presses = append(c.Presses, KeyTone{At: at, Digit: '5', Duration: hold})
			at += hold + 2*ptime
		}
		o, err := newOutClock(c)
		if err != nil {
			t.Fatal(err)
		}
		want := c.Seq
		for step := range 100 {
			if rapid.IntRange(0, 9).Draw(t, "toggle") == 0 {
				o.pause(!o.paused)
			}
			o.next(func(b []byte) error {
				if got := binary.BigEndian.Uint16(b[2:]); got != want {
					t.Fatalf("step %d: sequence number %d, want %d", step, got, want)
				}
				want++
				if b[1]&0x7f == 0 && binary.BigEndian.Uint32(b[4:]) != uint32(step*o.units) {
					t.Fatalf("step %d: timestamp %d", step, binary.BigEndian.Uint32(b[4:]))
				}
				return nil
			})
		}
		if got := o.report(); len(got.Audio) != 100*o.units || got.Packets != int64(want-c.Seq) {
			t.Fatalf("%d samples, %d packets", len(got.Audio), got.Packets)
		}
	})
}

func TestSenderRefuses(t *testing.T) {
	for name, c := range map[string]OutStream{
		"codec":    {Codec: "G729"},
		"ptime":    {Codec: "PCMU", Ptime: 1500 * time.Microsecond},
		"key":      {Codec: "PCMU", Presses: []KeyTone{{Digit: 'x'}}},
		"two keys": {Codec: "PCMU", Presses: []KeyTone{{Digit: '1'}, {Digit: '2', At: 50 * time.Millisecond}}},
	} {
		if _, err := newOutClock(c); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func localSocket(t testing.TB) (*net.UDPConn, netip.AddrPort) {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn, conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

func TestSenderPaces(t *testing.T) {
	from, _ := localSocket(t)
	here, to := localSocket(t)
	s := NewSender(false)
	defer s.Close()
	begin := time.Now()
	outs, err := s.AddTogether(
		OutStream{Conn: from, To: to, Codec: "PCMU", SSRC: 1, Length: 300 * time.Millisecond},
		OutStream{Conn: from, To: to, Codec: "PCMA", SSRC: 2, Length: 200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	counts := map[uint32]int{}
	buf := make([]byte, 1500)
	for range 25 {
		here.SetReadDeadline(time.Now().Add(5 * time.Second))
		n, err := here.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		if n != 172 {
			t.Fatalf("%d bytes", n)
		}
		counts[binary.BigEndian.Uint32(buf[8:])]++
	}
	if took := time.Since(begin); took < 280*time.Millisecond {
		t.Errorf("15 packets of 20 ms left within %v", took)
	}
	<-outs[0].Done()
	<-outs[1].Done()
	if counts[1] != 15 || counts[2] != 10 || outs[0].Stop().Packets != 15 || outs[1].Sent().Packets != 10 {
		t.Errorf("arrived %v", counts)
	}
}

func TestSenderStopsAndCloses(t *testing.T) {
	from, to := localSocket(t)
	s := NewSender(true)
	endless, err := s.Add(OutStream{Conn: from, To: to, Codec: "PCMU"})
	if err != nil {
		t.Fatal(err)
	}
	quick, err := s.Add(OutStream{Conn: from, To: to, Codec: "PCMU", Length: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	<-quick.Done()
	if n := quick.Sent(); n.Packets+n.Unsent != 500 {
		t.Errorf("%d packets in ten seconds of audio", n.Packets)
	}
	endless.Stop()
	<-endless.Done()
	left, err := s.Add(OutStream{Conn: from, To: to, Codec: "PCMU"})
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	<-left.Done()
	if _, err := s.Add(OutStream{Conn: from, To: to, Codec: "PCMU"}); err == nil {
		t.Error("a closed sender took a stream")
	}
}

func TestSendingAllocatesNothing(t *testing.T) {
	o, err := newOutClock(OutStream{Codec: "PCMU", Clip: Tone(1000)})
	if err != nil {
		t.Fatal(err)
	}
	send := func([]byte) error { return nil }
	if n := testing.AllocsPerRun(100, func() { o.next(send) }); n > 0 {
		t.Errorf("%v allocations per packet", n)
	}
}

// wav builds a file; tag 1 is PCM, 6 A-law, 7 µ-law.
func wav(tag, channels, rate, bits int, data []byte) []byte {
	b := []byte("RIFF\x00\x00\x00\x00WAVELIST\x03\x00\x00\x00abc\x00fmt \x10\x00\x00\x00")
	b = binary.LittleEndian.AppendUint16(b, uint16(tag))
	b = binary.LittleEndian.AppendUint16(b, uint16(channels))
	b = binary.LittleEndian.AppendUint32(b, uint32(rate))
	b = binary.LittleEndian.AppendUint32(b, uint32(rate*channels*bits/8))
	b = binary.LittleEndian.AppendUint16(b, uint16(channels*bits/8))
	b = binary.LittleEndian.AppendUint16(b, uint16(bits))
	b = append(b, "data\xff\xff\xff\xff"...) // a stream's size: unknown
	return append(b, data...)
}

func loadBytes(t *testing.T, name string, b []byte) (*Clip, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return LoadClip(path)
}

func TestClipFromWAV(t *testing.T) {
	stereo := []byte{100, 0, 200, 0, 0x9c, 0xff, 0x38, 0xff} // 100 200 -100 -200
	c, err := loadBytes(t, "s.wav", wav(1, 2, 8000, 16, stereo))
	if err != nil || len(c.Samples) != 2 || c.Samples[0] != 150 || c.Samples[1] != -150 {
		t.Errorf("stereo PCM: %v, %v", c, err)
	}
	// 0x7f is a second zero of µ-law: it survives only when the bytes are kept.
	codes := []byte{0x7f, 0x00, 0x80, 0x12}
	c, err = loadBytes(t, "u.wav", wav(7, 1, 8000, 8, codes))
	if err != nil || !bytes.Equal(c.encoded("PCMU"), codes) || c.Samples[1] != -32124 {
		t.Errorf("µ-law: %v, %v", c, err)
	}
	if len(c.encoded("PCMA")) != 4 {
		t.Error("µ-law file as A-law")
	}
	for name, b := range map[string][]byte{
		"24 bit":  wav(1, 1, 8000, 24, stereo),
		"no data": []byte("RIFF\x00\x00\x00\x00WAVE"),
		"nothing": {},
		"text":    []byte("hello"),
	} {
		if _, err := loadBytes(t, "x.wav", b); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestClipIsResampled(t *testing.T) {
	for _, rate := range []int{11025, 16000, 44100, 48000} {
		var data []byte
		for i := range rate { // 1,000 Hz to keep and 5,000 Hz to lose
			at := 2 * math.Pi * float64(i) / float64(rate)
			data = binary.LittleEndian.AppendUint16(data, uint16(int16(8000*math.Sin(1000*at)+8000*math.Sin(5000*at))))
		}
		c, err := loadBytes(t, "r.wav", wav(1, 1, rate, 16, data))
		if err != nil || len(c.Samples) != 8000 {
			t.Fatalf("%d Hz: %v", rate, err)
		}
		worst := 0.0
		for i := 400; i < 7600; i++ { // the ends lack neighbours
			want := 8000 * math.Sin(2*math.Pi*1000*float64(i)/8000)
			worst = max(worst, math.Abs(float64(c.Samples[i])-want))
		}
		if worst > 80 {
			t.Errorf("%d Hz: off by up to %.0f of 8000", rate, worst)
		}
	}
}

// A frame whose side information is all zero is silence.
func silentMP3(header [4]byte, size, frames int) []byte {
	frame := make([]byte, size)
	copy(frame, header[:])
	return bytes.Repeat(frame, frames)
}

func TestClipFromMP3(t *testing.T) {
	c, err := loadBytes(t, "a.mp3", silentMP3([4]byte{0xff, 0xfb, 0x90, 0x64}, 417, 50)) // MPEG 1, 128 kbit/s, 44.1 kHz
	if err != nil {
		t.Fatal(err)
	}
	if seconds := float64(len(c.Samples)) / 8000; seconds < 1.2 || seconds > 1.35 {
		t.Errorf("50 frames of 26 ms became %.2f s", seconds)
	}
	_, err = loadBytes(t, "b.mp3", silentMP3([4]byte{0xff, 0xe3, 0x28, 0xc4}, 72, 50)) // MPEG 2.5, 8 kHz
	if err == nil || !strings.Contains(err.Error(), "MPEG 2.5") {
		t.Errorf("8 kHz MP3: %v", err)
	}
}

func TestClipByName(t *testing.T) {
	for _, name := range []string{"tone:0", "tone:4000", "tone:a", "no/such/file.wav"} {
		if _, err := LoadClip(name); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	c, err := LoadClip("tone:1000")
	if err != nil || !c.Loop || c.Samples[2] != 8192 {
		t.Errorf("tone: %v, %v", c, err)
	}
	if c, err := LoadClip("silence"); err != nil || len(c.Samples) > 0 {
		t.Errorf("silence: %v, %v", c, err)
	}
}

// What is sent of a clip at 16 kHz is heard as it is there, over the end of its
// loop too.
func TestWidebandIsSent(t *testing.T) {
	for codec, c := range map[string]struct {
		format Format
		least  float64
	}{"G722": {Format{Payload: 9, Name: "G722", Clock: 8000}, 38}, "L16": {Format{Payload: 96, Name: "L16", Clock: 16000}, 70}} {
		o, err := newOutClock(OutStream{Codec: codec, Clip: Tone(3000), Timestamp: 4_000_000_000, Ptime: 30 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		var heard []int16
		decode := findCodec(codec).open(c.format)
		for n := range 100 {
			o.next(func(b []byte) error {
				if b[1]&0x7f != c.format.Payload || binary.BigEndian.Uint32(b[4:]) != uint32(4_000_000_000+30*n*c.format.Clock/1000) {
					t.Fatalf("%s: packet %d begins % x", codec, n, b[:12])
				}
				heard = decode(heard, b[12:])
				return nil
			})
		}
		if a, snr := quality(heard[16000:], wideRate, 3000); len(heard) != 48000 || snr < c.least || math.Abs(a[0]-8192) > 60 {
			t.Errorf("%s: %d samples, %.1f dB, amplitude %.0f", codec, len(heard), snr, a[0])
		}
	}
}

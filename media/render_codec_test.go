package media

import (
	"bytes"
	"errors"
	"io"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/mewkiz/flac"
)

var codecFormats = []Format{
	{Payload: 0, Name: "PCMU", Clock: 8000}, {Payload: 8, Name: "PCMA", Clock: 8000}, {Payload: 9, Name: "G722", Clock: 8000},
	{Payload: 13, Name: "CN", Clock: 8000},
	{Payload: 96, Name: "L16", Clock: 8000}, {Payload: 97, Name: "L16", Clock: 16000}, {Payload: 98, Name: "L16", Clock: 44100},
	{Payload: 99, Name: "L16", Clock: 48000, Channels: 2}, {Payload: 111, Name: "OPUS", Clock: 48000, Channels: 2},
}

// speaker sends a tone that never stops, whatever codec and packet time it
// changes to.
type speaker struct {
	s     *script
	hz    float64
	at    float64 // seconds spoken
	seq   uint16
	stamp uint32
	g722  *g722Encoder
}

// say sends packets of so many samples.
func (k *speaker) say(pt uint8, packets, samples int) {
	f := codecFormats[0]
	for _, c := range codecFormats {
		if c.Payload == pt {
			f = c
		}
	}
	rate := f.Clock
	if f.Name == "G722" {
		rate = 16000
	}
	for range packets {
		pcm := make([]int16, samples)
		for i := range pcm {
			pcm[i] = int16(math.Round(8000 * math.Sin(2*math.Pi*k.hz*(k.at+float64(i)/float64(rate)))))
		}
		var payload []byte
		units := samples
		switch f.Name {
		case "PCMU", "PCMA":
			encode := map[string]func(int16) byte{"PCMU": EncodeULaw, "PCMA": EncodeALaw}[f.Name]
			for _, v := range pcm {
				payload = append(payload, encode(v))
			}
		case "G722":
			payload, units = k.g722.encode(nil, pcm), samples/2
		case "L16":
			for _, v := range pcm {
				payload = append(payload, linearBytes([]int16{v})...)
				if f.Channels == 2 {
					payload = append(payload, linearBytes([]int16{v})...)
				}
			}
		}
		k.at += float64(samples) / float64(rate)
		k.s.add(KindPacket, int64(k.at*nanos), 0, rtpOf(pt, k.seq, k.stamp, 5, payload))
		k.seq++
		k.stamp += uint32(units)
	}
}

// listen renders a tape to what is heard on its left.
func listen(t *testing.T, s *script) (Facts, []int16) {
	t.Helper()
	r, err := Measure(s.tape())
	if err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	if _, err := r.WriteTo(&file); err != nil {
		t.Fatal(err)
	}
	if f := r.Facts; f.Container != "flac" || f.Rate != 16000 || !f.Lossy {
		t.Fatalf("facts: %+v", f)
	}
	in, err := flac.New(&file)
	if err != nil {
		t.Fatal(err)
	}
	var samples []int16
	for {
		f, err := in.ParseNext()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range f.Subframes[0].Samples {
			samples = append(samples, int16(v))
		}
	}
	if int64(len(samples)) != r.Facts.Frames {
		t.Fatalf("%d samples in the file, facts say %d", len(samples), r.Facts.Frames)
	}
	return r.Facts, samples
}

func wideband(t *testing.T) *script {
	t.Helper()
	s := &script{}
	s.add(KindStart, 0, 0, Start{Version: 1})
	s.add(KindGate, 0, 0, GateMove{Open: true, Why: "full"})
	s.add(KindLine, 0, 0, LineSpec{Label: "1", Ours: true, Receiving: true, Formats: codecFormats})
	return s
}

// Each codec alone: 2 s of a tone, its level, place and noise. Packets of 350
// samples fit no frame of the placing grid.
func TestEachCodecIsHeard(t *testing.T) {
	for name, c := range map[string]struct {
		pt              uint8
		packets, length int
		least           float64 // dB
	}{
		"G722": {9, 100, 320, 50}, "G722 of 10 ms": {9, 200, 160, 50},
		"L16 at 8 kHz": {96, 100, 160, 75}, "L16 at 16 kHz": {97, 100, 320, 75}, "L16 at 16 kHz, odd": {97, 91, 351, 75},
		"L16 at 44.1 kHz": {98, 100, 882, 75}, "L16 at 44.1 kHz, odd": {98, 251, 350, 75}, "L16 at 48 kHz, stereo": {99, 100, 960, 75},
	} {
		t.Run(name, func(t *testing.T) {
			s := wideband(t)
			k := &speaker{s: s, hz: 500, g722: newG722Encoder()}
			k.say(c.pt, c.packets, c.length)
			f, heard := listen(t, s.end(int64(k.at*nanos)))
			a, snr := quality(heard[3200:28800], 16000, 500)
			t.Logf("%.1f dB, amplitude %.0f of 8000, gaps %q", snr, a[0], gapsOf(f, 0))
			if snr < c.least || math.Abs(a[0]-8000) > 20 || gapsOf(f, 0) != "" || len(f.Notes) > 0 {
				t.Errorf("%.1f dB, amplitude %.0f, gaps %s, notes %q", snr, a[0], gapsOf(f, 0), f.Notes)
			}
			if f.Streams[0].Codec != strings.Fields(name)[0] || math.Abs(float64(f.Frames)-16000*k.at) > 1 {
				t.Errorf("codec %s, %d frames", f.Streams[0].Codec, f.Frames)
			}
		})
	}
}

// The codec changes packet by packet within a stream, the clock with it, and
// nothing is lost: the tone goes on.
func TestCodecsChangeWithinAStream(t *testing.T) {
	s := wideband(t)
	k := &speaker{s: s, hz: 500, g722: newG722Encoder()}
	for range 3 {
		k.say(0, 25, 160)
		k.say(97, 25, 320)
		k.say(8, 25, 160)
		k.say(99, 25, 960)
		k.say(96, 25, 160)
		k.say(98, 25, 882)
	}
	f, heard := listen(t, s.end(int64(k.at*nanos)))
	if gapsOf(f, 0) != "" || f.Streams[0].Lost != 0 || f.Streams[0].Late != 0 || f.Frames != 9*16000 {
		t.Errorf("%d frames, gaps %s, %+v", f.Frames, gapsOf(f, 0), f.Streams[0])
	}
	for from := 1600; from+8000 < len(heard); from += 4000 {
		a, snr := quality(heard[from:from+8000], 16000, 500)
		if snr < 25 || math.Abs(a[0]-8000) > 100 {
			t.Errorf("at %.2f s: %.1f dB, amplitude %.0f", float64(from)/16000, snr, a[0])
		}
	}
}

// Comfort noise between wideband packets, its clock announced as 8,000 Hz: the
// pause is the sender's own.
func TestComfortNoiseOfAnotherClock(t *testing.T) {
	s := wideband(t)
	k := &speaker{s: s, hz: 500}
	k.say(97, 50, 320)
	s.add(KindPacket, 1_020_000_000, 0, rtpOf(13, k.seq, k.stamp, 5, []byte{60}))
	k.seq, k.stamp, k.at = k.seq+1, k.stamp+8000, k.at+0.5
	k.say(97, 50, 320)
	f, heard := listen(t, s.end(2_500_000_000))
	if got := gapsOf(f, 0); got != "1-1.5 dtx\n" || f.Streams[0].Lost != 0 {
		t.Errorf("lost %d, gaps %s", f.Streams[0].Lost, got)
	}
	if _, snr := quality(heard[24320:39680], 16000, 500); snr < 80 || slices.Max(heard[16960:23920]) != 0 {
		t.Errorf("%.1f dB, %d in the pause", snr, slices.Max(heard[16960:23920]))
	}
}

// Two senders on one line have a decoder each.
func TestDecodersBelongToSenders(t *testing.T) {
	s := wideband(t)
	high, low := newG722Encoder(), newG722Encoder()
	loud, soft := tones(16000, 32000, 12000, 800), tones(16000, 32000, 500, 800)
	for n := range 100 {
		enc, pcm, ssrc := high, loud, uint32(1)
		if n%2 == 1 {
			enc, pcm, ssrc = low, soft, 2
		}
		payload := enc.encode(nil, pcm[320*(n/2):][:320])
		s.add(KindPacket, int64(n+1)*20_000_000, 0, rtpOf(9, uint16(n/2), uint32(160*n), ssrc, payload))
	}
	_, heard := listen(t, s.end(2*nanos))
	for n := 20; n < 100; n++ {
		want := []float64{12000, 500}[n%2]
		// The filters carry 22 samples of one packet into the next.
		if a, _ := quality(heard[320*n+40:][:280], 16000, 800); math.Abs(a[0]-want) > want/10 {
			t.Errorf("packet %d: amplitude %.0f, want %.0f", n, a[0], want)
		}
	}
}

// Opus that stops sending says so, and what is no Opus leaves a gap.
func TestOpusRestsAndBreaks(t *testing.T) {
	packets := opusFixture(t, "silk-narrow-20")
	s := wideband(t)
	stamp, seq := uint32(0), uint16(0)
	send := func(from int64, payload []byte) {
		s.add(KindPacket, from*20_000_000+20_000_000, 0, rtpOf(111, seq, uint32(from*960)+stamp, 9, payload))
		seq++
	}
	for n := range int64(10) {
		send(n, packets[n])
	}
	send(10, []byte{packets[0][0]}) // nothing to say for 400 ms
	send(30, []byte{packets[0][0]})
	for n := int64(50); n < 60; n++ {
		send(n, packets[n-40])
	}
	for n := int64(60); n < 65; n++ {
		send(n, []byte{0x7B, 0, 1})
	}
	for n := int64(65); n < 70; n++ {
		send(n, packets[10])
	}
	f, heard := listen(t, s.end(1_400_000_000))
	if got, want := gapsOf(f, 0), "0.22-0.6 dtx\n0.62-1 dtx\n1.2-1.3 undecodable\n"; got != want || f.Streams[0].Lost != 0 {
		t.Errorf("gaps:\n%s", got)
	}
	if len(f.Notes) != 1 || !strings.Contains(f.Notes[0], "5 packets are not valid OPUS") {
		t.Errorf("notes %q", f.Notes)
	}
	for _, quiet := range [][2]int{{4480, 9500}, {10880, 15900}, {20160, 20700}} {
		for i, v := range heard[quiet[0]:quiet[1]] {
			if v != 0 {
				t.Fatalf("sample %d is %d", quiet[0]+i, v)
			}
		}
	}
}

// Between rates nothing is added and nothing folded back.
func TestResampler(t *testing.T) {
	for rate, hz := range map[int][]float64{
		8000: {100, 1000, 3000, 3500}, 11025: {100, 4000}, 24000: {100, 3000, 6900}, 32000: {1000, 6900},
		44100: {100, 1000, 3000, 6900}, 48000: {100, 1000, 3000, 6900}, 96000: {1000, 6900},
	} {
		r := newResampler(rate)
		for _, f := range hz {
			out := resampled(r, tones(rate, rate, 16000, f))
			if a, snr := quality(out[1600:14400], 16000, f); snr < 75 || math.Abs(a[0]-16000) > 40 {
				t.Errorf("%d Hz, %.0f Hz: %.1f dB, amplitude %.0f", rate, f, snr, a[0])
			}
		}
		for f := 8050.0; f < float64(rate)/2; f += 1500 {
			out := resampled(r, tones(rate, rate, 16000, f))
			for i, v := range out[1600:14400] {
				if v > 4 || v < -4 {
					t.Errorf("%d Hz: %.0f Hz leaves %d at %d", rate, f, v, i)
					break
				}
			}
		}
	}
}

func resampled(r *resampler, in []int16) []int16 {
	mix := make([]int, 16000)
	first, n := r.span(0, len(mix))
	around := make([]int16, n)
	for i := range around {
		if j := first + int64(i); j >= 0 && j < int64(len(in)) {
			around[i] = in[j]
		}
	}
	r.add(mix, 0, around)
	out := make([]int16, len(mix))
	for i, v := range mix {
		out[i] = clip16(v)
	}
	return out
}

// A re-INVITE names another codec by another payload type. What is under way of
// the first one still counts.
func TestReinviteChangesTheCodec(t *testing.T) {
	tape := &testTape{}
	p := NewPath(PathConfig{Sink: tape.sink(), Mode: ModeFull})
	p.Append(KindStart, callAt, 0, []byte(`{"version":1}`))
	spec := LineSpec{Ours: true, Source: srcAddr, Receiving: true, Formats: []Format{{Payload: 97, Name: "L16", Clock: 16000}}}
	p.SetLine(0, callAt, spec)
	send := func(n int, pt uint8, payload []byte) {
		p.Packet(0, false, callAt+int64(n+1)*20*ms, srcAddr, rtpBytes(pt, uint16(n), uint32(n*320), voiceID, payload))
	}
	sound := tones(16000, 32000, 8000, 500)
	for n := range 50 {
		send(n, 97, linearBytes(sound[320*n:][:320]))
	}
	spec.Formats = []Format{{Payload: 98, Name: "L16", Clock: 16000, Channels: 2}}
	p.SetLine(0, callAt+1000*ms+1, spec)
	for n := 50; n < 55; n++ {
		send(n, 97, linearBytes(sound[320*n:][:320]))
	}
	for n := 55; n < 100; n++ {
		var both []int16
		for _, v := range sound[320*n:][:320] {
			both = append(both, v, v)
		}
		send(n, 98, linearBytes(both))
	}
	if err := p.Finish(callAt + 2000*ms); err != nil {
		t.Fatal(err)
	}
	s := &script{}
	for _, r := range tape.records {
		s.records = append(s.records, Record{Kind: r.Kind, At: r.At, Line: uint16(r.Line), Data: r.Data})
	}
	f, heard := listen(t, s)
	if _, snr := quality(heard[1600:30400], 16000, 500); snr < 80 || gapsOf(f, 0) != "" || f.Streams[0].Refused > 0 {
		t.Errorf("%.1f dB, gaps %s, %+v, notes %q", snr, gapsOf(f, 0), f.Streams[0], f.Notes)
	}
}

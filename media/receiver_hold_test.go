package media

import (
	"testing"
	"time"
)

// What fits into a buffer as Linux counts: 832 bytes for the shortest packet by
// loopback and 2,304 by a network card, for longer ones a block of 4,096 each.
func TestHoldLimit(t *testing.T) {
	const stock = 425_984 // SO_RCVBUF where nobody raised net.core.rmem_max
	wide := func(clock, channels int) []Format {
		return []Format{{Payload: 0, Name: "PCMU", Clock: 8000}, {Payload: 96, Name: "L16", Clock: clock, Channels: channels}}
	}
	for _, c := range []struct {
		name    string
		buffer  int
		formats []Format
		ptime   time.Duration
		want    time.Duration
	}{
		{"G.711", stock, g711, 20 * time.Millisecond, 92 * 20 * time.Millisecond},
		{"G.711, no ptime", stock, g711, 0, 92 * 10 * time.Millisecond},
		{"G.711, a larger buffer", 2 * stock, g711, 0, 184 * 10 * time.Millisecond},
		{"G.711, 200 ms", stock, g711, 200 * time.Millisecond, 48 * 200 * time.Millisecond},
		{"L16 16 kHz", stock, wide(16000, 1), 20 * time.Millisecond, 92 * 20 * time.Millisecond},
		{"L16 48 kHz", stock, wide(48000, 1), 20 * time.Millisecond, 48 * 20 * time.Millisecond},
		{"L16 48 kHz stereo", stock, wide(48000, 2), 20 * time.Millisecond, 25 * 20 * time.Millisecond},
		{"Opus", stock, []Format{{Payload: 111, Name: "OPUS", Clock: 48000, Channels: 2}}, 0, 92 * 10 * time.Millisecond},
		{"Opus, 2.5 ms", stock, []Format{{Payload: 111, Name: "OPUS", Clock: 48000, Channels: 2}}, 2500 * time.Microsecond, 92 * 2500 * time.Microsecond},
		{"no format", stock, nil, 20 * time.Millisecond, 92 * 20 * time.Millisecond},
		{"hardly a buffer", 4096, g711, 0, 0},
	} {
		if got := holdLimit(c.buffer, c.formats, c.ptime); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// A hold as long as the limit loses nothing: the buffer takes what the offer
// announces, and as much again.
func TestHoldToItsLimitLosesNothing(t *testing.T) {
	if !tickDrained {
		t.Skip("the size of a socket buffer cannot be read on this system")
	}
	for _, c := range []struct {
		formats []Format
		bytes   int // of a payload
		ptime   time.Duration
	}{
		{g711, 160, 20 * time.Millisecond}, {g711, 80, 0}, {g711, 1600, 200 * time.Millisecond},
		{[]Format{{Payload: pcmu, Name: "L16", Clock: 48000}}, 1920, 20 * time.Millisecond},
	} {
		r := newTestReceiver(t, ReceiverConfig{Tick: time.Hour, ReadBuffer: 100_000})
		p, _ := newLivePath(ModeFull)
		in := r.Open(p, loopback)
		src := testSender(t)
		to := addLine(t, p, in, 0, src)
		in.Hold(true)
		step := c.ptime
		if step == 0 {
			step = shortestPtime
		}
		sent := int64(2 * in.HoldLimit(0, c.formats, c.ptime) / step)
		for i := range sent {
			send(t, src, to, rtpBytes(pcmu, uint16(i), uint32(i), voiceID, make([]byte, c.bytes)))
		}
		in.Close()
		if n := p.Counts()[0]; sent == 0 || n.Received != sent || n.KernelDrops != 0 {
			t.Errorf("%d bytes every %v: %+v of %d", c.bytes, step, n, sent)
		}
	}
}

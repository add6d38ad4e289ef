package media

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"net"
	"net/netip"
	"sort"
	"strings"
	"time"
)

// OutStream says what a Sender sends to one destination. The RTP clock is
// 8,000 Hz, of L16 16,000 Hz.
type OutStream struct {
	Conn  *net.UDPConn   // the socket to send from; it stays its owner's
	To    netip.AddrPort // where to; see also Out.Aim
	Codec string         // "PCMU", "PCMA", "G722", or "L16" (16 kHz, mono)
	Clip  *Clip          // nil is silence; a clip that ends is followed by silence
	Ptime time.Duration  // audio per packet, whole milliseconds, 1-200 ms; 0: 20 ms

	Presses      []KeyTone // in any order; they must not overlap
	Payload      uint8     // payload type of the audio; 0: the codec's own, 96 for L16
	EventPayload uint8     // payload type of telephone-event (RFC 4733); 0: 101

	SSRC      uint32 // of every packet
	Seq       uint16 // of the first packet
	Timestamp uint32 // of the first packet

	SRTP *MasterKey // what to encrypt with; nil: sent in clear. See also Out.Rekey

	Delay  time.Duration // of the first packet, from when the stream is added
	Length time.Duration // after which the stream ends by itself; 0: when stopped
	Paused bool          // begins paused, see Out.Pause
	Keep   bool          // fill Sent.Audio
}

// KeyTone is one key pressed, in place of the audio.
type KeyTone struct {
	At       time.Duration // from the beginning of the stream
	Digit    byte          // '0'-'9', '*', '#', 'A'-'D'
	Duration time.Duration // 0: 100 ms
}

// Sent is what has left on one stream.
type Sent struct {
	SSRC           uint32    `json:"ssrc"`
	FirstSeq       uint16    `json:"first_seq"`
	FirstTimestamp uint32    `json:"first_timestamp"`
	FirstAt        time.Time `json:"first_at"`
	Packets        int64     `json:"packets"` // audio and events together
	Events         int64     `json:"events"`  // telephone-event packets among them
	Bytes          int64     `json:"bytes"`   // audio payload
	SHA256         string    `json:"sha256"`  // of the audio payload bytes in order, hexadecimal
	Unsent         int64     `json:"unsent"`  // packets the operating system refused
	// Audio is the payload on the stream's own clock: position n is the byte
	// with timestamp FirstTimestamp+n, of L16 two bytes; silence where a key or
	// a pause was.
	Audio []byte `json:"-"`
}

const (
	senderRate = 8000  // Hz
	wideRate   = 16000 // Hz, of G.722 and L16
)

// outClock makes the packets of one OutStream in order. It has no socket and
// no clock of its own: step n is at n times the packet time.
type outClock struct {
	c       OutStream
	audio   []byte // the encoded clip; nil for a codec whose bytes depend on those before
	encoder *g722Encoder
	wide    []int16 // the clip, with an encoder
	pcm     []int16 // of one packet
	loop    bool
	silence byte
	payload uint8
	unit    int // bytes
	units   int // of the RTP clock, per packet
	presses []press

	step   int64 // the next one
	seq    uint16
	rolled uint64   // how often seq did
	index  uint64   // of the packet whose header was written last
	key    *srtpKey // nil: in clear
	sealed []byte
	marker bool // on the next audio packet: a talkspurt begins (RFC 3551 section 4.1)
	paused bool
	sent   Sent
	sum    hash.Hash
	buf    []byte
}

// press is a KeyTone in steps.
type press struct {
	from, until int64 // the steps it takes: from <= step < until
	code        byte
}

// eventEnds is how often the last packet of an event is sent (RFC 4733 section 2.5.1.4).
const eventEnds = 3

func newOutClock(c OutStream) (*outClock, error) {
	if c.Ptime == 0 {
		c.Ptime = 20 * time.Millisecond
	}
	if c.Ptime%time.Millisecond != 0 || c.Ptime < time.Millisecond || c.Ptime > 200*time.Millisecond {
		return nil, fmt.Errorf("packet time %v: whole milliseconds from 1ms to 200ms are possible", c.Ptime)
	}
	if c.EventPayload == 0 {
		c.EventPayload = 101
	}
	if c.Clip == nil {
		c.Clip = Silence()
	}
	o := &outClock{c: c, seq: c.Seq, marker: true, sum: sha256.New(), loop: c.Clip.Loop, paused: c.Paused}
	if err := o.choose(); err != nil {
		return nil, err
	}
	o.buf = make([]byte, 12+max(o.units*o.unit, 4))
	o.sent = Sent{SSRC: c.SSRC, FirstSeq: c.Seq, FirstTimestamp: c.Timestamp}
	if err := o.rekey(c.SRTP); err != nil {
		return nil, err
	}
	return o, o.plan(c.Presses)
}

// choose prepares the clip in the stream's codec.
func (o *outClock) choose() error {
	clock := senderRate
	o.unit = 1
	switch o.c.Codec {
	case "PCMU":
		o.payload, o.silence = 0, 0xff
	case "PCMA":
		o.payload, o.silence = 8, 0xd5
	case "G722":
		o.payload, o.silence = 9, 0xfa
		o.encoder, o.wide = newG722Encoder(), o.c.Clip.wideband()
	case "L16":
		o.payload, o.unit, clock = 96, 2, wideRate
	default:
		return fmt.Errorf("codec %q: PCMU, PCMA, G722 and L16 can be sent", o.c.Codec)
	}
	if o.c.Payload != 0 {
		o.payload = o.c.Payload
	}
	o.units = int(o.c.Ptime/time.Millisecond) * clock / 1000
	if o.encoder == nil {
		o.audio = o.c.Clip.encoded(o.c.Codec)
	} else {
		o.pcm = make([]int16, 2*o.units)
	}
	return nil
}

func (o *outClock) rekey(master *MasterKey) (err error) {
	o.key = nil
	if master != nil {
		o.key, err = newSRTPKey(*master)
	}
	return err
}

// plan turns key presses into steps. A press takes two steps at least, so that
// its duration is seen to grow.
func (o *outClock) plan(tones []KeyTone) error {
	for _, t := range tones {
		code := strings.IndexByte("0123456789*#ABCD", t.Digit)
		if code < 0 {
			return fmt.Errorf("key %q: 0-9, *, # and A-D can be pressed", t.Digit)
		}
		if t.Duration == 0 {
			t.Duration = 100 * time.Millisecond
		}
		from := int64(t.At / o.c.Ptime)
		o.presses = append(o.presses, press{from, from + max(int64(t.Duration/o.c.Ptime), 2), byte(code)})
	}
	sort.SliceStable(o.presses, func(i, j int) bool { return o.presses[i].from < o.presses[j].from })
	for i := 1; i < len(o.presses); i++ {
		if o.presses[i].from < o.presses[i-1].until {
			return errors.New("two keys are pressed at the same time on one line")
		}
	}
	return nil
}

// over reports whether the stream has reached its length.
func (o *outClock) over() bool {
	return o.c.Length > 0 && time.Duration(o.step)*o.c.Ptime >= o.c.Length
}

// next hands the packets of the next step to send, which must not keep them,
// and moves on.
func (o *outClock) next(send func([]byte) error) {
	step := o.step
	o.step++
	for len(o.presses) > 0 && o.presses[0].until <= step {
		o.presses = o.presses[1:]
	}
	switch {
	case o.paused:
		o.keepSilence()
	case len(o.presses) > 0 && o.presses[0].from <= step:
		o.event(o.presses[0], step, send)
		o.keepSilence()
		o.marker = true
	default:
		o.voice(step, send)
	}
}

func (o *outClock) voice(step int64, send func([]byte) error) {
	payload := o.buf[12 : 12+o.units*o.unit]
	if o.encoder != nil {
		excerpt(o.pcm, o.wide, step*int64(len(o.pcm)), o.loop, 0)
		o.encoder.encode(payload[:0], o.pcm)
	} else {
		excerpt(payload, o.audio, step*int64(len(payload)), o.loop, o.silence)
	}
	o.header(o.payload, o.marker, uint32(step*int64(o.units)))
	o.marker = false
	o.emit(o.buf[:12+len(payload)], send)
	o.sent.Bytes += int64(len(payload))
	o.sum.Write(payload)
	if o.c.Keep {
		o.sent.Audio = append(o.sent.Audio, payload...)
	}
}

// excerpt fills dst with what lies in from at a place, with silence behind its
// end unless it begins again.
func excerpt[T byte | int16](dst, from []T, at int64, loop bool, silence T) {
	for i := range dst {
		dst[i] = silence
	}
	if n := int64(len(from)); loop && n > 0 {
		for i := range dst {
			dst[i] = from[(at+int64(i))%n]
		}
	} else if at < n {
		copy(dst, from[at:])
	}
}

// event sends one step of a key: RFC 4733 section 2.5.1.2 to 2.5.1.4.
func (o *outClock) event(p press, step int64, send func([]byte) error) {
	const volume = 10 // -10 dBm0
	repeat, end := 1, byte(0)
	if step == p.until-1 {
		repeat, end = eventEnds, 0x80
	}
	duration := min((step-p.from+1)*int64(o.units), 0xffff)
	for range repeat {
		o.header(o.c.EventPayload, step == p.from, uint32(p.from*int64(o.units)))
		o.buf[12], o.buf[13] = p.code, end|volume
		binary.BigEndian.PutUint16(o.buf[14:], uint16(duration))
		o.emit(o.buf[:16], send)
		o.sent.Events++
	}
}

// header writes the fixed RTP header (RFC 3550 section 5.1); offset is the
// packet's place in samples.
func (o *outClock) header(payload uint8, marker bool, offset uint32) {
	o.buf[0], o.buf[1] = 0x80, payload&0x7f
	if marker {
		o.buf[1] |= 0x80
	}
	binary.BigEndian.PutUint16(o.buf[2:], o.seq)
	binary.BigEndian.PutUint32(o.buf[4:], o.c.Timestamp+offset)
	binary.BigEndian.PutUint32(o.buf[8:], o.c.SSRC)
	o.index = o.rolled<<16 | uint64(o.seq)
	if o.seq++; o.seq == 0 {
		o.rolled++
	}
}

func (o *outClock) emit(packet []byte, send func([]byte) error) {
	if o.key != nil {
		o.sealed = o.key.sealRTP(o.sealed[:0], packet, 12, o.index)
		packet = o.sealed
	}
	if err := send(packet); err != nil {
		o.sent.Unsent++
		return
	}
	o.sent.Packets++
}

func (o *outClock) keepSilence() {
	if !o.c.Keep {
		return
	}
	for range o.units * o.unit {
		o.sent.Audio = append(o.sent.Audio, o.silence)
	}
}

func (o *outClock) pause(on bool) {
	o.paused = on
	o.marker = true
}

func (o *outClock) report() Sent {
	s := o.sent
	s.SHA256 = fmt.Sprintf("%x", o.sum.Sum(nil))
	return s
}

package media

// A leg's keys are listened for in its sound when the call is selective, our
// side speaks on it, and it has never sent a telephone-event (RFC 4733): whoever
// sends those takes the tones out of the sound, or sends both. It is all that is
// ever decoded while packets come, and nothing of it stays: the ear holds 20 ms.

const (
	// maxMisorder is how far back reordering explains a sequence number (RFC 3550
	// A.1): two seconds of a stream.
	maxMisorder = 100
	// anewRun is how many packets in a row a sender that begins anew sends before
	// it is believed.
	anewRun = 3
)

// earshot is what a line needs to hear keys in its sound.
type earshot struct {
	ear     *toneEar
	decode  decoder
	format  Format // that the decoder is for
	ssrc    uint32
	next    uint16 // sequence number that should come
	until   uint32 // timestamp at the end of the latest packet
	heard   int64  // its arrival
	began   bool
	anew    numbering
	linear  []int16 // of one packet
	pressed [8]byte
}

// numbering is packets in a row whose sequence numbers are far from those of
// the packets that are heard.
type numbering struct {
	run   int
	next  uint16
	since int64 // arrival of the first
}

// deafen forgets what a line has heard.
func (x *trackLine) deafen() {
	if x.sound == nil {
		return
	}
	clear(x.sound.linear[:cap(x.sound.linear)])
	if x.sound.ear != nil {
		x.sound.ear.wipe()
	}
	x.sound = nil
}

// deafen forgets what all lines have heard.
func (t *Track) deafen() {
	for _, x := range t.lines {
		if x != nil {
			x.deafen()
		}
	}
}

// overhear listens to one audio packet of a line.
func (x *trackLine) overhear(at int64, h rtpPacket) {
	l, p := x.line, x.track.path
	if x.track.mode != ModeSelective || !p.inband || !x.spec.Ours || x.spec.Mixed || !x.spec.Receiving || l.signals {
		x.deafen()
		if l.signals {
			x.counted.Unheard = 0
		}
		return
	}
	f, c := l.format(h.payloadType), l.codecs[h.payloadType]
	if f == nil || c == nil || c.content != audio {
		return
	}
	if !c.decodes(*f) {
		if !l.offersEvents() {
			x.counted.Unheard++
		}
		return
	}
	s := x.sound
	if s == nil || s.format != *f || s.ssrc != h.ssrc {
		x.deafen()
		s = newEarshot(*f, c, h.ssrc)
		x.sound = s
	}
	if s.ear == nil || len(h.payload) == 0 {
		return
	}
	if s.began && !s.turn(at, l.length(h), h) {
		return
	}
	s.began, s.next, s.heard, s.anew = true, h.seq+1, at, numbering{}
	s.until = h.timestamp + uint32(c.units(*f, h.payload))
	s.linear = s.decode(s.linear[:0], h.payload)
	for _, key := range s.ear.hear(s.linear, s.pressed[:0]) {
		x.press(at, key, "inband")
	}
	clear(s.linear)
}

// turn tells the ear what is missing before a packet that lasts length ns. False:
// the packet is not to be heard.
func (s *earshot) turn(at, length int64, h rtpPacket) bool {
	step := int16(h.seq - s.next)
	switch {
	case step > maxDropout || step < -maxMisorder:
		if !s.anew.believed(at, length, h.seq) {
			return false
		}
		// The timestamps may be others too: only arrival tells how long it was.
		s.ear.miss(int(max(0, at-s.heard-length) * toneHop / nsPerSec))
		return true
	case step < 0:
		return false // out of turn: too late to be heard
	}
	if gap := int64(int32(h.timestamp - s.until)); step > 0 || gap != 0 {
		s.ear.miss(int(max(0, gap) * toneHop / int64(s.format.Clock)))
	}
	return true
}

// believed reports whether a packet's number shows that the sender began anew.
// Old packets that come again do so all at once, or with newer ones between
// them; a sender takes the time of what it sends.
func (n *numbering) believed(at, length int64, seq uint16) bool {
	if n.run == 0 || seq != n.next {
		*n = numbering{since: at}
	}
	n.run, n.next = n.run+1, seq+1
	return n.run >= anewRun && at-n.since >= length
}

func newEarshot(f Format, c *codec, ssrc uint32) *earshot {
	rate := c.rate(f)
	return &earshot{
		ear: newToneEar(rate), decode: c.open(f), format: f, ssrc: ssrc,
		linear: make([]int16, 0, rate/1000*120), // the longest packet of Opus; longer ones grow it once
	}
}

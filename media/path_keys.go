package media

import "encoding/binary"

const (
	digits       = "0123456789*#ABCD" // RFC 4733 3.2, events 0 to 15
	blanked      = 0xFF               // the event of a digit that is none of ours to keep
	digitTimeout = 5 * nsPerSec       // between the digits of a command
	viaWindow    = nsPerSec           // in which another way repeats the same key
)

// keypad is what was pressed on one line.
type keypad struct {
	pending string // what of a command has been pressed: the beginning of start or stop
	at      int64  // of the last digit
	events  [16]keyEvent
	next    int // of events, to be overwritten
	// repeats counts, by digit and way, presses already known by another way.
	repeats [len(digits)][4]repeat
}

// keyEvent is one RFC 4733 event: one SSRC, timestamp and code, in as many
// packets as it takes.
type keyEvent struct {
	used     bool
	pressed  bool // it has counted as a key
	blank    bool
	ended    bool
	code     uint8
	ssrc     uint32
	stamp    uint32
	duration uint16
	at       int64 // when it was reported last
}

type repeat struct {
	n     int
	until int64
}

// events reads a telephone-event payload, several events one after the other
// (RFC 4733 2.5.1.5), counts new keys and blanks what is not to be kept. It was
// sent for the first time so many ns ago.
func (x *trackLine) events(at, ago int64, ssrc, stamp uint32, b []byte) {
	for ; len(b) >= 4; b = b[4:] {
		duration := binary.BigEndian.Uint16(b[2:])
		if b[0] < uint8(len(digits)) {
			e := x.event(at, ago, ssrc, stamp, b[0], duration)
			e.duration = max(e.duration, duration)
			e.ended = e.ended || b[1]&0x80 != 0
			if duration != 0 && !e.pressed {
				e.pressed = true
				x.press(at, digits[b[0]], "rfc4733")
			}
			if e.blank {
				b[0] = blanked
			}
		}
		stamp += uint32(duration)
	}
	if len(b) > 0 { // half an event tells its digit too
		b[0] = blanked
	}
}

// event finds the event a report belongs to, or begins it. Whether its digit is
// kept is decided when it begins, for all its packets.
func (x *trackLine) event(at, ago int64, ssrc, stamp uint32, code uint8, duration uint16) *keyEvent {
	k := &x.keys
	for j := range k.events {
		e := &k.events[j]
		if !e.used || e.ssrc != ssrc || e.code != code {
			continue
		}
		if e.stamp == stamp {
			if e.again(at-ago, duration) {
				x.begin(e, at, ssrc, stamp, code)
			}
			e.at = at
			return e
		}
		// A key held for longer than a duration can tell goes on in a
		// segment that begins where the last one ended (RFC 4733 2.5.1.3).
		if e.duration == 0xFFFF && !e.ended && stamp == e.stamp+0xFFFF {
			e.stamp, e.duration, e.at = stamp, duration, at
			return e
		}
	}
	e := &k.events[k.next]
	k.next = (k.next + 1) % len(k.events)
	return x.begin(e, at, ssrc, stamp, code)
}

// again reports whether what was said at said is another press of the key. A
// sender that plays a file gives each press of a key the same timestamp: once the
// event has ended, or falls back to its beginning, only age tells.
func (e *keyEvent) again(said int64, duration uint16) bool {
	return said-e.at > repeatSpan && (e.ended || duration < e.duration)
}

func (x *trackLine) begin(e *keyEvent, at int64, ssrc, stamp uint32, code uint8) *keyEvent {
	*e = keyEvent{used: true, code: code, ssrc: ssrc, stamp: stamp, at: at}
	e.blank = x.track.extend(x.keys.waiting(at), digits[code]) == ""
	return e
}

// redundant reads the telephone-events among the blocks of an RFC 2198
// payload. It reports false if the blocks do not fit it.
func (x *trackLine) redundant(at int64, h rtpPacket) bool {
	headers := 0
	for headers < len(h.payload) && h.payload[headers]&0x80 != 0 {
		headers += 4
	}
	if headers >= len(h.payload) {
		return false
	}
	blocks := h.payload[headers+1:]
	for j := 0; j < headers; j += 4 {
		word := binary.BigEndian.Uint32(h.payload[j:])
		length := int(word & 0x3ff)
		if length > len(blocks) {
			return false
		}
		if f := x.line.format(uint8(word>>24) & 0x7f); f != nil && f.Name == "TELEPHONE-EVENT" {
			before := word >> 10 & 0x3fff
			ago := int64(before) * nsPerSec / int64(max(1, f.Clock))
			x.events(at, ago, h.ssrc, h.timestamp-before, blocks[:length:length])
		}
		blocks = blocks[length:]
	}
	if f := x.line.format(h.payload[headers]); f != nil && f.Name == "TELEPHONE-EVENT" {
		x.events(at, 0, h.ssrc, h.timestamp, blocks)
	}
	return true
}

// press takes one key of the line, however it came. The same key by another way
// within a second is the same key.
func (x *trackLine) press(at int64, digit byte, via string) {
	d := digitIndex(digit)
	if d < 0 {
		return
	}
	k := &x.keys
	way := viaIndex(via)
	if r := &k.repeats[d][way]; r.n > 0 && at <= r.until {
		r.n--
		return
	}
	for other := range k.repeats[d] {
		r := &k.repeats[d][other]
		if at > r.until {
			r.n = 0
		}
		if other != way {
			r.n, r.until = r.n+1, at+viaWindow
		} else {
			r.n = 0
		}
	}
	k.pending = x.track.extend(k.waiting(at), digit)
	k.at = at
	if command := k.pending; command != "" && (command == x.track.start || command == x.track.stop) {
		k.pending = ""
		x.command(at, command, via)
	}
}

// waiting returns the part of a command pressed so far, unless it is too old.
func (k *keypad) waiting(at int64) string {
	if at-k.at > digitTimeout {
		return ""
	}
	return k.pending
}

// extend returns the longest end of pending and digit that begins a command;
// "" if there is none.
func (t *Track) extend(pending string, digit byte) string {
	for from := 0; from <= len(pending); from++ {
		for _, command := range [...]string{t.start, t.stop} {
			n := len(pending) - from
			if len(command) > n && command[:n] == pending[from:] && command[n] == digit {
				return command[:n+1]
			}
		}
	}
	return ""
}

func digitIndex(d byte) int {
	for i := range len(digits) {
		if digits[i] == d {
			return i
		}
	}
	return -1
}

func upperDigit(d byte) byte {
	if d >= 'a' && d <= 'd' {
		return d - 'a' + 'A'
	}
	return d
}

func viaIndex(via string) int {
	switch via {
	case "rfc4733":
		return 0
	case "info":
		return 1
	case "inband":
		return 2
	}
	return 3
}

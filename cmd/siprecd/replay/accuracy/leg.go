package main

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"time"
)

const (
	rate   = 8000
	travel = 200 * time.Microsecond // what no packet is faster than
)

// leg is somebody's phone: a clock that is a little off, a voice with a click
// in every second, and the network between it and the recorder.
type leg struct {
	payload byte          // 0 µ-law, 8 A-law
	ptime   time.Duration // of a packet
	ppm     float64       // how much too fast its clock is
	wander  float64       // ppm to each side that its clock goes in wanderSpan
	joins   time.Duration // when it begins to send, from the INVITE
	loud    bool          // it is never quiet enough for a sample more or less to go unheard
	dtx     bool          // it sends comfort noise once and then nothing between words
	detour  time.Duration // what all its packets take longer
	reports bool          // it sends sender reports, by a wall clock that all legs share

	delay    func(r *rand.Rand, at time.Duration) time.Duration
	lose     func(r *rand.Rand) bool
	restarts []restart
	stalls   []stall
}

const wanderSpan = 1500.0 // s, there and back

// restart is a sender that begins anew.
type restart struct {
	at    time.Duration
	ssrc  bool
	seq   uint16 // what sequence numbers jump by
	stamp uint32 // what timestamps jump by
	zero  bool   // timestamps begin at 0
}

// stall is a time in which nothing comes.
type stall struct {
	at, length time.Duration
	frozen     bool // the sender's own clock stands; else packets come late, all at once
}

// sampleAt is how many samples the sender has taken by a time from the INVITE.
func (l *leg) sampleAt(t time.Duration) float64 {
	s := (t - l.joins).Seconds()
	for _, stall := range l.stalls {
		if stall.frozen && t > stall.at {
			s -= min(t-stall.at, stall.length).Seconds()
		}
	}
	swing := l.wander * 1e-6 * wanderSpan / (2 * math.Pi) * (1 - math.Cos(2*math.Pi*s/wanderSpan))
	return rate * (s*(1+l.ppm*1e-6) + swing)
}

// deaf reports whether the sender's clock stands, or is about to.
func (l *leg) deaf(t time.Duration) bool {
	for _, stall := range l.stalls {
		if stall.frozen && t > stall.at-10*time.Millisecond && t < stall.at+stall.length+10*time.Millisecond {
			return true
		}
	}
	return false
}

// timeOf is when the sender has taken n samples.
func (l *leg) timeOf(n float64) time.Duration {
	t := l.joins + time.Duration(n/rate*1e9)
	for _, stall := range l.stalls {
		if stall.frozen && l.sampleAt(stall.at) < n {
			t += stall.length
		}
	}
	for range 4 {
		t += time.Duration((n - l.sampleAt(t)) / rate * 1e9)
	}
	return t
}

// clickTime is when the k-th second's click sounds.
func clickTime(leg, k int) time.Duration {
	return time.Duration(k)*time.Second + time.Duration(300+337*leg)*time.Millisecond
}

// datagram is one packet and when it comes.
type datagram struct {
	leg     int
	at      time.Duration // from the INVITE
	rtcp    bool
	payload []byte
}

// speech makes a leg's packets in the order in which they are sent.
type speech struct {
	*leg
	index  int
	length time.Duration
	random *rand.Rand

	n, packet int
	seq       uint16
	offset    uint32 // of timestamps
	ssrc      uint32
	restarted int
	click     int // the next one
	resting   bool
	last      time.Duration // of the latest arrival of a stalled packet
	reported  time.Duration // when the latest report was sent
}

func newSpeech(index int, l *leg, length time.Duration) *speech {
	s := &speech{leg: l, index: index, length: length, random: rand.New(rand.NewPCG(uint64(index), 7))}
	s.seq, s.offset, s.ssrc = uint16(s.random.Uint32()), s.random.Uint32(), s.random.Uint32()
	s.packet = int(l.ptime.Seconds() * rate)
	for clickTime(index, s.click) < l.joins+50*time.Millisecond {
		s.click++
	}
	return s
}

// next returns nil for a packet that never comes; false at the end.
func (s *speech) next() (*datagram, bool) {
	begin, end := s.timeOf(float64(s.n)), s.timeOf(float64(s.n+s.packet))
	if end > s.length {
		return nil, false
	}
	s.restart(begin)
	audio, speaks := s.sounds()
	payload := s.payload
	if s.dtx && !speaks {
		if s.resting {
			s.n += s.packet
			return nil, true
		}
		audio, payload = []byte{60}, 13
	}
	s.resting = s.dtx && !speaks
	head := []byte{0x80, payload}
	head = binary.BigEndian.AppendUint16(head, s.seq)
	head = binary.BigEndian.AppendUint32(head, s.offset+uint32(s.n))
	head = binary.BigEndian.AppendUint32(head, s.ssrc)
	s.seq++
	s.n += s.packet
	if s.lose != nil && s.lose(s.random) {
		return nil, true
	}
	return &datagram{leg: s.index, at: s.arrival(end), payload: append(head, audio...)}, true
}

const (
	reportEvery = 5 * time.Second
	wallGain    = 40e-6 // how much too fast the SRC's wall clock is
	wallThen    = 3_980_000_000
)

// report returns the sender report that is due (RFC 3550 section 6.4.1), with the
// CNAME that all legs share.
func (s *speech) report(now time.Duration) *datagram {
	if !s.reports || now < s.reported+reportEvery {
		return nil
	}
	s.reported = now
	wall, part := math.Modf(wallThen + now.Seconds()*(1+wallGain))
	b := []byte{0x80, 200, 0, 6}
	b = binary.BigEndian.AppendUint32(b, s.ssrc)
	b = binary.BigEndian.AppendUint32(b, uint32(wall))
	b = binary.BigEndian.AppendUint32(b, uint32(part*(1<<32)))
	b = binary.BigEndian.AppendUint32(b, s.offset+uint32(int64(s.sampleAt(now))))
	b = append(b, make([]byte, 8)...)
	b = append(b, 0x81, 202, 0, 3)
	b = binary.BigEndian.AppendUint32(b, s.ssrc)
	b = append(b, 1, 3, 's', 'r', 'c', 0, 0, 0)
	return &datagram{leg: s.index, at: s.arrival(now), rtcp: true, payload: b}
}

func (s *speech) arrival(sent time.Duration) time.Duration {
	at := sent + travel + s.detour
	if s.delay != nil {
		at += s.delay(s.random, sent)
	}
	for _, stall := range s.stalls {
		if !stall.frozen && at >= stall.at && at < stall.at+stall.length {
			at = max(stall.at+stall.length, s.last+20*time.Microsecond)
			s.last = at
		}
	}
	return at
}

func (s *speech) restart(now time.Duration) {
	if s.restarted == len(s.restarts) || now < s.restarts[s.restarted].at {
		return
	}
	r := s.restarts[s.restarted]
	s.restarted++
	if r.ssrc {
		s.ssrc, s.seq = s.random.Uint32(), uint16(s.random.Uint32())
	}
	s.seq += r.seq
	s.offset += r.stamp
	if r.zero {
		s.offset = -uint32(s.n)
	}
}

// sounds is the audio of the next packet, and whether somebody says something
// in it.
func (s *speech) sounds() (audio []byte, speaks bool) {
	audio = make([]byte, s.packet)
	level := 40.0
	if s.loud {
		level = 2500
	}
	at := int(math.Round(s.sampleAt(clickTime(s.index, s.click)))) - s.n
	for at < -1 || s.deaf(clickTime(s.index, s.click)) {
		s.click++
		at = int(math.Round(s.sampleAt(clickTime(s.index, s.click)))) - s.n
	}
	for i := range audio {
		x := level * (2*s.random.Float64() - 1)
		switch i - at {
		case 0:
			x = 32000
		case -1, 1:
			x = 20000
		}
		audio[i] = s.law(x)
	}
	return audio, at < rate/5 || at > rate*4/5
}

// law compands a sample (ITU-T G.711).
func (l *leg) law(x float64) byte {
	sign := byte(0x80)
	if x < 0 {
		sign, x = 0, -x
	}
	m := int(x)
	if l.payload == 8 {
		m >>= 4
		seg := byte(0)
		for ; m > 31; seg++ {
			m >>= 1
		}
		if m > 15 {
			seg++
		}
		return (sign | seg<<4 | byte(m&15)) ^ 0x55
	}
	m = min(m, 32635) + 132
	seg := byte(7)
	for mask := 0x4000; m&mask == 0 && seg > 0; mask >>= 1 {
		seg--
	}
	return ^(^sign&0x80 | seg<<4 | byte(m>>(seg+3)&15))
}

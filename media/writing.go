package media

import (
	"encoding/binary"
	"encoding/json"
	"io"
)

// WriteTo writes the recording strictly forward, reading the tape again. The
// same tape gives the same bytes.
func (r *Rendering) WriteTo(w io.Writer) (int64, error) {
	counted := &counter{w: w}
	header := wavHeader{tag: wavULaw, channels: r.Facts.Channels, rate: r.Facts.Rate, bits: 8, frames: r.Facts.Frames}
	switch {
	case r.mixed:
		header.tag, header.bits = wavPCM, 16
	case r.law == "PCMA":
		header.tag = wavALaw
	}
	if err := header.write(counted); err != nil {
		return counted.n, err
	}
	m := newMixer(counted, r)
	var lines specs
	placers := make([]placer, len(r.places))
	for i, runs := range r.places {
		placers[i].runs = runs
	}
	heard := make([]sequence, len(r.places))
	for rec, err := range r.tape() {
		if err != nil {
			continue
		}
		if rec.Kind == KindEnd {
			break
		}
		switch {
		case rec.Kind == KindLine && rec.Line <= 255:
			var s LineSpec
			if json.Unmarshal(rec.Data, &s) == nil {
				lines.set(int(rec.Line), s)
			}
		case rec.Kind == KindPacket && int(rec.Line) < len(placers):
			i := int(rec.Line)
			p, ok := parseRTP(rec.Data)
			if !ok {
				continue
			}
			_, dup := heard[i].add(p.ssrc, sequenceNumber(rec.Data))
			f, known := lines.format(i, p)
			if !known || dup || (f.Name != "PCMU" && f.Name != "PCMA") {
				continue
			}
			m.put(i, lines.channel(i), placers[i].place(p.timestamp), f.Name, p.payload)
			if err := m.flush(samples(rec.At-r.start) - samples(int64(reorder))); err != nil {
				return counted.n, err
			}
		}
	}
	if err := m.flush(r.Facts.Frames); err != nil {
		return counted.n, err
	}
	return counted.n, header.pad(counted)
}

type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}

// mixer holds the part of the file that packets may still fall into: from
// position base on, as many frames as have been touched.
type mixer struct {
	w    io.Writer
	r    *Rendering
	base int64
	law  [2][]byte  // one law: the bytes of each channel
	pcm  [2][]int32 // mixed: the sum of each channel
	out  []byte
	mute byte
}

func newMixer(w io.Writer, r *Rendering) *mixer {
	m := &mixer{w: w, r: r, mute: 0xff}
	if r.law == "PCMA" {
		m.mute = 0xd5
	}
	return m
}

// put lays a packet's audio at position pos of a channel; what lies before the
// base or behind the end of the call is left out.
func (m *mixer) put(_, channel int, pos int64, law string, payload []byte) {
	if m.r.mono {
		channel = 0
	}
	if skip := m.base - pos; skip > 0 {
		payload = payload[min(skip, int64(len(payload))):]
		pos = m.base
	}
	payload = payload[:max(0, min(int64(len(payload)), m.r.Facts.Frames-pos))]
	at := int(pos - m.base)
	m.reach(at + len(payload))
	if !m.r.mixed {
		copy(m.law[channel][at:], payload)
		return
	}
	table := &DecodeULaw
	if law == "PCMA" {
		table = &DecodeALaw
	}
	for i, b := range payload {
		m.pcm[channel][at+i] += int32(table[b])
	}
}

// reach makes the held part at least n frames long.
func (m *mixer) reach(n int) {
	for c := range m.r.Facts.Channels {
		if m.r.mixed {
			for len(m.pcm[c]) < n {
				m.pcm[c] = append(m.pcm[c], 0)
			}
			continue
		}
		for len(m.law[c]) < n {
			m.law[c] = append(m.law[c], m.mute)
		}
	}
}

// flush writes everything before the position.
func (m *mixer) flush(before int64) error {
	n := int(min(before, m.r.Facts.Frames) - m.base)
	if n <= 0 {
		return nil
	}
	// A second at a time: a file without a packet in it for hours is silence,
	// not memory.
	for n > 0 {
		step := min(n, g711Rate)
		m.reach(step)
		m.out = m.out[:0]
		for i := range step {
			for c := range m.r.Facts.Channels {
				if m.r.mixed {
					m.out = binary.LittleEndian.AppendUint16(m.out, uint16(max(-32768, min(32767, m.pcm[c][i]))))
				} else {
					m.out = append(m.out, m.law[c][i])
				}
			}
		}
		for c := range m.r.Facts.Channels {
			if m.r.mixed {
				m.pcm[c] = m.pcm[c][:copy(m.pcm[c], m.pcm[c][step:])]
			} else {
				m.law[c] = m.law[c][:copy(m.law[c], m.law[c][step:])]
			}
		}
		if _, err := m.w.Write(m.out); err != nil {
			return err
		}
		m.base += int64(step)
		n -= step
	}
	return nil
}

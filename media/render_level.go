package media

import (
	"fmt"
	"math"
	"slices"
)

// Level is how loud a line was. dBFS are decibels under full scale, 0 to
// quietest.
type Level struct {
	RMS     float64 // dBFS, of all that was heard
	Peak    float64 // dBFS, of the loudest sample
	Speech  float64 // s in which somebody seems to speak
	Silence float64 // s that were sent and in which nobody does
	Clipped float64 // share of samples at the end of the scale, 0 to 1
	Blank   bool    // every sample is the same: nothing but filling was sent
}

const (
	quietest    = -96.0 // dBFS, of 16 bits
	levelFrame  = 50    // in a second
	fullScale   = 32768.0
	clippedFrom = 32100 // of 32,768; the last step of µ-law and A-law lies above it
	speechOver  = 9     // dB over the line's own noise
	speechLeast = -50.0 // dBFS; nobody speaks more softly
	speechMost  = -35.0 // dBFS; whoever is louder speaks, be the line as noisy as may be
	noiseShare  = 0.10  // of the frames, the quietest: the line's own noise
)

// meter measures one line of one rate, in frames of 20 ms.
type meter struct {
	rate    int
	squares float64 // of the frame
	filled  int     // samples of it
	total   float64
	samples int64
	clipped int64
	peak    int
	first   int16
	varied  bool
	frames  [97]int64 // by -dBFS
}

func (m *meter) add(samples []int16) {
	if len(samples) > 0 && m.samples == 0 {
		m.first = samples[0]
	}
	m.samples += int64(len(samples))
	size := m.rate / levelFrame
	for len(samples) > 0 {
		part := samples[:min(len(samples), size-m.filled)]
		samples = samples[len(part):]
		sum := int64(0)
		for _, s := range part {
			x := int(s)
			sum += int64(x * x)
			m.varied = m.varied || s != m.first
			x = max(x, -x)
			m.peak = max(m.peak, x)
			if x >= clippedFrom {
				m.clipped++
			}
		}
		m.squares += float64(sum)
		if m.filled += len(part); m.filled == size {
			m.frame()
		}
	}
}

func (m *meter) frame() {
	m.frames[int(-decibels(m.squares/float64(m.filled)))]++
	m.total += m.squares
	m.squares, m.filled = 0, 0
}

// decibels of a mean square under full scale.
func decibels(square float64) float64 {
	if square <= 0 {
		return quietest
	}
	return max(quietest, min(0, 10*math.Log10(square/(fullScale*fullScale))))
}

// levelOf sums up what was heard on a line, at whatever rates; nil: nothing.
func levelOf(meters []*meter) *Level {
	l := &Level{RMS: quietest, Peak: quietest, Blank: true}
	samples, seconds, squares, clipped, peak := int64(0), 0.0, 0.0, int64(0), 0
	var frames [97]int64
	for _, m := range meters {
		samples += m.samples
		clipped += m.clipped
		squares += m.total + m.squares
		seconds += float64(m.samples) / float64(m.rate)
		peak = max(peak, m.peak)
		l.Blank = l.Blank && !m.varied
		for i, n := range m.frames {
			frames[i] += n
		}
	}
	if samples == 0 {
		return nil
	}
	l.RMS = decibels(squares / float64(samples))
	l.Peak = decibels(float64(peak) * float64(peak))
	l.Clipped = float64(clipped) / float64(samples)
	if !l.Blank { // a payload of zeros is loud in µ-law, and nobody speaks
		l.Speech = min(seconds, float64(speechFrames(&frames))/levelFrame)
	}
	l.Silence = seconds - l.Speech
	return l
}

// speechFrames counts the frames that stand out of the line's own noise.
func speechFrames(frames *[97]int64) int64 {
	all := int64(0)
	for _, n := range frames {
		all += n
	}
	noise, quieter := quietest, int64(0)
	for i := len(frames) - 1; i >= 0; i-- {
		if quieter += frames[i]; float64(quieter) > noiseShare*float64(all) {
			noise = -float64(i)
			break
		}
	}
	over := max(speechLeast, min(speechMost, noise+speechOver))
	speech := int64(0)
	for i, n := range frames {
		if -float64(i) > over {
			speech += n
		}
	}
	return speech
}

// meters are those of one line, by rate.
type meters []*meter

func (m *meters) of(rate int) *meter {
	for _, one := range *m {
		if one.rate == rate {
			return one
		}
	}
	*m = append(*m, &meter{rate: rate})
	return (*m)[len(*m)-1]
}

const (
	judgedFrom = 5.0 // s of speech on one side, from which the other should have been heard
	heardFrom  = 0.1 // s; less speech is a click
)

// judge says what is wrong with the call as a whole, of which one side is given
// so many seconds of speech before the other should have been heard.
func (f *Facts) judge(from float64) {
	f.Quality = nil
	most, speakers, lines := 0.0, 0, 0
	for _, s := range f.Streams {
		if !s.expected {
			continue
		}
		lines++
		switch {
		case s.Packets == 0 && s.Unauthenticated > 0:
			f.add(QualityUndecryptable, "line %d: %d packets came, and none of them could be decrypted", s.Line, s.Unauthenticated)
		case s.Packets == 0 && s.Refused > 0:
			f.add(QualityRefused, "line %d: %d packets came, and all of them were refused: they are from elsewhere than was signalled, or nothing that was", s.Line, s.Refused)
		case s.Packets == 0:
			f.add(QualityNoRTP, "line %d: it was signalled, and not a packet came", s.Line)
		case s.Level == nil:
			return // its codec waits for a decoder
		case s.Level.Blank && s.Level.Speech+s.Level.Silence >= 1:
			f.add(QualityBlank, "line %d: every sample is the same, nothing but filling was sent", s.Line)
		}
		if s.Level != nil && s.Level.Speech >= heardFrom {
			most = max(most, s.Level.Speech)
			speakers++
		}
	}
	switch {
	case f.Empty || f.Duration < from:
	case speakers == 0:
		f.add(QualitySilent, "nobody was heard")
	case speakers == 1 && lines > 1 && most >= from:
		f.add(QualityOneWay, "one side alone was heard, for %.0f s", most)
	}
}

func (f *Facts) add(q Quality, format string, args ...any) {
	if !slices.Contains(f.Quality, q) {
		f.Quality = append(f.Quality, q)
	}
	f.Notes = append(f.Notes, fmt.Sprintf(format, args...))
}

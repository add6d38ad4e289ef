package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"os"
	"time"
)

// heard is where the clicks of each leg were found, s from the beginning of the
// file.
type heard struct {
	clicks [2][]float64
	length float64 // s
}

const (
	loudness  = 11000                  // of 32,768: only a click is louder
	deafAfter = 300 * time.Millisecond // a click
)

// gap is a hole that the recorder says there is, s. What is heard in it was
// never said: it was lost, and stands for what was.
type gap struct{ Start, End float64 }

// listen reads a stereo WAV of 16-bit samples, with deaf ears where there are
// holes, in order of time.
func listen(name string, holes [2][]gap) (*heard, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	r := bufio.NewReaderSize(file, 1<<20)
	hz, channels, err := wavHead(r)
	if err != nil || channels != 2 {
		return nil, fmt.Errorf("%s: no stereo WAV: %v", name, err)
	}
	h := &heard{}
	var deaf, peak [2]int
	frame, n := make([]byte, 4), 0
	for ; ; n++ {
		if _, err := io.ReadFull(r, frame); err == io.EOF {
			break
		} else if err != nil {
			return nil, err
		}
		for side := range 2 {
			now := float64(n) / float64(hz)
			for len(holes[side]) > 0 && holes[side][0].End <= now {
				holes[side] = holes[side][1:]
			}
			if len(holes[side]) > 0 && holes[side][0].Start <= now {
				continue
			}
			x := int(int16(binary.LittleEndian.Uint16(frame[2*side:])))
			switch list := h.clicks[side]; {
			case x > loudness && n >= deaf[side]:
				h.clicks[side] = append(list, float64(n)/float64(hz))
				deaf[side], peak[side] = n+int(deafAfter.Seconds()*float64(hz)), x
			case x > peak[side] && n < deaf[side] && float64(n)/float64(hz)-list[len(list)-1] < 0.001:
				list[len(list)-1], peak[side] = float64(n)/float64(hz), x
			}
		}
	}
	h.length = float64(n) / float64(hz)
	return h, nil
}

// wavHead reads up to the samples.
func wavHead(r io.Reader) (hz, channels int, err error) {
	head := make([]byte, 12)
	if _, err := io.ReadFull(r, head); err != nil {
		return 0, 0, err
	}
	for {
		if _, err := io.ReadFull(r, head[:8]); err != nil {
			return 0, 0, err
		}
		size := int64(binary.LittleEndian.Uint32(head[4:]))
		if string(head[:4]) == "data" {
			return hz, channels, nil
		}
		chunk := make([]byte, size+size&1)
		if _, err := io.ReadFull(r, chunk); err != nil {
			return 0, 0, err
		}
		if string(head[:4]) == "fmt " {
			channels, hz = int(binary.LittleEndian.Uint16(chunk[2:])), int(binary.LittleEndian.Uint32(chunk[4:]))
		}
	}
}

// result is how far clicks lie from where they were made, ms.
type result struct {
	absolute float64 // the farthest
	between  float64 // legs, in the last minute
	when     float64 // s, of the farthest
	missing  int
	foreign  int // clicks that nobody made
	length   float64
}

func (r *result) compare(h *heard, legs []*leg, length time.Duration) {
	var ends [2][2]float64 // by leg: least and most error of the last minute
	for i, l := range legs {
		ends[i] = [2]float64{math.Inf(1), math.Inf(-1)}
		found := h.clicks[i]
		for k := 0; clickTime(i, k) < length-l.ptime-300*time.Millisecond; k++ {
			want := clickTime(i, k).Seconds()
			for len(found) > 0 && found[0] < want-0.5 {
				found = found[1:]
				r.foreign++
			}
			if len(found) == 0 || found[0] > want+0.5 {
				r.missing++
				continue
			}
			off := (found[0] - want) * 1000
			found = found[1:]
			if math.Abs(off) > r.absolute {
				r.absolute, r.when = math.Abs(off), want
			}
			if want > (length - time.Minute).Seconds() {
				ends[i] = [2]float64{min(ends[i][0], off), max(ends[i][1], off)}
			}
		}
	}
	r.between = max(ends[0][1]-ends[1][0], ends[1][1]-ends[0][0])
	r.length = (h.length - length.Seconds()) * 1000
}

package media

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
)

// hear gives a Hearing the records of a tape up to a time of the call.
func hear(s *script, until int64) *Hearing {
	h := NewHearing()
	for r := range s.tape()() {
		if r.At-testStart <= until {
			h.Take(r)
		}
	}
	return h
}

// What is said of a call that goes on is what will be said of it when it is over.
func TestHearingSaysWhatTheRecordingWill(t *testing.T) {
	s := begin(3)
	late := func(n int) int64 { return int64(n%3) * 7_000_000 }
	a := &leg{s: s, ssrc: 1, code: speech(-20, false), delay: late, ppm: 120}
	a.send(0, 1200)
	a.skip()
	a.skip()
	a.send(25*nanos, 1200)
	s.records = append(s.records, s.records[len(s.records)-1]) // a duplicate
	(&leg{s: s, line: 1, ssrc: 2, pt: 8, code: filling(0xD5)}).send(0, 2000)
	(&leg{s: s, line: 2, ssrc: 3, pt: 96, code: func(n int) []byte { return make([]byte, 640) }}).send(0, 100)
	s.end(50 * nanos)
	want := written(t, s)
	got := hear(s, 50*nanos).Facts(testStart + 1000*nanos)
	if got.Duration != want.Duration || fmt.Sprint(got.Segments) != fmt.Sprint(want.Segments) || got.Interrupted {
		t.Errorf("%v %v, want %v %v", got.Duration, got.Segments, want.Duration, want.Segments)
	}
	if !slices.Equal(got.Quality, want.Quality) || !slices.Contains(got.Quality, QualityBlank) {
		t.Errorf("%v, want %v", got.Quality, want.Quality)
	}
	byLine := func(x, y StreamFacts) int { return cmp.Compare(x.Line, y.Line) }
	slices.SortFunc(want.Streams, byLine)
	for i, w := range want.Streams {
		g := got.Streams[i]
		if *g.Level != *w.Level {
			t.Errorf("line %d: level %+v, want %+v", i, *g.Level, *w.Level)
		}
		if g.Packets != w.Packets || g.Lost != w.Lost || g.Duplicates != w.Duplicates || g.Codec != w.Codec ||
			g.Jitter != w.Jitter || g.JitterMax != w.JitterMax || g.Drift != w.Drift {
			t.Errorf("line %d: %+v, want %+v", i, g, w)
		}
	}
	if g := got.Streams[0]; g.Lost != 2 || g.Duplicates != 1 || g.Drift == 0 || g.JitterMax < 1 {
		t.Errorf("the tape was meant to have losses, a duplicate, jitter and drift: %+v", g)
	}
}

func TestHearingWhileTheCallGoesOn(t *testing.T) {
	voice, rest := speech(-20, true), filling(0xFF)
	for name, c := range map[string]struct {
		a, b func(int) []byte // nil: not a packet
		want map[int64][]Quality
	}{
		"both":    {voice, speech(-30, false), map[int64][]Quality{1: nil, 30: nil}},
		"one way": {voice, rest, map[int64][]Quality{3: {QualityBlank}, 9: {QualityBlank}, 11: {QualityBlank, QualityOneWay}}},
		"no RTP":  {nil, voice, map[int64][]Quality{1: nil, 3: {QualityNoRTP}, 11: {QualityNoRTP, QualityOneWay}}},
		"silent":  {speech(-80, false), speech(-75, false), map[int64][]Quality{9: nil, 11: {QualitySilent}}},
		"nothing": {nil, nil, map[int64][]Quality{1: nil, 3: {QualityNoRTP}, 30: {QualityNoRTP}}},
	} {
		t.Run(name, func(t *testing.T) {
			s := begin(2)
			for i, code := range []func(int) []byte{c.a, c.b} {
				if code != nil {
					(&leg{s: s, line: uint16(i), ssrc: uint32(i + 1), code: code}).send(0, 1500)
				}
			}
			for second, want := range c.want {
				f := hear(s, second*nanos).Facts(testStart + second*nanos)
				if !slices.Equal(f.Quality, want) || f.Duration != float64(second) || len(f.Notes) < len(want) {
					t.Errorf("after %d s: %v, want %v; %v s, %q", second, f.Quality, want, f.Duration, f.Notes)
				}
			}
		})
	}
}

// It may be asked as often as one likes: each answer is of all that came.
func TestHearingIsAskedAgain(t *testing.T) {
	s := begin(1)
	(&leg{s: s, ssrc: 1, code: speech(-20, false), ppm: 50}).send(0, 1500)
	h := NewHearing()
	for r := range s.tape()() {
		h.Take(r)
		if r.Kind == KindPacket && r.At%(5*nanos) < 20_000_000 {
			h.Facts(r.At)
		}
	}
	got, want := h.Facts(testStart+30*nanos), hear(s, 30*nanos).Facts(testStart+30*nanos)
	if g, w := got.Streams[0], want.Streams[0]; *g.Level != *w.Level || g.Drift != w.Drift || g.Packets != 1500 {
		t.Errorf("%+v, want %+v", g, w)
	}
}

func TestHearingCountsWhatIsTooLate(t *testing.T) {
	s := begin(1)
	held := func(n int) int64 {
		if n >= 100 && n < 110 {
			return 26 * nanos
		}
		return 0
	}
	(&leg{s: s, ssrc: 1, code: speech(-20, true), delay: held}).send(0, 1000)
	if f := hear(s, 40*nanos).Facts(testStart + 40*nanos); f.Streams[0].Late != 10 {
		t.Errorf("%d packets came 26 s after their place, %d are late", 10, f.Streams[0].Late)
	}
}

// A damaged tape ends the hearing, and nothing else.
func TestHearingOfNoTape(t *testing.T) {
	h := NewHearing()
	h.Take(Record{Kind: KindPacket, At: testStart, Data: rtpOf(0, 1, 0, 1, make([]byte, 160))})
	h.Take(Record{Kind: KindStart, At: testStart})
	if f := h.Facts(testStart + nanos); len(f.Streams) != 0 || f.Duration != 0 {
		t.Errorf("%+v", f)
	}
}

// A second of a call, both ends in PCMU.
func BenchmarkHearing(b *testing.B) {
	s := begin(2)
	for i := range 2 {
		(&leg{s: s, line: uint16(i), ssrc: uint32(i + 1), code: speech(-20, false)}).send(0, 3000)
	}
	var records []Record
	for r := range s.tape()() {
		records = append(records, r)
	}
	b.ReportAllocs()
	for b.Loop() {
		h := NewHearing()
		for _, r := range records {
			h.Take(r)
		}
		h.Facts(testStart + 60*nanos)
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/60, "µs/call-second")
}

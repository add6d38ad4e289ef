package recorder

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"siprecd/media"
	"siprecd/policy"
	"siprecd/sip"
	"siprecd/store"
)

// speaker is somebody with a tone of his own. Tones that are multiples of 50 Hz
// do not disturb one another in a window of 200 ms.
type speaker struct {
	name, aor string
	hz        int
}

// scene is from when on who sends which line, one name for each line, several
// joined by "+", and what is then heard on which side.
type scene struct {
	from        time.Duration
	lines       []string
	left, right string // names joined by "+"
}

// cast is all who speak in the tests. The first two are ours.
var cast = []speaker{
	{"kim", ourAOR, 450}, {"park", "sip:2005@example.org", 650},
	{"lee", otherAOR, 850}, {"choi", "sip:0105550102@example.org", 1050},
	{"yoon", "sip:0105550103@example.org", 1250}, {"han", "sip:0105550104@example.org", 1450},
	{"seo", "tel:+82-10-5550-105", 1750},
}

func who(name string) speaker {
	return cast[slices.IndexFunc(cast, func(s speaker) bool { return s.name == name })]
}

func names(list string) []string {
	return slices.DeleteFunc(strings.Split(list, "+"), func(n string) bool { return n == "" })
}

const toneAmplitude = 4000

// ulaw is the nearest code of a sample.
func ulaw(v float64) byte {
	best, apart := 0, math.Inf(1)
	for code, s := range media.DecodeULaw {
		if d := math.Abs(float64(s) - v); d < apart {
			best, apart = code, d
		}
	}
	return byte(best)
}

// scenes plays them, the last one until end, and returns the sealed row. A line
// that nobody sends is silent; one that has not been named yet is added by an
// offer.
func (st *stage) scenes(end time.Duration, scenes ...scene) *store.Row {
	st.t.Helper()
	for n, sc := range scenes {
		sends := map[string]string{}
		var order []string
		for i, list := range sc.lines {
			for _, name := range names(list) {
				if sends[name] == "" {
					order = append(order, name)
				}
				sends[name] += string(rune('1'+i)) + " "
			}
		}
		var all [][2]string
		for _, name := range order {
			all = append(all, [2]string{who(name).aor, sends[name]})
		}
		o := st.says(sc.from, all...)
		if n == 0 || len(sc.lines) != len(scenes[n-1].lines) {
			o.Method, o.Media = "INVITE", &sip.Description{}
			for i := range sc.lines {
				o.Media.Lines = append(o.Media.Lines, offered(i))
			}
		}
		if n == 0 {
			st.offered("rs-1", o)
		} else {
			st.give(o)
		}
		until := end
		if n+1 < len(scenes) {
			until = scenes[n+1].from
		}
		st.sing(sc, until)
	}
	return st.bye(end)
}

// sing sends the tones of a scene. Every tone is the same again after 20 ms.
func (st *stage) sing(sc scene, until time.Duration) {
	payloads := make([][]byte, len(sc.lines))
	for i, list := range sc.lines {
		payloads[i] = make([]byte, 160)
		for k := range payloads[i] {
			v := 0.0
			for _, name := range names(list) {
				v += toneAmplitude * math.Sin(2*math.Pi*float64(who(name).hz)*float64(k)/8000)
			}
			payloads[i][k] = ulaw(v)
		}
	}
	for at := sc.from; at < until; at += 20 * time.Millisecond {
		for i, list := range sc.lines {
			if list != "" {
				st.feed(i, at+20*time.Millisecond, st.rtp(i, 0, at, payloads[i]))
			}
		}
	}
}

// heard is the file of a row as samples of each channel, and their rate.
func (st *stage) heard(row *store.Row) (channels [][]float64, rate int) {
	st.t.Helper()
	body, err := st.rec.Store.OpenAudio(st.t.Context(), row)
	if err != nil {
		st.t.Fatal(err)
	}
	defer body.Close()
	var pcm bytes.Buffer
	if err := media.WritePCM(&pcm, body); err != nil {
		st.t.Fatal(err)
	}
	wav, err := media.ReadWAV(bytes.NewReader(pcm.Bytes()))
	if err != nil {
		st.t.Fatal(err)
	}
	data := make([]byte, wav.DataBytes)
	if _, err := wav.Data.ReadAt(data, 0); err != nil {
		st.t.Fatal(err)
	}
	channels = make([][]float64, wav.Channels)
	for i := 0; i+1 < len(data); i += 2 {
		c := i / 2 % wav.Channels
		channels[c] = append(channels[c], float64(int16(binary.LittleEndian.Uint16(data[i:]))))
	}
	return channels, wav.Rate
}

// amplitude measures one frequency (Goertzel).
func amplitude(samples []float64, hz, rate int) float64 {
	k := 2 * math.Cos(2*math.Pi*float64(hz)/float64(rate))
	var s1, s2 float64
	for _, x := range samples {
		s1, s2 = x+k*s1-s2, s1
	}
	return 2 * math.Sqrt(max(0, s1*s1+s2*s2-k*s1*s2)) / float64(len(samples))
}

// sounding are the names of those whose tone is in the samples, in the cast's
// order.
func sounding(t *testing.T, samples []float64, rate int) string {
	t.Helper()
	var list []string
	for _, s := range cast {
		switch a := amplitude(samples, s.hz, rate); {
		case a > 0.8*toneAmplitude && a < 1.2*toneAmplitude:
			list = append(list, s.name)
		case a > 0.05*toneAmplitude:
			t.Errorf("%s is heard with %.0f of %d", s.name, a, toneAmplitude)
		}
	}
	return strings.Join(list, "+")
}

// told are the names of those who, by the row, are heard on a channel throughout
// from..to.
func told(row *store.Row, from, to float64, channel string) string {
	var list []string
	for _, s := range cast {
		for _, stream := range row.Streams {
			if slices.ContainsFunc(stream.HeldBy, func(h store.Holder) bool {
				return h.Participant == s.aor && h.Channel == channel && h.From <= from && to <= h.To
			}) {
				list = append(list, s.name)
			}
		}
	}
	return strings.Join(list, "+")
}

// matches compares the file and the row with the scenes, in windows of 200 ms
// that begin 20 ms behind a change of scene and end before the next one.
func (st *stage) matches(row *store.Row, end time.Duration, scenes ...scene) {
	st.t.Helper()
	channels, rate := st.heard(row)
	sides := []string{"left", "right"}
	if len(channels) == 1 {
		sides = []string{"mono"}
	}
	windows := 0
	for n, sc := range scenes {
		until := end
		if n+1 < len(scenes) {
			until = scenes[n+1].from
		}
		for at := sc.from + 20*time.Millisecond; at+200*time.Millisecond <= until; at += 200 * time.Millisecond {
			from := int(at.Seconds() * float64(rate))
			for c, side := range sides {
				want := []string{sc.left, sc.right}[c]
				if got := sounding(st.t, channels[c][from:from+rate/5], rate); got != want {
					st.t.Errorf("%v %s: %q is heard, want %q", at, side, got, want)
				}
				if got := told(row, at.Seconds(), at.Seconds()+0.2, side); got != want {
					st.t.Errorf("%v %s: the row says %q, want %q", at, side, got, want)
				}
				windows++
			}
		}
	}
	if windows == 0 || len(channels[0]) != int(end.Seconds()*float64(rate)) {
		st.t.Errorf("%d windows, %d frames", windows, len(channels[0]))
	}
	if st.t.Failed() {
		for _, s := range row.Streams {
			st.t.Logf("%s: %v", s.Label, s.HeldBy)
		}
		st.t.Logf("%s, notes %q", row.Format, row.Notes)
	}
}

// Five lines, on which people come and go: one is taken over by another, one
// rests, and when the first of ours has gone the second one is left.
func TestToneOfEveryLegOfAConference(t *testing.T) {
	st := open(t, rule("2001", policy.Full, 3), rule("2005", policy.Full, 4))
	scenes := []scene{
		{0, []string{"kim", "lee"}, "kim", "lee"},
		{time.Second, []string{"kim", "lee", "choi"}, "kim", "lee+choi"},
		{2 * time.Second, []string{"kim", "lee", "choi", "yoon", "park"}, "kim", "park+lee+choi+yoon"},
		{3 * time.Second, []string{"kim", "", "choi", "yoon", "park"}, "kim", "park+choi+yoon"},
		{4 * time.Second, []string{"kim", "han", "choi", "yoon", "park"}, "kim", "park+choi+yoon+han"},
		{5 * time.Second, []string{"kim", "han", "seo", "yoon", "park"}, "kim", "park+yoon+han+seo"},
		{6 * time.Second, []string{"", "han", "seo", "yoon", "park"}, "park", "yoon+han+seo"},
		{7 * time.Second, []string{"lee", "han", "", "", "park"}, "park", "lee+han"},
	}
	row := st.scenes(8*time.Second, scenes...)
	st.matches(row, 8*time.Second, scenes...)
}

// One line that two and more send: mono, and everybody is on it.
func TestToneOfEverySenderOfAMixedLine(t *testing.T) {
	st := open(t, rule("2001", policy.Full, 3))
	scenes := []scene{
		{0, []string{"kim+lee"}, "kim+lee", ""},
		{time.Second, []string{"kim+lee+choi"}, "kim+lee+choi", ""},
		{2 * time.Second, []string{"kim+choi"}, "kim+choi", ""},
	}
	row := st.scenes(3*time.Second, scenes...)
	st.matches(row, 3*time.Second, scenes...)
	if !strings.Contains(row.Format, " 1 ch") {
		t.Errorf("%s", row.Format)
	}
}

// A conference that its focus mixes: ours on one line, all others on the other.
func TestToneOfEverySenderOfTheFarLine(t *testing.T) {
	st := open(t, rule("2001", policy.Full, 3))
	scenes := []scene{
		{0, []string{"lee", "kim"}, "kim", "lee"},
		{time.Second, []string{"lee+choi", "kim"}, "kim", "lee+choi"},
		{2 * time.Second, []string{"lee+choi+yoon", "kim"}, "kim", "lee+choi+yoon"},
		{3 * time.Second, []string{"yoon", "kim"}, "kim", "yoon"},
	}
	row := st.scenes(4*time.Second, scenes...)
	st.matches(row, 4*time.Second, scenes...)
}

// A blind transfer to a colleague on the same line, one to whoever is on the
// line of the caller, and one on which the colleague takes the caller's line.
func TestTonesOfABlindTransfer(t *testing.T) {
	st := open(t, rule("2001", policy.Full, 3), rule("2005", policy.Full, 4))
	scenes := []scene{
		{0, []string{"kim", "lee"}, "kim", "lee"},
		{1500 * time.Millisecond, []string{"park", "lee"}, "park", "lee"},
		{3 * time.Second, []string{"choi", "park"}, "park", "choi"},
		{4 * time.Second, []string{"park", "choi"}, "park", "choi"},
	}
	row := st.scenes(5*time.Second, scenes...)
	st.matches(row, 5*time.Second, scenes...)
}

// A transfer with consultation: the caller waits, the two of ours speak with
// each other, then the colleague has the caller's line to himself.
func TestTonesOfAConsultation(t *testing.T) {
	st := open(t, rule("2001", policy.Full, 3), rule("2005", policy.Full, 4))
	scenes := []scene{
		{0, []string{"lee", "kim"}, "kim", "lee"},
		{time.Second, []string{"", "kim"}, "kim", ""},
		{2 * time.Second, []string{"park", "kim"}, "park", "kim"},
		{3 * time.Second, []string{"park", ""}, "park", ""},
		{4 * time.Second, []string{"park", "lee"}, "park", "lee"},
	}
	row := st.scenes(5*time.Second, scenes...)
	st.matches(row, 5*time.Second, scenes...)
}

// A call that is parked: while nobody of ours is in it, nothing of it is kept,
// whoever goes on speaking; the colleague who picks it up is on the same
// recording.
func TestTonesOfAParkedCall(t *testing.T) {
	st := open(t, rule("2001", policy.Full, 3), rule("2005", policy.Full, 4))
	row := st.scenes(5*time.Second,
		scene{0, []string{"kim", "lee"}, "kim", "lee"},
		scene{2 * time.Second, []string{"", "lee"}, "", ""},
		scene{3 * time.Second, []string{"park", "lee"}, "park", "lee"},
	)
	channels, rate := st.heard(row)
	for _, w := range []struct {
		at          time.Duration
		left, right string
	}{
		{1700 * time.Millisecond, "kim", "lee"}, {2500 * time.Millisecond, "", ""}, {2780 * time.Millisecond, "", ""},
		{3100 * time.Millisecond, "park", "lee"}, {4700 * time.Millisecond, "park", "lee"},
	} {
		from := int(w.at.Seconds() * float64(rate))
		for c, want := range []string{w.left, w.right} {
			if got := sounding(t, channels[c][from:from+rate/5], rate); got != want {
				t.Errorf("%v, channel %d: %q is heard, want %q", w.at, c, got, want)
			}
		}
	}
	if len(row.Segments) != 2 || row.Segments[0].End > 2.5 || math.Abs(row.Segments[1].Start-3) > 0.02 {
		t.Errorf("segments: %+v", row.Segments)
	}
}

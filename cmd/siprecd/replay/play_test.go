package replay

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"siprecd/cmd/siprecd/recorder"
	"siprecd/policy"
	"siprecd/store"
)

// replayed takes a sample through the recorder and returns its one row and the
// data directory.
func replayed(t *testing.T, file []byte, rules ...policy.Rule) (store.Row, string) {
	t.Helper()
	plan, err := Survey(bytes.NewReader(file), nil)
	if err != nil {
		t.Fatal(err)
	}
	rows, dir := playPlan(t, plan, file, rules...)
	if len(rows) != 1 {
		t.Fatalf("%d rows: %+v", len(rows), rows)
	}
	return rows[0], dir
}

func playPlan(t *testing.T, plan *Plan, file []byte, rules ...policy.Rule) ([]store.Row, string) {
	t.Helper()
	dir := t.TempDir()
	s, err := store.Open(store.Options{Dir: dir, Clear: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	compiled, _, err := policy.New(policy.Site{
		CountryCode: "82", Start: "*1", Stop: "*2",
		Default: policy.Rule{Pattern: "default", Mode: policy.Full},
	}, rules)
	if err != nil {
		t.Fatal(err)
	}
	settings := &recorder.Settings{Rules: compiled, CountryCode: "82", Sources: map[string]recorder.Source{Captured: {Latch: true}}}
	rec := &recorder.Recorder{Store: s, Settings: func() *recorder.Settings { return settings }, NewID: NewID}
	if err := rec.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	defer rec.Close()
	player := &Player{Recorder: rec, Plan: plan}
	rows, err := player.Play(context.Background(), bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	return rows, dir
}

func aliceIs(m policy.Mode) policy.Rule {
	return policy.Rule{Pattern: "alice", Mode: m, Origin: policy.Origin{File: "extensions.toml", Line: 2}}
}

func sample(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(samples + name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// wav is a file's samples by channel.
func wav(t *testing.T, b []byte) (channels [][]float64, rate int) {
	t.Helper()
	if len(b) < 12 || string(b[:4]) != "RIFF" {
		t.Fatalf("no WAV: %.12q", b)
	}
	format, count, bits := uint16(0), 1, 16
	for rest := b[12:]; len(rest) >= 8; {
		id, size := string(rest[:4]), int(binary.LittleEndian.Uint32(rest[4:]))
		body := rest[8:min(8+size, len(rest))]
		switch id {
		case "fmt ":
			format = binary.LittleEndian.Uint16(body)
			count = int(binary.LittleEndian.Uint16(body[2:]))
			rate = int(binary.LittleEndian.Uint32(body[4:]))
			bits = int(binary.LittleEndian.Uint16(body[14:]))
		case "data":
			channels = make([][]float64, count)
			for i := 0; (i+1)*bits/8 <= len(body); i++ {
				v := 0.0
				switch {
				case format == 7:
					v = ulaw(body[i])
				case bits == 16:
					v = float64(int16(binary.LittleEndian.Uint16(body[2*i:])))
				default:
					t.Fatalf("format %d with %d bits", format, bits)
				}
				channels[i%count] = append(channels[i%count], v)
			}
		}
		rest = rest[min(8+size+size&1, len(rest)):]
	}
	return channels, rate
}

// ulaw is one sample of G.711 µ-law, written down from the recommendation's
// table of segments.
func ulaw(b byte) float64 {
	b = ^b
	magnitude := (int(b&15)<<3+132)<<(b>>4&7) - 132
	if b&128 != 0 {
		magnitude = -magnitude
	}
	return float64(magnitude)
}

// likeness is the greatest normalised cross-correlation of heard with said
// within lag samples either way, at the place where said begins in heard.
func likeness(heard, said []float64, lag int) float64 {
	best := 0.0
	for shift := -lag; shift <= lag; shift++ {
		var xy, xx, yy float64
		for i, y := range said {
			if j := i + shift; j >= 0 && j < len(heard) {
				xy += heard[j] * y
				xx += heard[j] * heard[j]
				yy += y * y
			}
		}
		if xx > 0 && yy > 0 {
			best = max(best, math.Abs(xy)/math.Sqrt(xx*yy))
		}
	}
	return best
}

func TestReplayFull(t *testing.T) {
	row, dir := replayed(t, sample(t, "opensips-call.pcap"), aliceIs(policy.Full))
	if row.State != store.Sealed || row.Policy != "full" || row.Extension != "alice" || row.Other != "bob" {
		t.Errorf("%+v", row)
	}
	file, err := os.ReadFile(filepath.Join(dir, row.File))
	if err != nil {
		t.Fatal(err)
	}
	sides, rate := wav(t, file)
	if rate != 8000 || len(sides) != 2 {
		t.Fatalf("%d Hz, %d channels", rate, len(sides))
	}
	if s := float64(len(sides[0])) / 8000; math.Abs(s-12.505) > 0.02 {
		t.Errorf("%.3f s", s)
	}
	said := make([][]float64, 2)
	for i, name := range []string{"alice.wav", "bob.wav"} {
		channels, rate := wav(t, sample(t, name))
		if rate != 8000 {
			t.Fatal(rate)
		}
		said[i] = channels[0]
	}
	for side, name := range []string{"alice", "bob"} {
		own, other := likeness(sides[side], said[side], 400), likeness(sides[side], said[1-side], 400)
		t.Logf("%s's side: %.3f like her own, %.3f like the other's", name, own, other)
		if own < 0.95 || other > 0.2 {
			t.Errorf("%s's side is %.3f like what %s says, %.3f like the other", name, own, name, other)
		}
	}
}

func TestReplaySelective(t *testing.T) {
	row, dir := replayed(t, sample(t, "opensips-call.pcap"), aliceIs(policy.Selective))
	if len(row.Segments) != 1 || math.Abs(row.Segments[0].Start-8.76) > 0.02 {
		t.Fatalf("segments %v, keys %v, notes %q", row.Segments, row.Keys, row.Notes)
	}
	file, err := os.ReadFile(filepath.Join(dir, row.File))
	if err != nil {
		t.Fatal(err)
	}
	sides, _ := wav(t, file)
	whole, wholeDir := replayed(t, sample(t, "opensips-call.pcap"), aliceIs(policy.Full))
	if file, err = os.ReadFile(filepath.Join(wholeDir, whole.File)); err != nil {
		t.Fatal(err)
	}
	full, _ := wav(t, file)
	begin := int(math.Round(row.Segments[0].Start * 8000))
	for side, heard := range sides {
		for i, v := range heard {
			if i < begin-1 && v != 0 {
				t.Fatalf("side %d has sound at %.3f s", side, float64(i)/8000)
			}
		}
	}
	// The clock is fitted to what is on the tape, which here is less: the two
	// recordings may lie up to 5 ms apart, and must be the same otherwise.
	if likeness(sides[1][begin+160:], full[1][begin+160:], 40) < 0.99 {
		t.Error("Bob cannot be heard after the key")
	}
}

func TestReplayOffKeepsNoAudio(t *testing.T) {
	capture := sample(t, "opensips-call.pcap")
	row, dir := replayed(t, capture, aliceIs(policy.Off))
	if row.State != store.NotRecorded || row.Policy != "off" || row.File != "" {
		t.Errorf("%+v", row)
	}
	var payloads [][]byte
	for p, err := range Packets(bytes.NewReader(capture), &Faults{}, nil) {
		if err != nil {
			t.Fatal(err)
		}
		if p.Dst.Port() == 41000 || p.Dst.Port() == 41002 {
			if audio := p.Payload[12:]; len(audio) == 160 && bytes.Count(audio, audio[:1]) < 80 {
				payloads = append(payloads, bytes.Clone(audio[:32]))
			}
		}
	}
	if len(payloads) < 100 {
		t.Fatalf("only %d payloads to look for", len(payloads))
	}
	files := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		files++
		if ext := filepath.Ext(path); ext == ".tape" || ext == ".wav" || ext == ".flac" || ext == ".part" {
			t.Errorf("%s is there", path)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, p := range payloads {
			if bytes.Contains(b, p) {
				t.Fatalf("%s holds audio", path)
			}
		}
		return nil
	})
	if err != nil || files == 0 {
		t.Fatalf("%d files, %v", files, err)
	}
}

func TestReplayPauseThatIsNone(t *testing.T) {
	row, _ := replayed(t, sample(t, "opensips-pause-resume.pcap"), aliceIs(policy.Full))
	if len(row.Segments) != 1 || row.Segments[0].Start > 0.05 || row.Segments[0].End < row.Duration-0.05 {
		t.Errorf("segments %v of %.3f s", row.Segments, row.Duration)
	}
	if math.Abs(row.Duration-10.019) > 0.02 {
		t.Errorf("%.3f s", row.Duration)
	}
	for _, s := range row.Streams {
		if s.Lost != 0 || s.Packets < 490 {
			t.Errorf("%+v", s)
		}
	}
}

// TestReplayIsDeterministic compares rows and files of two runs.
func TestReplayIsDeterministic(t *testing.T) {
	capture := sample(t, "opensips-call.pcap")
	var rows [2]string
	var files [2][]byte
	for i := range 2 {
		row, dir := replayed(t, capture, aliceIs(policy.Full))
		encoded, err := json.MarshalIndent(row, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		rows[i] = string(encoded)
		if files[i], err = os.ReadFile(filepath.Join(dir, row.File)); err != nil {
			t.Fatal(err)
		}
	}
	if rows[0] != rows[1] || !bytes.Equal(files[0], files[1]) {
		t.Errorf("two runs differ:\n%s\n%s", rows[0], rows[1])
	}
}

// TestReplayOrdinaryCall leaves the recording session out of the capture, so
// that the two legs of the call through the proxy remain.
func TestReplayOrdinaryCall(t *testing.T) {
	f := newFilm(t, linkRaw)
	for p, err := range Packets(bytes.NewReader(sample(t, "opensips-call.pcap")), &Faults{}, nil) {
		if err != nil {
			t.Fatal(err)
		}
		if p.Src.Port() == 5090 || p.Dst.Port() == 5090 {
			continue
		}
		f.at = p.At.Add(-1e6)
		f.udp(p.Src, p.Dst, p.Payload)
	}
	plan, err := Survey(bytes.NewReader(f.buf.Bytes()), nil)
	if err != nil {
		t.Fatal(err)
	}
	if !plan.Forked || len(plan.Sessions) == 0 {
		t.Fatalf("forked %v, %d sessions, %q", plan.Forked, len(plan.Sessions), plan.Notes)
	}
	rows, _ := playPlan(t, plan, f.buf.Bytes(), aliceIs(policy.Full))
	for _, row := range rows {
		t.Logf("%s → %s, %s, %.2f s, %+v", row.Extension, row.Other, row.Direction, row.Duration, row.Streams)
		if row.State != store.Sealed || row.Extension != "alice" || row.Direction != "out" || row.Source != Captured {
			t.Errorf("%+v", row)
		}
		if len(row.Streams) != 2 || row.Streams[0].Packets < 590 || row.Streams[1].Packets < 590 {
			t.Errorf("%+v", row.Streams)
		}
		if len(row.Notes) == 0 || !strings.Contains(row.Notes[0], "as if it had been forked to us") {
			t.Errorf("%q", row.Notes)
		}
	}
}

func TestNewID(t *testing.T) {
	at := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	id := NewID(at, "call")
	if id != NewID(at, "call") || id == NewID(at, "other") {
		t.Error(id)
	}
	// The first ten characters of a ULID are its milliseconds.
	ms := int64(0)
	for _, c := range id[:10] {
		ms = ms<<5 | int64(strings.IndexRune(crockford, c))
	}
	if len(id) != 26 || ms != at.UnixMilli() {
		t.Errorf("%s: %d ms, want %d", id, ms, at.UnixMilli())
	}
}

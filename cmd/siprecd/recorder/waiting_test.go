package recorder

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"siprecd/media"
	"siprecd/sip"
	"siprecd/store"
)

// decodeTens is a program that makes eighty samples of one value of ten bytes.
func decodeTens() {
	switch {
	case slices.Contains(os.Args, "-version"):
		fmt.Println("ffmpeg version 0.1-test")
		return
	case slices.Contains(os.Args, "-decoders"):
		fmt.Println(" A....D g729    G.729")
		return
	case filepath.Base(os.Args[0]) == "decoder-broken":
		return
	}
	for frame := make([]byte, 10); ; {
		if _, err := io.ReadFull(os.Stdin, frame); err != nil {
			return
		}
		binary.Write(os.Stdout, binary.LittleEndian, slices.Repeat([]int16{int16(frame[0]) << 6}, 80))
	}
}

func decoder(t *testing.T, name string) *media.FFmpeg {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), name)
	if err := os.Symlink(self, path); err != nil {
		t.Fatal(err)
	}
	x, err := media.FindFFmpeg(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// g729 is a call in G.729 under the given settings.
func (st *stage) g729(change func(*Settings)) *store.Row {
	st.t.Helper()
	st.with(change)
	st.call = st.rec.Begin(sip.Info{CallID: "rs-1", Source: "sbc", Arrived: callStart}, st.ports)
	o := st.offer("INVITE", 0, "sip:2001@example.com", "sip:0105550101@example.com")
	lines := []sip.Line{offered(0), offered(1)}
	for i := range lines {
		lines[i].Codecs = []sip.Codec{{Payload: 18, Name: "G729", Clock: 8000, Channels: 1}}
	}
	o.Media = &sip.Description{Lines: lines}
	if reply := st.call.Offer(o); reply.Reject != 0 {
		row := st.call.End(callStart, "srs", reply.Reason)[0]
		return &row
	}
	st.release()
	for at := time.Duration(0); at < time.Second; at += 20 * time.Millisecond {
		for i := range 2 {
			st.feed(i, at+20*time.Millisecond, st.rtp(i, 18, at, bytes.Repeat([]byte{100 + byte(i)}, 20)))
		}
	}
	return st.bye(time.Second)
}

// with changes the settings from here on.
func (st *stage) with(change func(*Settings)) {
	s := *st.rec.Settings()
	change(&s)
	st.rec.Settings = func() *Settings { return &s }
}

// unlock is what the first custodian does.
func (st *stage) unlock() {
	st.t.Helper()
	ids, err := st.rec.Store.Keys.Identity("first", nil)
	if err == nil {
		err = st.rec.Store.Keys.Unlock(ids, time.Now().Add(time.Hour))
	}
	if err != nil {
		st.t.Fatal(err)
	}
}

func keeps(f media.Format) bool { return media.Outside(f) }

func TestCallWaitsForItsDecoder(t *testing.T) {
	st := open(t)
	row := st.g729(func(s *Settings) { s.Accepts = keeps })
	if row.State != store.Waiting || row.Original == nil || row.File != "" || !slices.Equal(row.WaitingFor, []string{"G729"}) || row.Dies == "" {
		t.Fatalf("row %+v", row)
	}
	if _, err := st.rec.Store.ReadTape(row.ID); err == nil {
		t.Error("the daemon can still read the tape")
	}
	if st.onDisk(100) {
		t.Error("the payload lies on disk in clear")
	}
	done, err := st.rec.RenderWaiting(t.Context())
	if err != nil || len(done) != 1 || done[0].Rendered || done[0].Why != "no decoder for G729 here" {
		t.Fatalf("without a decoder: %+v, %v", done, err)
	}

	st.with(func(s *Settings) { s.FFmpeg = decoder(t, "decoder-broken") })
	if done, err = st.rec.RenderWaiting(t.Context()); err != nil || len(done) != 1 || done[0].Rendered {
		t.Fatalf("with one that decodes nothing: %+v, %v", done, err)
	}

	st.with(func(s *Settings) { s.FFmpeg = decoder(t, "decoder") })
	st.rec.Store.Keys.Lock()
	if done, err = st.rec.RenderWaiting(t.Context()); err != nil || len(done) != 1 || done[0].Rendered {
		t.Fatalf("while the keys are locked: %+v, %v", done, err)
	}
	st.unlock()
	if done, err = st.rec.RenderWaiting(t.Context()); err != nil || len(done) != 1 || !done[0].Rendered {
		t.Fatalf("rendered: %+v, %v", done, err)
	}
	row = st.rows()[0]
	if row.State != store.Sealed || row.File == "" || row.WaitingFor != nil || row.Original == nil ||
		!slices.Contains(row.Notes, "decoded by FFmpeg 0.1-test: G729") || row.Streams[0].Level == nil {
		t.Errorf("row %+v", row)
	}
	v, err := st.rec.Store.Verify(t.Context(), store.VerifyOptions{})
	if err != nil || len(v.Findings) > 0 || v.Recordings != 1 {
		t.Errorf("verified %+v, %v", v, err)
	}
}

func TestOriginalGoesWhenNoneIsKept(t *testing.T) {
	st := open(t)
	row := st.g729(func(s *Settings) { s.Accepts, s.Originals = keeps, "never" })
	if row.State != store.Waiting {
		t.Fatalf("row %+v", row)
	}
	st.with(func(s *Settings) { s.FFmpeg = decoder(t, "decoder") })
	st.unlock()
	if _, err := st.rec.RenderWaiting(t.Context()); err != nil {
		t.Fatal(err)
	}
	if row = st.rows()[0]; row.State != store.Sealed || row.Original != nil {
		t.Errorf("row %+v", row)
	}
	filepath.WalkDir(filepath.Join(st.dir, "originals"), func(p string, d fs.DirEntry, _ error) error {
		if !d.IsDir() {
			t.Errorf("%s is left", p)
		}
		return nil
	})
	v, err := st.rec.Store.Verify(context.Background(), store.VerifyOptions{})
	if err != nil || len(v.Findings) > 0 {
		t.Errorf("verified %+v, %v", v, err)
	}
}

func TestDecodedAtOnceOrRefused(t *testing.T) {
	st := open(t)
	x := decoder(t, "decoder")
	if row := st.g729(func(s *Settings) { s.Accepts, s.FFmpeg = x.Decodes, x }); row.State != store.Sealed {
		t.Errorf("row %+v", row)
	}
	if row := st.g729(func(s *Settings) { s.Accepts = nil }); row.State == store.Sealed || row.Ended != "srs: no codec of [media] codecs that can be heard here: G729" {
		t.Errorf("row %+v", row)
	}
}

func TestOurOfferHoldsWhatIsAccepted(t *testing.T) {
	for want, accepts := range map[string]func(media.Format) bool{
		"PCMU PCMA G722 OPUS CN TELEPHONE-EVENT": nil,
		"G729 GSM AMR AMR-WB ILBC":               keeps,
	} {
		st := open(t)
		st.with(func(s *Settings) { s.Accepts = accepts })
		st.call = st.rec.Begin(sip.Info{CallID: "rs-1", Source: "sbc", Arrived: callStart}, st.ports)
		o := st.offer("INVITE", 0, "sip:2001@example.com", "sip:0105550101@example.com")
		o.WantOffer = true
		lines := st.call.Offer(o).Answer.Lines
		if len(lines) != 2 {
			t.Fatalf("%d lines", len(lines))
		}
		for _, l := range lines {
			var names []string
			for _, k := range l.Codecs {
				names = append(names, k.Name)
			}
			if got := strings.Join(names, " "); got != want {
				t.Errorf("offered %s, not %s", got, want)
			}
		}
		st.bye(time.Second)
	}
}
